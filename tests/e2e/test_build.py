"""The build around the code: what make does and does not do, installing, and the checks of the house."""

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scratch import ROOT, end_all_below, processes_below, wait_for

JOB_SERVER = re.compile(r" ?-j\d*| ?--jobserver-\S+")


def make(*arguments, cwd=ROOT, check=True, as_built=True):
    """With the variables that `make check` was given, as the tree was built, or with those named here alone."""
    env = dict(os.environ)
    flags = JOB_SERVER.sub("", env.get("MAKEFLAGS", ""))
    env["MAKEFLAGS"] = flags if as_built else ""
    for name in [] if as_built else re.findall(r"(\w+)=", flags):
        env.pop(name, None)  # make exports them too
    done = subprocess.run(["make", "--no-print-directory", *map(str, arguments)], cwd=cwd, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if check:
        assert done.returncode == 0, done.stdout
    return done


def sh(script, *arguments, **options):
    return subprocess.run(["sh", ROOT / "tests" / script, *map(str, arguments)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


@pytest.fixture(scope="module")
def built():
    if make("-q", "all", check=False).returncode:
        make("all")


# -- Building

def test_a_second_make_does_nothing(built):
    assert make("-q", "all", check=False).returncode == 0
    assert "Nothing to be done" in make("all").stdout


def users_of(header):
    """The .cpp files of src/ that include HEADER, also through other headers."""
    found, grown = {header}, True
    while grown:
        grown = False
        for path in [*ROOT.glob("src/**/*.h"), *ROOT.glob("src/**/*.cpp")]:
            name = str(path.relative_to(ROOT / "src"))
            included = set(re.findall(r'^#include "(.+)"', path.read_text(), re.MULTILINE))
            if name not in found and included & found:
                found.add(name)
                grown = True
    return {name for name in found if name.endswith(".cpp")}


@pytest.mark.parametrize("header", ["host/worker_lock.h", "base/clock.h", "worker/retry_schedule.h"])
def test_a_touched_header_rebuilds_its_users_only(built, header):
    plan = make("-n", "all", "-W", f"src/{header}").stdout
    compiled = set(re.findall(r" -c -o \S+ src/(\S+\.cpp)", plan))
    assert compiled == users_of(header)
    assert compiled, f"nobody includes {header}"


def test_other_flags_rebuild_all(built):
    plan = make("-n", "all", "CPPFLAGS=-DOTHER").stdout
    compiled = re.findall(r" -c -o \S+ (src/\S+\.cpp)", plan)
    assert len(compiled) == len([*ROOT.glob("src/**/*.cpp")])


def test_without_libraries_make_says_what_to_run(tmp_path):
    done = make("all", f"BUILD={tmp_path}", f"PROGRAM={tmp_path}/bxhook", "DEPS_CONFIGURED=", "PKG_CONFIG=false",
                check=False)
    assert done.returncode != 0
    assert "make deps" in done.stdout


@pytest.mark.parametrize("knob, place", [
    ("SANITIZE=address", "build/sanitized/"), ("BUILD=nowhere", "nowhere/"), ("CPPFLAGS=-DOTHER", "")])
def test_a_build_that_is_kept_apart_leaves_the_program_alone(knob, place):
    plan = make("-n", "all", "V=1", "PQ_LIBS=-lpq", knob, as_built=False).stdout
    assert set(re.findall(r" -o (\S*bxhook\S*) ", plan)) == {f"{place}bxhook", f"{place}bxhook-postgresql.so"}


@pytest.mark.parametrize("libpq", ["-lpq", ""])
def test_without_libpq_nothing_of_postgresql_is_built(libpq):
    plan = make("-n", "all", f"{ROOT}/nowhere/unit-tests", "install", f"BUILD={ROOT}/nowhere", "PROGRAM=nowhere",
                "V=1", f"PQ_LIBS={libpq}").stdout
    for word in ("src/postgres/add.cpp", " -lpq", "bxhook-postgresql.so", "-rdynamic", "-DBXHOOK_MODULEDIR"):
        assert (word in plan) == bool(libpq), word
    assert ("-DBXHOOK_NO_MODULE" in plan) == (not libpq)


@pytest.mark.parametrize("flags, absent", [
    ("CXXFLAGS=-O2 -g", ""), ("CXXFLAGS=-O0", "_FORTIFY_SOURCE"),
    ("CXXFLAGS=-O2 -D_FORTIFY_SOURCE=3", "_FORTIFY_SOURCE=2"),
    ("SANITIZE=address", "_FORTIFY_SOURCE"), ("HARDEN=", "_FORTIFY_SOURCE=2 -fPIE -fstack-protector-strong -pie")])
def test_hardening_gives_way(flags, absent):
    """To the user's flags, which stand behind ours, and where it would be in the way."""
    plan = make("-n", "all", f"BUILD={ROOT}/nowhere", "PROGRAM=nowhere", "V=1", flags).stdout
    words = plan.split()
    ours = ["_FORTIFY_SOURCE=2", "-fPIE", "-fstack-protector-strong", "-pie"]
    assert [word for word in ours if not any(given.endswith(word) for given in words)] == [
        word for word in ours if word in absent.split() or absent == "_FORTIFY_SOURCE" and word == "_FORTIFY_SOURCE=2"]
    if flags.startswith("CXXFLAGS"):
        assert plan.index(flags.split("=", 1)[1]) > plan.index("-fstack-protector-strong")


def test_the_program_is_hardened(program):
    said = subprocess.check_output(["readelf", "-hldnW", "--dyn-syms", program], text=True)
    for feature in ("DYN (Position-Independent", "GNU_RELRO", "BIND_NOW", "__stack_chk_fail"):
        assert feature in said, feature


def test_what_is_built_holds_no_path_of_the_build(program):
    strings = subprocess.check_output(["strings", "-a", program], text=True)
    assert str(ROOT) not in strings


def test_the_version_is_the_same_everywhere():
    version = make("--eval=show: ; @echo $(VERSION)", "show").stdout.strip()
    assert f"AC_INIT([bxhook], [{version}])" in (ROOT / "configure.ac").read_text()
    assert (ROOT / "debian" / "changelog").read_text().startswith(f"bxhook ({version}) ")


# -- Installing

def files_below(path):
    return {str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir()}


class Installed:
    """What `make install` wrote below DESTDIR, where a config lay already."""

    def __init__(self, root):
        self.root = root
        self.config = root / self.place("sysconfdir") / "bxhook" / "bxhook.conf"
        self.config.parent.mkdir(parents=True)
        self.config.write_text("; mine\n")
        make("install", f"DESTDIR={root}")

    @staticmethod
    def place(variable):
        """A directory of the Makefile's, without its leading slash."""
        return make(f"--eval=show: ; @echo $({variable})", "show").stdout.strip().lstrip("/")

    def path(self, variable, name):
        return self.root / self.place(variable) / name


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("root"))


@pytest.mark.parametrize("variable, name", [
    ("bindir", "bxhook"), ("bashdir", "bxhook"), ("docdir", "README.md"), ("docdir", "conf/nginx.conf.example"),
    ("docdir", "examples/notify.sh"), ("docdir", "examples/README.md"),
    ("docdir", "docs/guarantees.md"), ("unitdir", "bxhook.service"), ("unitdir", "bxhook.socket"),
    ("unitdir", "bxhook-worker.service"),
    *[("mandir", f"man{page.suffix[1:]}/{page.name}") for page in ROOT.glob("man/*.[1-8]")]])
def test_install_puts_it_below_destdir(installed, variable, name):
    assert installed.path(variable, name).stat().st_size > 0


def test_install_names_no_place_outside_destdir(installed):
    plan = make("-n", "install", "DESTDIR=/nowhere").stdout
    commands = [line for line in plan.splitlines() if not line.lstrip().startswith("#")]
    targets = re.findall(r"""['"](/[^'"$]*)""", "\n".join(commands))
    assert len(targets) > 5
    assert [target for target in targets if not target.startswith("/nowhere/")] == []


def test_install_leaves_the_config_alone(installed):
    assert installed.config.read_text() == "; mine\n"


def test_installed_units_name_the_installed_places(installed):
    unit = installed.path("unitdir", "bxhook.service").read_text()
    bindir, sysconfdir = installed.place("bindir"), installed.place("sysconfdir")
    assert f"ExecStart=/{bindir}/bxhook serve --config /{sysconfdir}/bxhook/bxhook.conf\n" in unit


def test_installcheck_passes_and_uninstall_leaves_the_config_only(installed):
    make("installcheck", f"DESTDIR={installed.root}")
    make("uninstall", f"DESTDIR={installed.root}")
    assert files_below(installed.root) == {str(installed.config.relative_to(installed.root))}


# -- configure

def test_configure_writes_config_mk_and_nothing_else(tmp_path):
    for name in ("Makefile", "configure.ac", "config.mk.in"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("src", "man", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name)
    make("configure", cwd=tmp_path)
    before = files_below(tmp_path)
    subprocess.run(["./configure", "--prefix=/opt/bx", "--sysconfdir=/etc", "--libdir=/opt/lib/x86", "CXXFLAGS=-O1"],
                   cwd=tmp_path, check=True, capture_output=True)
    assert files_below(tmp_path) - before == {"config.mk", "config.log", "config.status"}
    plan = make("-n", "V=1", "install", cwd=tmp_path, as_built=False).stdout
    assert """-DBXHOOK_SYSCONFDIR='"/etc"'""" in plan
    assert " -O1 -MMD " in plan
    assert "'/opt/bx/bin/bxhook'" in plan
    assert "'/opt/lib/x86/bxhook/bxhook-postgresql.so'" in plan
    subprocess.run(["./configure", "--without-postgresql"], cwd=tmp_path, check=True, capture_output=True)
    assert "bxhook-postgresql.so" not in make("-n", "install", cwd=tmp_path).stdout


# -- The checks of the house

def planted(tmp_path, name, text):
    shutil.copytree(ROOT / "src", tmp_path / "src")
    path = tmp_path / "src" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + text)
    return sh("layers.sh", tmp_path / "src")


def test_the_includes_point_one_way():
    done = sh("layers.sh", ROOT / "src")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name, text, complaint", [
    ("form/form.h", '#include "gateway/request.h"\n', "src/form/form.h:"),
    ("base/text.h", '#include "config/config.h"\n', "src/base/text.h:"),
    ("gateway/gateway.h", '#  include "hooks/hooks.h"\n', "src/gateway/gateway.h:"),
    ("worker/worker.h", '#include "gateway/gateway.h"\n', "src/worker/worker.h:"),
    ("util/misc.h", "int misc();\n", "src/util/misc.h is in no room"),
    ("store/store.h", "struct sqlite3;\n", "SQLite is known to more than one .cpp"),
    ("cli/commands/list.cpp", "#include <fcgiapp.h>\n", "libfcgi is known to more than one .cpp"),
])
def test_a_wrong_include_is_found(tmp_path, name, text, complaint):
    done = planted(tmp_path, name, text)
    assert done.returncode != 0
    assert complaint in done.stdout


