# agentd. `make run` tries it, `make test` tests it, `make install` installs it.
#
#   make [SAN=address|thread]         build/agentd, build/agentd-host, build/agentctl, build/plugins/*.so
#   make deps                         installs what is missing, from Debian's packages
#   make run                          deps, build, and agentd with conf/agent.conf
#   make test [SAN=…] [TESTS=…]       deps, build, unit tests, end-to-end tests
#   make test-programs [SAN=…]       what these test, without a run
#   make lint                         the format, and a second compiler's warnings
#   make fuzz [SECONDS=60]            the fuzzers, so long each
#   make zoo [SECONDS=60]             every bad plugin at once, under load, so long
#   make chaos [ROUNDS=500] [MESSAGES=1000]
#                                     SIGKILL for agentd and its hosts under load, so often; and while so many messages
#                                     of chats come in
#   make bench                        the figures, against their floors
#   make install [DESTDIR=] [PREFIX=/usr/local] [SYSCONFDIR=/etc]
#   make uninstall                    the same the other way, but for what is in SYSCONFDIR and the store
#   make clean
#
# V=1 shows the commands.

PREFIX  ?= /usr/local
SYSCONFDIR ?= /etc
SECONDS ?= 60
ROUNDS  ?= 500
MESSAGES ?= 1000
TESTS   ?= tests/e2e
SAN     ?=
# Most tests wait for something.
AT_ONCE ?= $(shell expr $$(nproc) + 3)

BUILD      := build$(if $(SAN),-$(SAN))
BINDIR     := $(PREFIX)/bin
LIBEXECDIR := $(PREFIX)/libexec/agentd
PLUGINDIR  := $(PREFIX)/lib/agentd/plugins
PYTHON     := /usr/bin/python3

# Debian packages: to build, and to test.
BUILD_PACKAGES := gcc libc6-dev make pkg-config libcjose-dev libcurl4-openssl-dev libedit-dev libevent-dev \
                  libjansson-dev libseccomp-dev libsqlite3-dev libssl-dev libyaml-dev tzdata \
                  libwslay-dev uthash-dev
TEST_PACKAGES  := libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-cryptography python3-jsonschema \
                  python3-jwt python3-prometheus-client bash-completion binutils curl mandoc nodejs zsh
# Servers, which Debian starts when it installs them, a browser, and what only one test needs: in CI only. Without them their tests skip.
TEST_PACKAGES  += $(if $(CI),nginx-light haproxy chromium chromium-driver python3-selenium sqlite3)
BENCH_PACKAGES := wrk python3-fastapi python3-uvicorn python3-uvloop python3-httptools
LINT_PACKAGES  := clang-14 clang-format-14 libclang-rt-14-dev

comma    := ,
CFLAGS   ?= -O2 -g
# Errors in CI, except with a sanitizer, whose code draws warnings of its own.
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wconversion \
            $(if $(CI),$(if $(SAN),,-Werror))
