"""The hooks of examples/, each copied into hooks_dir as its head says and run by the worker."""

import contextlib
import http.server
import json
import ssl
import subprocess
import threading
import urllib.parse

import pytest

import bitrix
import client
from scratch import ROOT, as_user

EXAMPLES = ROOT / "examples"
WORKER = "start manual"


class Remote:
    """A web service on a free loopback port: answers what the test says, keeps what it was sent."""

    def __init__(self, certificate=None):
        remote = self
        self.requests = []  # (path, headers, form)
        self.answers = []   # (status, document), the last one for ever

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                remote.requests.append((self.path, self.headers, dict(urllib.parse.parse_qsl(body))))
                status, document = remote.answers.pop(0) if len(remote.answers) > 1 else remote.answers[0]
                answer = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self.server.server_port}"
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://{self.host}/"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service():
    with contextlib.closing(Remote()) as remote:
        yield remote


@pytest.fixture
def certificate(site):
    """A key and a certificate for localhost, readable by the hooks."""
    path = site.path / "localhost.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-batch",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", path, "-out", site.path / "cert.pem"], check=True, capture_output=True)
    path.write_text(path.read_text() + (site.path / "cert.pem").read_text())
    (site.path / "cert.pem").chmod(0o644)
    return path


@pytest.fixture
def portal(certificate):
    """Bitrix24's REST, by https as a hook would call it."""
    with contextlib.closing(Remote(certificate)) as remote:
        remote.answers = [(200, {"result": deal("NEW")})]
        yield remote


def deal(stage):
    return {"ID": "6675", "TITLE": "Two chairs", "OPPORTUNITY": "240.00", "CURRENCY_ID": "EUR", "STAGE_ID": stage}


def use(site, example, name, settings=""):
    """Makes EXAMPLE the hook file NAME; SETTINGS are its block's."""
    block = f"hook {name.rpartition('.')[0]} {{\n {settings}\n}}\n"
    site.configure(more=block, worker=WORKER)
    site.hook(name, (EXAMPLES / example).read_text())


def accept(site, tree):
    """Sends the event TREE through the gateway as CGI; gives its number."""
    body = bitrix.encode(tree)
    done = subprocess.run([site.binary], input=body, capture_output=True, cwd="/", timeout=30, check=True,
                          env={"PATH": "/usr/bin:/bin", "BXHOOK_CONFIG": str(site.config),
                               "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
                               "CONTENT_TYPE": client.FORM, "CONTENT_LENGTH": str(len(body))},
                          **as_user(site.user))
    answer = done.stdout.partition(b"\r\n\r\n")[2] or done.stdout.partition(b"\n\n")[2]
    return json.loads(answer)["event"]


def deliver(site, tree):
    """The event TREE's delivery after one run of the worker, and its last attempt."""
    number = accept(site, tree)
    site.run("work", "--once")
    delivery = site.show(number)["deliveries"][0]
    return delivery, delivery["attempts"][-1]


def https(site, extra=""):
    return f"env {{\n SSL_CERT_FILE {site.path}/cert.pem\n {extra}\n }}"


# -- log-deals.sh

def test_log_deals_writes_a_line_for_every_deal(site):
    use(site, "log-deals.sh", "ONCRMDEALADD.sh")
    for number in ("7", "8"):
        delivery, attempt = deliver(site, bitrix.event("ONCRMDEALADD", number))
        assert delivery["state"] == "done", attempt
    lines = (site.home / "deals.csv").read_text().splitlines()
    assert lines[0] == "event,received at,deal,portal,user"
    assert [line.split(",")[2:] for line in lines[1:]] == [
        ['"7"', f'"{bitrix.DOMAIN}"', '"17"'], ['"8"', f'"{bitrix.DOMAIN}"', '"17"']]


def test_log_deals_writes_a_repeated_event_once(site):
    use(site, "log-deals.sh", "ONCRMDEALADD.sh")
    delivery, _ = deliver(site, bitrix.event("ONCRMDEALADD", 'a"b,c'))
    site.run("retry", delivery["delivery"])
    site.run("work", "--once")
    attempts = site.show(delivery["event"])["deliveries"][0]["attempts"]
    assert [attempt["result"] for attempt in attempts] == ["done", "done"]
    assert "already" in attempts[1]["stdout"]
    lines = (site.home / "deals.csv").read_text().splitlines()
    assert len(lines) == 2 and '"a""b,c"' in lines[1]


# -- moved-deal.sh

@pytest.mark.parametrize("stage, said", [
    ("C1:NEW", "deal 6675 enters pipeline 1"),
    ("C7:WON", "deal 6675 is won"),
    ("C7:LOSE", "nothing to do"),
])
def test_moved_deal_acts_by_stage(site, stage, said):
    use(site, "moved-deal.sh", "ONCRMDEALMOVETOCATEGORY.sh")
    event = bitrix.event("ONCRMDEALMOVETOCATEGORY", fields={"CATEGORY_ID": "1", "STAGE_ID": stage})
    delivery, attempt = deliver(site, event)
    assert delivery["state"] == "done"
    assert said in attempt["stdout"]


# -- notify.sh

