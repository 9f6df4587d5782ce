"""The pages of docs/: each followed as it is written, each fault of troubleshooting.md planted."""

import re
import socket

import pytest

import bitrix
import client
from clock import Clock
from pages import Terminal, blocks
from pairs import Pair
from scratch import ROOT, wait_for, write
from servers import Nginx
from test_examples import Remote
from test_faults import fill, large_body, small_disk  # noqa: F401 (a fixture)

PAGE = "docs/troubleshooting.md"
MANUAL = "start manual"


@pytest.mark.parametrize("page", ["README.md", "examples/README.md", "examples/README.ru.md",
                                  *sorted(f"docs/{path.name}" for path in (ROOT / "docs").iterdir())])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        other = (ROOT / page).parent / path if path else ROOT / page
        assert other.exists(), f"{page}: {target}"
        headings = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE) if anchor else []
        anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert not anchor or anchor in anchors, f"{page}: {target}"


# -- troubleshooting.md

class Trouble:
    """A site behind nginx whose gateway logs to LOG, and a terminal to look for the cause."""

    def __init__(self, site):
        self.site = site
        self.server = None

    def start(self, **config):
        self.site.configure(**{"worker": MANUAL} | config)
        self.site.serve()

    def nginx(self):
        self.server = Nginx(self.site)
        return self.server

    def post(self, *args, **options):
        return client.fastcgi(self.site.socket, bitrix.body(*args, **options))

    def see(self, heading, *which):
        """The console blocks of the section HEADING, all or those WHICH."""
        site, server = self.site, self.server
        url = server.url if server else "http://127.0.0.1:1/bitrix24"
        names = {"https://YOUR-SITE/bitrix24": url, "/home/USER/bxhook": site.home,
                 "/run/bxhook/bxhook.sock": site.socket, "YOUR-SITE": url.split("/")[2]}
        terminal = Terminal(site, names, LOG=str(site.log_dir / "gateway.log"),
                            WEB_SERVER_LOG=str(server.log_path()) if server else "")
        shown = blocks(PAGE, "console", heading)
        for index in which or range(len(shown)):
            terminal.see(shown[index])


@pytest.fixture
def trouble(site):
    return Trouble(site)


def test_events_stopped_coming(trouble):
    site = trouble.site
    site.hook("ONCRMDEALUPDATE.sh", "exit 0")
    trouble.nginx()
    trouble.see("Events stopped coming", 0)
    trouble.start()
    trouble.post()
    site.run("work", "--once")
    trouble.see("Events stopped coming", 1)


def test_refused_tokens(trouble):
    trouble.start()
    statuses = [trouble.post(token=bitrix.WRONG_TOKEN).status,
                trouble.post(member_id="0" * 32, domain="other.bitrix24.com").status,
                client.fastcgi(trouble.site.socket, f"event=E&auth[domain]={bitrix.DOMAIN}"
                                                    f"&auth[member_id]={bitrix.MEMBER_ID}".encode()).status]
    assert statuses == [403, 403, 403]
    trouble.see("403")


def test_no_gateway(trouble):
    with socket.socket(socket.AF_UNIX) as gone:  # its file stays, and nobody listens
        gone.bind(str(trouble.site.socket))
        trouble.site.socket.chmod(0o666)
    assert trouble.nginx().get().status == 502
    trouble.see("502")


def test_a_broken_config(trouble):
    text = "portal {\n token 0123456789abcdef\n"
    trouble.site.serve(config=write(trouble.site.config, text, 0o600, trouble.site.user))
    assert trouble.post().status == 503
    trouble.see("503")


def test_a_body_too_large(trouble):
    trouble.start()
    assert client.fastcgi(trouble.site.socket, b"a" * 1100000).status == 413
    trouble.see("413")


def test_malformed_bodies(trouble):
    trouble.start()
    parts = b'--XX\nContent-Disposition: form-data; name="event"\n\nONAPPTEST\n--XX--\n'
    for body, more in [(b'{"event":"ONAPPTEST"}', {}), (b"", {}), (b"event=ONAPPTEST", {"CONTENT_LENGTH": "7"}),
                       (parts, {"content_type": "multipart/form-data; boundary=XX"})]:
        assert client.fastcgi(trouble.site.socket, body, **more).status == 400
    trouble.see("400")


def test_other_types_and_methods(trouble):
    trouble.start()
    for status, more in [(415, {"content_type": "text/plain"}), (415, {"HTTP_CONTENT_ENCODING": "gzip"}),
                         (405, {"method": None, "REMOTE_ADDR": None})]:
        assert client.fastcgi(trouble.site.socket, b"x", **more).status == status
    trouble.see("415 and 405")


def test_a_hook_that_is_not_executable(trouble):
    site = trouble.site
    site.hook("ONCRMLEADADD.sh", "exit 0", 0o644)
    site.hook("ONCRMDEALUPDATE.sh", "exit 0")
    trouble.start()
    trouble.post("ONCRMLEADADD")
    site.run("work", "--once")
    trouble.see("A hook does not run")
    (site.hooks / "ONCRMLEADADD.sh").chmod(0o755)
    site.run("retry", "1")
    site.run("work", "--once")
    assert site.delivery(1, "ONCRMLEADADD")["state"] == "done"


