"""The tarball: builds, checks and installs by itself, and gives the same bytes as the clone did elsewhere."""

import filecmp
import os
import subprocess

import pytest

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "BXHOOK", "CXX", "E2E"))}
FLAGS = "CXXFLAGS=-O2 -g"


def run(*command, cwd, **environment):
    done = subprocess.run([*map(str, command)], cwd=cwd, env={**CLEAN, **environment}, text=True, timeout=1800,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def same(one, other):
    assert filecmp.cmp(one, other, shallow=False), f"{one} and {other} differ"


@pytest.fixture(scope="module")
def unpack(artefact, tmp_path_factory):
    """unpack(): the tree of the tarball, in another directory each time."""
    def make():
        path = tmp_path_factory.mktemp("dist")
        run("tar", "-xzf", artefact("*.tar.gz"), "-C", path, cwd="/")
        (tree,) = path.iterdir()
        return tree
    return make


@pytest.fixture(scope="module")
def tree(unpack):
    """The tarball, unpacked and built as its README says."""
    tree = unpack()
    run("./configure", FLAGS, cwd=tree)
    run("make", f"-j{os.cpu_count()}", cwd=tree)
    return tree


def test_it_is_the_commit_and_configure(clone, tree):
    tracked = set(run("git", "ls-files", cwd=clone).split("\n")) - {""}
    assert all((tree / name).is_symlink() or (tree / name).exists() for name in tracked)
    assert (tree / "configure").stat().st_mode & 0o111


def test_it_installs(tree, tmp_path):
    run("make", "install", f"DESTDIR={tmp_path}", cwd=tree)
    run("make", "installcheck", f"DESTDIR={tmp_path}", cwd=tree)
    assert (tmp_path / "usr/local/bin/bxhook").stat().st_size > 0


def test_it_checks_itself(tree):
    """The suites that take seconds, and the main job; the unit tests run where the Debian package is
    built again, the others are the clone's `make check`."""
    run("tests/run", "layers", "scripts", "pages", "e2e", cwd=tree, E2E="five_events and nginx")


def test_another_directory_and_time_give_the_same_bytes(clone, tree, artefact):
    run("make", cwd=clone)
    same(clone / "bxhook", tree / "bxhook")
    same(clone / "bxhook-postgresql.so", tree / "bxhook-postgresql.so")
    run("make", "zip", cwd=tree)
    same(artefact("*.zip"), tree / "build" / "packages" / artefact("*.zip").name)


def test_packed_again_it_is_the_same(clone, artefact, tmp_path):
    run("git", "clone", "-q", clone, tmp_path / "again", cwd="/")
    run("make", "dist", cwd=tmp_path / "again")
    same(artefact("*.tar.gz"), tmp_path / "again" / "build" / "packages" / artefact("*.tar.gz").name)


def test_without_postgresql_it_says_so(tree, tmp_path):
    """After all others: it changes the tree, whose module of before lies there and is not taken either."""
    assert "\nstores: sqlite postgresql\n" in run("./bxhook", "version", cwd=tree)
    assert "postgresql  off" in run("./configure", "--without-postgresql", FLAGS, cwd=tree)
    run("make", "install", f"DESTDIR={tmp_path}", cwd=tree)
    assert list(tmp_path.rglob("*.so")) == []
    for program in (tree / "bxhook", tmp_path / "usr/local/bin/bxhook"):
        assert "\nstores: sqlite\n" in run(program, "version", cwd="/")


def test_debian_packages_built_again_are_the_same(unpack, clone):
    """Elsewhere, at another time, and with the tests that a distributor's build runs."""
    again = unpack()
    said = run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=again, DEB_BUILD_OPTIONS=f"parallel={os.cpu_count()}")
    assert " passed, 0 failed\n" in said
    made = sorted(again.parent.glob("*.deb"))
    assert len([deb for deb in made if "-dbgsym_" not in deb.name]) == 2
    for deb in made:
        same(clone / "build" / "packages" / "deb" / deb.name, deb)
