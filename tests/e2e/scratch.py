"""A scratch directory outside the clone, and in it sites: a config, hooks, a store, processes.

As root everything of a site runs as www-data, from a copy of the binary; as anybody else, as oneself.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import bitrix
import leaks

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONF = ROOT / "conf"
POLL = 0.01  # seconds between two looks at a condition
LIMIT = 15   # seconds a condition may take to come true

AS_ROOT = os.geteuid() == 0
USER = pwd.getpwnam("www-data") if AS_ROOT else pwd.getpwuid(os.geteuid())


def wait_for(condition, what, limit=LIMIT):
    """The first true value of CONDITION(); fails with WHAT (text, or a function) after LIMIT seconds.

    A file that is missing makes the condition false: for a moment it is so while a log is rotated.
    """
    end = time.monotonic() + limit
    while True:
        missing = None
        try:
            value = condition()
        except FileNotFoundError as error:
            value, missing = None, error
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit} s for: {what() if callable(what) else what}") from missing
        time.sleep(POLL)


def give(path, user=None):
    """PATH to the user the tests' programs run as."""
    if AS_ROOT:
        user = user or USER
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def as_user(user=None):
    """Arguments of Popen that make the child that user."""
    user = user or USER
    if not AS_ROOT:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def write(path, content, mode=0o644, user=None):
    path = Path(path)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return give(path, user)


def directory(path, mode=0o755, user=None):
    path = Path(path)
    path.mkdir()
    path.chmod(mode)
    return give(path, user)


