"""Rows: calls to REST by `bxhook call`, of the portal of tests/portal: what one costs, a list of 10,000, and 200 hooks
that call at once."""

import json
import re
import shutil
import subprocess
import time

import clouds
from scratch import Site, as_user, wait_for, write
from stage import on_postgresql
from table import Goal

STORES = ("SQLite", "PostgreSQL")
CALLS = 40            # of each, a round
ITEMS = 10_000
HOOKS = 200
RATE, BURST = 2, 5    # of the portal that they call
WITHIN = 300          # seconds that they may take
LIMIT = 120           # seconds of a list
LOOK = 0.2            # seconds between two looks at them
CODE = "ONCRMDEALADD"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/"}

GOALS = [goal for store in STORES for goal in (
    Goal(f"call, {store}: one, processor time", f"call, {store}: curl alone", at_most=1.3),
    Goal(f"call, {store}: one, static", f"call, {store}: curl alone", at_most=1.3),
    Goal(f"call, {store}: one, processor time", f"call, {store}: curl and a connection to the store", at_most=1.3),
    Goal(f"call, {store}: a list of 10,000", f"call, {store}: its requests by one curl", at_most=1.2),
    Goal(f"call, {store}: a list of 10,000", f"call, {store}: its requests by a curl each", at_most=1.2),
    Goal(f"call, {store}: 200 hooks at once, refused", at_most=0),
    Goal(f"call, {store}: 200 hooks at once, done", at_least=HOOKS))]

# Runs each command that a line on stdin names, and says what it and its children took of the processors, in ms.  The
# tests' own process is too large to fork: what that takes would be counted.
RUNNER = """
import json, os, sys
for line in sys.stdin:
    argv = json.loads(line)
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=nowhere)
    _, status, usage = os.wait4(pid, 0)
    print(json.dumps([status, 1000 * (usage.ru_utime + usage.ru_stime)]), flush=True)
"""


