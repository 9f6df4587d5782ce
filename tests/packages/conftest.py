"""What `make check-packages` built, each tested by itself.

BXHOOK_CLONE is the clean clone it was built in; BXHOOK_MACHINE a Debian to copy instead of making one.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from machine import Machine, make_template  # noqa: E402


@pytest.fixture(scope="session")
def clone():
    return Path(os.environ["BXHOOK_CLONE"])


@pytest.fixture(scope="session")
def artefact(clone):
    """artefact("*.zip"): the one file of that name."""
    def find(pattern):
        found = sorted((clone / "build" / "packages").glob(pattern))
        assert len(found) == 1, f"{pattern}: {found}"
        return found[0]
    return find


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A Debian that never saw our build."""
    given = os.environ.get("BXHOOK_MACHINE")
    return Path(given) if given else make_template(tmp_path_factory.mktemp("debian") / "root")


@pytest.fixture(scope="module")
def machine(template, tmp_path_factory):
    made = Machine(template, tmp_path_factory.mktemp("machine") / "root")
    yield made
    made.remove()
