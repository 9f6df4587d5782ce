"""bxhook forward: the event sent on to another service."""

import base64
import contextlib
import hashlib
import hmac
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

import bitrix
import leaks
from remote import Remote
from scratch import ROOT, wait_for
from test_examples import accept
from test_secrets import TREE, without_secrets

KEY = b"a key of 24 random bytes"
SECRET = base64.b64encode(KEY).decode()
PREFIXED = "whsec_" + SECRET


@pytest.fixture
def service():
    with contextlib.closing(Remote()) as remote:
        remote.answers = [(200, {})]
        yield remote


@pytest.fixture(autouse=True)
def watched():
    """The secret is looked for wherever a secret of an event is."""
    bitrix.sent_secrets.add(SECRET)


def use(site, command, secret="", settings="", name="to-erp"):
    """The hook NAME runs the shell COMMAND."""
    program = site.hook(f"{name}.sh.disabled", command)
    env = f'FORWARD_SECRET "{secret}"' if secret else "A b"
    site.configure(more=f"hook {name} {{ event *\n run {program}\n backoff 1h\n {settings}\n env {{ {env} }} }}\n",
                   worker="start manual")


def deliver(site, tree):
    """The event TREE's delivery after one run of the worker, and its attempt."""
    number = accept(site, tree)
    site.run("work", "--once")
    [delivery] = site.show(number)["deliveries"]
    return delivery, delivery["attempts"][-1]


def verified(headers, body, key=KEY):
    """What a receiver does, by the words of the specification."""
    [signature] = headers["webhook-signature"].split(" ")
    content = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.'.encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    return hmac.compare_digest(signature, "v1," + expected)


@pytest.mark.parametrize("secret", [SECRET, PREFIXED])
def test_a_receiver_can_verify_what_it_gets(site, service, secret):
    use(site, f'exec "$BXHOOK" forward {service.url}in?a=b', secret)
    delivery, attempt = deliver(site, TREE)
    assert (delivery["state"], attempt["stdout"], attempt["stderr"]) == ("done", "", ""), attempt
    [(path, headers, form)] = service.requests
    [body] = service.bodies
    assert path == "/in?a=b" and headers["Content-Type"] == "application/json"
    assert headers["webhook-id"] == f'{delivery["event"]}/to-erp'
    assert verified(headers, body) and not verified(headers, body + b" ") and not verified(headers, body, b"another key")
    assert form == without_secrets(TREE) != TREE


def test_a_block_is_enough(site, service):
    """The one of the manual."""
    text = (ROOT / "man" / "bxhook-hooks.7").read_text()
    block = re.search(r"^hook to-erp \{.*?^\}$", text, re.M | re.S)[0]
    secret = re.search(r"FORWARD_SECRET whsec_(\S+)", block)[1]
    site.configure(more=block.replace("https://erp.example/", service.url).replace("/usr/bin/bxhook", str(site.binary)) + "\n",
                   worker="start manual")
    delivery, attempt = deliver(site, TREE | {"event": "ONCRMDEALADD"})
    assert delivery["state"] == "done", attempt
    [(path, headers, _)], [body] = service.requests, service.bodies
    assert path == "/bitrix24" and verified(headers, body, base64.b64decode(secret))


def test_secrets_are_sent_on_request_only(site, service):
    use(site, f'exec "$BXHOOK" forward --secrets {service.url}')
    delivery, _ = deliver(site, TREE)
    assert delivery["state"] == "done"
    [(_, headers, form)] = service.requests
    assert form == TREE
    assert "webhook-signature" not in headers and headers["webhook-id"] == f'{delivery["event"]}/to-erp'


def test_the_event_is_sent_byte_for_byte(site, service):
    fields = {"TITLE": 'a "quoted" \\ / \u0416 \U0001f600 \x01 @/etc/passwd', "LIST": ["1", "2"]}
    use(site, f'tee {site.out}/stdin | "$BXHOOK" forward {service.url}')
    delivery, _ = deliver(site, bitrix.event(fields=fields, oauth=False))
    sent = (site.out / "stdin").read_bytes().strip()
    token = b',"application_token":"%s"' % bitrix.TOKEN.encode()
    assert delivery["state"] == "done" and token in sent
    assert service.bodies == [sent.replace(token, b"")]


