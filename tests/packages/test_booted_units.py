"""The units of conf/, under a systemd that was booted, with what README, docs/ and examples/ tell: each row once
from source in /usr/local/etc, once from source in /etc, once from the Debian package.

A row is one test; the rows of an install share its machine, in this order.
"""

import json
import re
import shutil
import subprocess

import pytest

import bitrix
from machine import Machine
from pages import blocks
from scratch import ROOT, wait_for

URL = "http://127.0.0.1/bitrix24"
INSTALLS = ["/usr/local/etc", "/etc", "package"]
PORTAL = f"{bitrix.MEMBER_ID} {bitrix.DOMAIN} {bitrix.TOKEN}"
SITE = """cat >/etc/nginx/sites-enabled/default <<'END'
server { listen 80; include snippets/bxhook.conf; }
END
nginx -t && systemctl reload nginx
"""
# Bitrix24's REST in the machine: the deal that stage-change.py asks for.
REST = """cat >/root/rest.py <<'END'
import http.server, ssl
class Rest(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"result": {"ID": "6675", "STAGE_ID": "NEW"}}')
server = http.server.HTTPServer(("127.0.0.1", 443), Rest)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/ssl/rest.pem", "/root/rest.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
END
echo 127.0.0.1 """ + bitrix.DOMAIN + """ >>/etc/hosts
systemd-run --quiet --unit rest /usr/bin/python3 /root/rest.py
"""


class Install:
    """bxhook on MACHINE, as docs/vps.md says; its config in ETC."""

    def __init__(self, machine, clone, artefact, how):
        self.machine, self.packaged = machine, how == "package"
        self.etc = "/etc/bxhook" if self.packaged else f"{how}/bxhook"
        self.config, self.hooks = f"{self.etc}/bxhook.conf", f"{self.etc}/hooks"
        self.examples = ("/usr" if self.packaged else "/usr/local") + "/share/doc/bxhook/examples"
        if self.packaged:
            for package in ("bxhook_*.deb", "bxhook-postgresql_*.deb"):
                machine.sh(f"dpkg -i {machine.bring(artefact(package))}")
            machine.sh(f"echo 'portal {{ token {bitrix.TOKEN} }}' >>{self.config}")
            self.begin = machine.sh(f"cat {self.config}")
        else:
            subprocess.run(["make", "-C", clone, "install", f"DESTDIR={machine.root}", f"sysconfdir={how}"],
                           check=True, capture_output=True, timeout=900)
            self.set_up()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-batch", "-subj", f"/CN={bitrix.DOMAIN}",
                        "-addext", f"subjectAltName=DNS:{bitrix.DOMAIN}", "-keyout", machine.root / "root/rest.key",
                        "-out", machine.root / "etc/ssl/rest.pem"], check=True, capture_output=True, timeout=60)
        example = f"{self.examples}/../conf/nginx.conf.example"
        machine.sh(f"install -d /etc/nginx/snippets && cp {example} /etc/nginx/snippets/bxhook.conf\n{SITE}{REST}")
        self.configure("")

    @property
    def portal_block(self):
        return r"^portal \{(?:[^}\n]*\}|\n.*?\n\})" if self.packaged else r"^portal \{\n(?:.*\n)*?\}"

    def page(self, text):
        return text.replace("/usr/local/etc/bxhook", self.etc).replace("some-domain.bitrix24.com", bitrix.DOMAIN).replace(
            "51856fefc120afa4b628cc82d3935cce", bitrix.TOKEN)

    def set_up(self):
        """The first steps of docs/vps.md after `make install`."""
        steps = blocks("docs/vps.md", "sh")
        user, = (step for step in steps if step.startswith("useradd"))
        config, = (step for step in steps if "worker { start manual }" in step)
        self.machine.sh(self.page(user))
        self.begin = self.machine.sh(f"cat {self.config}") + "\n" + self.page(config).split("END")[1].strip("'\n") + "\n"
        self.machine.sh(self.page(config))
        self.machine.sh(next(step for step in steps if "enable --now bxhook.socket" in step))

    def configure(self, more, without=None):
        """The config as it was set up, without the lines WITHOUT matches, and MORE; in force."""
        text = self.begin
        if without:
            text, count = re.subn(without, "", text, flags=re.M)
            assert count, text
        draft = self.machine.root / "root" / "draft"
        draft.write_text(f"{text}\n{more}\n")
        # Into the file that is there: it keeps whose it is.
        self.machine.sh(f"cat /root/draft >{self.config}; bxhook check --config {self.config} | grep -A1 '^error'; "
                        "systemctl restart bxhook bxhook-worker", check=False)
        wait_for(lambda: self.machine.sh(f"curl -sS {URL}", check=False) == "bxhook: ready", self.why, 30)

    def why(self):
        return self.machine.sh(f"curl -si {URL}; bxhook check; journalctl -u bxhook -u bxhook-worker | tail -n 20", check=False)

    def hook(self, file, text):
        (self.machine.root / "root" / "hook").write_text(text)
        self.machine.sh(f"install -m 755 /root/hook {self.hooks}/{file}")

    def example(self, name):
        """The hook of examples/NAME, as its line 'Install' says."""
        text = (ROOT / "examples" / name).read_text()
        line = re.search(r"Install\s+(.*)", text)[1].replace("HOOKS_DIR", self.hooks)
        self.machine.sh(f"cd {self.examples} && {line}")

    def deliver(self, body):
        """What came of the one hook of an event with BODY."""
        answer = json.loads(self.machine.sh(f"curl -sS -m 20 -d '{body.decode()}' {URL}"))
        assert answer["status"] == "ok", answer
        return self.ended(answer["event"])

    def ended(self, number):
        def look():
            found = json.loads(self.machine.sh(f"bxhook show {number} --json"))
            delivery = (found["deliveries"] or [{}])[0]
            return delivery.get("attempts") and delivery["attempts"][0]["ended_at"] and delivery
        delivery = wait_for(look, lambda: self.machine.sh(f"bxhook show {number}") + self.why(), 30)
        assert delivery["state"] == "done", delivery
        return delivery

    def read(self, file):
        return self.machine.sh(f"cat {file}")


