"""The Debian package under a real dpkg and a real systemd, from the first install to the purge.

The tests are steps of one story, in this order, on one machine.
"""

import json
import re
import subprocess

import pytest

import bitrix
from scratch import HERE, ROOT, wait_for

URL = "http://127.0.0.1/bitrix24"
# As the README.Debian says.
CONFIGURE = f"""
sed -i -e 's/^;portal {{.*/portal {{/' -e 's/^;    domain .*/    domain {bitrix.DOMAIN}/' \
    -e 's/^;    token .*/    token {bitrix.TOKEN}/' -e '/^;    member_id /d' -e '/token {bitrix.TOKEN}/,/^;}}/s/^;}}/}}/' \
    /etc/bxhook/bxhook.conf
install -d /etc/nginx/snippets
cp /usr/share/doc/bxhook/conf/nginx.conf.example /etc/nginx/snippets/bxhook.conf
cat >/etc/nginx/sites-enabled/default <<'END'
server {{ listen 80; include snippets/bxhook.conf; }}
END
nginx -t && systemctl reload nginx
"""
HOOK = """cat >/etc/bxhook/hooks/ONCRMDEALUPDATE.sh <<'END'
#!/bin/sh
echo "$BX_EVENT_NUMBER" >>/var/lib/bxhook/ran
/usr/local/bin/who-am-i -u
END
chmod 755 /etc/bxhook/hooks/ONCRMDEALUPDATE.sh
"""
EVENT = bitrix.body().decode()
BOTH = ("bxhook_*.deb", "bxhook-postgresql_*.deb")
BROUGHT = ["/usr/bin/bxhook", "/usr/lib/systemd/system/bxhook.service", "/usr/lib/systemd/system/bxhook.socket",
           "/usr/lib/systemd/system/bxhook-worker.service", "/usr/share/bxhook/bxhook.conf",
           "/usr/share/bash-completion/completions/bxhook", "/usr/share/doc/bxhook/README.Debian",
           *(f"/usr/share/man/man{page.suffix[1:]}/{page.name}.gz" for page in (ROOT / "man").iterdir()),
           *(f"/usr/share/doc/bxhook/{path.relative_to(ROOT)}" for folder in ("conf", "docs", "examples")
             for path in (ROOT / folder).iterdir() if path.is_file())]


@pytest.fixture(scope="module")
def installed(machine, artefact):
    """The machine after the install; what was there before."""
    machine.before = users_and_files(machine)
    machine.sh(f"dpkg -i {machine.bring(artefact('bxhook_*.deb'))}")
    return machine


def users_and_files(machine):
    return machine.sh("cut -d: -f1 /etc/passwd /etc/group; find / -xdev -iname '*bxhook*' -not -path '/root/*' "
                      "-not -path '/var/log/*' -not -path '/proc/*' -not -path '/sys/*'").splitlines()


def active(machine):
    return machine.sh("systemctl is-active bxhook.socket bxhook.service bxhook-worker.service", check=False).split()


def post(machine):
    return machine.sh(f"curl -sS -m 20 -d '{EVENT}' {URL}")


def status(machine):
    return json.loads(machine.sh("bxhook status --json", check=False))


def delivery(machine, number):
    """That of event NUMBER; "new" before a worker has looked at it."""
    return (json.loads(machine.sh(f"bxhook show {number} --json"))["deliveries"] or [{"state": "new"}])[0]


def wait_done(machine, number):
    return wait_for(lambda: (d := delivery(machine, number))["state"] == "done" and d, lambda: machine.sh(
        f"bxhook show {number}; journalctl -u bxhook-worker | tail"), 30)


def test_their_dependencies_are_those_that_run_them(artefact):
    def depends(package):
        said = subprocess.check_output(["dpkg-deb", "-f", artefact(package), "Depends"], text=True)
        return set(re.findall(r"([a-z0-9.+-]+)(?: \([^)]*\))?(?:,|$)", said.strip()))
    program, module = map(depends, BOTH)
    assert {"libfcgi0ldbl", "libsqlite3-0"} <= program and "libpq5" not in program
    assert {"bxhook", "libpq5"} <= module
    assert not [name for name in program | module if name.endswith("-dev")]


def test_it_brings_program_units_pages_and_examples(artefact):
    listed = subprocess.check_output(["dpkg-deb", "-c", artefact("bxhook_*.deb")], text=True)
    files = {line.split()[5].removeprefix(".") for line in listed.splitlines()}
    assert [path for path in BROUGHT if path not in files and f"{path}.gz" not in files] == []


def test_installs_and_starts(installed):
    assert active(installed) == ["active"] * 3
    assert installed.sh("stat -c '%a %U %G' /run/bxhook/bxhook.sock /etc/bxhook/bxhook.conf /var/lib/bxhook") == (
        "660 root www-data\n640 root bxhook\n700 bxhook bxhook")
    wait_for(lambda: installed.sh("ps -o user= -C bxhook", check=False).split() == ["bxhook", "bxhook"],
             lambda: installed.sh("ps -ef; journalctl -u 'bxhook*'"))
    enabled = installed.sh("systemctl is-enabled bxhook.socket bxhook.service bxhook-worker.service")
    assert enabled.split() == ["enabled"] * 3


