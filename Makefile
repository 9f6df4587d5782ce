# The default target.
all:

# Knobs.  Set them on the command line or in local.mk; ./configure, which is optional, writes what
# it finds to config.mk.  The last one read wins: this file < config.mk < local.mk < command line.
#
#   prefix, bindir, sysconfdir, mandir ...   where `make install` puts things (also DESTDIR)
#   CXX, CXXFLAGS, CPPFLAGS, LDFLAGS         yours; nothing here adds to them, and they win over ours
#   HARDEN=                                  no hardening flags but yours
#   PQ_LIBS=                                 without the PostgreSQL module, although libpq is there
#   DEVELOPER=1                              more warnings, and they are errors
#   TEST_CXXFLAGS                            of the unit tests, after CXXFLAGS: they are slow to optimise
#   SANITIZE=address,undefined               instrumented build, in build/sanitized unless BUILD says where
#   BUILD=dir                                where objects and test programs go, and then the program too
#   V=1                                      show the commands
#
# Targets: all static deps build-deps check demo install uninstall installcheck configure clean distclean
#   deb dist zip             packages, in $(BUILD)/packages; check-packages builds and tests them all
#   check-unit T=gate/*      one suite of the unit tests
#   check-postgres           those of the store again, on a PostgreSQL server
#   check-e2e  K=nginx       the end-to-end tests whose names match
#   run-check, run-demo      without looking for missing packages first
#   check-debian SUITES=...  demo and check on a fresh Debian of each suite (root; many minutes)

VERSION = 1.0.0

CXX = c++
CXXFLAGS = $(if $(SANITIZE),-O1,-O2) -g
PKG_CONFIG = pkg-config
INSTALL = install
BUILD = build$(if $(SANITIZE),/sanitized)

prefix = /usr/local
exec_prefix = $(prefix)
bindir = $(exec_prefix)/bin
libdir = $(exec_prefix)/lib
datarootdir = $(prefix)/share
sysconfdir = $(prefix)/etc
mandir = $(datarootdir)/man
docdir = $(datarootdir)/doc/bxhook
unitdir = $(prefix)/lib/systemd/system
bashdir = $(datarootdir)/bash-completion/completions

-include config.mk
-include local.mk

# -- Dependencies: asked of pkg-config unless config.mk already says.
ifndef DEPS_CONFIGURED
DEPS := fcgi cgicc sqlite3 nlohmann_json
DEPS_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(DEPS) 2>/dev/null)
DEPS_LIBS := $(shell $(PKG_CONFIG) --libs $(DEPS) 2>/dev/null || echo MISSING)
# Without libpq there is no PostgreSQL module, and nothing else is missing.
PQ_CFLAGS := $(shell $(PKG_CONFIG) --cflags libpq 2>/dev/null)
PQ_LIBS := $(shell $(PKG_CONFIG) --libs libpq 2>/dev/null)
endif
TEST_LIBS ?= -lboost_unit_test_framework
TEST_CXXFLAGS ?= -O0 -g1

