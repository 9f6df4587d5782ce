"""What the sanitizers of an instrumented program find (`make SANITIZE=...`; tests/sanitized.cpp)."""

import os
from pathlib import Path

REPORTS = Path(os.environ["REPORTS"]) if os.environ.get("REPORTS") else None


def prepare():
    """The directory of the reports, empty, for all users."""
    if REPORTS:
        REPORTS.mkdir(exist_ok=True)
        REPORTS.chmod(0o1777)
        take()


def take():
    """The text of each report since the last call."""
    texts = []
    for path in sorted(REPORTS.iterdir()) if REPORTS else []:
        texts.append(path.read_text(errors="replace"))
        path.unlink()
    return texts


def are_in(program):
    """True when PROGRAM has sanitizers."""
    return b"__asan_init" in Path(program).read_bytes()
