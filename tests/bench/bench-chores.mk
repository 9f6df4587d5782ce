# One pass of chores over thousands of portals: a group of rows of `make bench`, and alone.
#
#   bench-chores PORTALS=5000

PORTALS = 5000

.PHONY: bench-chores

bench-chores: all $(BUILD)/bench-installed $(MODULE:%=$(BUILD)/%)
	BXHOOK='$(abspath $(PROGRAM))' BUILD='$(abspath $(BUILD))' /usr/bin/python3 tests/bench/chore_rows.py \
	    --portals $(PORTALS)

$(BUILD)/bench-installed: $(BUILD)/tests/bench/installed.o $(LIB_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) $(RDYNAMIC) -o $@ $^ $(DEPS_LIBS) $(LIBS)

-include $(BUILD)/tests/bench/installed.d
