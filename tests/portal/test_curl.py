"""The stand-in against a client that is not ours: curl, directly and through the proxy to Bitrix24's own names."""

import json
import subprocess

import pytest

from . import Cloud, tls
from .accounts import SCOPE


@pytest.fixture
def named(folder):
    with Cloud(folder=folder, names=True) as made:
        yield made


def curl(cloud, *arguments, code=0):
    """(status, body) of what curl got; its exit status must be CODE."""
    proxy = ("--proxy", cloud.proxy) if cloud.names else ()
    done = subprocess.run(["curl", "-q", "-sS", "--max-time", "10", "--cacert", str(cloud.cacert), *proxy,
                           "--write-out", "\n%{http_code}", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def tokens(cloud, app, name="acme"):
    portal = cloud.portal(name)
    return cloud.tokens.issue(portal.add(app), portal.admin())


def renew(cloud, app, pair, server, **more):
    fields = {"grant_type": "refresh_token", "client_id": app.client_id, "client_secret": app.client_secret,
              "refresh_token": pair.refresh, **more}
    data = [word for name, value in fields.items() for word in ("--data-urlencode", f"{name}={value}")]
    return curl(cloud, *data, f"{server}/oauth/token/")


def test_a_renewal_and_a_call(cloud, app):
    pair = tokens(cloud, app)
    status, body = renew(cloud, app, pair, cloud.url)
    answer = json.loads(body)
    assert status == 200 and answer["client_endpoint"] == f"{cloud.url}/acme/rest/"
    status, body = curl(cloud, "-H", f"Authorization: Bearer {answer['access_token']}", "-d", "fields[TITLE]=x",
                        f"{answer['client_endpoint']}crm.deal.add")
    assert (status, json.loads(body)["result"]) == (200, 1)
    assert renew(cloud, app, pair, cloud.url, client_id="x") == (
        200, '{"error": "wrong_client", "error_description": "Client not found"}')


def test_bitrix24s_own_names_through_the_proxy(named):
    app = named.app("http://127.0.0.1:9/")
    pair = tokens(named, app)
    answer = json.loads(renew(named, app, pair, "https://oauth.bitrix.info")[1])
    assert (answer["domain"], answer["server_endpoint"], answer["client_endpoint"]) == (
        "oauth.bitrix.info", "https://oauth.bitrix.info/rest/", "https://acme.bitrix24.example/rest/")
    assert curl(named, f"{answer['client_endpoint']}profile?auth={answer['access_token']}")[0] == 200
    assert [(one.host, one.portal, one.proxied) for one in named.records] == [
        ("oauth.bitrix.info", None, True), ("acme.bitrix24.example", "acme", True)]


def test_both_authorization_servers_by_their_names(named):
    app = named.app("http://127.0.0.1:9/")
    named.portal("acme").server = "oauth.bitrix24.tech"
    answer = json.loads(renew(named, app, tokens(named, app), "https://oauth.bitrix24.tech")[1])
    assert answer["domain"] == "oauth.bitrix24.tech"


def test_a_renamed_portal_redirects_to_its_new_host(named):
    app = named.app("http://127.0.0.1:9/")
    pair, portal = tokens(named, app), named.portal("acme")
    named.rename(portal, "better")
    status, body = curl(named, "--include", f"https://acme.bitrix24.example/rest/profile?auth={pair.access}")
    assert status == 302 and "Location: https://better.bitrix24.example/rest/profile" in body and "<html>" in body
    assert curl(named, f"https://better.bitrix24.example/rest/profile?auth={pair.access}")[0] == 200


def test_what_goes_to_a_wrong_host_is_seen(named):
    """Of a name the certificate lacks the connection alone, of another what was sent."""
    curl(named, "--insecure", "-d", "client_secret=s3cret", "https://oauth.bitrix.info.evil/oauth/token/")
    assert [one.host for one in named.records.with_secret("s3cret", "oauth.bitrix.info")] == ["oauth.bitrix.info.evil"]
    curl(named, "-d", "client_secret=s3cret", "https://oauth.bitrix.info.evil/oauth/token/", code=60)
    assert named.records.connected == ["oauth.bitrix.info.evil:443"] * 2


def test_another_certificate_does_not_do(cloud, tmp_path):
    curl(cloud, "--cacert", str(tls.make(tmp_path)[0]), f"{cloud.url}/", code=60)


def test_an_upload_in_chunks_and_one_that_waits_for_100(cloud, app, tmp_path):
    pair = tokens(cloud, app)
    body = tmp_path / "body"
    body.write_text(json.dumps({"auth": pair.access, "fields": {"TITLE": "x" * 100_000}}))
    for more in (("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")):
        status, said = curl(cloud, "-H", "Content-Type: application/json", *more, "--data-binary", f"@{body}",
                            f"{cloud.url}/acme/rest/crm.deal.add")
        assert status == 200 and "result" in json.loads(said)


def test_one_connection_carries_many_requests(cloud, app):
    pair = tokens(cloud, app)
    url = f"{cloud.url}/acme/rest/profile?auth={pair.access}"
    curl(cloud, "-o", "/dev/null", url, "-o", "/dev/null", url, "-o", "/dev/null", url)
    assert len({one.peer for one in cloud.records}) == 1 and len(cloud.records) == 3


@pytest.mark.parametrize("kind, options, code", [
    ("cut", {}, 18), ("reset", {}, 56), ("hang", {}, 28), ("empty", {}, 0)])
def test_how_curl_sees_the_faults(cloud, app, kind, options, code):
    pair = tokens(cloud, app)
    cloud.faults.order(kind, method="profile", **options)
    curl(cloud, *(("--max-time", "0.5") if kind == "hang" else ()), f"{cloud.url}/acme/rest/profile?auth={pair.access}",
         code=code)


def test_a_form_keeps_order_and_case_of_its_names(cloud, app):
    pair = tokens(cloud, app)
    curl(cloud, "-d", f"auth={pair.access}", "-d", "zeta=1", "-d", "Alpha[b][]=2", "-d", "Alpha[a]=3",
         f"{cloud.url}/acme/rest/scope")
    assert list(cloud.records.of("scope")[0].params) == ["auth", "zeta", "Alpha"]
    assert json.loads(cloud.records.of("scope")[0].answer)["result"] == list(SCOPE)
