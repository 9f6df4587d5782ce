"""What is posted to handlers: encoding, names and their order, one try, late and out of order."""

import json
import subprocess
import threading
import urllib.parse

import bitrix
import pytest

from . import Cloud

TREES = [
    ({"a": "two words & more", "b": "~-_.*+/"}, "a=two+words+%26+more&b=%7E-_.%2A%2B%2F"),
    ({"a": {"b": {"c": 1}}, "d": [7, 8]}, "a%5Bb%5D%5Bc%5D=1&d%5B0%5D=7&d%5B1%5D=8"),
    ({"t": True, "f": False, "n": None, "z": 0, "e": "", "l": [], "d": {}}, "t=1&f=0&z=0&e="),
    ({"data": {"BOT": {"567": {"AUTH": {"x": "ü€"}}}}}, "data%5BBOT%5D%5B567%5D%5BAUTH%5D%5Bx%5D=%C3%BC%E2%82%AC"),
    ({"a": [[1, None, 2], {"b": []}]}, "a%5B0%5D%5B0%5D=1&a%5B0%5D%5B2%5D=2"),
    ({"document_id": ["crm", "Bitrix\\Crm\\Document", "DYNAMIC_31_5"]},
     "document_id%5B0%5D=crm&document_id%5B1%5D=Bitrix%5CCrm%5CDocument&document_id%5B2%5D=DYNAMIC_31_5"),
]


@pytest.mark.parametrize("tree, body", TREES)
def test_the_queue_encodes_as_php(tree, body):
    assert bitrix.encode(tree).decode() == body


def test_php_itself_encodes_so():
    script = ("foreach (json_decode(stream_get_contents(STDIN), true) as $tree) echo http_build_query($tree), \"\\n\";")
    done = subprocess.run(["php", "-r", script], input=json.dumps([tree for tree, _ in TREES]), text=True,
                          capture_output=True, timeout=30, check=True)
    assert done.stdout.splitlines() == [body for _, body in TREES]


def names(body):
    return [name for name, _ in urllib.parse.parse_qsl(body, keep_blank_values=True)]


AUTH = ["access_token", "expires", "expires_in", "scope", "domain", "server_endpoint", "status", "client_endpoint",
        "member_id", "user_id", "refresh_token", "application_token"]


def test_an_installation_goes_out_in_the_real_order(cloud, portal, app, handler):
    post = portal.install(app).wait()
    assert names(handler.bodies[0]) == [
        "event", "event_handler_id", "data[VERSION]", "data[ACTIVE]", "data[INSTALLED]", "data[LANGUAGE_ID]", "ts",
        *(f"auth[{name}]" for name in AUTH)]
    assert (post.status, post.answer) == (200, b'{"status":"ok"}')
    assert post.tree["auth"]["client_endpoint"] == f"{cloud.url}/acme/rest/"
    assert handler.requests[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_the_tokens_that_go_out_are_good(cloud, client, portal, app):
    sent = portal.install(app).wait().tree["auth"]
    assert client.call("profile", access=sent["access_token"])["result"]["ID"] == "1"
    assert client.refresh(sent["refresh_token"])["user_id"] == 1


def test_reinstalling_keeps_the_application_token_and_another_secret_changes_it(portal, app):
    first = portal.install(app).wait().tree["auth"]
    again = portal.install(app, portal.add_user(admin=True)).wait().tree["auth"]
    assert again["application_token"] == first["application_token"]
    assert (first["user_id"], again["user_id"]) == (1, 3)
    portal.uninstall(app)
    app.client_secret = "another"
    assert portal.install(app).wait().tree["auth"]["application_token"] != first["application_token"]


def test_one_try_whatever_comes_back(portal, app, handler, cloud):
    handler.status, handler.answer = 503, b"busy"
    post = portal.install(app).wait()
    assert (post.status, post.answer) == (503, b"busy")
    handler.close()
    post = portal.install(app).wait()
    assert post.status is None and "refused" in post.error
    assert len(handler.bodies) == 1 and len(cloud.outbox.sent) == 2


def test_posts_wait_for_their_time_on_the_clock(cloud, portal, app, handler):
    began = cloud.clock.now()
    post = portal.install(app, delay=90)
    for _ in range(3):
        portal.install(app).wait()
    assert (len(handler.bodies), cloud.outbox.waiting()) == (3, 1)
    cloud.clock.step(91)
    assert post.wait().at >= began + 90
    assert len(handler.bodies) == 4


@pytest.mark.parametrize("order, versions", [(None, [1, 2, 3]), ("reversed", [3, 2, 1])])
def test_held_posts_leave_in_the_order_that_is_asked_for(cloud, portal, app, handler, order, versions):
    cloud.outbox.hold()
    for app.version in (1, 2, 3):
        portal.install(app)
    cloud.outbox.release(order)
    assert [f"data%5BVERSION%5D={version}" in body for version, body in zip(versions, handler.bodies)] == [True] * 3


def test_shuffled_posts_are_the_same_with_the_same_seed(cloud, portal, app):
    orders = []
    for _ in range(2):
        cloud.outbox.hold()
        for app.version in range(9):
            portal.install(app)
        orders.append([post.tree["data"]["VERSION"] for post in cloud.outbox.release("shuffled", seed=7)])
    assert orders[0] == orders[1] != list(range(9))


def test_several_senders_do_not_wait_for_one(folder, handler):
    slow = threading.Event()
    with Cloud(folder=folder, senders=2) as cloud:
        portal, app = cloud.portal(), cloud.app(handler.url)
        handler.answer = lambda body: (slow.wait(10) if "=7&" in body else None, b"ok")[1]
        app.version = 7
        first = portal.install(app)
        app.version = 8
        assert portal.install(app).wait().status == 200 and not first.ended.is_set()
        slow.set()
        assert first.wait().status == 200


def test_a_share_of_the_posts_never_leaves(cloud, portal, app, handler):
    cloud.outbox.lose(0.5, seed=1)
    posts = [portal.install(app) for _ in range(20)]
    lost = [post.lost for post in posts]
    cloud.outbox.drain()
    assert 0 < sum(lost) < 20 and len(handler.bodies) == 20 - sum(lost)
