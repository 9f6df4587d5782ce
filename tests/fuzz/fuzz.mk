# Fuzzing.  The targets need clang: `make deps`.
#   make fuzz T=form SECONDS=60     one libFuzzer target under ASan and UBSan: form json multipart
#                                   payload posts config fastcgi; what it learns is kept in $(BUILD)/corpus/T
#   make fuzz-all SECONDS=20        all of them, one after the other
#   make fuzz-php BODIES=500000     our decoder against php-cgi's $_POST; SEED= repeats a run
#   make corpus                     tests/corpus/php-form.jsonl.xz, which `make check` uses, anew

FUZZ_TARGETS = form json multipart payload posts config fastcgi
FUZZ_SANITIZERS = fuzzer-no-link,address,undefined
SECONDS ?= 60

.PHONY: fuzz fuzz-all fuzz-programs $(FUZZ_TARGETS:%=fuzz-run-%)

# T may be the filter of other tests, with colons.
fuzz:
	@+$(SUBMAKE) --quiet 'fuzz-run-$(or $(T),form)'

fuzz-all: fuzz-programs
	@for target in $(FUZZ_TARGETS); do $(SUBMAKE) --quiet fuzz-run-$$target || exit 1; done

# Objects of their own: other compiler, other flags.
FUZZ_OBJ = $(filter $(foreach room,base host config form event store sqlite stores gateway,$(BUILD)/src/$(room)/%),$(LIB_OBJ))
fuzz-programs:
	@+$(PARALLEL) CXX=clang++ SANITIZE=$(FUZZ_SANITIZERS) CXXFLAGS='-O1 -g1' \
	    BUILD='$(BUILD)/fuzz' $(FUZZ_TARGETS:%='$(BUILD)/fuzz/%-fuzz')

# Stops at the first finding, which is then the file $(BUILD)/fuzz/TARGET-crash-...
$(FUZZ_TARGETS:%=fuzz-run-%): fuzz-run-%: fuzz-programs
	@mkdir -p '$(BUILD)/corpus/$*'
	@echo '== fuzz $*: $(SECONDS) s'
	@'$(BUILD)/fuzz/$*-fuzz' -max_total_time=$(SECONDS) -max_len=4096 -timeout=30 -rss_limit_mb=2048 \
	    -print_final_stats=1 $(patsubst %,-dict=%,$(wildcard tests/fuzz/$*.dict)) -artifact_prefix='$(BUILD)/fuzz/$*-' \
	    '$(BUILD)/corpus/$*' $(wildcard tests/fuzz/corpus/$*) 2>'$(BUILD)/fuzz/$*.log' || \
	    { tail -n 60 '$(BUILD)/fuzz/$*.log'; exit 1; }
	@grep -E 'INITED|stat::number_of_executed_units' '$(BUILD)/fuzz/$*.log'; grep -E '(DONE|REDUCE|NEW|pulse).* cov:' '$(BUILD)/fuzz/$*.log' | tail -n 1

$(BUILD)/%-fuzz: $(BUILD)/tests/fuzz/%.o $(FUZZ_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(DEPS_LIBS) $(LIBS)

# Not to be removed as an intermediate file: each run would compile it anew.
.SECONDARY: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%.o)
-include $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%.d)

# -- The differential fuzzer.
BODIES = 500000

.PHONY: fuzz-php corpus

fuzz-php: $(BUILD)/php-diff
	$(BUILD)/php-diff form $(BODIES) $(SEED)
	$(BUILD)/php-diff multipart $(BODIES) $(SEED)

# The corpus of the form decoder, made anew with the php-cgi of this machine.
corpus: $(BUILD)/php-diff $(BUILD)/conformance
	/usr/bin/python3 tests/corpus/make.py $(BUILD)/php-diff $(BUILD)/conformance

PHP_DIFF_OBJ = $(BUILD)/tests/fuzz/php_diff.o $(BUILD)/tests/fuzz/php.o $(BUILD)/tests/fuzz/bodies.o

$(PHP_DIFF_OBJ): private ALL_CPPFLAGS += -DBXHOOK_SOURCE='"$(CURDIR)"'
$(BUILD)/php-diff: $(PHP_DIFF_OBJ) $(LIB_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LIBS)

-include $(PHP_DIFF_OBJ:.o=.d)
