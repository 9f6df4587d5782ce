"""What the quick hook of hooks/lane.c wrote, and whether all that is promised was kept."""

import collections
import json
import subprocess

from scratch import as_user

Note = collections.namedtuple("Note", "what number id pid time")


def lane_log(site):
    """All notes, in order of time."""
    lines = (site.out / "runs.log").read_text().splitlines()
    notes = []
    for line in lines:
        what, number, id, pid, time = line.split()
        notes.append(Note(what, int(number), id, int(pid), int(time)))
    return sorted(notes, key=lambda note: note.time)


def problems(notes):
    """Lines that say where a lane ran out of order, or two of its runs at a time.

    A run may have no end (its worker was killed) and be repeated, but nothing of it may be left when
    the next of its lane begins.
    """
    found = []
    last = {}
    for note in notes:
        before = last.get(note.id)
        if note.what == "start":
            if before and note.number < before.number:
                found.append(f"lane {note.id}: {note.number} after {before.number}")
            if before and before.what == "start" and before.number != note.number:
                found.append(f"lane {note.id}: {note.number} began while {before.number} had not ended")
        elif not before or (before.what, before.pid) != ("start", note.pid):
            found.append(f"lane {note.id}: {note.number} ended after another had begun")
        last[note.id] = note
    return found


# Whether it is known to have run, and whether its worker died or left during it.
RAN = "exit IS NOT NULL OR signal <> '', result IN (4, 5, 6)"
OF_LANE = "d & 65535 = (SELECT id FROM bxhook.hook WHERE name = 'lane')"
ATTEMPTS = (f"SELECT d >> 16, {RAN} FROM bxhook.attempt WHERE {OF_LANE} UNION ALL "
            f"SELECT d >> 16, {RAN} FROM bxhook.ended WHERE result IS NOT NULL AND {OF_LANE}")
ATTEMPTS_OF_SQLITE = f"SELECT d >> 16, {RAN} FROM attempt UNION ALL SELECT d >> 16, {RAN} FROM ended WHERE result <> 0"
READ_SQLITE = f"""
import json, sqlite3, sys
store = sqlite3.connect(sys.argv[1])
print(json.dumps(store.execute("{ATTEMPTS_OF_SQLITE}").fetchall()))
"""


def attempts(site):
    """{event: [(ran, cut short) of each attempt]} of a site with one hook."""
    rows = site.database.sql(ATTEMPTS) if site.database else sqlite_attempts(site)
    found = collections.defaultdict(list)
    for event, ran, cut_short in rows:
        found[event].append((bool(ran), bool(cut_short)))
    return found


def sqlite_attempts(site):
    done = subprocess.run(["/usr/bin/python3", "-c", READ_SQLITE, site.home / "state" / "queue.db"],
                          capture_output=True, check=True, **as_user(site.user))
    return json.loads(done.stdout)


def broken_promises(site, accepted):
    """Lines that say what of the promise was broken, once nothing is unfinished any more.

    ACCEPTED: numbers of the events that were answered 200.  The site's only hook is that of lane.c,
    and it takes every event.
    """
    state = {line["event"]: line["state"] for line in site.list("--limit", "10000000")}
    return breaches(accepted, state, attempts(site), lane_log(site))


def breaches(accepted, state, tried, notes):
    """The model: all accepted events are in the store (STATE); of every event there the hook ran to
    its end, exactly as often as its attempts say (TRIED), where one that was cut short may or may not
    have begun; the lanes were kept; nothing is left unfinished.
    """
    found = [f"event {number} was answered 200 and is lost" for number in sorted(set(accepted) - set(state))]
    found += [f"event {number} is {word}" for number, word in sorted(state.items()) if word != "done"]
    starts = collections.Counter(note.number for note in notes if note.what == "start")
    ends = collections.Counter(note.number for note in notes if note.what == "end")
    found += [f"event {number} ran but is not in the store" for number in sorted(set(starts) - set(state))]
    for number in sorted(state):
        ran = sum(ran and not cut for ran, cut in tried[number])
        cut = sum(cut for _, cut in tried[number])
        enough = ends[number] >= 1 and ran <= starts[number] <= ran + cut
        if not enough or starts[number] - ends[number] > cut:
            found.append(f"event {number}: {starts[number]} starts and {ends[number]} ends "
                         f"of {ran} runs and {cut} cut short")
    return found + problems(notes)
