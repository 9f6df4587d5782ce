"""The lists of what must hold name tests that are there."""

import re

from scratch import ROOT

TESTS = ROOT / "tests"
LISTS = ["installations.txt", "calls.txt", "posts.txt", "subscriptions.txt"]


def unit_tests():
    """suite/case of each."""
    found = set()
    for path in (TESTS / "unit").glob("*_test.cpp"):
        suite = ""
        for kind, name in re.findall(r"^BOOST_(?:AUTO|FIXTURE|DATA)_TEST_(SUITE|CASE)\((\w+)", path.read_text(),
                                     re.MULTILINE):
            if kind == "SUITE":
                suite = name
            else:
                found.add(f"{suite}/{name}")
    return found


def end_to_end_tests():
    """file::test of each."""
    return {f"{path.name}::{name}" for path in (TESTS / "e2e").glob("test_*.py")
            for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}


def entries(text):
    """[(what must hold, [its tests])]."""
    found = []
    for block in re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip().split("\n\n"):
        lines = block.splitlines()
        found.append((" ".join(line for line in lines if not line.startswith(" ")),
                      [line.strip() for line in lines if line.startswith(" ")]))
    return found


def test_each_test_that_a_list_names_is_there():
    there = unit_tests() | end_to_end_tests()
    assert len(there) > 1000, "all of them were found"
    for name in LISTS:
        listed = entries((TESTS / name).read_text())
        assert len(listed) > 10
        for what, tests in listed:
            assert what and tests, f"{name}: {what or tests}"
            missing = [test for test in tests if test not in there]
            assert not missing, f"{name}: {what}: there is no {missing}"


def test_portals_says_that_there_is_none(site):
    site.config.write_text(f"store {site.home}/state/queue.db\nhooks_dir {site.hooks}\napp {{ server https://oauth.bitrix.info }}\n")
    done = site.run("portals")
    assert done.stdout == b"" and b"no portal: bxhook.conf has no `portal` block" in done.stderr
    assert site.run("portals", "--json").stdout == b"[]\n"