class Runner:
    """Runs commands as the user of SITE."""

    def __init__(self, site):
        self.popen = subprocess.Popen(["/usr/bin/python3", "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, cwd="/", env=ENVIRONMENT, **as_user(site.user))

    def run(self, *command):
        """Milliseconds of processor time."""
        self.popen.stdin.write(json.dumps([str(word) for word in command]) + "\n")
        self.popen.stdin.flush()
        status, took = json.loads(self.popen.stdout.readline())
        assert status == 0, f"{command[:2]}: {status}"
        return took

    def close(self):
        self.popen.stdin.close()
        self.popen.wait()


class Caller:
    """A site of STORE whose application is installed on a portal that takes as many calls as come."""

    def __init__(self, site, land, store):
        self.site, self.land, self.store = site, land, store
        self.portal = land.active()
        self.limits(1000, 100_000)

    def limits(self, rate, burst, more=""):
        conf = self.land.cloud.conf(self.land.app).replace("client_id", f"rate {rate}  burst {burst}  client_id", 1)
        self.site.configure(worker=f"start manual concurrency {HOOKS}", more=conf + more)

    def name(self, what):
        return f"call, {self.store}: {what}"

    def words(self, *words):
        return [self.site.binary, "call", *words, "--config", self.site.config]

    def token(self):
        return json.loads(self.site.run("token").stdout)["access_token"]

    def by_curl(self, method):
        return f"{self.land.cloud.client_endpoint(self.portal)}{method}"


# -- What one costs

def one(bench, caller, turn):
    """One call, and what it consists of at least, in turn."""
    caller.portal.rows["crm.deal"] = {7: {"ID": "7", "TITLE": "Row 7"}}
    calls = caller.words("crm.deal.get", "id=7")
    cases = {"one, processor time": calls,
             "curl alone": ["curl", "-sS", "--cacert", caller.land.cloud.cacert, "-d", "id=7", "-d",
                            f"auth={caller.token()}", caller.by_curl("crm.deal.get")],
             **others(bench, caller, calls)}
    runner = Runner(caller.site)
    try:
        took = [[runner.run(*case) for case in cases.values()] for _ in range(CALLS)]
    finally:
        runner.close()
    figures = {what: sum(times) / len(times) for what, times in zip(cases, zip(*took))}
    if "a connection to the store" in figures:
        figures["curl and a connection to the store"] = figures["curl alone"] + figures["a connection to the store"]
    for what, value in figures.items():
        bench.figures.add(turn, caller.name(what), value, "ms")


def others(bench, caller, calls):
    """Of SQLite the program of shared hosts; of PostgreSQL, which that has not, what connecting costs."""
    if caller.store == "SQLite":
        return {"one, static": [beside(caller.site, bench.build / "static" / "bxhook"), *calls[1:]]}
    url, = re.findall(r'postgresql://[^"]*', caller.site.config.read_text())
    return {"a connection to the store": [beside(caller.site, bench.build / "bench" / "pg_connect"), url]}


def beside(site, program):
    """A copy that the user of SITE may run."""
    return shutil.copy(program, site.run_dir / program.parent.name)


# -- A list

def whole_list(bench, caller, turn):
    """By `--all`, and the requests that it made once more: by one curl that keeps its connection, and by one each."""
    caller.portal.rows["crm.deal"] = {}
    caller.portal.fill("crm.deal", ITEMS)
    records = caller.land.cloud.records
    before = len(records.of("crm.deal.list"))
    took, printed = timed(caller.site, caller.words("crm.deal.list", "--all"))
    asked = records.of("crm.deal.list")[before:]
    if len(printed.splitlines()) != ITEMS:
        bench.problem(f"{caller.name('a list')}: {len(printed.splitlines())} of {ITEMS} items")
    requests = [request_again(caller, one) for one in asked]
    by_one = by_curl(caller.site, ["next\n".join(requests)])
    by_each = by_curl(caller.site, requests)
    assert len(records.of("crm.deal.list")) == before + 3 * len(asked)
    for what, value, unit in (("a list of 10,000", took, "s"), ("its requests by one curl", by_one, "s"),
                              ("its requests by a curl each", by_each, "s"),
                              ("requests of a list of 10,000", len(asked), "")):
        bench.figures.add(turn, caller.name(what), value, unit)


def request_again(caller, asked):
    """curl's configuration for the request ASKED."""
    return (f'url = "{caller.by_curl("crm.deal.list")}"\ndata-binary = "{asked.body.decode()}"\n'
            f'cacert = "{caller.land.cloud.cacert}"\n')


def by_curl(site, configs):
    """Seconds of a curl for each of CONFIGS, one after another."""
    names = [write(site.run_dir / f"requests-{number}", config, 0o600, site.user)
             for number, config in enumerate(configs)]
    script = "for name; do curl -q -sS --config \"$name\" || exit; done"
    return timed(site, ["sh", "-c", script, "sh", *names])[0]


def timed(site, command):
    """(seconds, what it prints)."""
    began = time.monotonic()
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, cwd="/", timeout=LIMIT, check=True,
                          env=ENVIRONMENT, **as_user(site.user))
    return time.monotonic() - began, done.stdout


# -- Hooks

HOOK = """#!/bin/sh
cat > /dev/null
"$BXHOOK" call crm.deal.get id="$BX_ID" > /dev/null
status=$?
echo $status >> {out}/statuses
exit $status
"""


def hooks(bench, caller):
    """HOOKS at once, of a portal that takes fewer."""
    site, portal, cloud = caller.site, caller.portal, caller.land.cloud
    site.hook("call.disabled", HOOK.format(out=site.out))
    caller.limits(RATE, BURST, f"hook call {{ event {CODE}  run {site.hooks}/call.disabled  concurrency {HOOKS}  "
                               "backoff 5s }\n")
    cloud.rest.limit(portal, BURST, float(RATE))
    for number in range(1, HOOKS + 1):
        portal.send(caller.land.app, CODE, {"FIELDS": {"ID": str(number)}}, portal.admin()).wait()
    site.change_store("DELETE FROM %limiter")  # what was called before
    began = time.monotonic()
    worker = site.work()
    statuses = []

    def all_done():
        time.sleep(LOOK)  # a look must not be load
        statuses[:] = (site.out / "statuses").read_text().split()
        return statuses.count("0") >= HOOKS
    try:
        wait_for(all_done, "the hooks", WITHIN)
        took = time.monotonic() - began
        site.wait_idle()
    except AssertionError as error:
        took = WITHIN
        bench.problem(f"{caller.name('200 hooks')}: {error}")
    worker.stop(limit=60)
    refused = sum(b"QUERY_LIMIT_EXCEEDED" in asked.answer for asked in cloud.records.of("crm.deal.get"))
    if set(statuses) - {"0", "75"}:
        bench.problem(f"{caller.name('200 hooks')}: calls ended with {sorted(set(statuses))}")
    for what, value, unit in (("done", site.status()["deliveries"]["done"], ""), ("refused", refused, ""),
                              ("run again", statuses.count("75"), ""), ("took", took, "s"),
                              ("the least that their rate takes", (HOOKS - BURST) / RATE, "s")):
        bench.figures.add(0, caller.name(f"200 hooks at once, {what}"), value, unit)


# -- Both stores

def call(bench, stage):
    """200 hooks once."""
    sqlite = Site(stage.scratch, "calls")
    bench.sites.append(sqlite)
    calls_of(bench, sqlite, "SQLite")
    with on_postgresql(bench, stage.scratch, "calls") as (host, _):
        calls_of(bench, host, "PostgreSQL")


def calls_of(bench, site, store):
    with clouds.on(site) as land:
        caller = Caller(site, land, store)
        for turn in range(bench.rounds):
            bench.begin(turn, f"call, {store}")
            one(bench, caller, turn)
            whole_list(bench, caller, turn)
        hooks(bench, caller)
    site.stop()
