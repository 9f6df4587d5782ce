"""The tarball: builds, checks and installs by itself, and gives the same bytes as the clone did elsewhere."""

import filecmp
import os
import subprocess

import pytest

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "BXHOOK", "CXX"))}


def run(*command, cwd):
    done = subprocess.run([*map(str, command)], cwd=cwd, env=CLEAN, text=True, timeout=1800,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def tree(artefact, tmp_path_factory):
    """The tarball, unpacked and built as its README says."""
    path = tmp_path_factory.mktemp("dist")
    run("tar", "-xzf", artefact("*.tar.gz"), "-C", path, cwd="/")
    (tree,) = path.iterdir()
    run("./configure", "CXXFLAGS=-O2 -g", cwd=tree)
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
    """The suites that take seconds, and the main job; the others are the clone's `make check`."""
    run("make", "check-e2e", "K=five_events and nginx", cwd=tree)
    run("tests/run", "layers", "scripts", "pages", cwd=tree)


def test_another_directory_and_time_give_the_same_bytes(clone, tree, artefact):
    run("make", cwd=clone)
    assert filecmp.cmp(clone / "bxhook", tree / "bxhook", shallow=False)
    run("make", "zip", cwd=tree)
    assert filecmp.cmp(artefact("*.zip"), tree / "build" / "packages" / artefact("*.zip").name, shallow=False)


def test_packed_again_it_is_the_same(clone, artefact, tmp_path):
    run("git", "clone", "-q", clone, tmp_path / "again", cwd="/")
    run("make", "dist", cwd=tmp_path / "again")
    again = tmp_path / "again" / "build" / "packages" / artefact("*.tar.gz").name
    assert filecmp.cmp(artefact("*.tar.gz"), again, shallow=False)
