# The program with its fault points (src/base/fault.h), and the long run of the crash tests:
#
#   torture MINUTES=n    kills, power cuts and failing calls at random, until the first broken promise
#   soak MINUTES=n       a sanitized gateway under thousands of kept connections, until the first report
#   torture-postgresql EVENTS=n KILLS=n   gateways, workers, primary and standby killed at random

MINUTES = 30
soak: MINUTES = 60
torture-postgresql: EVENTS = 50000
KILLS = 20

# Only the files with fault points are compiled anew.
FAULT_SRC := $(shell grep -l '"base/fault.h"' $(LIB_SRC))
FAULT_OBJ = $(FAULT_SRC:%.cpp=$(BUILD)/faults/%.o)

.PHONY: torture torture-postgresql soak

torture: all $(BUILD)/bxhook-faults
	BXHOOK='$(abspath $(PROGRAM))' BUILD='$(BUILD)' /usr/bin/python3 tests/faults/torture.py $(MINUTES)

torture-postgresql: all
	BXHOOK='$(abspath $(PROGRAM))' /usr/bin/python3 tests/faults/postgres_torture.py $(EVENTS) $(KILLS)

ifdef SANITIZE
soak: all
	BXHOOK='$(PROGRAM)' REPORTS='$(REPORTS)' /usr/bin/python3 tests/faults/soak.py $(MINUTES)
else
soak:
	@+$(PARALLEL) SANITIZE=address,undefined soak
endif

$(BUILD)/bxhook-faults: $(MAIN_OBJ) $(FAULT_OBJ) $(filter-out $(FAULT_SRC:%.cpp=$(BUILD)/%.o),$(LIB_OBJ)) \
    $(SANITIZED_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(RDYNAMIC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LIBS)

$(BUILD)/faults/%.o: %.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q_CXX)$(CXX) $(ALL_CPPFLAGS) -DBXHOOK_FAULTS $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

-include $(FAULT_OBJ:.o=.d)