def test_a_comment_may_name_anything(tmp_path):
    assert planted(tmp_path, "store/store.h", "// As sqlite3_exec and FCGX_Accept_r do.\n").returncode == 0


def waits(src):
    return subprocess.run([sys.executable, ROOT / "tests" / "waits.py", src], text=True, stdout=subprocess.PIPE)


def test_every_call_that_can_wait_has_its_reason():
    done = waits(ROOT / "src")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name, text, call", [
    ("gateway/server.cpp", "ssize_t say(int fd) { return ::write(fd,\n    \"x\", 1); }\n", '::write(fd, "x", 1)'),
    ("worker/upkeep.cpp", "int ask(int fd) { return ::connect(fd, where(1), 3); }\n", "::connect(fd, where(1), 3)"),
    ("stores/copy.cpp", "void nap() { std::this_thread::sleep_for(day); }\n", "std::this_thread::sleep_for(day)"),
    ("worker/loop.cpp", "std::string text = read_file(name);\n", "read_file(name)"),
    ("base/log.cpp", "std::ofstream log(path);\n", "std::ofstream log(path)"),
])
def test_a_call_without_a_reason_is_found(tmp_path, name, text, call):
    shutil.copytree(ROOT / "src", tmp_path / "src")
    with open(tmp_path / "src" / name, "a", encoding="utf-8") as file:
        file.write(text)
    done = waits(tmp_path / "src")
    assert done.returncode == 1
    assert done.stdout == f"src/{name} | {call}: may wait: say in tests/waits.txt why it does not, or for how long\n"


