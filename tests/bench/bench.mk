# Ours beside what a user would pick instead; docs/performance.md says how to read it.
#
#   ROUNDS=5 SECONDS=5   how often, and how long each load
#   ROWS=accept,hooks    some groups of rows alone
#   EVENTS=              size of the growth rows' store
#   TMPDIR=              where the stores lie: the disk under them counts

.PHONY: bench run-bench deps-bench

BENCH_C := bare_fcgi floor append_cgi spawn_loop $(if $(PQ_LIBS),pg_connect)
BENCH_PROGRAMS := $(BENCH_C:%=$(BUILD)/bench/%)
BENCH_FLAGS = -std=gnu11 -O2 -Wall -Wextra
# Given, or left to bench.py: what other benchmarks take by default is too long for it.
given = $(if $(filter command% environment%,$(origin $(1))),--$(2) '$($(1))')

deps-bench:
	@sh tests/deps.sh bench

bench:
	@sh tests/deps.sh bench
	@+$(SUBMAKE) run-bench

run-bench:
	@+$(PARALLEL) all $(BENCH_PROGRAMS) $(BUILD)/bench-growth $(BUILD)/bench-decode \
	    $(BUILD)/bench-installed $(PG_BENCH) \
	    $(MODULE:%=$(BUILD)/%)
	@+$(SUBMAKE) static
	@BXHOOK='$(abspath $(PROGRAM))' BUILD='$(abspath $(BUILD))' /usr/bin/python3 tests/bench/bench.py \
	    $(call given,ROUNDS,rounds) $(call given,SECONDS,seconds) $(call given,ROWS,rows) \
	    $(call given,EVENTS,events)

$(BUILD)/bench/bare_fcgi: BENCH_LIBS = -lfcgi -pthread
$(BUILD)/bench/floor: BENCH_LIBS = -lsqlite3
$(BUILD)/bench/spawn_loop: BENCH_LIBS = -pthread
$(BUILD)/bench/pg_connect: BENCH_LIBS = $(PQ_LIBS)
$(BUILD)/bench/pg_connect: BENCH_FLAGS += $(PQ_CFLAGS)
$(BENCH_PROGRAMS): $(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q_CXX)$(CC) $(BENCH_FLAGS) -o $@ $< $(BENCH_LIBS)
