# The PostgreSQL store beside bare statements on the same server, and when it has grown.
#
#   bench-postgresql ROUNDS=5 SECONDS=5 EVENTS=1000000

PG_BENCH := $(BUILD)/bench-growth $(BUILD)/bench-drain $(BUILD)/fcgi_load

.PHONY: bench-postgresql

bench-postgresql: all $(PG_BENCH) $(MODULE:%=$(BUILD)/%)
	BXHOOK='$(abspath $(PROGRAM))' BUILD='$(abspath $(BUILD))' /usr/bin/python3 tests/bench/postgresql.py \
	    $(call given,ROUNDS,rounds) $(call given,SECONDS,seconds) $(call given,EVENTS,events)

$(BUILD)/bench-drain: $(BUILD)/tests/bench/drain.o $(LIB_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) $(RDYNAMIC) -o $@ $^ $(DEPS_LIBS) $(LIBS)

$(BUILD)/fcgi_load: tests/bench/fcgi_load.c
	@mkdir -p $(@D)
	$(Q_CXX)$(CC) -std=gnu11 -O2 -Wall -Wextra -o $@ $<

-include $(BUILD)/tests/bench/drain.d
