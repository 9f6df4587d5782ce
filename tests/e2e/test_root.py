"""Root's commands on what users own: nothing of root's is given away or opened for them, nobody becomes
whom the configuration is not meant for, and what they start has nothing of root's.

USER owns the store, OTHER is a third; an Attacker swaps what root looks at, in a loop.
"""

import json
import os
import pty
import re
import socket
import subprocess
import sys
import time

import pytest

import bitrix
import client
import sanitizers
from scratch import AS_ROOT, USER, directory, wait_for, write

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")
OTHER, OTHER_GROUP = 65534, 65534
NAMELESS = 54321   # a user and a group that are in no file
RACE = 6           # seconds an attacker is given

SWAP = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
a, b = (os.fsencode(path) for path in sys.argv[1:])
print("begun", flush=True)
while True:
    libc.syscall(316, -100, a, -100, b, 2)  # renameat2, RENAME_EXCHANGE
"""


class Attacker:
    """As long as it lasts USER exchanges A and B."""

    def __init__(self, a, b):
        self._arguments = [sys.executable, "-c", SWAP, str(a), str(b)]

    def __enter__(self):
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.PIPE, user=USER.pw_uid, group=USER.pw_gid,
                                         extra_groups=[])
        assert self._process.stdout.readline() == b"begun\n"

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()


def root(site, *arguments, config=None, under=(), **options):
    """`bxhook ARGUMENTS --config ...`, typed by root."""
    return subprocess.run([*under, site.binary, *map(str, arguments), "--config", str(config or site.config)],
                          capture_output=True, timeout=60, cwd="/", env={"PATH": "/usr/bin:/bin"}, **options)


def refused(done):
    assert done.returncode == 1, done
    return done.stderr.decode()


def owned(path, uid, gid=None):
    os.chown(path, uid, uid if gid is None else gid, follow_symlinks=False)
    return path


def race(command, won):
    """COMMAND again and again until WON() or the time is over; False when it never won."""
    end = time.monotonic() + RACE
    while time.monotonic() < end:
        command()
        if won():
            return True
    return False


def serve_for_a_moment(site, path, group):
    """A gateway of root that makes the socket at PATH; it cannot be seen from here where that is."""
    gateway = subprocess.Popen([site.binary, "serve", "--config", site.config, "--listen", f"unix:{path}",
                                "--group", str(group)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        gateway.wait(0.2)
    except subprocess.TimeoutExpired:
        gateway.terminate()
        gateway.wait()


@pytest.fixture
def house(scratch):
    """A directory of root's, in which each has one."""
    path = scratch.new("house")
    os.chown(path, 0, 0)
    path.chmod(0o755)
    return path


# -- a config that others can change

@pytest.mark.parametrize("mode", [0o602, 0o620])
@pytest.mark.parametrize("name", ["bxhook.conf", "portals.list"])
def test_what_others_can_write_is_not_read(site, name, mode):
    """By the user itself too, a gateway with an old config keeps that."""
    write(site.home / "portals.list", f"- {bitrix.DOMAIN} {bitrix.TOKEN}\n", 0o600, site.user)
    site.configure(portals="portals portals.list\n", worker="start manual")
    site.serve()
    wait_for(lambda: "serving" in site.gateway.text(), "the gateway's first look at its config")
    (site.home / name).chmod(mode)
    for words in (["status"], ["list"], ["work", "--once"], ["trigger", "ONAPPTEST"], ["decode"]):
        reason = site.run(*words, check=False)
        told = (reason.stderr + reason.stdout).decode()
        assert reason.returncode == 1 and f"chmod go-w {site.home}/{name}" in told, reason
    wait_for(lambda: client.fastcgi(site.socket, bitrix.body()).status == 200
             and "gateway: config refused" in site.log(), "the gateway to look")
    (site.home / name).chmod(0o600)
    assert site.list()


COMMANDS = ["status", "work --once", "list", "trigger ONAPPTEST", "check", "serve"]
CHANGED = ["config", "portals", "hooks", "directory", "link", "group", "all"]


