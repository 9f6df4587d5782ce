"""Every row of the contract's table of answers, through nginx."""

import json
import re
import unicodedata

import pytest

import bitrix
import client
from scratch import PORTAL, wait_for
from servers import Nginx

FORM = client.FORM
GOOD = bitrix.body()


def refused(answer, status, word):
    assert answer.status == status, answer
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("application/json")
    assert (answer.json["status"], answer.json["error"]) == ("error", word)
    assert answer.json["message"]
    return answer


def behind_nginx(site, **config):
    """SITE with that config, served by nginx."""
    site.configure(**config)
    site.serve()
    return Nginx(site)


# -- GET, HEAD, other methods

def test_get_says_ready(nginx):
    answer = client.get(nginx.url)
    assert (answer.status, answer.body) == (200, b"bxhook: ready\n")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"


def test_head_says_nothing(nginx):
    answer = client.request(nginx.url, "HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_refuses_other_methods(nginx, method):
    answer = refused(client.request(nginx.url, method, GOOD, {"Content-Type": FORM}), 405, "method_not_allowed")
    assert {word.strip() for word in answer.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}


# -- content types

@pytest.mark.parametrize("content_type", [
    FORM, FORM.upper(), FORM + "; charset=UTF-8", FORM + ";charset=UTF-8", FORM + ", x", FORM + " x"])
def test_accepts_a_form_of(nginx, content_type):
    assert client.post(nginx.url, GOOD, content_type).event


@pytest.mark.parametrize("content_type", [
    None, "", "text/plain", "application/xml", FORM + "FOO", "multipart/mixed; boundary=x", "application/jsonp"])
def test_refuses_a_body_of(nginx, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}
    refused(client.request(nginx.url, "POST", GOOD, headers), 415, "unsupported_content_type")


@pytest.mark.parametrize("encoding,status", [("gzip", 415), ("deflate, br", 415), ("identity", 200)])
def test_refuses_a_compressed_body(nginx, encoding, status):
    answer = client.request(nginx.url, "POST", GOOD, {"Content-Type": FORM, "Content-Encoding": encoding})
    assert answer.status == status
    if status == 415:
        refused(answer, 415, "unsupported_content_type")
        assert f"Content-Encoding '{encoding}' is not supported" in answer.json["message"]


def test_accepts_json(nginx):
    tree = bitrix.event(fields={"NUMBER": 1.50, "YES": True, "NO": False, "LIST": ["a", "b"], "NULL": None})
    text = json.dumps(tree).replace("1.5,", "1.50,")
    number = client.post(nginx.url, text.encode(), "application/json").event
    fields = nginx.site.run_of(number).event["data"]["FIELDS"]
    assert fields == {"ID": "6675", "NUMBER": "1.50", "YES": "1", "NO": "0", "LIST": ["a", "b"]}


def test_accepts_json_numbers_of_any_size(nginx):
    digits = "7" * 5000
    text = json.dumps(bitrix.event(fields={"BIG": 1, "FAR": 2}))
    text = text.replace('"BIG": 1', f'"BIG": {digits}').replace('"FAR": 2', '"FAR": -1.5E+9999')
    number = client.post(nginx.url, text.encode(), "application/json").event
    assert nginx.site.run_of(number).event["data"]["FIELDS"] == {"ID": "6675", "BIG": digits, "FAR": "-1.5E+9999"}


def multipart(pairs, boundary="XX", quote='"'):
    parts = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name={quote}{name}{quote}\r\n\r\n{value}\r\n'
                    for name, value in pairs)
    return f"{parts}--{boundary}--\r\n".encode()


@pytest.mark.parametrize("quote", ['"', ""])
def test_accepts_multipart(nginx, quote):
    body = multipart(bitrix.pairs(bitrix.event()), quote=quote)
    number = client.post(nginx.url, body, "multipart/form-data; boundary=XX").event
    assert nginx.site.run_of(number).event == bitrix.event()


# -- 413

def test_refuses_a_body_over_the_limit(nginx):
    filler = b"&x=" + b"y" * (1 << 20)
    refused(client.post(nginx.url, GOOD + filler[:(1 << 20) + 1 - len(GOOD)]), 413, "too_large")
    assert client.post(nginx.url, GOOD + filler[:(1 << 20) - len(GOOD)]).event


def test_refuses_too_many_fields(nginx):
    fields = GOOD.count(b"&") + 1
    assert client.post(nginx.url, GOOD + b"&" * (1000 - fields) + b"&").event
    refused(client.post(nginx.url, GOOD + b"&" * (1000 - fields) + b"&&"), 413, "too_many_fields")


# -- 400

def tree(**changes):
    return bitrix.encode(bitrix.event() | changes)


