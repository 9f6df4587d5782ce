"""What the quick hook of hooks/lane.c wrote, and whether its lanes were kept."""

import collections

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
