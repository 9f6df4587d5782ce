# What a store of a million events costs beside an empty one, and how soon after its 200 an event's
# hook starts.  EVENTS= and WAITING= set the size.

EVENTS = 1000000
WAITING = 100000

.PHONY: bench-growth bench-latency

bench-growth: all $(BUILD)/bench-growth
	/usr/bin/python3 tests/bench/growth.py $(BUILD)/bench-growth '$(abspath $(PROGRAM))' $(EVENTS) $(WAITING)

bench-latency: all
	BXHOOK='$(abspath $(PROGRAM))' /usr/bin/python3 tests/bench/latency.py

$(BUILD)/bench-growth: $(BUILD)/tests/bench/growth.o $(LIB_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) $(RDYNAMIC) -o $@ $^ $(DEPS_LIBS) $(LIBS)

-include $(BUILD)/tests/bench/growth.d