@pytest.fixture(scope="module", params=INSTALLS)
def installed(request, template, clone, artefact, tmp_path_factory):
    machine = Machine(template, tmp_path_factory.mktemp("machine") / "root")
    try:
        yield Install(machine, clone, artefact, request.param)
    finally:
        machine.remove()


def test_the_units_run(installed):
    assert installed.machine.sh("systemctl is-active bxhook.socket bxhook bxhook-worker").split() == ["active"] * 3
    assert "error" not in installed.machine.sh("bxhook check")


def test_the_first_hook_of_the_page(installed):
    step, = (step for step in blocks("docs/vps.md", "sh") if "echo \"new deal" in step)
    installed.machine.sh(installed.page(step).partition("bxhook trigger")[0])
    delivery = installed.deliver(bitrix.body("ONCRMDEALADD", "7"))
    assert delivery["attempts"][0]["stdout"] == f"new deal 7 on {bitrix.DOMAIN}\n"
    installed.machine.sh(f"rm {installed.hooks}/ONCRMDEALADD.sh")


def test_log_deals(installed):
    installed.example("log-deals.sh")
    installed.deliver(bitrix.body("ONCRMDEALADD", "8"))
    assert ',"8",' in installed.read("/var/lib/bxhook/deals.csv")
    # And with the block of the index.
    block, = re.findall(r"```conf\n(.*?)```", (ROOT / "examples/README.md").read_text().split("\n## log-deals.sh")[1].split(
        "\n## ")[0], re.S)
    installed.configure(block)
    installed.deliver(bitrix.body("ONCRMDEALADD", "9"))
    assert ',"9",' in installed.read("/var/lib/bxhook/deals.csv")


def test_stage_change(installed):
    installed.configure(f"portal {{ domain {bitrix.DOMAIN} token {bitrix.TOKEN} webhook https://{bitrix.DOMAIN}/rest/1/code/ }}\n"
                        "rest { cacert /etc/ssl/rest.pem }", without=installed.portal_block)
    installed.example("stage-change.py")
    delivery = installed.deliver(bitrix.body("ONCRMDEALUPDATE", "6675"))
    assert delivery["attempts"][0]["stdout"] == "deal 6675 went from None to NEW\n"
    assert installed.read("/var/lib/bxhook/stages/6675") == "NEW"


def test_a_portal_that_leaves(installed):
    """The hook of docs/many-portals.md."""
    _, conf = blocks("docs/many-portals.md", "conf")
    script, = (step for step in blocks("docs/many-portals.md", "sh") if "ONAPPUNINSTALL" in step)
    other = "0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6 other.bitrix24.com e8f6a7b5c4d3928170a1b2c3d4e5f607"
    (installed.machine.root / "root" / "list").write_text(f"{PORTAL}\n{other}\n")
    installed.machine.sh("install -o bxhook -g bxhook -m 600 /root/list /var/lib/bxhook/portals.txt")
    installed.machine.sh(script.replace("~/bxhook", installed.etc))
    installed.configure(conf, without=installed.portal_block)
    installed.deliver(bitrix.body("ONAPPUNINSTALL", None))
    assert installed.read("/var/lib/bxhook/portals.txt") == other