def test_its_config_wants_a_token_only(installed):
    said = installed.sh("bxhook check", check=False)
    assert "no portal is configured" in said and "1 error" in said.splitlines()[-1], said
    installed.sh(CONFIGURE + HOOK + "cp /usr/bin/id /usr/local/bin/who-am-i && chmod 4755 /usr/local/bin/who-am-i")
    wait_for(lambda: installed.sh(f"curl -sS {URL}") == "bxhook: ready",
             lambda: installed.sh(f"curl -si {URL}; tail -n 5 /var/log/nginx/error.log; journalctl -u bxhook | tail -n 9", check=False))
    installed.sh("bxhook check")


def test_hooks_run_as_its_user_and_cannot_become_another(installed):
    number = json.loads(post(installed))["event"]
    attempt = wait_done(installed, number)["attempts"][0]
    assert attempt["stdout"].strip() == installed.sh("id -u bxhook")


def test_with_the_drop_in_they_can(installed):
    installed.sh("cd /usr/share/doc/bxhook/conf && d=/etc/systemd/system/bxhook-worker.service.d && mkdir -p $d && "
                 "cp bxhook-worker-setuid.conf $d && systemctl daemon-reload && systemctl restart bxhook-worker")
    number = json.loads(post(installed))["event"]
    assert wait_done(installed, number)["attempts"][0]["stdout"].strip() == "0"


def test_the_other_store_is_a_package_of_its_own(installed, artefact):
    assert "\nstores: sqlite\n" in installed.sh("bxhook version")
    installed.sh(f"dpkg -i {installed.bring(artefact('bxhook-postgresql_*.deb'))}")
    assert "\nstores: sqlite postgresql\n" in installed.sh("bxhook version")


def test_an_upgrade_under_load_loses_nothing(installed, clone, tmp_path):
    newer, module = (next((clone / "build" / "packages" / "newer").glob(name)) for name in BOTH)
    old, new = (installed.sh("dpkg-query -W -f '${Version}' bxhook"),
                subprocess.check_output(["dpkg-deb", "-f", newer, "Version"], text=True).strip())
    assert old != new
    config = installed.sh("md5sum /etc/bxhook/bxhook.conf")
    before = status(installed)["events"]["matched"]
    report = tmp_path / "report"
    load = subprocess.Popen(installed.with_its_network("/usr/bin/python3", HERE.parent / "packages" / "load.py", URL,
                                                       report),
                            stdin=subprocess.PIPE)
    try:
        wait_for(lambda: status(installed)["events"]["matched"] > before + 50, "events before the upgrade", 60)
        installed.sh(f"dpkg -i {installed.bring(newer)} {installed.bring(module)}")
        after = status(installed)
        wait_for(lambda: status(installed)["events"]["matched"] > after["events"]["matched"] + 50,
                 "events after the upgrade", 60)
    finally:
        load.communicate(b"\n", timeout=60)
    found = json.loads(report.read_text())
    print(f"{len(found['accepted'])} events, the slowest answer {found['slowest']:.2f} s")
    assert found["failures"] == [] and found["slowest"] < 15
    wait_for(lambda: status(installed)["unfinished"] == 0, lambda: status(installed), 120)
    ran = set(map(int, installed.sh("cat /var/lib/bxhook/ran").split()))
    assert set(found["accepted"]) <= ran
    now = status(installed)
    assert "postgresql" in installed.sh("bxhook version")
    assert now["deliveries"]["dead"] == 0 and [worker["version"] for worker in now["workers"]] == [new]
    assert installed.sh("md5sum /etc/bxhook/bxhook.conf") == config and active(installed) == ["active"] * 3
    pids = installed.sh("pgrep -x bxhook").split()
    assert "(deleted)" not in installed.sh(f"readlink {' '.join(f'/proc/{pid}/exe' for pid in pids)}")


def test_remove_keeps_what_is_the_admins(installed):
    installed.sh("dpkg -r bxhook bxhook-postgresql")
    assert "active" not in active(installed)
    assert installed.sh("pgrep -x bxhook", check=False) == ""
    installed.sh("test -s /etc/bxhook/bxhook.conf && test -s /var/lib/bxhook/queue.db")
    installed.sh("test ! -e /usr/bin/bxhook && test ! -e /run/bxhook/bxhook.sock")


def test_an_install_anew_goes_on_with_it(installed, artefact):
    installed.sh(f"dpkg -i {installed.bring(artefact('bxhook_*.deb'))}")
    assert installed.sh(f"curl -sS {URL}") == "bxhook: ready"
    wait_done(installed, json.loads(post(installed))["event"])


def test_purge_leaves_nothing(installed):
    installed.sh("rm -r /etc/bxhook/hooks/ONCRM*.sh /etc/systemd/system/bxhook-worker.service.d "
                 "/etc/nginx/snippets/bxhook.conf && dpkg -P bxhook bxhook-postgresql")
    assert users_and_files(installed) == installed.before
    installed.sh("test ! -e /run/bxhook")