def test_no_worker(trouble):
    clock = Clock(trouble.site)
    trouble.start()
    trouble.post()
    clock.set(60)
    trouble.see("Nothing runs at all")


def test_works_by_hand(trouble):
    site = trouble.site
    site.hook("ONTASKADD.sh", "#!/bin/sh\nnode-18 app.js\n")
    site.hook("ONTASKUPDATE.sh", "#!/bin/sh\r\necho hi\r\n")
    trouble.start(backoff="15s")
    trouble.post("ONTASKADD")
    site.run("work", "--once")
    trouble.see("Works by hand but not here")


def test_a_time_limit(trouble):
    trouble.site.hook("ONCRMCONTACTADD.sh", "sleep 100")
    trouble.start(backoff="15s", defaults="timeout 1s")
    trouble.post("ONCRMCONTACTADD", "4301")
    trouble.site.run("work", "--once")
    trouble.see("A hook times out")


def test_output(trouble):
    site = trouble.site
    site.hook("ONCRMDEALUPDATE.sh", 'echo "deal $BX_ID of $BX_PORTAL was changed"')
    trouble.start()
    trouble.post()
    site.run("work", "--once")
    trouble.see("Where is my output?")


def test_a_hook_that_wakes_itself(trouble):
    site = trouble.site
    site.hook("ONCRMDEALUPDATE.sh", "exit 0")
    trouble.start()
    for _ in range(3):  # one that calls REST as user 17
        trouble.post()
    site.run("work", "--once")
    trouble.see("The hook wakes itself")
    [guard] = blocks(PAGE, "conf", "The hook wakes itself")
    site.configure(more=guard, worker=MANUAL)
    trouble.post()
    site.run("work", "--once")
    assert site.show(4)["state"] == "skipped"


def test_a_hook_of_a_webhook_that_wakes_itself(trouble):
    site, remote = trouble.site, Remote()
    [script] = blocks(PAGE, "sh", "The hook wakes itself")
    site.hook("ONCRMDEALUPDATE.sh", script)
    trouble.start(more=f"hook ONCRMDEALUPDATE {{ unless {{ auth.user_id 17 }} env {{ REST {remote.url}rest/1/SECRET/ }} }}\n")
    deal = {"ID": "6675", "TITLE": "Two chairs", "COMMENTS": ""}
    remote.answers[:] = [(200, {"result": deal}), (200, {"result": True}),
                         (200, {"result": deal | {"COMMENTS": deal["TITLE"]}})]
    outputs = []
    for _ in range(2):  # a person's change, and the hook's own
        trouble.post(oauth=False)
        site.run("work", "--once")
        delivery = site.show(len(outputs) + 1)["deliveries"][0]
        assert delivery["state"] == "done", delivery
        outputs.append(delivery["attempts"][0]["stdout"])
    assert outputs == ["changed\n", "nothing to change\n"]
    assert [path.rpartition("/")[2] for path, _, _ in remote.requests] == ["crm.deal.get", "crm.deal.update", "crm.deal.get"]
    assert remote.requests[1][2] == {"id": "6675", "fields[COMMENTS]": "Two chairs"}
    remote.close()


def test_the_same_event_twice(trouble):
    site = trouble.site
    site.hook("ONCRMDEALUPDATE.sh", "exit 0")
    trouble.start()
    for handler in ("655", "656"):
        client.fastcgi(site.socket, bitrix.encode(bitrix.event() | {"event_handler_id": handler}))
    site.run("work", "--once")
    trouble.see("The same event twice")


def test_more_to_do_than_runs(trouble):
    site, gate = trouble.site, trouble.site.gate()
    site.hook("ONCRMDEALUPDATE.sh", gate.wait)
    trouble.start(worker=f"{MANUAL} concurrency 1")
    for number in range(4):
        trouble.post(id=number)
    site.work()
    wait_for(lambda: site.status()["deliveries"]["running"] == 1, "a run")
    trouble.see("Hooks run late")
    site.run("cancel", "--all", "--yes")
    gate.open()


def test_a_blocked_lane(trouble):
    site = trouble.site
    site.hook("ONCRMDEALUPDATE.sh", "exit 1")
    trouble.start(backoff="1h")
    for _ in range(3):
        trouble.post()
    worker = site.work()
    wait_for(lambda: [lane for lane in site.status()["blocked"] if lane["behind"] == 2], "the lane")
    trouble.see("Events of one deal wait")
    site.hook("ONCRMDEALUPDATE.sh", "exit 0")
    site.run("cancel", "1/ONCRMDEALUPDATE")
    assert site.delivery(3, "ONCRMDEALUPDATE")["state"] == "done"
    assert worker.stop() == 0


def test_a_locked_store(trouble):
    trouble.start()
    trouble.post()
    with trouble.site.store_locked():
        assert trouble.post().status == 503
        trouble.see("database is locked")


def test_a_full_disk(trouble, small_disk):  # noqa: F811
    pair = Pair(trouble.site)
    pair.take(pair.send())
    filler = small_disk / "filler"
    fill(filler)
    assert client.fastcgi(trouble.site.socket, large_body(1)).status == 503
    trouble.see("The disk is full")
    filler.unlink()
    pair.recovers()
