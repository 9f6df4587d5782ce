"""Things and lists of them."""

import pytest


def ids(answer):
    rows = answer["result"]
    rows = rows if isinstance(rows, list) else next(iter(rows.values()))
    return [int(row.get("ID", row.get("id"))) for row in rows]


def test_pages_of_fifty(client, portal):
    portal.fill("crm.deal", 120)
    first = client.call("crm.deal.list", order={"ID": "DESC"})
    assert (first["total"], first["next"], ids(first)) == (120, 50, list(range(120, 70, -1)))
    last = client.call("crm.deal.list", order={"ID": "ASC"}, start=100)
    assert "next" not in last and ids(last) == list(range(101, 121))


def test_without_counting(client, portal):
    portal.fill("crm.deal", 120)
    answer = client.call("crm.deal.list", order={"ID": "ASC"}, filter={">ID": 60}, start=-1)
    assert ids(answer) == list(range(61, 111))
    assert "next" not in answer and "total" not in answer


@pytest.mark.parametrize("wanted, found", [
    ({">=ID": 4}, [4, 5]), ({"<ID": "3"}, [1, 2]), ({"<=ID": 1}, [1]), ({"!ID": 1}, [2, 3, 4, 5]), ({"=ID": 2}, [2]),
    ({"ID": [2, 3]}, [2, 3]), ({"@ID": ["5"]}, [5]), ({"%TITLE": "row 4"}, [4]), ({"NO_SUCH": 1}, [1, 2, 3, 4, 5])])
def test_filters(client, portal, wanted, found):
    portal.fill("crm.deal", 5)
    assert ids(client.call("crm.deal.list", filter=wanted)) == found


def test_numbers_are_ordered_as_numbers(client, portal):
    portal.fill("crm.deal", 11)
    assert ids(client.call("crm.deal.list", order={"id": "desc"}))[:3] == [11, 10, 9]


@pytest.mark.parametrize("method, more, within, id", [
    ("crm.deal", {}, None, "ID"), ("crm.contact", {}, None, "ID"), ("crm.item", {"entityTypeId": 31}, "items", "id"),
    ("tasks.task", {}, "tasks", "id"), ("crm.type", {}, "types", "id")])
def test_where_a_list_stands_and_how_its_ids_are_called(client, method, more, within, id):
    made = client.result(f"{method}.add", fields={"TITLE": "one"}, **more)
    assert made == 1 or list(made.values())[0][id] == 1
    rows = client.result(f"{method}.list", **more)
    rows = rows[within] if within else rows
    assert [str(row[id]) for row in rows] == ["1"]
    if within:
        assert isinstance(rows[0][id], int)


def test_users_are_a_list_too(client):
    assert [row["ID"] for row in client.result("user.get")] == ["1", "2"]
    assert [row["ID"] for row in client.result("user.get", ID=2)] == ["2"]
    assert client.result("user.get", filter={"ID": 9}) == []


def test_the_life_of_a_deal(client):
    id = client.result("crm.deal.add", fields={"TITLE": "a", "STAGE_ID": "NEW"})
    assert client.result("crm.deal.update", id=id, fields={"STAGE_ID": "WON", "ID": 99}) is True
    assert client.result("crm.deal.get", id=id) == {"ID": "1", "TITLE": "a", "STAGE_ID": "WON"}
    assert "TITLE" in client.result("crm.deal.fields")
    assert client.result("crm.deal.delete", id=id) is True
    assert client.call("crm.deal.get", id=id)["error"] == ""
    assert client.call("crm.item.get", id=1, entityTypeId=31)["error"] == "NOT_FOUND"


def test_selected_fields(client):
    client.result("crm.deal.add", fields={"TITLE": "a", "STAGE_ID": "NEW"})
    assert client.result("crm.deal.list", select=["STAGE_ID"]) == [{"ID": "1", "STAGE_ID": "NEW"}]


@pytest.mark.parametrize("quirk, params, found, following", [
    ("ignores_filter", {"filter": {">ID": 50}}, list(range(1, 51)), 50),
    ("ignores_order", {"order": {"ID": "DESC"}}, list(range(1, 51)), 50),
    ("next_for_ever", {"start": 50}, list(range(51, 61)), 50),
    ("short_pages", {}, list(range(1, 26)), 25)])
def test_methods_that_do_not_as_they_are_asked(client, portal, quirk, params, found, following):
    portal.fill("crm.deal", 60)
    portal.quirks["crm.deal.list"] = {quirk}
    answer = client.call("crm.deal.list", **params)
    assert (ids(answer), answer["next"]) == (found, following)


def test_pages_without_an_order_overlap(client, portal):
    portal.fill("crm.deal", 99)
    portal.quirks["crm.deal.list"] = {"unordered"}
    seen = [id for start in (0, 50) for id in ids(client.call("crm.deal.list", start=start))]
    assert len(seen) == 99 and len(set(seen)) < 99
    assert ids(client.call("crm.deal.list", order={"ID": "ASC"})) == list(range(1, 51))


def test_a_list_that_does_not_count(client, portal):
    portal.fill("crm.deal", 60)
    portal.quirks["crm.deal.list"] = {"no_total"}
    answer = client.call("crm.deal.list")
    assert answer["next"] == 50 and "total" not in answer