def test_the_log_file_of_the_page(installed):
    line = re.search(r"`(log \{ file .*? \})`", (ROOT / "docs/vps.md").read_text())[1]
    installed.configure(line)
    number = installed.deliver(bitrix.body("ONCRMDEALADD", "10"))["event"]
    log = re.search(r"file (\S+)", line)[1]
    wait_for(lambda: f"event={number}" in installed.read(log), lambda: installed.read(log))
    assert "worker: " in installed.read(log)
    # logrotate's signal reaches no hook that runs.
    installed.hook("ONTASKADD", "#!/bin/sh\ntouch /var/lib/bxhook/begun\nwhile [ ! -e /var/lib/bxhook/go ]; do sleep 0.1; done\n")
    number = json.loads(installed.machine.sh("bxhook trigger ONTASKADD >/dev/null; bxhook list --json --limit 1"))["event"]
    wait_for(lambda: installed.machine.sh("test -e /var/lib/bxhook/begun && echo yes", check=False) == "yes", installed.why)
    command = re.search(r"`(systemctl kill [^`]*)`", (ROOT / "docs/vps.md").read_text())[1].replace("\n", " ")
    installed.machine.sh(f"mv {log} {log}.1; {command}")
    wait_for(lambda: installed.machine.sh(f"test -e {log} && echo yes", check=False) == "yes", installed.why)
    installed.machine.sh("touch /var/lib/bxhook/go")
    assert installed.ended(number)["attempts"][0]["signal"] is None


def test_check_starts_the_worker(installed):
    """The command that it names where the worker was stopped."""
    installed.machine.sh("systemctl disable --now bxhook-worker")
    said = installed.machine.sh("bxhook check", check=False)
    assert "fix: systemctl enable --now bxhook-worker" in said, said
    installed.machine.sh("systemctl enable --now bxhook-worker")
    wait_for(lambda: "enable --now" not in installed.machine.sh("bxhook check", check=False), installed.why)
    # A worker of another config is none of this one's.
    installed.machine.sh(f"install -d -o bxhook -g bxhook -m 700 /srv/other; cp {installed.config} /srv/other/bxhook.conf; "
                         "sed -i 's|^store .*|store state/queue.db|' /srv/other/bxhook.conf; chown bxhook: /srv/other/*; "
                         "bxhook trigger ONTASKADD --config /srv/other/bxhook.conf")
    said = installed.machine.sh("bxhook check --config /srv/other/bxhook.conf", check=False)
    assert "systemctl" not in said and "work --once --config /srv/other/bxhook.conf" in said, said


def test_check_starts_the_gateway(installed):
    installed.machine.sh("systemctl stop bxhook.socket bxhook")
    said = installed.machine.sh(f"bxhook check --url {URL}", check=False)
    assert "answers 502" in said and "fix: systemctl start bxhook.socket" in said, said
    installed.machine.sh("systemctl start bxhook.socket")
    assert installed.machine.sh(f"curl -sS {URL}") == "bxhook: ready"


def test_a_postgresql_store(installed):
    """docs/scaling.md with one machine for all of it."""
    sh = installed.machine.sh
    sh("pg_lsclusters -h | grep -q . || pg_createcluster 15 main >/dev/null; systemctl start postgresql@15-main", limit=300)
    roles, = (block for block in blocks("docs/scaling.md", "sql") if "CREATE ROLE" in block)
    rights, = (block for block in blocks("docs/scaling.md", "sql") if "GRANT USAGE ON SCHEMA" in block)
    (installed.machine.root / "root" / "roles.sql").write_text(roles.replace("'...'", "'secret'"))
    (installed.machine.root / "root" / "rights.sql").write_text(rights)
    sh("runuser -u postgres -- psql -v ON_ERROR_STOP=1 -q </root/roles.sql")
    sh("useradd -m admin; printf 'store \"postgresql://bxhook_owner:secret@127.0.0.1/bxhook\"\\n' >/home/admin/owner.conf; "
       "chown admin: /home/admin/owner.conf; chmod 600 /home/admin/owner.conf")
    steps = blocks("docs/scaling.md", "")
    sh(f"cd /home/admin && runuser -u admin -- {next(step for step in steps if 'store init' in step)}")
    sh(next(step for step in steps if step.startswith("install -d")).replace("/etc/bxhook", installed.etc))
    sh("PGPASSWORD=secret psql -h 127.0.0.1 -U bxhook_owner -v ON_ERROR_STOP=1 -q -d bxhook -f /root/rights.sql")
    sh(f"echo '*:*:bxhook:bxhook:secret' >{installed.etc}/pgpass; chown bxhook: {installed.etc}/pgpass; chmod 600 {installed.etc}/pgpass")
    store = next(step for step in steps if step.startswith('store "postgresql')).splitlines()[0]
    store = store.replace("db1,db2", "127.0.0.1").replace("verify-full", "prefer").replace("/etc/bxhook", installed.etc)
    installed.configure(store, without=r"^store .*")
    delivery = installed.deliver(bitrix.body("ONCRMDEALADD", "11"))
    assert delivery["state"] == "done" and "postgresql" in sh("bxhook status --json")
    assert sh("ls /var/lib/bxhook/worker.lock /var/lib/bxhook/worker.wake")
    assert "error" not in sh("bxhook check")
    sh(f"bxhook retry {delivery['delivery']}")