def can_connect(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


# -- Processes

def alive(pid):
    """True while PID runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def children_of(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processes_below(path):
    """Pids of the processes whose program or working directory lies below PATH, or that were given a
    path there.  None that has a terminal: a person may look at a log."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            places = [os.readlink(entry / "exe"), os.readlink(entry / "cwd")]
            places += (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            terminal = (entry / "stat").read_text().rpartition(")")[2].split()[4]
            if any(f"{path}/" in f"{place}/" for place in places) and terminal == "0" and alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def programs_below(path):
    """Pids of the processes whose program lies below PATH, also a program since replaced."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "exe").startswith(f"{path}/"):
                found.append(int(entry.name))
    return [pid for pid in found if alive(pid)]


def in_namespaces(*kinds):
    """The words that run a program in new namespaces of KINDS ("--net") with a /proc of their own.  Works
    also where / is no mount point, as in a chroot, and where /proc/sys is read only, as in a container."""
    own_proc = 'mount --make-private /proc && mount -t proc proc /proc && exec "$@"'
    return ["unshare", "--mount", "--propagation=unchanged", *kinds, "sh", "-c", own_proc, "sh"]


def kill(pid, signal_number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)


def end_all_below(path):
    """Ends what the tests started below PATH: politely, then not."""
    for signal_number, limit in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
        pids = processes_below(path)
        for pid in pids:
            kill(pid, signal_number)
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not any(alive(pid) for pid in pids), "processes to end", limit)
    left = processes_below(path)
    assert not left, f"processes that cannot be ended: {left}"


class Process:
    """A program the tests started, its output in a file."""

    def __init__(self, arguments, log, user=None, cwd="/", env=None, stdin=subprocess.DEVNULL, pass_fds=()):
        self.arguments = [str(a) for a in arguments]
        self.log = Path(log)
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                self.arguments, stdin=stdin, stdout=output, stderr=output, cwd=cwd,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | (env or {}),
                start_new_session=True, pass_fds=pass_fds,
                **(as_user(user) if user is not False else {}))
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def stop(self, signal_number=signal.SIGTERM, limit=10):
        """Its exit status after SIGNAL; killed, and a failure, when it does not obey in LIMIT seconds."""
        if self.running():
            self.popen.send_signal(signal_number)
        try:
            return self.popen.wait(limit)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.arguments[:2]} ignored signal {signal_number} for {limit} s") from None

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def text(self):
        return self.log.read_text(errors="replace")


class Run:
    """What one run of the probe hook wrote down."""

    def __init__(self, path):
        number, _, rest = path.name.partition(".")
        self.hook, _, attempt = rest.rpartition(".")
        self.number, self.attempt = int(number), int(attempt)
        self.stdin = (path / "stdin").read_bytes()
        self.env = dict(item.split("=", 1) for item in self._strings(path / "environ"))
        self.argv = self._strings(path / "argv")
        self.cwd = (path / "cwd").read_text()
        self.fds = dict(line.split(" ", 1) for line in (path / "fds").read_text().splitlines())
        self.status = dict(line.split(":\t", 1) for line in (path / "status").read_text().splitlines()
                           if ":\t" in line)
        fields = (path / "stat").read_text().rpartition(")")[2].split()
        self.pid = int((path / "stat").read_text().split()[0])
        self.session = int(fields[3])

    @staticmethod
    def _strings(path):
        return path.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]

    @property
    def event(self):
        return json.loads(self.stdin)


class Gate:
    """Holds a hook up until the test lets it go on."""

    def __init__(self, path, user):
        self._path = path
        os.mkfifo(path, 0o600)
        give(path, user)
        self.wait = f"{{ read -r _ < {path} || :; }}"  # in a shell hook

    def open(self):
        """Lets the one hook that waits go on; waits until there is one."""
        fd = wait_for(self._writer, "a hook at the gate")
        os.write(fd, b"\n")
        os.close(fd)

    def _writer(self):
        try:
            return os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None


class Scratch:
    """The directory of one test session."""

    def __init__(self, program):
        self.path = Path(tempfile.mkdtemp(prefix="bxhook-e2e-", dir=os.environ.get("TMPDIR", "/tmp")))
        self.path.chmod(0o711)
        self.bin = directory(self.path / "bin")  # the program, its modules, hooks
        self.binary = self.bin / "bxhook"
        self._compiled = {}
        self._count = 0
        try:
            # Without its debug information, many times its size: it is copied often.
            for file in (program, *program.parent.glob("bxhook-*.so")):
                copy = self.bin / ("bxhook" if file == program else file.name)
                subprocess.run(["strip", "--strip-debug", "-o", copy, file], check=True)
                copy.chmod(0o755)
        except BaseException:
            self.remove()
            raise

    def new(self, name):
        """A fresh directory, searchable by all."""
        self._count += 1
        return directory(self.path / f"{self._count}-{name}", 0o711)

    def compiled(self, name):
        """The program of hooks/NAME.c."""
        if name not in self._compiled:
            target = self.bin / name
            subprocess.run([os.environ.get("CC", "cc"), "-O1", "-o", target, HERE / "hooks" / f"{name}.c"],
                           check=True)
            self._compiled[name] = target
        return self._compiled[name]

    def remove(self):
        end_all_below(self.path)
        shutil.rmtree(self.path)


PORTAL = f"""portal {{
    member_id {bitrix.MEMBER_ID}
    domain    {bitrix.DOMAIN}
    token     {bitrix.TOKEN}
}}
"""


HOLD_LOCK = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""

CHANGE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=20) as store:
    store.execute(sys.argv[2])
"""

ASK = """
import json, sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=20) as store:
    print(json.dumps(store.execute(sys.argv[2]).fetchall()))
"""

class Site:
    """A config, hooks and a store in HOME, and what runs on them.

    HOME, the directory of bxhook.conf, lies beside the document root; with INSIDE it is .htbxhook in
    it.  The document root can be a directory elsewhere, which is then removed with the site.
    """

    store = "state/queue.db"
    worker_files = "queue.db"  # what the worker's lock is named after
    database = None    # of PostgreSQL (hosts.py)
    portals = PORTAL   # the config's, unless it is told others

    def __init__(self, scratch, name="site", inside=False, docroot=None, user=None):
        self.scratch = scratch
        self.user = user or USER
        self.binary = scratch.binary
        self.path = scratch.new(name)
        self.docroot = directory(docroot or self.path / "public", 0o755, self.user)
        self.run_dir = directory(self.path / "run", 0o755, self.user)
        self.log_dir = directory(self.path / "log", 0o755, self.user)
        self.home = directory(self.docroot / ".htbxhook" if inside else self.path / "home", 0o700, self.user)
        self.hooks = directory(self.home / "hooks", 0o755, self.user)
        self.out = directory(self.home / "out", 0o755, self.user)
        self.config = self.home / "bxhook.conf"
        self.socket = self.run_dir / "bxhook.sock"
        self.env = {}  # of every program started for it
        self.gateway = None
        self._processes = []
        self.configure()

    # -- files

    def configure(self, more="", portals=None, worker="start auto", defaults="", backoff="100ms"):
        """Writes the config: one rename, as an editor would."""
        text = (f'store {self.store}\nhooks_dir hooks\n' + (self.portals if portals is None else portals)
                + f"worker {{\n    {worker}\n}}\n"
                + f"defaults {{\n    backoff {backoff}\n    {defaults}\n}}\n" + more)
        draft = write(self.home / ".bxhook.conf.new", text, 0o600, self.user)
        draft.rename(self.config)

    def hook(self, name, script, mode=0o755):
        """The hook file NAME; a script without #! is one for /bin/sh."""
        path = self.hooks / name
        if not path.parent.exists():
            directory(path.parent, 0o755, self.user)
        if isinstance(script, str) and not script.startswith("#!"):
            script = "#!/bin/sh\n" + script
        draft = write(path.parent / ".new", script, mode, self.user)
        draft.rename(path)
        return path

    def gate(self):
        return Gate(self.run_dir / "gate", self.user)

    def probe(self, name="any"):
        return self.hook(name, self.scratch.compiled("probe").read_bytes())

    def logs(self):
        places = [*self.log_dir.glob("*"), self.home / "state" / "bxhook.log"]
        return {path.name: path.read_text(errors="replace") for path in places if path.is_file()}

    def log(self):
        return "".join(self.logs().values())

    # -- processes

    def start(self, arguments, log, **options):
        options["env"] = self.env | options.get("env", {})
        process = Process(arguments, self.log_dir / log, **({"user": self.user} | options))
        self._processes.append(process)
        return process

    def running(self):
        """The processes that were started and run still, in that order."""
        return [process for process in self._processes if process.running()]

    def serve(self, *arguments, as_root=False, config=None, under=()):
        """Starts `bxhook serve --listen`, UNDER another program, and waits until it takes connections."""
        self.gateway = self.start(
            [*under, self.binary, "serve", "--config", config or self.config, "--listen", f"unix:{self.socket}", *arguments],
            "gateway.log", **({"user": False} if as_root else {}))
        wait_for(lambda: can_connect(self.socket) or not self.gateway.running(), "the gateway's socket")
        assert self.gateway.running(), self.gateway.text()
        return self.gateway

    def work(self, *arguments):
        """Starts `bxhook work` in the foreground."""
        return self.start([self.binary, "work", "--config", self.config, *arguments], "worker.log")

    @contextlib.contextmanager
    def working(self):
        """While a worker runs."""
        worker = self.work()
        try:
            yield worker
        finally:
            worker.stop()

    def worker_pid(self):
        """Pid of the process that holds the worker's lock, or None."""
        lock = self.home / "state" / f"{self.worker_files}.lock"
        if not lock.exists():
            return None
        inode = str(lock.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "->" not in fields and fields[5].split(":")[2] == inode:
                return int(fields[4])
        return None

    def run(self, *arguments, input=b"", check=True, env=None, under=(), look=True):
        """`bxhook ARGUMENTS --config ...`, UNDER another program, typed by the site's user; LOOK: fails when it says
        a secret unasked."""
        done = subprocess.run(
            [*under, self.binary, *map(str, arguments), "--config", str(self.config)], input=input,
            capture_output=True, timeout=60, cwd="/", env={"PATH": "/usr/bin:/bin"} | self.env | (env or {}),
            **as_user(self.user))
        if look:
            leaks.refuse(leaks.search(leaks.said(arguments, done)))
        if check:
            assert done.returncode == 0, f"{arguments}: exit {done.returncode}: {done.stderr.decode()}"
        return done

    @contextlib.contextmanager
    def store_locked(self):
        """As long as it lasts another process writes to the store."""
        holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLD_LOCK, self.home / "state" / "queue.db"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, **as_user(self.user))
        try:
            assert holder.stdout.readline() == b"locked\n"
            yield
        finally:
            holder.communicate()

    def change_store(self, statement):
        """Does STATEMENT to the store behind everybody's back; `%` stands before each table's name."""
        if self.database:
            self.database.sql(statement.replace("%", "bxhook."))
        else:
            subprocess.run(["/usr/bin/python3", "-c", CHANGE, self.home / self.store, statement.replace("%", "")],
                           check=True, timeout=30, **as_user(self.user))

    def query(self, statement):
        """The rows that STATEMENT gives; of texts and numbers."""
        if self.database:
            return self.database.sql(statement.replace("%", "bxhook."))
        done = subprocess.run(["/usr/bin/python3", "-c", ASK, self.home / self.store, statement.replace("%", "")],
                              check=True, timeout=30, capture_output=True, **as_user(self.user))
        return json.loads(done.stdout)

    def show(self, what, *options):
        return json.loads(self.run("show", str(what), "--json", *options).stdout)

    def list(self, *options):
        return [json.loads(line) for line in self.run("list", "--json", *options).stdout.splitlines()]

    def status(self):
        return json.loads(self.run("status", "--json", check=False).stdout)

    def stop(self):
        """Ends all that runs; fails when a secret is where it does not belong."""
        leaked = leaks.search(self.processes())
        for process in reversed(self._processes):
            process.popen.send_signal(signal.SIGCONT)
            process.stop()
        end_all_below(self.path)
        elsewhere = not self.docroot.is_relative_to(self.path)
        if elsewhere:
            end_all_below(self.docroot)
        leaked += leaks.search(leaks.at_rest(self))
        if elsewhere:
            shutil.rmtree(self.docroot)
        leaks.refuse(leaked)

    # -- what came of an event

    def run_of(self, number, hook="any", attempt=1, limit=LIMIT):
        """What the probe wrote about that run."""
        path = self.out / f"{number}.{hook}.{attempt}"
        wait_for(path.exists,
                 lambda: f"hook {hook} of event {number}; ran: {sorted(p.name for p in self.out.iterdir())}",
                 limit)
        return Run(path)

    def delivery(self, number, hook="any", states=("done",), limit=LIMIT):
        """The delivery once it is in one of STATES."""
        found = []

        def look():
            event = self.show(number)
            found[:] = [event]
            return next((d for d in event["deliveries"] if d["hook"] == hook and d["state"] in states), None)
        return wait_for(look, lambda: f"{number}/{hook} to be {' or '.join(states)}: {found}", limit)

    def wait_idle(self, limit=LIMIT):
        """Until no event is unfinished; gives the status."""
        last = []

        def look():
            last[:] = [self.status()]
            return last[0] if last[0]["unfinished"] == 0 else None
        return wait_for(look, lambda: f"no unfinished event: {last}", limit)

    def processes(self):
        """Arguments and environment of all that runs for the site."""
        return leaks.processes({*processes_below(self.path), *processes_below(self.docroot)})
