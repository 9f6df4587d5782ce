"""The units of systemd: valid, closed as far as their programs allow, and one way out for hooks that need it.

packages/test_deb.py starts them under a systemd that was booted.
"""

import configparser
import re
import subprocess

import pytest

from scratch import CONF, ROOT

# What gives a service that is not root NoNewPrivileges=yes (systemd.exec(5)), and the value that takes it back.
IMPLIED = {
    "LockPersonality": "no", "MemoryDenyWriteExecute": "no", "NoNewPrivileges": "no", "PrivateDevices": "no",
    "ProtectClock": "no", "ProtectHostname": "no", "ProtectKernelLogs": "no", "ProtectKernelModules": "no",
    "ProtectKernelTunables": "no", "RestrictAddressFamilies": "", "RestrictNamespaces": "no", "RestrictRealtime": "no",
    "RestrictSUIDSGID": "no", "SystemCallArchitectures": "", "SystemCallFilter": "", "SystemCallLog": ""}


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def service(name):
    """The [Service] of conf/NAME; of a key given twice the last."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=", comment_prefixes="#")
    parsed.optionxform = str
    parsed.read(CONF / name)
    return parsed["Service"]


def test_systemd_takes_them(program, tmp_path):
    units = [*CONF.glob("*.service"), *CONF.glob("*.socket")]
    assert len(units) == 3
    for unit in units:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/bin/bxhook", str(program)))
    done = analyze("verify", "--man=no", *(tmp_path / unit.name for unit in units))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["bxhook.service", "bxhook-worker.service"])
def test_they_are_closed(name):
    """Exposure, in tenths."""
    done = analyze("security", "--offline=true", "--threshold=30", CONF / name)
    assert done.returncode == 0, done.stdout


def seconds(path, name):
    """The constant NAME of src/PATH."""
    return int(re.search(rf"\b{name} = (\d+) \* second;", (ROOT / "src" / path).read_text())[1])


def test_systemd_kills_no_worker_that_is_still_stopping():
    hooks = seconds("config/config.h", "shutdown_grace") + seconds("worker/leaving.cpp", "last_tries")
    renewals = seconds("worker/worker.cpp", "renewals_end")
    assert renewals > seconds("sync/renewal.cpp", "patience_if_more") + seconds("sync/renewal.cpp", "patience")
    assert int(service("bxhook-worker.service")["TimeoutStopSec"]) > hooks + renewals


def test_the_drop_in_takes_back_all_that_keeps_hooks_from_other_users():
    worker, drop_in = service("bxhook-worker.service"), service("bxhook-worker-setuid.conf")
    assert {key: drop_in.get(key) for key in worker if key in IMPLIED} == {
        key: value for key, value in IMPLIED.items() if key in worker}
    assert drop_in["CapabilityBoundingSet"] == "~", "not even root could do anything"