@needs_root
@pytest.mark.parametrize("whose, command", [
    (whose, command) for whose in CHANGED for command in COMMANDS
    if whose != "hooks" or command not in ("list", "serve")])  # which look at no hooks
def test_root_uses_no_config_that_a_third_can_change(site, house, whose, command):
    """And the command that root is told sets it right."""
    home = directory(house / "conf", 0o755)
    os.chown(home, 0, 0)
    portals = owned(write(home / "portals.list", f"- - {bitrix.TOKEN}\n", 0o644), USER.pw_uid)
    hooks = owned(directory(home / "hooks"), USER.pw_uid)
    config = owned(write(home / "bxhook.conf", f"store {site.home}/state/queue.db\nportals portals.list\n"
                         "worker { start manual }\n", 0o644), USER.pw_uid)
    victim = {"config": config, "portals": portals, "hooks": hooks, "directory": home, "link": home / "link.conf",
              "group": home, "all": home}[whose]
    if whose == "link":
        victim.symlink_to("bxhook.conf")
        config = victim
    if whose in ("group", "all"):
        os.chown(victim, 0, USER.pw_gid)
        victim.chmod(0o775 if whose == "group" else 0o757)
    else:
        owned(victim, OTHER)

    def run():
        if command == "serve":
            return root(site, "serve", "--listen", f"unix:{house}/s", config=config, under=["timeout", "2"])
        return root(site, *command.split(), config=config)
    done = run()
    told = (done.stderr + done.stdout).decode()
    assert done.returncode == 1 and str(victim) in told, done
    assert not (house / "s").exists()
    if (whose, command) != ("hooks", "status"):  # it looks at the store without hooks
        assert not (site.home / "state").exists()
    (fix,) = set(re.findall(r"(?:chown|chmod) [^\n\")]*|move it into a directory that belongs to root or \w+", told))
    if fix.startswith("move"):
        os.chown(home, 0, 0)
    else:
        subprocess.run(["/bin/sh", "-c", fix], check=True)
    done = run()
    assert done.returncode in (0, 124), done


@needs_root
def test_root_reads_no_portals_that_the_config_s_user_could_not(site):
    secret = site.path.parent / "of-root.list"
    write(secret, f"- {bitrix.DOMAIN} {bitrix.TOKEN}\n", 0o600)
    os.chown(secret, 0, 0)
    site.configure(portals=f"portals {secret}\n")
    assert "cannot read it" in refused(root(site, "list"))


@needs_root
def test_root_becomes_nobody_whom_the_config_is_not_of(site, house):
    """The store lies in a directory of another: a user cannot have things done as that one."""
    victim = owned(directory(house / "victim", 0o700), OTHER)
    site.configure(more=f"hook x {{ event * run /bin/sh arg -c arg \"id >{victim}/pwned\" }}\n")
    text = site.config.read_text().replace("store state/queue.db", f"store {victim}/queue.db")
    write(site.config, text, 0o600, site.user)
    for words in (["trigger", "ONAPPTEST"], ["work", "--once"], ["serve", "--listen", f"unix:{house}/s"]):
        reason = refused(root(site, *words))
        assert f"belongs to {USER.pw_name}, who could change what runs as nobody" in reason
    assert list(victim.iterdir()) == []


@needs_root
def test_a_store_that_a_user_can_lead_elsewhere_is_refused(site, house):
    """The config is root's, the directory above the store a user's."""
    victim = owned(directory(house / "victim", 0o700), OTHER)
    config = house / "bxhook.conf"
    config.write_text(f"store {site.home}/state/queue.db\n")
    (site.home / "state").symlink_to(victim)
    assert f"belongs to {USER.pw_name}" in refused(root(site, "list", config=config))
    assert list(victim.iterdir()) == []


# -- races

