"""BXHOOK.DEAD and BXHOOK.PORTAL: what bxhook tells by itself, to hooks that name it."""

import pytest

import bitrix
import client

DEAD, PORTAL = "BXHOOK.DEAD", "BXHOOK.PORTAL"


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.body(*args, **options)).event


@pytest.mark.parametrize("code", [DEAD, "bxhook.dead", PORTAL, "BXHOOK.X", "ROBOT.X", "Sms.X", "WEBHOOK.X", "POST.X"])
def test_no_post_can_say_that_it_is_one(site, code):
    site.probe("BXHOOK.DEAD.sh")
    site.serve()
    answer = client.fastcgi(site.socket, bitrix.body(code))
    assert (answer.status, answer.json["error"]) == (400, "malformed")
    assert "begins with" in answer.json["message"]
    assert client.fastcgi(site.socket, bitrix.body(code, token=bitrix.WRONG_TOKEN)).status == 400
    assert site.list() == []
    assert post(site, code.replace(".", "_")) == 1