HARDEN   := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
SANFLAGS := $(if $(filter address,$(SAN)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined) \
            $(if $(filter thread,$(SAN)),-fsanitize=thread)
ALL_CFLAGS := -std=gnu17 -D_GNU_SOURCE -I. -Iinclude $(WARNINGS) $(CFLAGS) \
              $(if $(SAN),-O1 -fno-omit-frame-pointer $(SANFLAGS),$(HARDEN)) \
              -DAGENTD_LIBEXECDIR='"$(LIBEXECDIR)"' -DAGENTD_PLUGINDIR='"$(PLUGINDIR)"' \
              -DAGENTD_SYSCONFDIR='"$(SYSCONFDIR)"' -MMD -MP
ALL_LDFLAGS := $(if $(SAN),$(SANFLAGS),-pie -Wl,-z,relro,-z,now) -Wl,--as-needed $(LDFLAGS)

pkg = $(shell pkg-config --libs $(1) 2>/dev/null)
DAEMON_LIBS = $(call pkg,libevent_core libevent_extra jansson sqlite3 yaml-0.1 cjose libcrypto) -pthread
FETCH_LIBS  = $(call pkg,libcurl libseccomp)
HOST_LIBS   = $(call pkg,libevent_core libseccomp) -ldl -pthread
CTL_LIBS    = $(call pkg,libcurl jansson libedit libcrypto) -pthread
# What plugins/common is linked with, in unit tests and fuzzers.
SHARED_LIBS = $(call pkg,libcurl) -lwslay
TEST_LIBS   = $(DAEMON_LIBS) $(SHARED_LIBS) $(call pkg,cmocka libseccomp)
# PLUGIN_LIBS_NAME: what plugins/NAME is linked with. PLUGIN_SHARES_NAME: its files of plugins/common.
PLUGIN_LIBS_exec = $(call pkg,jansson)
PLUGIN_LIBS_unified = $(call pkg,jansson)
PLUGIN_LIBS_telegram = $(call pkg,jansson libcurl)
PLUGIN_LIBS_discord = $(call pkg,jansson libcurl libcrypto) -lwslay
PLUGIN_LIBS_signal = $(call pkg,jansson libcurl libcrypto) -lwslay
PLUGIN_SHARES_telegram = backoff http http_call news outage split
PLUGIN_SHARES_discord = backoff connection http http_call news outage split websocket websocket_handshake websocket_url
PLUGIN_SHARES_signal = backoff connection http http_call outage split websocket websocket_handshake websocket_url
# FUZZED_OF_NAME: the files of plugins that fuzz_NAME needs.
FUZZED_OF_telegram = plugins/common/split.c plugins/telegram/markup.c plugins/telegram/update.c
FUZZED_OF_discord = $(addprefix plugins/discord/,event.c fence.c parts.c) plugins/common/split.c
FUZZED_OF_signal = plugins/signal/base64.c plugins/signal/batch.c plugins/signal/envelope.c plugins/signal/output.c
FUZZED_OF_websocket = plugins/common/websocket_handshake.c

# What is what. A file in a folder is part of its program: there is no list to keep.
DAEMON_SOURCES := $(wildcard daemon/*.c daemon/*/*.c)
# What agentd-host has in common with the daemon.
HOST_SOURCES   := $(wildcard host/*.c) daemon/base/buf.c daemon/base/frame.c daemon/base/id.c daemon/base/sync.c \
                  daemon/proc/channel.c
FETCH_SOURCES  := $(wildcard fetch/*.c) host/landlock.c host/pipe.c host/sandbox.c host/seccomp.c \
                  daemon/base/buf.c daemon/base/frame.c
# What agentctl has in common with it.
CTL_SOURCES    := $(wildcard ctl/*.c) $(wildcard daemon/base/cron_*.c) daemon/base/base64.c daemon/base/buf.c daemon/base/calendar.c \
                  daemon/base/harmless.c daemon/base/id.c daemon/base/tzif.c daemon/base/zone.c daemon/conf/nearest.c
# manual/PAGE.in, and the one that agentctl makes itself.
MANUALS        := agentctl.1 $(patsubst manual/%.in,%,$(wildcard manual/*.in))
PLUGINS        := $(filter-out common,$(patsubst plugins/%/,%,$(wildcard plugins/*/)))
TEST_PLUGINS   := $(patsubst tests/plugins/%.c,%,$(wildcard tests/plugins/*.c))
PRELOADS       := $(patsubst tests/preload/%.c,%,$(wildcard tests/preload/*.c))
# Plugins and the header of the first day of each ABI: tests/abi/NUMBER.
ABI_PLUGINS    := $(patsubst tests/abi/%.c,%,$(wildcard tests/abi/*/*.c))
ANIMALS        := $(patsubst tests/zoo/%.c,%,$(wildcard tests/zoo/*.c))
UNIT_TESTS     := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZERS        := $(patsubst fuzz/%.c,%,$(wildcard fuzz/fuzz_*.c))
# The one that waits most comes first.
SLOWEST        := test_watch

# Commands are shown by what they make, unless V=1.
show = $(if $(V),,@echo '  $(1) $@';)
Q    = $(if $(V),,@)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

.PHONY: all deps test-deps lint-deps bench-deps run test test-programs unit e2e zoo chaos lint format fuzz bench \
        install uninstall clean always
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/agentd $(BUILD)/agentd-host $(BUILD)/agentd-fetch $(BUILD)/agentctl $(MANUALS:%=$(BUILD)/man/%) \
     $(PLUGINS:%=$(BUILD)/plugins/%.so)

$(BUILD)/agentd: $(call objects,$(DAEMON_SOURCES))
	$(call show,LINK)$(CC) $(ALL_LDFLAGS) $^ $(DAEMON_LIBS) -o $@

$(BUILD)/agentd-host: $(call objects,$(HOST_SOURCES))
	$(call show,LINK)$(CC) $(ALL_LDFLAGS) $^ $(HOST_LIBS) -o $@

$(BUILD)/agentd-fetch: $(call objects,$(FETCH_SOURCES))
	$(call show,LINK)$(CC) $(ALL_LDFLAGS) $^ $(FETCH_LIBS) -o $@

$(BUILD)/agentctl: $(call objects,$(CTL_SOURCES))
	$(call show,LINK)$(CC) $(ALL_LDFLAGS) $^ $(CTL_LIBS) -o $@

# PREFIX and SYSCONFDIR are compiled into these: `make install PREFIX=/usr` may come after a make without it.
$(call objects,daemon/proc/spawn.c daemon/conf/plugin_path.c daemon/main.c daemon/options.c ctl/command.c \
    ctl/doctor_daemon.c ctl/doctor_system.c manual/main.c): $(BUILD)/prefix

$(BUILD)/prefix: always
	@mkdir -p $(@D)
	@echo '$(PREFIX) $(SYSCONFDIR)' | cmp -s - $@ || { rm -f $@; echo '$(PREFIX) $(SYSCONFDIR)' > $@; }

# The assembler takes them in (.incbin), which the compiler does not know.
$(BUILD)/obj/ctl/new.o: $(wildcard ctl/template/*)

# The manual pages are made from the tables of commands and options.
$(BUILD)/man/agentctl.1: $(BUILD)/agentctl
	@mkdir -p $(@D)
	$(call show,MAN )$< help --man > $@

$(BUILD)/man/%: manual/%.in $(BUILD)/manual
	@mkdir -p $(@D)
	$(call show,MAN )$(BUILD)/manual $< > $@

$(BUILD)/manual: $(BUILD)/obj/manual/main.o $(BUILD)/daemon.a
	$(call show,LINK)$(CC) $(ALL_LDFLAGS) $^ $(DAEMON_LIBS) -o $@

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call show,CC  )$(CC) $(ALL_CFLAGS) -c $< -o $@

# Files that are a part of the program.
$(BUILD)/obj/daemon/http/embed.o: daemon/http/docs.html daemon/http/schemas.json

# The daemon without its main: what unit tests and manual/ are linked with.
$(BUILD)/daemon.a: $(filter-out %/main.o,$(call objects,$(DAEMON_SOURCES)))
	$(call show,AR  )rm -f $@ && $(AR) rcs $@ $^

# The parts of plugins that have no descriptor in them: what unit tests and fuzzers of these are linked with.
$(BUILD)/plugins.a: $(call objects,$(wildcard plugins/*/*.c))
	$(call show,AR  )rm -f $@ && $(AR) rcs $@ $^