@needs_root
def test_no_directory_of_root_is_given_away_with_the_store(site, house):
    """The store's directory is made while its parent becomes a link to root's."""
    real, link, target = site.home / "real", site.home / "link", house / "etc"
    target.mkdir()
    (target / "cron.d").mkdir()
    directory(real, 0o755, site.user)
    link.symlink_to(target)
    text = site.config.read_text().replace("state/queue.db", "real/cron.d/queue.db")
    write(site.config, text, 0o600, site.user)

    def command():
        root(site, "status")
        subprocess.run(["rm", "-rf", real / "cron.d", link / "cron.d"], user=USER.pw_uid, stderr=subprocess.DEVNULL)
    with Attacker(real, link):
        assert not race(command, lambda: (target / "cron.d").stat().st_uid != 0)


@needs_root
def test_no_directory_of_root_is_given_away_by_init(site, house):
    www, link, target = site.home / "www", site.home / "link", house / "etc"
    target.mkdir()
    directory(www, 0o755, site.user)
    link.symlink_to(target)

    def command():
        subprocess.run([site.binary, "init", www / "bxhook", "--user", USER.pw_name], capture_output=True, timeout=30)
        subprocess.run(["rm", "-rf", www / "bxhook", link / "bxhook"], user=USER.pw_uid, stderr=subprocess.DEVNULL)
    with Attacker(www, link):
        assert not race(command, lambda: list(target.iterdir()))


@needs_root
def test_no_socket_of_root_is_removed_or_given_away(site, house):
    """Where a user can exchange the socket's directory."""
    run, link, target = site.home / "run", site.home / "link", house / "run"
    target.mkdir()
    directory(run, 0o755, site.user)
    link.symlink_to(target)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(target / "s"))
    inode = (target / "s").stat().st_ino

    def command():
        serve_for_a_moment(site, run / "s", USER.pw_gid)

    def won():
        found = (target / "s").stat() if (target / "s").exists() else None
        return not found or found.st_ino != inode or found.st_gid != 0
    with Attacker(run, link):
        assert not race(command, won)


@needs_root
def test_the_group_of_a_socket_opens_no_directory(site, house):
    """Nor may that user put sockets where only the group of --group may."""
    run, link, target = site.home / "run", site.home / "link", house / "run"
    directory(target, 0o775)
    os.chown(target, 0, OTHER_GROUP)
    directory(run, 0o755, site.user)
    link.symlink_to(target)

    def command():
        serve_for_a_moment(site, run / "s", OTHER_GROUP)
    with Attacker(run, link):
        assert not race(command, lambda: list(target.iterdir()))


# -- sockets

@needs_root
@pytest.mark.parametrize("owner", ["root", "user"])
def test_root_s_socket_has_its_group_from_the_start(site, house, owner):
    """And belongs to the owner of its directory; no path is given away."""
    run = directory(house / "run")
    uid = USER.pw_uid if owner == "user" else 0
    os.chown(run, uid, uid)
    site.socket = run / "s"
    trace = site.run_dir / "trace"
    site.serve("--group", str(OTHER_GROUP), as_root=True,
               under=["strace", "-D", "-o", trace, "-e", "trace=chown,fchown,lchown,fchownat"])
    found = site.socket.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (uid, OTHER_GROUP, 0o660)
    assert "chown" not in trace.read_text()
    assert client.fastcgi(site.socket, bitrix.body()).event


@needs_root
def test_root_s_socket_in_a_directory_that_gives_its_own_group(site, house):
    run = directory(house / "run")
    os.chown(run, 0, USER.pw_gid)
    run.chmod(0o2755)
    reason = refused(root(site, "serve", "--listen", f"unix:{run}/s", "--group", OTHER_GROUP, under=["timeout", "10"]))
    assert f"chmod g-s {run}" in reason and not (run / "s").exists()
    subprocess.run(["chmod", "g-s", run], check=True)
    site.socket = run / "s"
    site.serve("--group", str(OTHER_GROUP), as_root=True)
    assert site.socket.stat().st_gid == OTHER_GROUP


# -- who cannot become the store's owner

