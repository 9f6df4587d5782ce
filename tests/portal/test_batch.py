"""batch."""

import pytest


@pytest.fixture
def deals(portal):
    portal.fill("crm.deal", 60)


def test_each_command_is_in_result_or_in_result_error(client, deals):
    answer = client.result("batch", cmd={"one": "crm.deal.get?id=7", "none": "crm.deal.get?id=700",
                                         "list": "crm.deal.list?filter[>ID]=5", "where": "crm.nothing"})
    assert sorted(answer) == ["result", "result_error", "result_next", "result_time", "result_total"]
    assert list(answer["result"]) == ["one", "list"]
    assert answer["result"]["one"]["TITLE"] == "Row 7"
    assert answer["result_error"]["none"] == {"error": "", "error_description": "Not found"}
    assert answer["result_error"]["where"]["error"] == "ERROR_METHOD_NOT_FOUND"
    assert (answer["result_total"], answer["result_next"]) == ({"list": 55}, {"list": 50})
    assert client.status == 200


def test_an_empty_section_is_an_array(client):
    answer = client.call("batch", cmd={"a": "profile"})["result"]
    assert (answer["result_error"], answer["result_total"], answer["result_next"]) == ([], [], [])
    assert client.result("batch", cmd={})["result"] == []


def test_commands_of_a_form_are_encoded_twice(cloud, client, deals):
    client.refresh()
    answer = client.post(f"{cloud.url}/acme/rest/batch", {
        "auth": client.pair.access, "halt": 0, "cmd": {"a": "crm.deal.list?filter%5BTITLE%5D=Row%207"}})
    assert [row["ID"] for row in answer["result"]["result"]["a"]] == ["7"]


def test_a_list_of_commands_has_a_list_of_results(client, deals):
    answer = client.result("batch", cmd=["crm.deal.get?id=1", "crm.deal.get?id=2"])
    assert [row["ID"] for row in answer["result"]] == ["1", "2"]


def test_the_first_fifty_are_done(client):
    answer = client.result("batch", cmd={f"k{i}": "profile" for i in range(52)})
    assert len(answer["result"]) == 50
    assert {key: said["error"] for key, said in answer["result_error"].items()} == {
        "k50": "ERROR_BATCH_LENGTH_EXCEEDED", "k51": "ERROR_BATCH_LENGTH_EXCEEDED"}


def test_halt_ends_at_the_first_error(client):
    commands = {"a": "profile", "b": "crm.nothing", "c": "profile"}
    assert list(client.result("batch", cmd=commands, halt=0)["result"]) == ["a", "c"]
    answer = client.result("batch", cmd=commands, halt=1)
    assert (list(answer["result"]), list(answer["result_error"])) == (["a"], ["b"])


@pytest.mark.parametrize("command", ["batch?cmd[a]=profile", "disk.file.upload", "x.download"])
def test_what_is_not_allowed_inside(client, command):
    answer = client.result("batch", cmd={"a": command})
    assert answer["result_error"]["a"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


def test_a_command_that_is_not_a_string_is_skipped_silently(client):
    answer = client.result("batch", cmd={"a": ["profile"], "b": "profile", "c": 7})
    assert (list(answer["result"]), answer["result_error"]) == (["b"], [])


def test_references_to_earlier_results(client, deals):
    answer = client.result("batch", cmd={
        "list": "crm.deal.list?filter[ID]=9", "get": "crm.deal.get?id=$result[list][0][ID]",
        "add": "crm.deal.add?fields[TITLE]=of $result[get][TITLE], $result[get][ID]"})
    assert answer["result"]["get"]["ID"] == "9"
    assert client.result("crm.deal.get", id=answer["result"]["add"])["TITLE"] == "of Row 9, 9"


def test_a_reference_to_nothing_stays_as_text(client):
    answer = client.result("batch", cmd={"add": "crm.deal.add?fields[TITLE]=$result[none][ID]"})
    assert client.result("crm.deal.get", id=answer["result"]["add"])["TITLE"] == "$result[none][ID]"


def test_the_operating_time_of_a_batch_is_that_of_its_commands(cloud, client, portal):
    cloud.rest.operating(portal).costs.update({"profile": 300, "batch": 300})
    answer = client.result("batch", cmd={"a": "profile", "b": "profile", "c": "profile"})
    assert answer["result_time"]["b"]["operating"] == 600
    assert answer["result_error"]["c"]["error"] == "OPERATION_TIME_LIMIT"
    assert client.call("batch", cmd={})["time"]["operating"] == 0