def test_a_reason_without_its_call_is_found(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src")
    (tmp_path / "src" / "host" / "signals.cpp").write_text("")
    done = waits(tmp_path / "src")
    assert done.returncode == 1 and "no such call: host/signals.cpp | ::read(" in done.stdout


def test_the_runner_counts_failures_and_says_so():
    done = subprocess.run([sys.executable, ROOT / "tests" / "run", "unit", "conformance"], text=True,
                          env={**os.environ, "BUILD": "/nonexistent"}, stdout=subprocess.PIPE)
    assert done.stdout.splitlines()[-1] == "0 passed, 2 failed"
    assert done.returncode == 1


# -- Packages

class Machine:
    """A Debian of paper: programs of our own in PATH, and the policy file in a scratch directory."""

    def __init__(self, path):
        self.path = path
        self.policy = path / "policy-rc.d"
        self.log = path / "log"
        self.log.touch()
        self.bin = path / "bin"
        self.bin.mkdir()
        self.program("id", "echo 0")
        self.program("dpkg-query", 'case "$4" in lighttpd | jq) exit 1 ;; esac\necho installed')
        self.apt()

    def program(self, name, script):
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def apt(self, status=0):
        self.program("apt-get", f'echo "apt-get $*" >>"{self.log}"\n"{self.policy}"\n'
                                f'echo "policy $? $DEBIAN_FRONTEND" >>"{self.log}"\n[ "$1" = update ] || exit {status}')

    def deps(self, what="all"):
        return sh("deps.sh", what, env={"PATH": f"{self.bin}:/usr/bin:/bin", "POLICY_RC_D": str(self.policy)})


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


INSTALLED = ["apt-get update", "policy 101 noninteractive",
             "apt-get install -y --no-install-recommends lighttpd jq", "policy 101 noninteractive"]


def test_deps_installs_what_is_missing_and_starts_nothing(machine):
    assert machine.deps().returncode == 0
    assert machine.log.read_text().splitlines() == INSTALLED
    assert not machine.policy.exists()


def test_deps_does_nothing_when_nothing_is_missing(machine):
    assert machine.deps("demo").returncode == 0
    assert machine.log.read_text() == ""


@pytest.mark.parametrize("status", [0, 100])
def test_deps_puts_an_existing_policy_back(machine, status):
    machine.policy.write_text("#!/bin/sh\nexit 0\n")
    machine.apt(status)
    assert machine.deps().returncode == status
    assert machine.log.read_text().splitlines() == INSTALLED
    assert machine.policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert files_below(machine.path) == {"policy-rc.d", "log", "bin/id", "bin/dpkg-query", "bin/apt-get"}


def test_deps_clears_up_after_a_killed_run(machine):
    machine.apt(status='$(kill -KILL $PPID)')
    machine.policy.write_text("#!/bin/sh\nexit 0\n")
    assert machine.deps().returncode != 0
    assert machine.policy.read_text() != "#!/bin/sh\nexit 0\n"
    machine.apt()
    assert machine.deps().returncode == 0
    assert machine.policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_deps_uses_sudo_when_it_is_not_root(machine):
    machine.program("id", "echo 1000")
    machine.program("sudo", f'echo sudo >>"{machine.log}"\nexec env "$@"')
    assert machine.deps().returncode == 0
    assert machine.log.read_text().splitlines() == ["sudo", *INSTALLED]


@pytest.mark.parametrize("what, more, not_wanted", [
    ("deb", {"debhelper", "lintian", "autoconf", "libboost-test-dev"}, "apache2"), ("zip", {"zip"}, "debhelper")])
def test_deps_of_one_package_are_those_of_the_build_and_its_own(machine, what, more, not_wanted):
    machine.program("dpkg-query", "exit 1")
    assert machine.deps(what).returncode == 0
    installed = set(machine.log.read_text().splitlines()[2].split()[4:])
    assert more | {"g++", "libfcgi-dev"} <= installed and not_wanted not in installed
    if what == "deb":
        control = (ROOT / "debian" / "control").read_text().split("Build-Depends:\n")[1].split("\nS")[0]
        wanted = {re.match(r" ([\w+-]+)", line)[1] for line in control.splitlines()} - {"debhelper-compat"}
        assert wanted | {"build-essential"} <= installed  # which dpkg wants of every package


def test_deps_shows_apt_only_when_it_fails(machine):
    machine.program("apt-get", 'echo "Reading lists of apt"; [ "$1" = update ] || exit "$(cat "${0%/*}/../status")"')
    (machine.path / "status").write_text("0")
    done = machine.deps()
    assert (done.returncode, done.stdout) == (0, "deps: installing 2 packages\n")
    (machine.path / "status").write_text("100")
    done = machine.deps()
    assert done.returncode == 100 and "Reading lists of apt" in done.stdout


def test_deps_names_the_packages_elsewhere(machine):
    for name in ("dpkg-query", "apt-get"):
        (machine.bin / name).unlink()
    for name in ("sh", "echo"):
        (machine.bin / name).symlink_to(shutil.which(name))
    done = sh("deps.sh", "build", env={"PATH": str(machine.bin)})
    assert done.returncode == 1
    assert "libfcgi-dev" in done.stdout and "run-check" in done.stdout


# -- The demo

@pytest.fixture
def place():
    """A directory that any user may search, for the demo's own scratch directory."""
    path = Path(tempfile.mkdtemp(prefix="bxhook-e2e-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    end_all_below(path)
    shutil.rmtree(path)


def demo(program, place, **environment):
    done = sh("demo.sh", program, env={"PATH": "/usr/bin:/bin", "TMPDIR": str(place), **environment},
              stdin=subprocess.DEVNULL, timeout=120)
    assert list(place.iterdir()) == [] and processes_below(place) == [], done.stdout
    return done


def test_the_demo_passes_and_leaves_nothing_behind(program, place):
    done = demo(program, place)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout and done.stdout.endswith("demo: all 21 checks passed\n"), done.stdout
    for told in ("new deal 7 on some-domain.bitrix24.com", "the ERP does not answer", "attempt 3: done",
                 "task 9 was taken over", 'reason="wrong token', '"TITLE": "Row 7"'):
        assert told in done.stdout, told
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_the_demo_fails_when_the_config_has_another_token(program, place):
    done = demo(program, place, DEMO_TOKEN="wrong")
    assert done.returncode == 1, done.stdout
    assert "FAIL  POST ONCRMDEALADD: 403" in done.stdout
    assert re.fullmatch(r"demo: \d+ of \d+ checks failed", done.stdout.splitlines()[-1]), done.stdout


@pytest.mark.parametrize("key, status, last", [(b"\r", 0, b"checks passed"), (b"\x03", 130, b"")])
def test_the_demo_stays_up_on_a_terminal_until_enter_or_ctrl_c(program, place, key, status, last):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TMPDIR"] = str(place)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for what it runs by `&`
        os.execvp("sh", ["sh", str(ROOT / "tests" / "demo.sh"), str(program)])
    shown = b""
    ended = []

    def told(text):
        nonlocal shown
        with contextlib.suppress(OSError):  # the end of a terminal
            if select.select([terminal], [], [], 0)[0]:
                shown += os.read(terminal, 65536)
        return text in shown

    def reaped():
        found, how = os.waitpid(pid, os.WNOHANG)
        ended.extend([how] if found else [])
        return found == pid

    wait_for(lambda: told(b"Press Enter here to stop it."), lambda: shown, 90)
    commands = re.findall(rb"^  ((?:cd|\./bxhook) .*?)\r?$", shown, re.MULTILINE)
    assert len(commands) == 3
    enter, trigger, listing = commands

    def type_in(command):
        done = subprocess.run(enter + b" && " + command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done
        return done.stdout
    assert b'"event":8' in type_in(trigger)
    wait_for(lambda: b"8/ONCRMDEALADD" in type_in(listing), "the event's hook in the list")
    os.write(terminal, key)
    wait_for(lambda: told(last), lambda: shown, 90)
    wait_for(lambda: told(b"") and reaped(), lambda: shown, 90)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(ended[0]) == status
    assert list(place.iterdir()) == [] and processes_below(place) == []
