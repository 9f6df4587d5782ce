"""A worker whose files were moved, deleted or replaced under it: by FTP there is no other way to tell it."""

import os
import signal

import pytest

import bitrix
import client
import hosts
from scratch import alive, wait_for, write

LEFT = "leaving: a worker must be started where its files are now"


def post(site, id):
    return client.fastcgi(site.socket, bitrix.body(id=id)).event


def serve(site):
    """Ready too: a first connection to PostgreSQL may take longer than a request."""
    site.serve()
    wait_for(lambda: client.fastcgi(site.socket, method="GET").body == b"bxhook: ready\n", "the gateway's store")


def start_with_own_program(site):
    if not site.database:  # that store's library is looked for beside the program
        site.binary = write(site.home / "bxhook", site.binary.read_bytes(), 0o755, site.user)
    site.hook("any", 'echo ran; [ "$BX_ID" != later ] || exit 1')
    site.configure(backoff="1h")  # what waits keeps a worker for an hour
    serve(site)


def wait_for_worker(site):
    number = post(site, "later")
    site.delivery(number, states=("waiting",))
    return wait_for(site.worker_pid, "the worker")


def wait_for_end(pid):
    wait_for(lambda: not alive(pid), "the worker's end", 10)


def follow(site, home):
    """The site's files are in HOME now."""
    if site.binary.parent == site.home:
        site.binary = home / "bxhook"
    site.home, site.hooks, site.out, site.config = home, home / "hooks", home / "out", home / "bxhook.conf"


@hosts.BOTH_STORES
@pytest.mark.parametrize("woken", [False, True], ids=["unseen", "woken at once"])
def test_a_renamed_directory_gets_a_worker_of_its_own_and_no_event_is_skipped(site, woken):
    start_with_own_program(site)
    old = wait_for_worker(site)
    if woken:  # as by a gateway that finds the wake FIFO where the directory is now
        os.kill(old, signal.SIGSTOP)
    site.gateway.stop()
    new_home = site.path / "elsewhere"
    site.home.rename(new_home)
    follow(site, new_home)
    if woken:
        serve(site)
        number = post(site, "7")
        os.kill(old, signal.SIGCONT)
    else:
        wait_for_end(old)
        serve(site)
        number = post(site, "7")
    delivery = site.delivery(number)
    assert delivery["attempts"][0]["stdout"] == "ran\n"
    assert not alive(old)
    assert site.worker_pid() not in (None, old)
    assert LEFT in site.log() and "the directory of the config" in site.log()
    assert site.status()["events"]["skipped"] == 0


def test_a_store_that_is_deleted_gets_another_worker(site):
    start_with_own_program(site)
    old = wait_for_worker(site)
    for path in (site.home / "state").glob("queue.db*"):
        path.unlink()
    wait_for_end(old)
    assert LEFT in site.log() and "the store" in site.log()
    site.delivery(post(site, "7"))


def test_a_worker_of_a_supervisor_fails_when_its_directory_is_gone(site):
    site.configure(worker="start manual")
    worker = site.work()
    wait_for(site.worker_pid, "the worker")
    site.home.rename(site.path / "elsewhere")
    assert worker.popen.wait(10) == 1
    assert LEFT in site.log()
    (site.path / "elsewhere").rename(site.home)  # for what ends the site


def test_an_edit_by_delete_and_create_is_not_a_move(site):
    start_with_own_program(site)
    old = wait_for_worker(site)
    text = site.config.read_text()
    site.config.unlink()
    wait_for(lambda: "config refused, still using the old one" in site.log(), "the worker to look")
    write(site.config, text, 0o600, site.user)
    wait_for(lambda: "config loaded" in site.log(), "the config")
    site.delivery(post(site, "7"))
    assert site.worker_pid() == old


# -- An upgrade

def replace_by_rename(site, text):
    write(site.home / "bxhook.new", text, 0o755, site.user).rename(site.home / "bxhook")


def replace_as_ftp_does(site, text):
    """Deleted, written in pieces, and made executable at the end."""
    (site.home / "bxhook").unlink()
    half = len(text) // 2
    path = write(site.home / "bxhook", text[:half], 0o644, site.user)
    with path.open("ab") as file:
        file.write(text[half:])
    path.chmod(0o755)


def write_over(site, text):
    """What a file system allows that does not know who runs the file: here its time alone changes."""
    os.utime(site.home / "bxhook")


@pytest.mark.parametrize("replace", [replace_by_rename, replace_as_ftp_does, write_over])
def test_a_replaced_program_is_started_in_the_place_of_the_old_one(site, replace):
    start_with_own_program(site)
    old = wait_for_worker(site)
    replace(site, site.binary.read_bytes())
    wait_for_end(old)
    new = wait_for(site.worker_pid, "the new worker")
    assert os.readlink(f"/proc/{new}/exe") == str(site.home / "bxhook")
    assert "restarting: the program was replaced" in site.log()
    site.delivery(post(site, "7"))
    assert site.worker_pid() == new


def test_a_running_hook_is_not_interrupted_by_an_upgrade(site):
    start_with_own_program(site)
    gate = site.gate()
    site.hook("any", gate.wait)
    number = post(site, "7")
    site.delivery(number, states=("running",))
    old = site.worker_pid()
    replace_by_rename(site, site.binary.read_bytes())
    second = post(site, "8")
    wait_for(lambda: site.show(second)["deliveries"], "the second to be matched")
    assert site.show(second)["deliveries"][0]["state"] in ("waiting", "running")
    gate.open()
    assert [a["result"] for a in site.delivery(number)["attempts"]] == ["done"]
    site.delivery(second)
    wait_for_end(old)


def test_a_program_that_is_not_executable_yet_is_waited_for(site):
    start_with_own_program(site)
    old = wait_for_worker(site)
    text = site.binary.read_bytes()
    site.binary.unlink()
    write(site.home / "bxhook", text, 0o644, site.user)
    with pytest.raises(AssertionError):
        wait_for(lambda: not alive(old), "its end", 3)
    (site.home / "bxhook").chmod(0o755)
    wait_for_end(old)
