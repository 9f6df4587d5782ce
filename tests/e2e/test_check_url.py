"""`bxhook check --url`: what the web server shows from outside, asked as Bitrix24 asks."""

import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import bitrix
import client
from scratch import Site, directory, write
from servers import SHARED_HOST, Apache, Nginx
from test_check import problems, text_of


def outside(site, url, level="error", env=None):
    """Messages and fixes about what the web shows at and below URL."""
    found = problems(site, "--url", url, env=env)
    return [(message, fix) for lvl, place, message, fix in found if lvl == level and place.startswith("http")]


def test_asks_from_outside(nginx):
    done = nginx.site.run("check", "--url", nginx.url, "--json", check=False)
    found = json.loads(done.stdout)
    assert found["ok"], found
    told = [p["message"] for p in found["problems"] if p["place"] == nginx.url]
    assert [message for message in told if "ms to answer" not in message] == ["tokens and events are sent unencrypted"]
    assert 0 <= found["answer_ms"] < 10000
    assert "answered in " in text_of(nginx.site.run("check", "--url", nginx.url)).splitlines()[-1]
    assert json.loads(nginx.site.run("check", "--json").stdout)["answer_ms"] is None
    refused = [line for line in nginx.site.log().splitlines() if "unknown portal 'check'" in line]
    assert refused and all(" info " in line for line in refused), "nothing to be warned of"


def test_a_test_event_tells_whose_gateway_it_is(nginx, monkeypatch):
    """As the manual says: `check --url` is content with that of another installation."""
    site, ask = nginx.site, ("trigger", "ONAPPTEST", "--url", nginx.url)
    site.run(*ask)
    other = write(directory(site.run_dir / "other", 0o700, site.user) / "bxhook.conf",
                  f"portal {{ token {bitrix.TOKEN[::-1]} }}\n", 0o600, site.user)
    for name in ("state", "hooks"):
        directory(other.parent / name, 0o700, site.user)
    monkeypatch.setattr(site, "config", other)  # others use this site too
    assert outside(site, nginx.url) == []
    done = site.run(*ask, check=False)
    assert done.returncode == 1 and b"answered 403" in done.stderr, done


def test_tells_what_is_wrong_outside(nginx):
    wrong = nginx.server.root + "/nothing-here"
    assert [message for message, _ in outside(nginx.site, wrong)] == ["answers 404 and is not the gateway"]
    ((message, fix),) = outside(nginx.site, "http://127.0.0.1:1/x")
    assert "no answer" in message and fix == "curl -v http://127.0.0.1:1/x"


def test_tells_what_the_web_server_keeps_from_the_gateway(site):
    site.serve()
    server = Nginx(site, more="fastcgi_intercept_errors on;\nerror_page 403 /no-such-page;")
    ((message, fix),) = outside(site, server.url)
    assert "answers 404, not the gateway's 403: the web server replaces the gateway's answer" in message
    assert "fastcgi_intercept_errors" in fix


def test_tells_of_a_location_without_parameters(site):
    site.serve()
    server = Nginx(site, params="")
    ((message, fix),) = outside(site, server.url)
    assert "does not pass it REQUEST_METHOD" in message and "include fastcgi_params" in fix
    assert client.post(server.url, bitrix.body()).status == 405
    method = "fastcgi_param REQUEST_METHOD $request_method;\nfastcgi_param QUERY_STRING $query_string;"
    answer = client.post(Nginx(site, params=method).url, bitrix.body())
    assert answer.status == 415 and "pass CONTENT_TYPE: nginx by 'include fastcgi_params;'" in answer.json["message"]


def test_says_once_that_the_gateway_is_not_ready(site):
    site.serve(config=write(site.home / "none.conf", "; no portal\n", 0o600, site.user))
    server = Nginx(site)
    ((message, _),) = outside(site, server.url)
    assert message.startswith("the gateway is not ready")


@pytest.mark.parametrize("hidden", [True, False])
def test_asks_for_what_must_not_be_served(scratch, hidden):
    site = Site(scratch, "inside", inside=True)
    try:
        write(site.docroot / "bxhook.fcgi", site.binary.read_bytes(), 0o755, site.user)
        site.home.chmod(0o755)
        site.config.chmod(0o644)
        site.probe()
        handler = "<Files bxhook.fcgi>\nSetHandler fcgid-script\n</Files>\nOptions +ExecCGI\n"
        write(site.docroot / ".htaccess", handler, 0o644, site.user)
        if hidden:
            write(site.home / ".htaccess", "Require all denied\n", 0o644, site.user)
        server = Apache(site, ["fcgid"], SHARED_HOST, path="/bxhook.fcgi")
        done = site.run("check", "--url", server.url, "--json", check=False)
        found = [p["place"] for p in json.loads(done.stdout)["problems"]
                 if p["level"] == "error" and "read over the web" in p["message"]]
        base = f"{server.root}/.htbxhook"
        assert done.returncode == (0 if hidden else 1), done
        assert hidden or f"{base}/bxhook.conf" in found and f"{base}/hooks/any" in found, done
    finally:
        site.stop()


