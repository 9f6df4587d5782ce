"""What a web server passes as arguments, or says in the environment, never reaches a command."""

import subprocess

import pytest

import bitrix
import client
import modes
from scratch import as_user

COMMANDS = {
    "show": ("show+{number}+--secrets", ("show", "{number}", "--secrets")),
    "check": ("check+--print", ("check", "--print")),
    "prune": ("prune+--older-than+0d", ("prune", "--older-than", "0d")),
    "version": ("version", ("version",)),
    "serve": ("serve", ("serve",)),
}


@pytest.fixture(scope="module", params=[modes.mod_cgi, modes.mod_cgid], ids=lambda mode: mode.__name__)
def stored(request, scratch):
    """A site under plain CGI with one event whose secrets are kept."""
    made = request.param(scratch)
    made.site.hook("any", "exit 65")
    made.number = client.post(made.url, bitrix.body()).event
    made.site.delivery(made.number, states=("dead",))
    yield made
    made.site.stop()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_query_is_no_command(stored, name):
    url = f"{stored.url}?{COMMANDS[name][0].format(number=stored.number)}"
    answer = client.get(url)
    assert (answer.status, answer.body) == (200, b"bxhook: ready\n")
    answer = client.post(url, bitrix.body(token=bitrix.WRONG_TOKEN))
    assert (answer.status, answer.json["error"]) == (403, "invalid_application_token")
    assert client.post(url, bitrix.body()).event > stored.number
    assert stored.site.show(stored.number)["event"] == stored.number


def test_the_same_by_hand_is(stored):
    shown = stored.site.run("show", stored.number, "--secrets").stdout.decode()
    assert bitrix.TOKEN in shown
    printed = stored.site.run("check", "--print", check=False).stdout.decode()
    assert "portal" in printed and bitrix.TOKEN not in printed


@pytest.mark.parametrize("variable", ["GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET"])
def test_the_environment_decides(site, variable):
    name, value = variable.split("=")
    done = subprocess.run([site.binary, "show", "1", "--secrets"], env={name: value, "BXHOOK_CONFIG": str(site.config)},
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=10, **as_user(site.user))
    assert b"Status: " in done.stdout and done.returncode == 0