def test_what_a_hook_made_of_the_event_keeps_its_types(site, service):
    use(site, f"""printf '{{"id": 1.50, "none": null, "yes": true, "token": "t"}}' | "$BXHOOK" forward {service.url}""")
    deliver(site, bitrix.event())
    assert service.bodies == [b'{"id":1.50,"none":null,"yes":true}']


STATUSES = [(200, 0, "done"), (204, 0, "done"), (299, 0, "done"), (400, 65, "dead"), (401, 65, "dead"), (404, 65, "dead"),
            (410, 65, "dead"), (408, 75, "waiting"), (425, 75, "waiting"), (429, 75, "waiting"), (500, 75, "waiting"),
            (503, 75, "waiting"), (302, 65, "dead"), (307, 65, "dead")]


@pytest.mark.parametrize("status, exit_status, state", STATUSES)
def test_the_status_says_whether_it_is_tried_again(site, service, status, exit_status, state):
    use(site, f'exec "$BXHOOK" forward {service.url}')
    service.answers = [(status, {"why": "so"}, {"Location": service.url + "elsewhere"})]
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (exit_status, state), attempt
    assert len(service.requests) == 1, "a redirect is not followed"
    if state != "done":
        assert re.fullmatch(rf"bxhook: forward: localhost: status {status}[:,].*\n", attempt["stderr"]), attempt
        assert ('{"why": "so"}' in attempt["stderr"]) == (status not in (302, 307))


def test_a_repeat_has_the_same_id_and_a_new_signature(site, service):
    use(site, f'exec "$BXHOOK" forward {service.url}', SECRET)
    service.answers = [(503, {}), (200, {})]
    delivery, _ = deliver(site, bitrix.event())
    wait_for(lambda: time.time() >= int(service.requests[0][1]["webhook-timestamp"]) + 1, "the next second")
    site.run("retry", delivery["delivery"])
    site.run("work", "--once")
    first, second = [headers for _, headers, _ in service.requests]
    assert first["webhook-id"] == second["webhook-id"] and first["webhook-timestamp"] < second["webhook-timestamp"]
    assert all(verified(headers, body) for (_, headers, _), body in zip(service.requests, service.bodies))


