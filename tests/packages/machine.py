"""A Debian in a directory, with a systemd of its own that was booted: systemd-nspawn."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from scratch import alive, wait_for

# Beside a minimal Debian: an init, a web server, and what our package names as its Depends.
INCLUDED = ["systemd-sysv", "dbus", "nginx-light", "curl", "procps", "adduser", "libfcgi0ldbl", "libcgicc3",
            "libsqlite3-0", "libpq5", "postgresql", "python3"]
MIRROR = os.environ.get("MIRROR", "http://deb.debian.org/debian")


def make_template(root):
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(INCLUDED)}", "bookworm", root, MIRROR],
                   check=True, stdout=subprocess.DEVNULL, timeout=1500)
    return root


class Machine:
    def __init__(self, template, root):
        self.root = root
        self.log = root.parent / "console.log"
        subprocess.run(["cp", "-a", template, root], check=True)
        with open(self.log, "ab") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot",
                 f"--directory={root}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        self.init = wait_for(self._init, lambda: self.log.read_text(errors="replace"), 30)
        wait_for(lambda: self.sh("systemctl is-active nginx.service", check=False) == "active",
                 lambda: self.log.read_text(errors="replace")[-3000:], 120)

    def _init(self):
        """The pid, out here, of its first process."""
        assert self.nspawn.poll() is None, self.log.read_text(errors="replace")
        for child in Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        return None

    def inside(self, *arguments):
        """The command line that runs ARGUMENTS in there."""
        return ["nsenter", "--target", str(self.init), "--all", "--root", "--wd", "env", "-i", "LC_ALL=C.UTF-8",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "DEBIAN_FRONTEND=noninteractive", *map(str, arguments)]

    def sh(self, script, check=True, limit=120):
        """What SCRIPT prints, run by its root."""
        done = subprocess.run(self.inside("sh", "-c", script), text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)
        assert not check or done.returncode == 0, f"{script}: exit {done.returncode}: {done.stdout}"
        return done.stdout.strip()

    def with_its_network(self, *arguments):
        """The command line of a program of ours that speaks to its servers."""
        return ["nsenter", "--target", str(self.init), "--net", *map(str, arguments)]

    def bring(self, file):
        shutil.copy(file, self.root / "root")
        return f"/root/{Path(file).name}"

    def remove(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGRTMIN + 4)  # systemd: power off
        try:
            self.nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        wait_for(lambda: not alive(self.init), "the machine to end")
        shutil.rmtree(self.root)