# A plugin sees one header, exports one symbol, and links with what it itself uses.
PLUGIN_CFLAGS = -std=gnu17 -D_GNU_SOURCE -I. -Iinclude $(WARNINGS) $(CFLAGS) $(SANFLAGS) -fPIC \
                -fvisibility=hidden -shared $(if $(SAN),,-Wl,-z,defs) -MMD -MP

.SECONDEXPANSION:
shared = $(PLUGIN_SHARES_$(1):%=plugins/common/%.c) $(PLUGIN_SHARES_$(1):%=plugins/common/%.h)
$(BUILD)/plugins/%.so: $$(wildcard plugins/$$*/*.[ch]) $$(call shared,$$*) | $(BUILD)/plugins
	$(call show,LINK)$(CC) $(PLUGIN_CFLAGS) $(filter %.c,$^) $(PLUGIN_LIBS_$*) -o $@

$(BUILD)/tests/plugins/%.so: tests/plugins/%.c | $(BUILD)/tests/plugins
	$(call show,LINK)$(CC) $(PLUGIN_CFLAGS) $< -o $@ -pthread

# What changes a program from below; without the sanitizer, which has to come first.
$(BUILD)/tests/preload/%.so: tests/preload/%.c | $(BUILD)/tests/preload
	$(call show,LINK)$(CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -fPIC -shared -MMD -MP $< -o $@ -pthread

# The frozen header comes first, and is the one that is found.
$(BUILD)/tests/abi/%.so: tests/abi/%.c
	@mkdir -p $(@D)
	$(call show,LINK)$(CC) -I$(<D) $(PLUGIN_CFLAGS) $< -o $@

$(BUILD)/tests/zoo/%.so: tests/zoo/%.c | $(BUILD)/tests/zoo
	$(call show,LINK)$(CC) $(PLUGIN_CFLAGS) $< -o $@ -pthread

# What unit tests share.
TEST_SHARED := $(call objects,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))

$(BUILD)/tests/unit/test_seccomp: $(call objects,host/landlock.c host/seccomp.c)
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(TEST_SHARED) $(BUILD)/plugins.a $(BUILD)/daemon.a | $(BUILD)/tests/unit
	$(call show,LINK)$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@

# A fuzzer's function run over its corpus, without the fuzzer.
$(BUILD)/tests/replay/%: $(BUILD)/obj/fuzz/%.o $(BUILD)/obj/fuzz/replay.o $(BUILD)/plugins.a $(BUILD)/daemon.a | $(BUILD)/tests/replay
	$(call show,LINK)$(CC) $(ALL_LDFLAGS) $^ $(DAEMON_LIBS) $(SHARED_LIBS) -o $@

$(BUILD)/plugins $(BUILD)/tests/plugins $(BUILD)/tests/preload $(BUILD)/tests/zoo $(BUILD)/tests/unit $(BUILD)/tests/replay:
	$(Q)mkdir -p $@

# Installing what is missing, and asking for nothing when nothing is.
define need
	@missing=$$(for p in $(1); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    echo "installing from Debian:" $$missing; \
	    $$([ "$$(id -u)" = 0 ] || echo sudo) sh -c "apt-get update -q && \
	        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$(echo $$missing)"; \
	fi
endef

deps:
	$(call need,$(BUILD_PACKAGES))

test-deps:
	$(call need,$(BUILD_PACKAGES) $(TEST_PACKAGES))

lint-deps:
	$(call need,$(BUILD_PACKAGES) $(TEST_PACKAGES) $(LINT_PACKAGES))

bench-deps:
	$(call need,$(BUILD_PACKAGES) $(BENCH_PACKAGES))

# A second make, since pkg-config is asked when a Makefile is read, and may just have been installed.
run: deps
	$(MAKE) all
	$(BUILD)/agentd -c conf/agent.conf

NEEDED_BY_UNIT = $(UNIT_TESTS:%=$(BUILD)/tests/unit/%) $(FUZZERS:%=$(BUILD)/tests/replay/%) \
                 $(BUILD)/agentd-host $(BUILD)/tests/plugins/actor.so
NEEDED_BY_E2E  = all $(TEST_PLUGINS:%=$(BUILD)/tests/plugins/%.so) $(PRELOADS:%=$(BUILD)/tests/preload/%.so) \
                 $(ANIMALS:%=$(BUILD)/tests/zoo/%.so) $(ABI_PLUGINS:%=$(BUILD)/tests/abi/%.so)

test: test-deps
	$(MAKE) unit
	$(MAKE) e2e

unit: $(NEEDED_BY_UNIT)
	@printf '%s\n' $(patsubst %,$(BUILD)/tests/unit/%,$(SLOWEST) $(filter-out $(SLOWEST),$(UNIT_TESTS))) \
	    $(foreach f,$(FUZZERS:fuzz_%=%),'$(BUILD)/tests/replay/fuzz_$f fuzz/corpus/$f/*') | \
	xargs -P $(AT_ONCE) -L 1 sh -c '$$* > $$1.log 2>&1; code=$$?; flock $(BUILD)/tests cat $$1.log; exit $$code' -

e2e: $(NEEDED_BY_E2E)
	AGENTD_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -q -p no:cacheprovider -n $(AT_ONCE) $(TESTS)

# All that is tested, and nothing is run.
test-programs: $(NEEDED_BY_UNIT) $(NEEDED_BY_E2E)

zoo: export AGENTD_ZOO_SECONDS = $(SECONDS)
zoo: TESTS = tests/e2e/test_zoo.py
zoo: e2e

# One after another, so that the figures are shown.
chaos: export AGENTD_CHAOS_ROUNDS = $(ROUNDS)
chaos: export AGENTD_CHAOS_MESSAGES = $(MESSAGES)
chaos: AT_ONCE = 0
chaos: TESTS = tests/e2e/test_chaos.py tests/e2e/test_chaos_chats.py tests/e2e/test_chaos_reload.py
chaos: e2e

SOURCES = $(wildcard include/agentd/*.h daemon/*.[ch] daemon/*/*.[ch] host/*.[ch] fetch/*.c ctl/*.[ch] manual/*.c plugins/*/*.[ch] \
          tests/unit/*.[ch] tests/plugins/*.c tests/preload/*.c tests/zoo/*.[ch] fuzz/*.c bench/*.c)

lint: lint-deps
	@clang-format-14 --dry-run --Werror $(SOURCES)
	@printf '%s\n' $(filter %.c,$(SOURCES)) | \
	    xargs -P "$$(nproc)" -n 8 clang-14 -std=gnu17 -D_GNU_SOURCE -I. -Iinclude $(WARNINGS) -Werror -fsyntax-only

format:
	@clang-format-14 -i $(SOURCES)

fuzz: lint-deps $(FUZZERS:%=run-%)

run-fuzz_%: | $(BUILD)/fuzz/corpus
	$(Q)clang-14 -std=gnu17 -D_GNU_SOURCE -I. -Iinclude -g -O1 -fsanitize=fuzzer,address,undefined \
	    fuzz/fuzz_$*.c $(filter-out daemon/main.c,$(DAEMON_SOURCES)) $(FUZZED_OF_$*) $(DAEMON_LIBS) -o $(BUILD)/fuzz/$*
	$(Q)mkdir -p $(BUILD)/fuzz/corpus/$*
	$(BUILD)/fuzz/$* -max_total_time=$(SECONDS) $(BUILD)/fuzz/corpus/$* fuzz/corpus/$*

$(BUILD)/fuzz/corpus:
	$(Q)mkdir -p $@

$(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(call show,LINK)$(CC) -std=gnu17 -D_GNU_SOURCE $(CFLAGS) $< $(call pkg,libevent_core libevent_extra jansson) -o $@

bench: bench-deps
	$(MAKE) all $(BUILD)/bench/bare $(BUILD)/bench/bare_stream
	$(PYTHON) bench/bench.py --build $(abspath $(BUILD))

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(PLUGINDIR) \
	    $(DESTDIR)$(PREFIX)/include/agentd $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(SYSCONFDIR)/agentd/plugins
	install -m 755 $(BUILD)/agentd $(DESTDIR)$(BINDIR)/agentd
	install -m 755 $(BUILD)/agentctl $(DESTDIR)$(BINDIR)/agentctl
	for page in $(MANUALS); do \
	    install -D -m 644 $(BUILD)/man/$$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page || exit 1; done
	$(BUILD)/agentctl completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/agentctl
	$(BUILD)/agentctl completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_agentctl
	install -m 755 $(BUILD)/agentd-host $(BUILD)/agentd-fetch $(DESTDIR)$(LIBEXECDIR)
	install -m 644 $(PLUGINS:%=$(BUILD)/plugins/%.so) $(DESTDIR)$(PLUGINDIR)
	install -m 644 include/agentd/plugin.h $(DESTDIR)$(PREFIX)/include/agentd/plugin.h
	printf 'prefix=%s\nName: agentd\nDescription: for plugins of the agentd agent server\nVersion: %s\nCflags: -I$${prefix}/include\n' \
	    '$(PREFIX)' "$$(sed -n 's/.*AGENTD_VERSION "\(.*\)"/\1/p' daemon/version.h)" \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/agentd.pc
	sed 's|@BINDIR@|$(BINDIR)|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' systemd/agentd.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/agentd.service
	install -m 644 systemd/agentd.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/agentd.socket
	install -m 644 systemd/agentd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/agentd.conf
	[ -e $(DESTDIR)$(SYSCONFDIR)/agentd/agent.conf ] || \
	    install -m 640 conf/agent.conf $(DESTDIR)$(SYSCONFDIR)/agentd/agent.conf

# What install has put there. Configs and the store are the user's, and so are plugins beside ours: then their folder stays.
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/agentd $(DESTDIR)$(BINDIR)/agentctl \
	    $(foreach page,$(MANUALS),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(page)))/$(page)) \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/agentctl \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_agentctl \
	    $(DESTDIR)$(LIBEXECDIR)/agentd-host $(DESTDIR)$(LIBEXECDIR)/agentd-fetch \
	    $(PLUGINS:%=$(DESTDIR)$(PLUGINDIR)/%.so) \
	    $(DESTDIR)$(PREFIX)/include/agentd/plugin.h $(DESTDIR)$(PREFIX)/lib/pkgconfig/agentd.pc \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/agentd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/agentd.socket \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/agentd.conf
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(PREFIX)/include/agentd \
	    $(DESTDIR)$(PLUGINDIR) $(DESTDIR)$(PREFIX)/lib/agentd

clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