def nobody():
    """The URL of a port where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/private-path"


def test_nobody_answers(site):
    use(site, f'exec "$BXHOOK" forward {nobody()}')
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (75, "waiting")
    assert "127.0.0.1" in attempt["stderr"] and "private" not in attempt["stderr"]


def test_it_ends_before_the_hook_is_ended(site):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(site, f'exec "$BXHOOK" forward http://127.0.0.1:{silent.getsockname()[1]}/', settings="timeout 4s")
        delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["result"], attempt["exit"], delivery["state"]) == ("failed", 75, "waiting"), attempt
    assert 1000 < attempt["duration_ms"] < 4000


def test_its_time_is_that_of_rest_too(site):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(site, f'exec "$BXHOOK" forward http://127.0.0.1:{silent.getsockname()[1]}/')
        site.config.write_text(site.config.read_text() + "rest { timeout 1s }\n")
        _, attempt = deliver(site, bitrix.event())
    assert (attempt["result"], attempt["exit"]) == ("failed", 75) and attempt["duration_ms"] < 15000


def test_messages_name_the_host_alone(site, service):
    url = f"http://the-user:the-password@{service.host}/private-path/a1?key=private-key&b=private%20words#private-end"
    service.answers = [(400, "no /private-path/a1?key=private-key&b=private%20words, private-path private-key the-password")]
    use(site, f"exec \"$BXHOOK\" forward '{url}'", PREFIXED)
    delivery, attempt = deliver(site, bitrix.event())
    [(path, headers, _)] = service.requests
    assert path.startswith("/private-path/a1?") and headers["Authorization"].startswith("Basic ")
    assert delivery["state"] == "dead" and "status 400" in attempt["stderr"]
    for shown in (attempt["stderr"], site.run("show", delivery["event"]).stdout.decode(), site.log()):
        assert "private" not in shown and "the-password" not in shown, shown


@pytest.mark.parametrize("url", ["", "erp.example", "ftp://erp.example/private", "https://", "https://a b/private",
                                 "https://erp.example:99999/private", "file:///etc/passwd", "https://erp.example/\u0416private"])
def test_what_is_not_a_url_is_wrong_usage(site, url):
    use(site, f"exec \"$BXHOOK\" forward '{url}'")
    _, attempt = deliver(site, bitrix.event())
    assert attempt["exit"] == 2 and attempt["stderr"].startswith("bxhook: "), attempt
    assert "private" not in attempt["stderr"] and attempt["stderr"].count("\n") == 1


def test_a_second_word_is_not_told(site):
    use(site, 'exec "$BXHOOK" forward https://erp.example/private one-private-word')
    _, attempt = deliver(site, bitrix.event())
    assert attempt["exit"] == 2 and "one URL" in attempt["stderr"] and "private" not in attempt["stderr"]


def test_outside_of_a_hook_is_wrong_usage(site):
    done = site.run("forward", "https://erp.example/", input=b"{}", check=False)
    assert done.returncode == 2 and b"forward is for hooks" in done.stderr


@pytest.mark.parametrize("secret", ["not-base64!", "whsec_", "password"[:5]])
def test_a_secret_that_is_none_sends_nothing(site, service, secret):
    use(site, f'exec "$BXHOOK" forward {service.url}', secret)
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"], service.requests) == (78, "dead", [])
    assert "FORWARD_SECRET is not base64" in attempt["stderr"] and secret not in attempt["stderr"].replace("whsec_", "")


def test_a_secret_made_as_told_signs(site, service):
    use(site, f'exec "$BXHOOK" forward {service.url}', "not-base64!")
    _, attempt = deliver(site, bitrix.event())
    told = re.search(r"`(.*)` makes a secret", attempt["stderr"])[1]
    secret = subprocess.run(told.split(), check=True, capture_output=True, text=True).stdout.strip()
    use(site, f'exec "$BXHOOK" forward {service.url}', secret)
    delivery, _ = deliver(site, bitrix.event())
    assert delivery["state"] == "done"
    [(_, headers, _)], [body] = service.requests, service.bodies
    assert verified(headers, body, base64.b64decode(secret))


@pytest.mark.parametrize("hook, part", [('cat >/dev/null; exec "$BXHOOK" forward {}', "stdin is empty"),
                                        ('echo x | "$BXHOOK" forward {}', "stdin is not JSON")])
def test_what_is_not_an_event_is_not_sent(site, service, hook, part):
    use(site, hook.format(service.url))
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"], service.requests) == (65, "dead", [])
    assert part in attempt["stderr"]


def test_without_curl_it_says_so(site, service):
    use(site, f'exec "$BXHOOK" forward {service.url}')
    site.config.write_text(site.config.read_text() + "rest { curl /nonexistent/curl }\n")
    _, attempt = deliver(site, bitrix.event())
    assert attempt["exit"] == 78 and "cannot run '/nonexistent/curl'" in attempt["stderr"]


def test_the_secret_is_masked_wherever_output_is(site, service):
    """Also where the hook itself prints it, with and without its prefix."""
    use(site, 'echo "$FORWARD_SECRET"; echo "${FORWARD_SECRET#whsec_}" >&2; exit 65', PREFIXED, settings=f"arg {SECRET}")
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["stdout"], attempt["stderr"]) == ("***\n", "***\n")
    name = delivery["delivery"]
    by_hand = site.run("run", name, check=False)
    texts = [by_hand.stdout, by_hand.stderr] + [site.run(*words, check=False).stdout for words in (
        ("check", "--print"), ("show", name), ("show", name, "--json"), ("logs", name), ("list",))] + [site.log().encode()]
    assert [text for text in texts if SECRET.encode() in text or PREFIXED.encode() in text] == []
    assert b"***" in texts[0] and b"***" in texts[2]


def parent(pid):
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_the_secret_is_in_no_argument(site):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(site, f'exec "$BXHOOK" forward http://127.0.0.1:{silent.getsockname()[1]}/', PREFIXED)
        accept(site, TREE)
        worker = site.work()
        peer, _ = silent.accept()
        with peer:
            words = {place: text for place, text in site.processes().items() if place.endswith("cmdline")}
            [forward] = [int(re.search(r"\d+", place)[0]) for place, text in words.items() if b"\0forward\0" in text]
            [curl] = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and parent(entry.name) == forward]
            words |= leaks.processes([curl])
            assert b"curl" in words[f"process {curl}: cmdline"] and f"process {curl}: environ" in words
            assert leaks.search(words) == []
        worker.stop()