MALFORMED = {
    "an empty body": (FORM, b""),
    "no event": (FORM, GOOD.replace(b"event=", b"evnt=", 1)),
    "an empty event": (FORM, tree(event="")),
    "a long event": (FORM, tree(event="A" * 256)),
    "a blank in the event": (FORM, tree(event="ONCRM DEAL")),
    "a slash in the event": (FORM, tree(event="../../ONCRMDEAL")),
    "a NUL in the event": (FORM, tree(event="ONCRMDEALADD\0")),
    "a line feed in the event": (FORM, tree(event="ONCRMDEALADD\n")),
    "an array for event": (FORM, GOOD + b"&event[]=ONCRMDEALADD"),
    "an array for member_id": (FORM, GOOD + b"&auth[member_id][]=x"),
    "an array for domain": (FORM, GOOD + b"&auth[domain][x]=x"),
    "a member_id of 256 bytes": (FORM, GOOD + b"&auth[member_id]=" + b"a" * 256),
    "a member_id with NUL": (FORM, GOOD + b"&auth[member_id]=a%00"),
    "a domain of 256 bytes": (FORM, GOOD + b"&auth[domain]=" + b"a" * 256),
    "a domain with a line feed": (FORM, GOOD + b"&auth[domain]=a%0Ab"),
    "a domain with an escape character": (FORM, GOOD + b"&auth[domain]=%1B[2J"),
    "a domain with a C1 control": (FORM, GOOD + b"&auth[domain]=a%C2%9B"),
    "a domain in another script": (FORM, GOOD + b"&auth[domain]=%D0%B0.%D1%80%D1%84"),
    "65 levels": (FORM, GOOD + b"&a" + b"[b]" * 65 + b"=1"),
    "5,000 levels": (FORM, GOOD + b"&a" + b"[b]" * 5000 + b"=1"),
    "JSON cut short": ("application/json", json.dumps(bitrix.event()).encode()[:-1]),
    "a JSON list": ("application/json", b"[" + json.dumps(bitrix.event()).encode() + b"]"),
    "JSON of 10,000 levels": ("application/json", b'{"a":' * 10000 + b"1" + b"}" * 10000),
    "multipart without its end": ("multipart/form-data; boundary=XX", multipart([("event", "A")])[:-8]),
    "multipart with LF alone": ("multipart/form-data; boundary=XX", multipart([("event", "A")]).replace(b"\r", b"")),
    "multipart without a boundary": ("multipart/form-data", multipart([("event", "A")])),
    "a file part": ("multipart/form-data; boundary=XX",
                    multipart(bitrix.pairs(bitrix.event()))[:-8]
                    + b'--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--XX--\r\n'),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_refuses_as_malformed(nginx, what):
    content_type, body = MALFORMED[what]
    refused(client.post(nginx.url, body, content_type), 400, "malformed")


def test_accepts_64_levels(nginx):
    assert client.post(nginx.url, GOOD + b"&a" + b"[b]" * 64 + b"=1").event


@pytest.mark.parametrize("length", [0, len(GOOD) - 1, len(GOOD) + 1, 10 ** 12, "-2", "-01", "abc", "1e3"])
def test_refuses_a_length_that_disagrees(nginx, length):
    answer = client.fastcgi(nginx.site.socket, GOOD, CONTENT_LENGTH=str(length))
    assert answer.status in (400, 413), answer
    refused(answer, answer.status, "malformed" if answer.status == 400 else "too_large")


@pytest.mark.parametrize("length", [None, "", "-1"])
def test_accepts_an_unknown_length(nginx, length):
    assert client.fastcgi(nginx.site.socket, GOOD, CONTENT_LENGTH=length).event


# -- 403

TOKEN_FIELD = b"auth%5Bapplication_token%5D="
GOOD_TOKEN = TOKEN_FIELD + bitrix.TOKEN.encode()
FORGED = {
    "no token": GOOD.replace(b"application_token", b"application_tokn"),
    "an empty token": GOOD.replace(GOOD_TOKEN, TOKEN_FIELD),
    "a wrong token": GOOD.replace(bitrix.TOKEN.encode(), bitrix.WRONG_TOKEN.encode()),
    "a longer token": GOOD.replace(GOOD_TOKEN, GOOD_TOKEN + b"0"),
    "a shorter token": GOOD.replace(GOOD_TOKEN, GOOD_TOKEN[:-1]),
    "a NUL after the token": GOOD.replace(GOOD_TOKEN, GOOD_TOKEN + b"%00"),
    "the token in upper case": GOOD.replace(bitrix.TOKEN.encode(), bitrix.TOKEN.upper().encode()),
    "the token twice": GOOD + b"&" + GOOD_TOKEN,
    "a wrong token after the right one": GOOD + b"&" + TOKEN_FIELD + b"x",
    "the right token after a wrong one": b"auth[application_token]=x&" + GOOD,
    "a token that is a list": GOOD.replace(TOKEN_FIELD, TOKEN_FIELD[:-1] + b"%5B%5D="),
    "auth overwritten by a scalar": GOOD + b"&auth=1",
    "the token below data": GOOD.replace(TOKEN_FIELD, b"data" + TOKEN_FIELD),
    "another portal": bitrix.body(member_id="0" * 32),
    "no portal": GOOD.replace(b"member_id", b"mmber_id").replace(b"%5Bdomain", b"%5Bdmain"),
}


@pytest.mark.parametrize("what", FORGED)
def test_refuses_as_forged(nginx, what):
    refused(client.post(nginx.url, FORGED[what]), 403, "invalid_application_token")


def test_takes_a_portal_of_another_domain(nginx):
    assert client.post(nginx.url, bitrix.body(domain="renamed.bitrix24.com")).event


def test_refuses_all_without_a_portal(site):
    server = behind_nginx(site, portals="")
    refused(server.post(GOOD), 403, "invalid_application_token")
    answer = server.get()
    assert (answer.status, answer.body) == (200, b"bxhook: not ready, see its log\n")


# -- the order of the checks

ORDER = {
    "method before type": (405, "DELETE", "text/plain", GOOD),
    "type before size": (415, "POST", "text/plain", b"x" * ((1 << 20) + 1)),
    "size before fields": (413, "POST", FORM, b"&" * ((1 << 20) + 1)),
    "fields before form": (413, "POST", FORM, b"event[]=" + b"&" * 2000),
    "form before token": (400, "POST", FORM, b"event[]=x&" + TOKEN_FIELD),
}


@pytest.mark.parametrize("what", ORDER)
def test_checks_in_order(nginx, what):
    status, method, content_type, body = ORDER[what]
    assert client.request(nginx.url, method, body, {"Content-Type": content_type}).status == status


# -- 503

def unavailable(answer):
    refused(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_is_unavailable_while_the_store_is_locked(site):
    server = behind_nginx(site, worker="start manual")
    first = server.post(GOOD).event
    with site.store_locked():
        unavailable(server.post(GOOD, timeout=3))
    assert server.post(GOOD).event > first


def test_is_unavailable_when_the_queue_is_full(site):
    server = behind_nginx(site, worker="start manual", more="limits { queue 2 }\n")
    assert server.post(GOOD).event and server.post(GOOD).event
    unavailable(server.post(GOOD))
    assert site.status()["unfinished"] == 2


def test_is_unavailable_until_the_config_is_mended(site):
    server = behind_nginx(site, portals="portal {\n")
    unavailable(server.post(GOOD))
    assert server.get().body == b"bxhook: not ready, see its log\n"
    site.configure(portals=PORTAL)
    wait_for(lambda: server.post(GOOD).status == 200, "the mended config")
    assert server.get().body == b"bxhook: ready\n"


def test_keeps_the_old_config_when_the_new_one_is_bad(site):
    server = behind_nginx(site)
    assert server.post(GOOD).event
    site.configure(portals="portal { token }\n")
    wait_for(lambda: "portal" in site.log(), "the gateway to say that it refused the config")
    assert server.post(GOOD).event
    site.configure(portals=PORTAL.replace(bitrix.TOKEN, "another-token-of-this-portal"))
    wait_for(lambda: server.post(GOOD).status == 403, "the next config")


def test_is_unavailable_when_the_store_cannot_be_made(site):
    site.configure()
    state = site.home / "state"
    state.write_text("a file where a directory should be")
    site.serve()
    server = Nginx(site)
    unavailable(server.post(GOOD))
    state.unlink()
    wait_for(lambda: server.post(GOOD).status == 200, "the store")


# -- what a refusal leaves in the log

@pytest.mark.parametrize("status,body,content_type", [
    (403, FORGED["a wrong token"], FORM), (400, MALFORMED["65 levels"][1], FORM), (415, GOOD, "text/plain"),
    (413, GOOD + b"&" * 2000, FORM)])
def test_a_refusal_is_one_line(nginx, status, body, content_type):
    log = nginx.site.log_dir / "gateway.log"
    before = len(log.read_text().splitlines())
    assert client.post(nginx.url, body, content_type).status == status
    lines = wait_for(lambda: log.read_text().splitlines()[before:], "a line in the log")
    assert len(lines) == 1
    assert "127.0.0.1" in lines[0] and str(len(body)) in lines[0]
    assert bitrix.TOKEN not in lines[0] and bitrix.WRONG_TOKEN not in lines[0]


LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning) gateway: (accepted|refused|the portal) ")


FORGED_LINE = "a\n2026 gateway: forged\r\x1b[31m\x9b\x7f\x00 x=\"y\""


@pytest.mark.parametrize("token,changes,status", [
    (bitrix.TOKEN, {"event_handler_id": FORGED_LINE}, 200), (bitrix.WRONG_TOKEN, {"event_handler_id": FORGED_LINE}, 403),
    (bitrix.TOKEN, {"auth": bitrix.auth(domain=FORGED_LINE)}, 400),
    (bitrix.TOKEN, {"auth": bitrix.auth(member_id=FORGED_LINE)}, 400)])
def test_what_was_sent_cannot_forge_a_log_line(nginx, token, changes, status):
    log = nginx.site.log_dir / "gateway.log"
    before = len(log.read_bytes())
    tree = bitrix.event(token=token) | changes
    assert client.post(nginx.url, bitrix.encode(tree)).status == status
    text = wait_for(lambda: log.read_bytes()[before:], "lines in the log").decode()
    assert text.endswith("\n") and not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]
    assert [line for line in text.splitlines() if not LINE.match(line)] == []