@needs_root
@pytest.mark.parametrize("how", ["store of root", "config refused"])
def test_a_gateway_that_stays_root_ends(site, house, how):
    """It opens no file that the config names, and makes no socket."""
    log = house / "zz.sh"
    (site.home / "x").symlink_to(house)
    text = site.config.read_text().replace("state/queue.db", f"{site.home}/x/queue.db")
    broken = "limits { body x }\n" if how == "config refused" else ""
    write(site.config, f"{text}\nlog {{ file {log} }}\n{broken}", 0o600, site.user)
    reason = refused(root(site, "serve", "--listen", f"unix:{site.run_dir}/s", under=["timeout", "10"]))
    assert ("is not a size" if broken else "belongs to root") in reason
    assert not log.exists() and not (site.run_dir / "s").exists()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(house / "t"))
    listener.listen(1)
    done = subprocess.run(["timeout", "10", site.binary], stdin=listener, capture_output=True, timeout=20,
                          env={"BXHOOK_CONFIG": str(site.config)})
    assert done.returncode == 1 and b"cannot serve as root" in done.stderr, done
    listener.close()
    wrong = bitrix.body(token=bitrix.WRONG_TOKEN)
    done = subprocess.run([site.binary], input=wrong, capture_output=True, timeout=20, env={
        "BXHOOK_CONFIG": str(site.config), "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": client.FORM, "CONTENT_LENGTH": str(len(wrong))})
    assert b"Status: 503" in done.stdout, "no body is looked at as root"
    assert not log.exists()


@needs_root
def test_a_directory_that_shuts_the_config_s_owner_out_is_named(site, house):
    home = house / "closed"
    home.mkdir(mode=0o700)
    config = owned(write(home / "bxhook.conf", f"store {site.home}/state/queue.db\n", 0o600), USER.pw_uid)
    reason = refused(root(site, "list", config=config))
    assert f"{USER.pw_name}, who can change it, cannot enter '{home}': ls -ld {home}" in reason


def test_a_gateway_of_the_wrong_user_opens_no_log(site, house):
    """It answers 503 and says why where it can; the log file is the owner's to make."""
    log = site.log_dir / "own.log"
    (site.home / "state").symlink_to(house)
    site.configure(more=f"log {{ file {log} }}\n")
    site.serve()
    assert client.fastcgi(site.socket, bitrix.body()).status == 503
    assert not log.exists() and "belongs to root: run as root" in site.gateway.text()


# -- a user who is in no file

@needs_root
@pytest.mark.parametrize("group", [0, NAMELESS])
def test_a_user_without_an_entry_has_nobody_s_group(site, house, group):
    """Not that of its directory: another directory, open to all, may have given it that group."""
    home = owned(directory(house / "home", 0o755), NAMELESS)
    state = owned(directory(home / "state", 0o700), NAMELESS, group)
    hooks = owned(directory(home / "hooks", 0o755), NAMELESS)
    owned(write(hooks / "any", "#!/bin/sh\nid\n", 0o755), NAMELESS)
    config = owned(write(home / "bxhook.conf", f"portal {{ token {bitrix.TOKEN} }}\nworker {{ start manual }}\n",
                         0o600), NAMELESS)
    for words in (["trigger", "ONAPPTEST"], ["work", "--once"]):
        assert root(site, *words, config=config).returncode == 0
    assert [path.stat().st_uid for path in state.iterdir()] == [NAMELESS] * len(list(state.iterdir()))
    ids = root(site, "logs", "1/any", config=config).stdout.decode()
    assert ids.startswith(f"uid={NAMELESS} gid=65534(nogroup) groups=65534(nogroup)"), ids


# -- what is started for a user