class Stand(BaseHTTPRequestHandler):
    """Answers as the server in whose place it stands says: {"GET": (status, body), "POST": ...}; of a list one at a time."""

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        time.sleep(self.server.pause)
        answers = self.server.answers[self.command]
        if isinstance(answers, list):
            answers = answers.pop(0) if len(answers) > 1 else answers[0]
        status, body = answers
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


GATEWAY = {"GET": (200, b"bxhook: ready\n"), "POST": (403, b'{"status":"error","error":"invalid_application_token"}')}


@pytest.fixture
def stand():
    """stand(answers): the URL of a server that gives them."""
    servers = []

    def start(answers, pause=0.0, certificate=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Stand)
        server.answers, server.pause = answers, pause
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{server.server_address[1]}/bx"
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_that_is_reloading_is_asked_again(site, stand):
    site.configure()
    page = (404, b"<html>not found</html>")
    done = site.run("check", "--url", stand(GATEWAY | {"GET": [page, page, GATEWAY["GET"]]}), check=False)
    assert b"404" not in done.stdout + done.stderr and b"answered in" in done.stdout + done.stderr, done
    done = site.run("check", "--url", stand(GATEWAY | {"GET": page}), check=False)
    assert b"answers 404 and is not the gateway" in done.stdout + done.stderr, done


@pytest.mark.parametrize("answers, words", [
    ({}, None),
    ({"GET": (200, b"<html>It works")}, "answers 200 and is not the gateway"),
    ({"GET": (200, b"#!/bin/sh\nexec /x/bxhook\n")}, "serves the program as a file"),
    ({"GET": (200, b"bxhook: not ready, see its log\n")}, "the gateway is not ready"),
    ({"GET": (301, b"")}, "a redirect, which Bitrix24 does not follow"),
    ({"GET": (502, b"")}, "answers 502 and is not the gateway"),
    ({"GET": (401, b"")}, "answers 401 and is not the gateway"),
    ({"POST": (200, b'{"status":"ok","event":1}')}, "a POST with a wrong token answers 200"),
    ({"POST": (403, b"<html>Forbidden by a firewall")}, "not the gateway's 403"),
    ({"POST": (405, b"")}, "a POST with a wrong token answers 405"),
], ids=str)
def test_judges_the_answers(site, stand, answers, words):
    found = outside(site, stand(GATEWAY | answers))
    assert found == [] if words is None else len(found) == 1 and words in found[0][0] and found[0][1], found


def test_measures_the_answer(site, stand):
    ((message, fix),) = [found for found in outside(site, stand(GATEWAY, pause=1.1), "warning") if "took" in found[0]]
    assert "Bitrix24 calls a slow handler less often" in message and fix.startswith("curl ")
    assert int(message.split()[1]) >= 1100


def openssl(site, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=site.run_dir, check=True, capture_output=True, timeout=30)


@pytest.fixture
def chain(site):
    """Files of a root, an intermediate and a server's certificate of it."""
    where = site.run_dir
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(site, "req", "-x509", *key, "-days", "2", "-subj", "/CN=Root", "-keyout", "root.key", "-out", "root.pem")
    for name, issuer, extension in (("middle", "root", "basicConstraints=critical,CA:TRUE"),
                                    ("server", "middle", "subjectAltName=DNS:localhost")):
        write(where / f"{name}.ext", extension + "\n")
        openssl(site, "req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(site, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key",
                "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    write(where / "full.pem", (where / "server.pem").read_text() + (where / "middle.pem").read_text())
    for path in where.glob("*.pem"):
        path.chmod(0o644)
    return where


def test_looks_at_the_certificate_s_chain(site, stand, chain):
    trusted = {"CURL_CA_BUNDLE": str(chain / "root.pem")}
    whole = stand(GATEWAY, certificate=(chain / "full.pem", chain / "server.key"))
    assert outside(site, whole, env=trusted) == []
    cut = stand(GATEWAY | {"POST": (200, b"")}, certificate=(chain / "server.pem", chain / "server.key"))
    found = outside(site, cut, env=trusted)
    port = cut.split(":")[2].split("/")[0]
    assert "the chain is incomplete" in found[0][0] and "fullchain.pem" in found[0][0]
    assert found[0][1] == f"openssl s_client -showcerts -connect localhost:{port}"
    assert len(found) == 2 and "a POST with a wrong token answers 200" in found[1][0], "the rest is looked at all the same"
    stranger = outside(site, whole.replace("localhost", "127.0.0.1"), env=trusted)
    assert "cannot be trusted" in stranger[0][0] and "incomplete" not in stranger[0][0]


def test_a_trigger_does_not_trust_such_a_certificate(site, stand, chain):
    cut = stand(GATEWAY, certificate=(chain / "server.pem", chain / "server.key"))
    done = site.run("trigger", "ONAPPTEST", "--url", cut, check=False)
    assert done.returncode == 1 and b"cannot be trusted" in done.stderr and len(done.stderr.splitlines()) == 1
