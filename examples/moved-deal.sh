#!/bin/sh
# Acts on a deal that was moved to another pipeline.  This event says where the deal is now; most
# say only which entity changed: deal-stage.sh asks for the rest.
#
# Install  cp moved-deal.sh HOOKS_DIR/ONCRMDEALMOVETOCATEGORY.sh, and chmod 755 it
# Set      nothing; the stages below are where your own work goes
# Try      bxhook trigger ONCRMDEALMOVETOCATEGORY --set data.FIELDS.STAGE_ID=C1:WON
set -eu

case ${BX_DATA_FIELDS_STAGE_ID-} in
C1:NEW)
    echo "deal $BX_ID enters pipeline 1: here the order would be made"
    ;;
*:WON)
    echo "deal $BX_ID is won: here the invoice would be sent"
    ;;
*)
    echo "deal $BX_ID is in stage ${BX_DATA_FIELDS_STAGE_ID-unknown}: nothing to do"
    ;;
esac