def typed_on_a_terminal(arguments, env):
    """Returns when ARGUMENTS, typed by root on a terminal of its own, have ended; others may have it still."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(str(arguments[0]), list(map(str, arguments)), env)
    os.waitpid(pid, 0)
    os.close(terminal)


@needs_root
def test_curl_has_nothing_of_root(site):
    (site.home / "state").mkdir(0o700)
    os.chown(site.home / "state", USER.pw_uid, USER.pw_gid)
    note = write(site.run_dir / "note", "", 0o666)
    stand_ins = directory(site.path / "stand-ins")
    write(stand_ins / "curl", f"#!/bin/sh\n(id -u; ls -l /proc/$$/fd; true </dev/tty; env) >>{note} 2>&1\nexit 7\n", 0o755)
    held = os.open("/etc/shadow", os.O_RDONLY)
    os.set_inheritable(held, True)
    typed_on_a_terminal([site.binary, "check", "--url", "http://127.0.0.1:1/", "--config", site.config],
                        {"PATH": f"{stand_ins}:/usr/bin:/bin", "API_KEY": "of-root", "https_proxy": "http://proxy"})
    os.close(held)
    told = note.read_text()
    assert told.startswith(f"{USER.pw_uid}\n"), told
    assert "/dev/tty" in told, "it could be opened"
    assert "/etc/shadow" not in told and "of-root" not in told and "https_proxy=http://proxy" in told


@needs_root
@pytest.mark.parametrize("command", [["trigger", "ONAPPTEST"], ["retry", "1"]])
def test_a_worker_begins_in_a_session_of_its_own(site, command):
    """Before it is a program that its user can take over."""
    site.probe()
    if command[0] == "retry":
        site.configure(worker="start manual")
        site.run("trigger", "ONAPPTEST")
        site.run("cancel", "1")
        site.configure()
    trace = site.run_dir / "trace"
    typed_on_a_terminal(["strace", "-DDD", "-f", "-o", trace, "-e", "trace=setsid,execve", site.binary, *command, "--config",
                         site.config], {"PATH": "/usr/bin:/bin"})
    site.run_of(1)
    wait_for(lambda: '"work", "--detach"' in trace.read_text(), "the worker's start")
    lines = trace.read_text().splitlines()
    start = next(line for line in lines if '"work", "--detach"' in line)
    before = [line for line in lines[:lines.index(start)] if line.split()[0] == start.split()[0]]
    assert any("setsid()" in line for line in before), lines


KEYS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
add_key, keyctl = (248, 250) if os.uname().machine == "x86_64" else (217, 219)
libc.syscall(keyctl, 1, None)
key = libc.syscall(add_key, b"user", b"bxhook-test", b"secret", 6, -3)
if key < 0:
    sys.exit(77)
os.environ["KEY"] = str(key)
os.execv(sys.argv[1], sys.argv[1:])
"""
LOOK = """#!/usr/bin/python3
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
keyctl = 250 if os.uname().machine == "x86_64" else 219
print("found", libc.syscall(keyctl, 10, -3, b"user", b"bxhook-test", 0))
"""


@needs_root
@pytest.mark.parametrize("way", ["work", "trigger"])
def test_hooks_have_no_keys_of_root(site, way):
    site.hook("any", LOOK)
    keys = [sys.executable, "-c", KEYS]
    if way == "work":
        site.configure(worker="start manual")
        root(site, "trigger", "ONAPPTEST")
        done = root(site, "work", "--once", under=keys)
    else:
        done = root(site, "trigger", "ONAPPTEST", under=keys)
    assert done.returncode == 0, done
    site.delivery(1)
    assert site.show(1)["deliveries"][0]["attempts"][0]["stdout"] == "found -1\n"


LIMITS = r"""
prlimit --pid 1 --memlock=65536 --core=2000000
prlimit --pid $$ --memlock=1000000:1000000 --core=3000000:3000000 --nofile=5000:5000
exec "$@"
"""


@needs_root
def test_hooks_have_none_of_the_limits_that_root_raised(site):
    """As many open files as root gave; a core file, which would have secrets, only where a hook wants one."""
    site.hook("any", "cat /proc/self/limits\n")
    site.configure(worker="start manual")
    root(site, "trigger", "ONAPPTEST")
    shell = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", 'sh -euc "$0" sh "$@"; exit $?', LIMITS]
    done = root(site, "work", "--once", under=shell)
    assert done.returncode == 0, done
    limits = site.show(1)["deliveries"][0]["attempts"][0]["stdout"]
    found = {name: re.search(rf"{name} +(\w+) +(\w+)", limits).groups() for name in (
        "Max locked memory", "Max core file size", "Max open files")}
    core = "0" if sanitizers.are_in(site.binary) else "1"
    assert found == {"Max locked memory": ("65536", "65536"), "Max core file size": (core, "2000000"),
                     "Max open files": ("5000", "5000")}


