"""lighttpd starts the gateway itself."""

import signal

import pytest

import bitrix
import client
import modes
from scratch import alive, kill, programs_below, wait_for


@pytest.fixture
def hosted(scratch):
    made = modes.lighttpd(scratch)
    yield made
    made.site.stop()


def gateways(hosted):
    """The gateway runs the scratch directory's one binary: it is the child of this lighttpd."""
    parent = hosted.server.process.pid
    children = open(f"/proc/{parent}/task/{parent}/children").read().split()
    return [int(pid) for pid in children if int(pid) in programs_below(hosted.site.binary.parent)]


def test_respawns_a_killed_gateway_while_a_hook_runs(hosted):
    """No hook or worker may hold the listening socket: requests would wait in it for nobody."""
    gate = hosted.site.gate()
    hosted.site.hook("any", gate.wait)
    number = client.post(hosted.url, bitrix.body()).event
    hosted.site.delivery(number, states=("running",))
    old = wait_for(lambda: gateways(hosted), "the gateway")
    for pid in old:
        kill(pid)
    wait_for(lambda: not any(alive(pid) for pid in old), "its end")
    wait_for(lambda: client.post(hosted.url, bitrix.body(id=7), timeout=5).status == 200, "a new gateway", 10)
    gate.open()
    hosted.site.delivery(number)


def test_stops_with_its_gateway(hosted):
    assert client.post(hosted.url, bitrix.body()).event
    old = wait_for(lambda: gateways(hosted), "the gateway")
    hosted.server.process.stop(signal.SIGTERM)
    wait_for(lambda: not any(alive(pid) for pid in old), "the gateway's end", 3)


def test_refuses_what_is_far_too_large_by_itself(hosted):
    assert client.post(hosted.url, b"x=" + b"y" * (3 << 20)).status == 413
    answer = client.post(hosted.url, b"x=" + b"y" * (1 << 20))
    assert (answer.status, answer.json["error"]) == (413, "too_large")
