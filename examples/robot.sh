#!/bin/sh
# A robot of CRM's automation, or an activity of a workflow: adds VAT to a sum, and gives the workflow,
# which waits for it, the total.  Robots that follow use it as a value of this one.
#
# Install  cp robot.sh HOOKS_DIR/ROBOT.ADD_VAT.sh && chmod 755 HOOKS_DIR/ROBOT.ADD_VAT.sh
#          and register the robot on the portal as README.md here says
# Set      nothing; the portal has an application (an `app` block), which may use bizproc
# Try      bxhook trigger ROBOT.ADD_VAT --set properties.sum=200 --set properties.rate=20 --follow
set -eu

# What its designer filled in; a robot that stands in a deal's stage gets the deal's values there.
if ! total=$(awk 'BEGIN {
    sum = ENVIRON["BX_PROPERTY_SUM"]
    rate = ENVIRON["BX_PROPERTY_RATE"]
    if (sum !~ /^[0-9]+(\.[0-9]+)?$/ || rate !~ /^[0-9]+(\.[0-9]+)?$/) exit 1
    printf "%.2f\n", sum * (1 + rate / 100)
}'); then
    # Answered all the same: else the workflow would stand still, and this hook fail again and again.
    exec "$BXHOOK" answer --log "sum '${BX_PROPERTY_SUM-}' or rate '${BX_PROPERTY_RATE-}' is not a number"
fi
echo "deal $BX_ID: $BX_PROPERTY_SUM and $BX_PROPERTY_RATE % are $total"

# Ends with the status of `answer`: so the hook is run again exactly when that helps.
exec "$BXHOOK" answer total="$total" --log "with VAT: $total"