@needs_root
def test_hooks_have_none_of_the_priority_that_root_raised(site):
    site.hook("any", "nice\n")
    site.configure(worker="start manual")
    root(site, "trigger", "ONAPPTEST")
    done = root(site, "work", "--once", under=["nice", "-n", "-5"])
    assert done.returncode == 0, done
    assert site.show(1)["deliveries"][0]["attempts"][0]["stdout"] == "0\n"


# -- check changes nothing, and waits for nothing

@needs_root
@pytest.mark.parametrize("store", ["state/queue.db", '"postgresql://nobody@127.0.0.1:1/none"'])
@pytest.mark.parametrize("command", ["check", "trigger ONAPPTEST --dry-run"])
def test_a_look_makes_no_directory(site, store, command):
    text = site.config.read_text().replace("store state/queue.db", f"store {store}")
    write(site.config, text, 0o600, site.user)
    site.hook("any", "exit 0\n")
    for done in (root(site, *command.split()), site.run(*command.split(), check=False)):
        assert done.stdout
    assert not (site.home / "state").exists()


@needs_root
def test_a_check_of_root_looks_as_the_user_to_be(site):
    """Also before there is a store: a file that only root can read is no hook."""
    os.chown(site.hook("any", "exit 0\n", 0o700), 0, 0)
    done = root(site, "check", "--json")
    assert any(p["place"] == "hook any" for p in json.loads(done.stdout)["problems"])


@pytest.mark.parametrize("what", ["run", "hook", "portals", "config", "htaccess"])
def test_a_check_waits_for_no_fifo(site, what):
    fifo = {"run": site.run_dir / "fifo", "hook": site.hooks / "ONAPPTEST", "portals": site.home / "portals.list",
            "config": site.config, "htaccess": site.docroot / ".htbxhook" / ".htaccess"}[what]
    if what == "htaccess":
        site.home = site.home.rename(site.docroot / ".htbxhook")
        site.config, site.out = site.home / "bxhook.conf", site.home / "out"
    site.config.write_text(f"portal {{ token {bitrix.TOKEN} }}\n"
                           + (f"hook x {{ event ONAPPTEST run {fifo} }}\n" if what == "run" else "")
                           + ("portals portals.list\n" if what == "portals" else ""))
    if fifo.exists():
        fifo.unlink()
    os.mkfifo(fifo, 0o700)
    if AS_ROOT:
        os.chown(fifo, USER.pw_uid, USER.pw_gid)
    for done in [site.run("check", "--json", check=False), *([root(site, "check", "--json")] if AS_ROOT else [])]:
        problems = json.loads(done.stdout)["problems"]
        assert what in ("hook", "htaccess") or any(str(fifo) in p["message"] for p in problems), problems


@needs_root
@pytest.mark.parametrize("what", ["run", "portals"])
def test_root_opens_no_device(site, what):
    """To open a tape or a watchdog is to use it."""
    site.configure(more="hook x { event ONAPPTEST run /dev/full }\n" if what == "run" else "portals /dev/full\n")
    trace = site.run_dir / "trace"
    done = root(site, "check", "--json", under=["strace", "-f", "-o", trace, "-e", "trace=open,openat"])
    assert any("/dev/full" in p["message"] for p in json.loads(done.stdout)["problems"])
    assert not [line for line in trace.read_text().splitlines() if "full" in line and "O_PATH" not in line]


# -- the power goes

def test_a_new_state_directory_is_synced_into_its_parent(site):
    trace = site.run_dir / "trace"
    write(trace, "", 0o666)
    site.configure(worker="start manual")
    site.run("trigger", "ONAPPTEST", under=["strace", "-y", "-o", trace, "-e", "trace=mkdir,fsync"])
    lines = trace.read_text().splitlines()
    made = next(i for i, line in enumerate(lines) if line.startswith("mkdir(") and "/state" in line)
    assert any(line.startswith("fsync(") and f"<{site.home}>" in line for line in lines[made:]), lines
