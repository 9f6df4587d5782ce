"""REST 3: JSON only, errors that are objects, and the Idempotency-Key."""

import json

import pytest

JSON = {"Content-Type": "application/json"}
DAY = 86400


@pytest.fixture
def ask(cloud, client):
    """ask(method, params, headers): the answer."""
    def call(name, params, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return json.loads(client.get(f"{cloud.url}/acme/rest/api/{name}", json.dumps(params).encode(), {
            **JSON, "Authorization": f"Bearer {client.pair.access}", **headers}))
    return call


def test_items(ask, portal):
    made = ask("tasks.task.add", {"fields": {"title": "a"}})
    assert made["result"]["item"] == {"id": 1, "title": "a"}
    assert ask("tasks.task.get", {"id": 1})["result"]["item"]["title"] == "a"
    assert ask("tasks.task.list", {})["result"]["items"] == [{"id": 1, "title": "a"}]
    portal.fill("tasks.task", 60)
    assert len(ask("tasks.task.list", {"pagination": {"offset": 50}})["result"]["items"]) == 11


def test_by_webhook(client, portal):
    url = portal.webhook().replace("/rest/", "/rest/api/")
    answer = json.loads(client.get(f"{url}tasks.task.list", b"{}", JSON))
    assert answer["result"] == {"items": []}


def test_an_error_is_an_object(cloud, client, ask):
    assert ask("crm.deal.list", {})["error"]["code"] == "ERROR_METHOD_NOT_FOUND"
    assert client.status == 404
    assert ask("tasks.task.get", {"id": 7})["error"] == {
        "code": "NOT_FOUND", "message": "Element not found", "validation": []}
    assert ask("tasks.task.list", {}, Authorization="Bearer x")["error"]["code"] == "invalid_token"
    answer = client.post(f"{cloud.url}/acme/rest/api/tasks.task.list", {"auth": client.pair.access})
    assert (answer["error"]["code"], client.status) == ("INVALID_REQUEST", 400)


def test_a_key_makes_one_of_two(cloud, client, ask, portal):
    first = ask("tasks.task.add", {"fields": {"title": "a"}}, Idempotency_Key="k1")
    again = ask("tasks.task.add", {"fields": {"title": "a"}}, Idempotency_Key="k1")
    assert again == first and client.headers["Idempotent-Replayed"] == "true"
    assert [one.ran for one in cloud.records] == [True, False]
    assert ask("tasks.task.add", {"fields": {"title": "b"}}, Idempotency_Key="k1")["error"]["code"]
    assert client.status == 422
    ask("tasks.task.add", {"fields": {"title": "a"}}, Idempotency_Key="k2")
    assert len(portal.rows["tasks.task"]) == 2


def test_a_key_is_kept_for_a_day(cloud, client, ask, portal, app):
    ask("tasks.task.add", {"fields": {}}, Idempotency_Key="k1")
    cloud.clock.step(DAY + 1)
    client.pair = cloud.tokens.issue(portal.installations[app.client_id], portal.admin())
    ask("tasks.task.add", {"fields": {}}, Idempotency_Key="k1")
    assert len(portal.rows["tasks.task"]) == 2


def test_a_lost_answer_is_asked_for_again(cloud, ask, portal):
    cloud.faults.order("reset", method="tasks.task.add", after=True)
    with pytest.raises(ConnectionResetError):
        ask("tasks.task.add", {"fields": {}}, Idempotency_Key="k1")
    assert ask("tasks.task.add", {"fields": {}}, Idempotency_Key="k1")["result"]["item"]["id"] == 1
    assert len(portal.rows["tasks.task"]) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_keys_that_are_refused(client, ask, key):
    assert ask("tasks.task.add", {"fields": {}}, Idempotency_Key=key)["error"]["code"] == "INVALID_REQUEST"
