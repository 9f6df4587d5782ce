"""The programs of the tests that `make check` does not run: benchmarks, torture, generators."""

import subprocess

import pytest

from scratch import ROOT

PROGRAMS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")
                  if "__main__" in path.read_text() and path.name != "test_tools.py")
LOAD = "import runpy, sys; sys.path.insert(0, sys.argv[1].rpartition('/')[0]); runpy.run_path(sys.argv[1], run_name='loaded')"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_finds_all_that_it_imports(program):
    loaded = subprocess.run(["/usr/bin/python3", "-c", LOAD, program], cwd=ROOT, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60)
    assert loaded.returncode == 0, loaded.stderr
