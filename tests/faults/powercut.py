"""Disks after a power cut, built from the journal that powercut.c writes.

A file's bytes are durable when a sync of that file follows them; its name (creation, removal) when
a sync of its directory does.  Of what is not durable yet any part may have reached the disk, in
any order and by sectors of 512 bytes: `Journal.disk` draws one such state.
"""
import os
import struct

WRITE, TRUNCATE, SYNC, CREATE, UNLINK, RENAME = range(1, 7)
HEADER = struct.Struct("<IIQI")
SECTOR = 512


class Journal:
    def __init__(self, path):
        self.records = []  # (end offset in the journal, op, path, offset, data)
        with open(path, "rb") as stream:
            content = stream.read()
        at = 0
        while at + HEADER.size <= len(content):
            op, path_length, offset, length = HEADER.unpack_from(content, at)
            at += HEADER.size
            name = content[at:at + path_length].decode()
            at += path_length
            self.records.append((at + length, op, name, offset, content[at:at + length]))
            at += length

    def disk(self, cut, rng, root):
        """The files below `root` (name -> bytes) after a cut behind the first `cut` records."""
        state = _Disk(root)
        for record in self.records[:cut]:
            state.apply(*record[1:])
        return state.draw(rng)

    def cuts_after(self, size):
        """The first cut at which everything that was in the journal at `size` bytes has happened."""
        for index, record in enumerate(self.records):
            if record[0] > size:
                return index
        return len(self.records)


class _File:
    def __init__(self):
        self.durable = bytearray()
        self.pending = []  # ("write", offset, bytes) | ("truncate", size)

    def flush(self):
        for change in self.pending:
            _change(self.durable, change)
        self.pending = []

    def draw(self, rng):
        content = bytearray(self.durable)
        keep = rng.choice((0.0, 0.5, 0.9, 1.0))
        changes = []
        for change in self.pending:
            if change[0] == "truncate":
                changes.append(change)
                continue
            _, offset, data = change
            for start in range(0, len(data), SECTOR):
                changes.append(("write", offset + start, data[start:start + SECTOR]))
        for change in changes:
            if rng.random() < keep:
                _change(content, change)
        return bytes(content)


def _change(content, change):
    if change[0] == "truncate":
        size = change[1]
        del content[size:]
        content.extend(b"\0" * (size - len(content)))
        return
    _, offset, data = change
    if len(content) < offset:
        content.extend(b"\0" * (offset - len(content)))
    content[offset:offset + len(data)] = data


class _Disk:
    def __init__(self, root):
        self.root = root
        self.names = {}           # as the running system sees them: path -> _File
        self.durable_names = {}
        self.changes = []         # of names, since the directory was synced

    def apply(self, op, path, offset, data):
        if op == CREATE and path in self.names:
            pass  # another process was first
        elif op == CREATE:
            self.names[path] = _File()
            self.changes.append((path, self.names[path]))
        elif op == UNLINK:
            if self.names.pop(path, None) is not None:
                self.changes.append((path, None))
        elif op == RENAME:
            moved = self.names.pop(path, None)
            if moved is not None:
                target = data.decode()
                self.names[target] = moved
                self.changes += [(target, moved), (path, None)]
        elif op == SYNC and path not in self.names:
            self.durable_names = {name: file for name, file in self.names.items()}
            self.changes = []
        elif path in self.names:
            file = self.names[path]
            if op == WRITE:
                file.pending.append(("write", offset, data))
            elif op == TRUNCATE:
                file.pending.append(("truncate", offset))
            elif op == SYNC:
                file.flush()

    def draw(self, rng):
        names = dict(self.durable_names)
        # A journalling file system keeps the order of name changes: any prefix may be there.
        for path, file in self.changes[:rng.randint(0, len(self.changes))]:
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file
        return {path: file.draw(rng) for path, file in names.items()}


def write_disk(files, root, target):
    """Lays the drawn files out below `target` in place of `root`."""
    for path, content in files.items():
        name = os.path.join(target, os.path.relpath(path, root))
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "wb") as stream:
            stream.write(content)