# -- What is built.
MODULE_SRC := $(sort $(wildcard src/postgres/*.cpp))
LIB_SRC := $(filter-out $(MODULE_SRC),$(sort $(wildcard src/*/*.cpp src/*/*/*.cpp)))
TEST_SRC := $(sort $(wildcard tests/unit/*.cpp))

LIB_OBJ = $(LIB_SRC:%.cpp=$(BUILD)/%.o)
MAIN_OBJ = $(BUILD)/src/main.o
TEST_OBJ = $(TEST_SRC:%.cpp=$(BUILD)/%.o)
TOOL_OBJ = $(BUILD)/tests/conformance.o
# A build that is kept apart leaves ./bxhook alone.
AT = $(if $(filter-out build,$(BUILD)),$(BUILD)/)
PROGRAM = $(AT)bxhook
# The PostgreSQL store: loaded by the program, from beside it or from moduledir.
MODULE_OBJ = $(MODULE_SRC:%.cpp=$(BUILD)/%.o)
MODULE = $(if $(PQ_LIBS),$(AT)bxhook-postgresql.so)
# Beside the other programs of the build.
BUILD_MODULE = $(if $(PQ_LIBS),$(BUILD)/bxhook-postgresql.so)
moduledir = $(libdir)/bxhook
RDYNAMIC = $(if $(MODULE),-rdynamic)

# -- Hardening: what this compiler takes of it.  FORTIFY needs an optimiser, gets in the way of
# sanitizers, and keeps the level the user gave.
HARDEN = -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
HARDEN_CXXFLAGS := $(shell for flag in $(HARDEN); do \
	$(CXX) -Werror $$flag -c -x c++ -o /dev/null /dev/null 2>/dev/null && echo $$flag; done)
OPTIMISED = $(filter-out -O0,$(lastword $(filter -O%,$(CXXFLAGS))))
ifeq ($(SANITIZE)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CXXFLAGS)),)
HARDEN_CPPFLAGS = $(if $(HARDEN),$(if $(OPTIMISED),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
endif
HARDEN_LDFLAGS = $(if $(HARDEN),-z relro -z now)
PIE = $(if $(HARDEN),-pie)
STATIC = $(if $(HARDEN),-static-pie,-static)

# -- Flags.  Ours are kept apart from the user's.  No path of the build gets into what is built.
ALL_CPPFLAGS = $(HARDEN_CPPFLAGS) -Isrc -I$(BUILD) $(DEPS_CFLAGS) $(CPPFLAGS)
ALL_CXXFLAGS = -std=c++20 -pthread -Wall -Wextra -ffile-prefix-map='$(CURDIR)'=. $(HARDEN_CXXFLAGS) $(CXXFLAGS)
ALL_LDFLAGS = -pthread $(HARDEN_LDFLAGS) $(LDFLAGS)
ifdef DEVELOPER
ALL_CXXFLAGS += -Werror -pedantic -Wshadow -Wconversion -Wnon-virtual-dtor
endif
ifdef SANITIZE
ALL_CXXFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
ALL_LDFLAGS += -fsanitize=$(SANITIZE)
SANITIZED_OBJ = $(BUILD)/tests/sanitized.o
# Where processes that end without anybody reading their stderr leave what was found.
REPORTS := /tmp/bxhook-reports$(subst /,-,$(abspath $(BUILD)))
endif

ifndef V
Q_CXX  = @echo '  CXX  ' $<;
Q_LINK = @echo '  LINK ' $@;
Q_GEN  = @echo '  GEN  ' $@;
endif

# -- Rules.
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all static deps deps-fuzz build-deps check check-unit check-postgres check-e2e check-debian run-check demo run-demo \
	install uninstall installcheck clean distclean FORCE

all: $(PROGRAM) $(MODULE)

$(PROGRAM): $(MAIN_OBJ) $(LIB_OBJ) $(SANITIZED_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(PIE) $(RDYNAMIC) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LIBS)

$(SANITIZED_OBJ): private ALL_CPPFLAGS += -DBXHOOK_REPORTS='"$(REPORTS)"'

# One file that needs nothing of the machine it runs on.  libfcgi can resolve host names and SQLite can
# load extensions; bxhook uses neither, and without these functions no shared library is ever looked for.
UNUSED = gethostbyname dlopen dlsym dlclose dlerror
SMALL = -s -Wl,--gc-sections -z pack-relative-relocs

static: $(BUILD)/static/bxhook
# It loads no module, whatever the program does.
STATIC_OBJ = $(MAIN_OBJ) $(LIB_OBJ:$(BUILD)/src/stores/module.o=$(BUILD)/static/module.o)
$(BUILD)/static/module.o: src/stores/module.cpp $(BUILD)/defines
	@mkdir -p $(@D)
	$(Q_CXX)$(CXX) $(ALL_CPPFLAGS) $(DEFINES) -DBXHOOK_NO_MODULE $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/static/bxhook: $(STATIC_OBJ) Makefile
	@mkdir -p $(@D)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(STATIC) $(SMALL) $(UNUSED:%=-Wl,--defsym=%=0) $(ALL_LDFLAGS) \
	    -o $@ $(STATIC_OBJ) $(DEPS_LIBS) -lm $(LIBS)

# What the module does not have itself it takes from the program that loads it.
ifneq ($(MODULE),)
$(sort $(MODULE) $(BUILD_MODULE)): $(MODULE_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) -shared -o $@ $(MODULE_OBJ) $(PQ_LIBS)
endif
$(MODULE_OBJ): private ALL_CXXFLAGS += -fPIC $(PQ_CFLAGS)

$(BUILD)/unit-tests: $(TEST_OBJ) $(LIB_OBJ) | $(BUILD_MODULE)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(RDYNAMIC) $(ALL_LDFLAGS) -o $@ $(TEST_OBJ) $(LIB_OBJ) $(DEPS_LIBS) $(TEST_LIBS) \
	    $(PQ_LIBS) $(LIBS)

$(BUILD)/conformance: $(TOOL_OBJ) $(LIB_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) -o $@ $(TOOL_OBJ) $(LIB_OBJ) $(DEPS_LIBS) $(LIBS)

$(BUILD)/%.o: %.cpp $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q_CXX)$(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

# FORTIFY needs an optimiser.
$(TEST_OBJ): private ALL_CPPFLAGS += -DBOOST_TEST_DYN_LINK -U_FORTIFY_SOURCE $(PQ_CFLAGS)
$(TEST_OBJ): private ALL_CXXFLAGS += $(TEST_CXXFLAGS)

# The catalog of events, compiled in: one initialiser a line of catalog.tsv.
$(BUILD)/src/event/catalog.o: $(BUILD)/catalog.inc
$(BUILD)/catalog.inc: src/event/catalog.tsv src/event/catalog.awk
	@mkdir -p $(@D)
	$(Q_GEN)awk -f src/event/catalog.awk src/event/catalog.tsv > $@

# The SQL of the PostgreSQL store, compiled in.
PG_SQL := src/postgres/sql/tables.sql $(sort $(filter-out %/tables.sql,$(wildcard src/postgres/sql/*.sql)))
$(MODULE_OBJ) $(BUILD)/tests/unit/postgres_test.o: $(BUILD)/postgres_sql.inc
$(BUILD)/postgres_sql.inc: src/postgres/sql/sql.awk $(PG_SQL)
	@mkdir -p $(@D)
	$(Q_GEN)awk -f src/postgres/sql/sql.awk $(PG_SQL) > $@

# The statements of the SQLite store, compiled in.
SQLITE_FIRST := src/sqlite/sql/schema.sql src/sqlite/sql/shared.sql
SQLITE_SQL := $(SQLITE_FIRST) $(filter-out $(SQLITE_FIRST),$(sort $(wildcard src/sqlite/sql/*.sql)))
SQLITE_SRC := $(filter src/sqlite/%,$(LIB_SRC))
$(SQLITE_SRC:%.cpp=$(BUILD)/%.o) $(SQLITE_SRC:%.cpp=$(BUILD)/faults/%.o): $(BUILD)/sqlite_statements.inc
$(BUILD)/sqlite_statements.inc: src/sqlite/sql/statements.awk $(SQLITE_SQL)
	@mkdir -p $(@D)
	$(Q_GEN)awk -f $^ > $@

# What depends on the version or a chosen place; only that is compiled anew when one changes.
DEFINES = -DBXHOOK_VERSION='"$(VERSION)"' -DBXHOOK_SYSCONFDIR='"$(sysconfdir)"' \
	$(if $(MODULE),-DBXHOOK_MODULEDIR='"$(moduledir)"',-DBXHOOK_NO_MODULE)
DEFINED := $(shell grep -l 'BXHOOK_VERSION\|BXHOOK_SYSCONFDIR\|BXHOOK_NO_MODULE' \
	$(LIB_SRC) $(MODULE_SRC) $(TEST_SRC))
$(DEFINED:%.cpp=$(BUILD)/%.o) $(DEFINED:%.cpp=$(BUILD)/faults/%.o): private ALL_CPPFLAGS += $(DEFINES)
$(DEFINED:%.cpp=$(BUILD)/%.o): $(BUILD)/defines
ifneq ($(file <$(BUILD)/defines),$(DEFINES))
$(BUILD)/defines: FORCE
endif
$(BUILD)/defines:
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(DEFINES))' > $@

# What `bxhook init` makes, compiled in.
TEMPLATES = conf/bxhook.conf conf/bxhook.fcgi $(sort $(wildcard conf/hooks/*.sample))
$(BUILD)/src/cli/commands/templates.o: $(BUILD)/templates.inc
$(BUILD)/templates.inc: src/cli/commands/templates.awk $(TEMPLATES)
	@mkdir -p $(@D)
	$(Q_GEN)awk -f src/cli/commands/templates.awk $(TEMPLATES) > $@

# Rebuild everything when, and only when, the flags change.  Compared while this file is read, so
# that `make -q` and `make -n` tell the truth.
FLAGS := $(strip $(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) $(TEST_CXXFLAGS) $(ALL_LDFLAGS) $(DEPS_LIBS) $(LIBS))
ifneq ($(file <$(BUILD)/flags),$(FLAGS))
$(BUILD)/flags: FORCE
endif
$(BUILD)/flags:
	@mkdir -p $(@D)
	@$(if $(filter MISSING,$(DEPS_LIBS)),false,true) && \
	 echo '#include <boost/version.hpp>' | $(CXX) $(CPPFLAGS) -E -x c++ - >/dev/null 2>&1 || \
	 { echo 'bxhook: the compiler or a library is missing: run "make deps" first' >&2; exit 1; }
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@

-include $(MAIN_OBJ:.o=.d) $(LIB_OBJ:.o=.d) $(MODULE_OBJ:.o=.d) $(TEST_OBJ:.o=.d) $(TOOL_OBJ:.o=.d)

# -- Tests.  `check` and `demo` enter make anew after the packages came: pkg-config was asked above,
# when they were not there yet.
SUBMAKE = $(MAKE) --no-print-directory
# As many jobs as processors, unless the user chose.
PARALLEL = $(SUBMAKE) $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
RUN_TESTS = BUILD='$(BUILD)' BXHOOK='$(abspath $(PROGRAM))' REPORTS='$(REPORTS)' UNIT='$(T)' E2E='$(K)' tests/run

deps deps-fuzz:
	@sh tests/deps.sh all

build-deps:
	@sh tests/deps.sh build

# `make check` does not run these, but a change of what they call is to be seen by it.
BENCH_OBJ = $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard tests/bench/*.cpp))

check:
	@sh tests/deps.sh all
	@+$(SUBMAKE) run-check

run-check:
	@+$(PARALLEL) all $(BUILD)/unit-tests $(BUILD)/conformance $(BUILD)/bxhook-faults $(BENCH_OBJ)
	@$(RUN_TESTS)

check-unit: $(BUILD)/unit-tests
	@$(RUN_TESTS) unit

check-postgres: $(BUILD)/unit-tests
	@$(RUN_TESTS) postgres

check-e2e: all $(BUILD)/conformance $(BUILD)/bxhook-faults
	@$(RUN_TESTS) e2e

SUITES = bookworm trixie
check-debian:
	@sh tests/deps.sh packages
	@sh tests/debian.sh $(SUITES)

demo:
	@sh tests/deps.sh demo
	@+$(SUBMAKE) run-demo

# The compiler's output is shown only when it fails.
run-demo:
	@mkdir -p '$(BUILD)'
	@+$(SUBMAKE) -q all >/dev/null 2>&1 || { \
	    echo 'demo: building bxhook, which takes a few minutes'; \
	    $(PARALLEL) all >'$(BUILD)/demo.log' 2>&1 || { tail -n 30 '$(BUILD)/demo.log'; exit 1; }; }
	@sh tests/demo.sh '$(abspath $(PROGRAM))'

-include tests/fuzz/fuzz.mk tests/faults/faults.mk packaging/packages.mk $(wildcard tests/bench/*.mk)

# -- Installing.  Only below DESTDIR.  No bxhook.conf: `bxhook init` makes that, as the user it is for.
D = $(DESTDIR)
PAGES := $(sort $(wildcard man/*.[1-8]))
UNITS := $(sort $(wildcard conf/*.service conf/*.socket))
CONF := $(filter-out conf/hooks,$(sort $(wildcard conf/*)))
# The files in conf/ name the usual places; these are the chosen ones.
PLACES = sed -i -e 's|/usr/local/bin/|$(bindir)/|g' -e 's|/etc/bxhook/|$(sysconfdir)/bxhook/|g'

install: all
	$(INSTALL) -d '$D$(bindir)' '$D$(unitdir)' '$D$(bashdir)' '$D$(docdir)/conf' '$D$(docdir)/docs' \
	    '$D$(docdir)/examples'
	$(INSTALL) -m 755 $(PROGRAM) '$D$(bindir)/bxhook'
	$(if $(MODULE),$(INSTALL) -D -m 644 $(MODULE) '$D$(moduledir)/$(notdir $(MODULE))')
	for page in $(PAGES); do \
	    $(INSTALL) -D -m 644 $$page "$D$(mandir)/man$${page##*.}/$${page##*/}" || exit; done
	$(INSTALL) -m 644 $(CONF) '$D$(docdir)/conf'
	$(INSTALL) -m 644 $(UNITS) '$D$(unitdir)'
	$(PLACES) $(UNITS:conf/%='$D$(unitdir)/%') $(CONF:%='$D$(docdir)/%')
	$(INSTALL) -m 755 $(filter-out %.md,$(wildcard examples/*)) '$D$(docdir)/examples'
	$(INSTALL) -m 644 $(wildcard examples/*.md) '$D$(docdir)/examples'
	$(INSTALL) -m 644 docs/*.md '$D$(docdir)/docs'
	$(INSTALL) -m 644 README.md CHANGELOG.md LICENSE '$D$(docdir)'
	$(INSTALL) -m 644 conf/bash-completion '$D$(bashdir)/bxhook'

uninstall:
	rm -f '$D$(bindir)/bxhook' '$D$(bashdir)/bxhook'
	for page in $(PAGES); do rm -f "$D$(mandir)/man$${page##*.}/$${page##*/}"; done
	for file in $(UNITS); do rm -f "$D$(unitdir)/$${file##*/}"; done
	rm -rf '$D$(docdir)' '$D$(moduledir)'

installcheck:
	test "$$('$D$(bindir)/bxhook' version | head -n 1)" = 'bxhook $(VERSION)'
	for page in $(PAGES); do test -s "$D$(mandir)/man$${page##*.}/$${page##*/}" || exit; done

clean:
	rm -rf $(BUILD) $(PROGRAM) $(MODULE)

distclean: clean
	rm -rf configure config.mk config.log config.status autom4te.cache

# -- The optional configure: `make configure && ./configure --prefix=...` writes config.mk.
configure: configure.ac
	autoconf -f
ifdef DEPS_CONFIGURED
config.status: configure
	./config.status --recheck
config.mk: config.mk.in config.status
	./config.status $@
endif
