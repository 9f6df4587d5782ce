"""The one checker of secrets.  A value the tests sent as one stays on a hook's stdin and, until its
event has ended, in the store.

Every site is asked about at its end (Site.stop), every answer when it comes (client.Answer), every command's
output too (Site.run).
"""

import contextlib
import json
import sqlite3
import shutil
import tempfile
from pathlib import Path

import bitrix


class Leak(AssertionError):
    """Secrets that were found, each as (value, place)."""


def search(places):
    """(secret, place) of each secret in PLACES, texts or bytes by name."""
    secrets = [(secret, secret.encode(errors="surrogateescape")) for secret in bitrix.sent_secrets]
    found = []
    for place, data in places.items():
        data = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        found += [(secret, place) for secret, wanted in secrets if wanted in data]
    return found


def refuse(found):
    if found:
        raise Leak(sorted(set(found)))


def processes(pids):
    """What everybody on the machine can read about PIDS."""
    places = {}
    for pid in pids:
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                places[f"process {pid}: {name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
    return places


def said(words, done):
    """What the command WORDS printed, but for what it was asked to show."""
    name = " ".join(map(str, words))
    shows = words[:1] in (("token",), ("decode",)) or "--secrets" in words
    return {f"{name}: errors": done.stderr} | ({} if shows else {name: done.stdout})


def reports(site, events=None):
    """What the commands say; each in both its forms about all, or about the numbers EVENTS."""
    commands = [("check", "--print"), ("status",), ("list",), ("portals",), ("portals", "--json")]
    if events is None:
        events = {line["event"] for line in site.list("--limit", "1000000")}
        commands += [("check", "--json"), ("status", "--json"), ("list", "--json"), ("check",)]
        members = {one["member_id"] for one in json.loads(site.run("portals", "--json", check=False, look=False).stdout or "[]")}
        commands += [("portals", member, *options) for member in members - {None} for options in ((), ("--json",))]
        commands += [("store", "status")] if site.database else []
    for number in events:
        commands += [("show", number), ("show", number, "--json")]
    places = {}
    for command in commands:
        done = site.run(*command, check=False, look=False)
        places[" ".join(map(str, command))] = done.stdout + done.stderr
    return places


def runs(site):
    """Arguments and environment of every run of the probe."""
    return {f"{run.name}: {name}": (run / name).read_bytes() for run in site.out.iterdir()
            for name in ("argv", "environ") if (run / name).exists()}


@contextlib.contextmanager
def opened_copy(database):
    """A copy: looking must leave no trace in the store.  sqlite3.Error when it is none."""
    with tempfile.TemporaryDirectory(prefix="bxhook-e2e-") as directory:
        for suffix in ("", "-wal", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{database}{suffix}", directory)
        with contextlib.closing(sqlite3.connect(Path(directory) / database.name)) as copy:
            yield copy


def stored(site):
    """({table: its texts}, the newest event, whether one keeps its secrets) of the store, the table of
    secrets left out."""
    if site.database:
        return site.database.stored()
    try:
        with opened_copy(site.home / "state" / "queue.db") as copy:
            copy.text_factory = bytes
            newest, = copy.execute("SELECT max(n) FROM event").fetchone()
            slots = copy.execute("SELECT e.n, s.data FROM event AS e JOIN slot AS s ON s.id = e.slot")
            kept = any(data[:8] == n.to_bytes(8, "little") for n, data in slots)
            # Those of installations and held posts stay until there is a verdict.
            kept = kept or any(len(data) > 7 and data[7] >= 0x80 for data, in copy.execute("SELECT data FROM slot"))
            names = {name.decode() for name, in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return {f"table {name}": texts(copy, name) for name in names - {"slot"}}, newest, kept
    except sqlite3.Error:  # none yet, or what a test made of it
        return {}, None, True


def texts(database, table):
    return b"\n".join(value for row in database.execute(f"SELECT * FROM {table}") for value in row
                      if isinstance(value, bytes))


def store_bytes(site):
    """The store's files, whatever they mean."""
    return {f"state/{path.name}": path.read_bytes() for path in (site.home / "state").iterdir()
            if path.is_file() and not path.name.endswith(".log")}


def at_rest(site):
    """All places of SITE, of which nothing runs any more."""
    places = site.logs() | runs(site)
    tables, newest, kept = stored(site)
    places |= tables
    if newest:
        # list and show of PostgreSQL's are SQLite's.
        places |= reports(site, [] if site.database else [newest])
    # A killed process leaves its log of the store behind; the next worker sees to it.
    if not kept and site.run("work", "--once", check=False).returncode == 0:
        places |= store_bytes(site)
    return places