def test_notify_tells_the_service_and_keeps_the_tokens(site, service):
    use(site, "notify.sh", "any.sh", f'env {{ WEBHOOK_URL "{service.url}chat/secret" }}')
    service.answers = [(200, {})]
    delivery, attempt = deliver(site, bitrix.event("ONCRMLEADADD", "31"))
    assert delivery["state"] == "done", attempt
    [(path, headers, form)] = service.requests
    assert path == "/chat/secret"
    assert form == {"text": f"ONCRMLEADADD 31 on {bitrix.DOMAIN}"}
    assert headers["Idempotency-Key"] == f"{bitrix.MEMBER_ID}-{delivery['event']}"


@pytest.mark.parametrize("status, exit_status, state", [
    (503, 75, "waiting"), (429, 75, "waiting"), (404, 65, "dead"), (401, 65, "dead")])
def test_notify_repeats_what_may_pass(site, service, status, exit_status, state):
    use(site, "notify.sh", "any.sh", f'backoff 1h\n env {{ WEBHOOK_URL "{service.url}" }}')
    service.answers = [(status, {})]
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (exit_status, state)


def test_notify_succeeds_once_the_service_is_back(site, service):
    use(site, "notify.sh", "any.sh", f'env {{ WEBHOOK_URL "{service.url}" }}')
    service.answers = [(503, {}), (200, {})]
    number = accept(site, bitrix.event())
    site.work()
    assert site.delivery(number)["attempt"] == 2


def test_notify_repeats_when_nobody_listens(site, service):
    service.close()
    use(site, "notify.sh", "any.sh", f'backoff 1h\n env {{ WEBHOOK_URL "{service.url}" }}')
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (75, "waiting")


def test_notify_without_its_setting_is_dead_at_once(site):
    use(site, "notify.sh", "any.sh")
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (78, "dead")
    assert "WEBHOOK_URL" in attempt["stderr"]


# -- deal.php and stage-change.py: REST

REST = [("deal.php", "ONCRMDEALADD"), ("stage-change.py", "ONCRMDEALUPDATE")]


@pytest.fixture(params=REST, ids=lambda pair: pair[0])
def rest(request, site):
    """(example, code); the hook is in place once start() was called."""
    example, code = request.param

    def start(settings):
        use(site, example, code + "." + example.rpartition(".")[2], settings)
        return code
    return start


def test_rest_uses_the_events_own_token(site, portal, rest):
    code = rest(https(site))
    event = bitrix.event(code, domain=portal.host)
    delivery, attempt = deliver(site, event)
    assert delivery["state"] == "done", attempt
    [(path, _, form)] = portal.requests
    assert path == "/rest/crm.deal.get"
    assert form == {"id": "6675", "auth": event["auth"]["access_token"]}


def test_rest_uses_the_webhook_of_its_settings(site, portal, rest):
    code = rest(https(site, f'REST_WEBHOOK "{portal.url}rest/1/code/"'))
    delivery, attempt = deliver(site, bitrix.event(code, oauth=False))
    assert delivery["state"] == "done", attempt
    [(path, _, form)] = portal.requests
    assert (path, form) == ("/rest/1/code/crm.deal.get", {"id": "6675"})


def test_rest_without_a_token_is_dead_at_once(site, portal, rest):
    code = rest(https(site))
    delivery, attempt = deliver(site, bitrix.event(code, domain=portal.host, oauth=False))
    assert (attempt["exit"], delivery["state"]) == (77, "dead")
    assert "REST_WEBHOOK" in attempt["stderr"]
    assert not portal.requests


@pytest.mark.parametrize("status, error, exit_status, state", [
    (503, "QUERY_LIMIT_EXCEEDED", 75, "waiting"),
    (429, "OPERATION_TIME_LIMIT", 75, "waiting"),
    (401, "expired_token", 77, "dead"),
    (400, "NOT_FOUND", 65, "dead"),
])
def test_rest_repeats_what_may_pass(site, portal, rest, status, error, exit_status, state):
    code = rest("backoff 1h\n" + https(site))
    portal.answers = [(status, {"error": error})]
    delivery, attempt = deliver(site, bitrix.event(code, domain=portal.host))
    assert (attempt["exit"], delivery["state"]) == (exit_status, state), attempt


def test_rest_trusts_no_certificate_it_cannot_check(site, portal, rest):
    code = rest("backoff 1h")
    delivery, attempt = deliver(site, bitrix.event(code, domain=portal.host))
    assert (attempt["exit"], delivery["state"]) == (75, "waiting"), attempt
    assert not portal.requests


def test_deal_prints_the_deal(site, portal):
    use(site, "deal.php", "ONCRMDEALADD.php", https(site))
    _, attempt = deliver(site, bitrix.event("ONCRMDEALADD", domain=portal.host))
    assert attempt["stdout"] == "deal 6675: Two chairs, 240.00 EUR\n"


def test_stage_change_notices_changes_only(site, portal):
    use(site, "stage-change.py", "ONCRMDEALUPDATE.py", https(site))
    said = []
    for stage in ("NEW", "NEW", "WON"):
        portal.answers = [(200, {"result": deal(stage)})]
        said.append(deliver(site, bitrix.event("ONCRMDEALUPDATE", domain=portal.host))[1]["stdout"])
    assert said == ["deal 6675 went from None to NEW\n", "deal 6675 is still in NEW\n",
                    "deal 6675 went from NEW to WON\n"]


def test_every_example_has_a_test():
    here = open(__file__, encoding="utf-8").read()
    assert [path.name for path in EXAMPLES.iterdir() if f'"{path.name}"' not in here] == []
