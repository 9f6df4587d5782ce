"""What is Apache's own: .htaccess, reaping, restarts, bodies it limits, processes it waits for."""

import os
import signal

import pytest

import bitrix
import client
import modes
from scratch import alive, programs_below, wait_for, write

FCGID = [modes.fcgid_htaccess_binary, modes.fcgid_htaccess_script]
CGI = [modes.mod_cgid, modes.mod_cgi]


@pytest.fixture
def fresh(scratch):
    """fresh(mode): a site of this test's own in that mode."""
    made = []

    def make(mode):
        made.append(mode(scratch))
        return made[-1]
    yield make
    for hosted in made:
        hosted.site.stop()


def named(function):
    return function.__name__


@pytest.mark.parametrize("hosted", [modes.fcgid_htaccess_binary, modes.mod_cgid, modes.suexec_fcgid],
                         indirect=True, ids=named)
def test_nothing_else_in_the_docroot_is_served(hosted):
    """Config, store and hooks lie in .htbxhook/ beside the binary."""
    client.post(hosted.url, bitrix.body())
    for path in (".htaccess", ".htbxhook/", ".htbxhook/bxhook.conf", ".htbxhook/state/queue.db",
                 ".htbxhook/hooks/any", "%2ehtbxhook/bxhook.conf", ".htbxhook//bxhook.conf", ""):
        answer = hosted.server.get("/" + path)
        assert answer.status in (403, 404), (path, answer)
        assert bitrix.TOKEN.encode() not in answer.body


@pytest.mark.parametrize("mode", [modes.fcgid_htaccess_binary, modes.mod_cgid], ids=named)
def test_no_header_reaches_worker_or_hook(fresh, mode):
    """A CGI process has the request in its environment, and starts the worker."""
    hosted = fresh(mode)
    hosted.site.probe()
    number = client.request(hosted.url + "?BX_EVENT=evil&PATH=evil", "POST", bitrix.body(), {
        "Content-Type": client.FORM, "Proxy": "evil:1", "BX-Data-Evil": "1", "X-Path": "/evil", "LD-Preload": "evil",
        "Cookie": "evil=1", "Authorization": "Basic evil"}).event
    run = hosted.site.run_of(number)
    assert not [f"{k}={v}" for k, v in run.env.items() if "evil" in (k + v).lower()]
    with open(f"/proc/{hosted.site.worker_pid()}/environ", "rb") as file:
        worker = file.read()
    assert b"evil" not in worker.lower() and b"REQUEST_" not in worker and b"HTTP_" not in worker


@pytest.mark.parametrize("mode", FCGID, ids=named)
def test_a_replaced_binary_ends_the_old_process(fresh, mode):
    hosted = fresh(mode)
    site = hosted.site
    binary = site.docroot / "bxhook.fcgi" if mode is modes.fcgid_htaccess_binary else site.binary
    if mode is modes.fcgid_htaccess_script:  # a binary of this site's own
        site.binary = write(site.path / "bxhook", binary.read_bytes(), 0o755)
        write(site.docroot / "bxhook.fcgi", modes.fcgi_script(site), 0o755, site.user)
        binary = site.binary
    site.configure(worker="start manual")
    first = client.post(hosted.url, bitrix.body()).event
    old = programs_below(site.path)
    assert old
    new = write(binary.with_name("bxhook.new"), binary.read_bytes(), 0o755, site.user)
    new.rename(binary)
    wait_for(lambda: client.post(hosted.url, bitrix.body()).event > first
             and not any(alive(pid) for pid in old), "the old process to leave", 20)
    assert client.post(hosted.url, bitrix.body()).event
    assert programs_below(site.path)


@pytest.mark.parametrize("damage", [lambda data: data[:len(data) // 2], lambda data: data.replace(b"\n", b"\r\n")],
                         ids=["half of it", "text mode"])
def test_a_program_that_cannot_run_does_not_replace_one_that_does(fresh, damage):
    hosted = fresh(modes.fcgid_htaccess_script)
    site = hosted.site
    good = site.binary.read_bytes()
    site.binary = write(site.path / "bxhook", good, 0o755, site.user)
    write(site.docroot / "bxhook.fcgi", modes.fcgi_script(site), 0o755, site.user)
    site.configure(worker="start manual")
    first = client.post(hosted.url, bitrix.body()).event
    old = programs_below(site.path)
    site.binary.unlink()
    write(site.binary, damage(good), 0o644, site.user)
    wait_for(lambda: client.post(hosted.url, bitrix.body()).event > first
             and "the program that was uploaded cannot run" in site.log(), "its trial", 20)
    assert programs_below(site.path) == old
    site.binary.unlink()
    write(site.binary, good, 0o644, site.user)
    wait_for(lambda: client.post(hosted.url, bitrix.body()).event > first
             and not any(alive(pid) for pid in old), "the old process to leave", 20)
    assert client.post(hosted.url, bitrix.body()).event


@pytest.mark.parametrize("mode", [modes.fcgid_htaccess_script], ids=named)
def test_a_moved_directory_ends_the_old_process(fresh, mode):
    """By FTP: the directory is renamed, and the script that names its new place is uploaded over the old one."""
    hosted = fresh(mode)
    site = hosted.site
    site.configure(worker="start manual")
    first = client.post(hosted.url, bitrix.body()).event
    script, moved = site.docroot / "bxhook.fcgi", site.path / "moved"
    texts = [(path, path.read_text().replace(str(site.home), str(moved))) for path in (site.config, script)]
    site.home.rename(moved)
    try:
        write(moved / site.config.name, texts[0][1], 0o600, site.user)
        write(script, texts[1][1], 0o755, site.user)
        answer = wait_for(lambda: (a := client.post(hosted.url, bitrix.body())).status == 200 and a, "a new process", 20)
        assert answer.event > first
    finally:
        moved.rename(site.home)


@pytest.mark.parametrize("mode", FCGID + CGI, ids=named)
def test_the_answer_does_not_wait_for_the_hook(fresh, mode):
    hosted = fresh(mode)
    gate = hosted.site.gate()
    hosted.site.hook("any", gate.wait)
    number = client.post(hosted.url, bitrix.body(), timeout=5).event  # it reads to the connection's end
    hosted.site.delivery(number, states=("running",))
    gate.open()
    hosted.site.delivery(number)


@pytest.mark.parametrize("mode", [modes.fcgid_htaccess_binary, modes.mod_cgid], ids=named)
def test_worker_and_hook_outlive_apache(fresh, mode):
    hosted = fresh(mode)
    gate = hosted.site.gate()
    hosted.site.hook("any", gate.wait)
    number = client.post(hosted.url, bitrix.body()).event
    hosted.site.delivery(number, states=("running",))
    assert hosted.server.process.stop(limit=15) == 0
    gate.open()
    assert hosted.site.delivery(number)["attempts"][0]["exit"] == 0


@pytest.mark.parametrize("mode", [modes.fcgid_htaccess_binary], ids=named)
def test_a_graceful_restart_is_quick(fresh, mode):
    """The process manager is blocked while a process refuses to exit."""
    hosted = fresh(mode)
    client.post(hosted.url, bitrix.body())
    old = programs_below(hosted.site.docroot)
    hosted.server.process.popen.send_signal(signal.SIGUSR1)
    wait_for(lambda: not any(alive(pid) for pid in old if pid != hosted.site.worker_pid()), "the old gateway", 4)
    assert client.post(hosted.url, bitrix.body(), timeout=5).event


def test_fcgids_limit_is_what_the_readme_says(fresh):
    """Without a server-wide FcgidMaxRequestLen a body over 131072 bytes is Apache's 500."""
    hosted = fresh(modes.fcgid_htaccess_binary)
    assert client.post(hosted.url, bitrix.body(fields={"X": "x" * 130000})).event
    assert client.post(hosted.url, bitrix.body(fields={"X": "x" * 131072})).status == 500


@pytest.mark.parametrize("hosted", [modes.fcgid_vhost, modes.proxy_fcgi, modes.mod_cgid], indirect=True, ids=named)
def test_bodies_up_to_the_limit_pass(hosted):
    assert client.post(hosted.url, bitrix.body(fields={"X": "x" * 1_000_000})).event
    answer = client.post(hosted.url, bitrix.body(fields={"X": "x" * 1_100_000}))
    assert (answer.status, answer.json["error"]) == (413, "too_large")
    answer = client.post_chunked(hosted.url, bitrix.body(fields={"X": "x" * 1_100_000}))
    assert (answer.status, answer.json["error"]) == (413, "too_large")
    answer = client.request(hosted.url, "PUT", b"x" * 1_000_000)
    assert (answer.status, answer.json["error"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("hosted", [modes.fcgid_vhost, modes.proxy_fcgi, modes.mod_cgid], indirect=True, ids=named)
def test_chunked_bodies_pass(hosted):
    number = client.post_chunked(hosted.url, bitrix.body()).event
    assert hosted.site.run_of(number).event == bitrix.event()


def test_the_proxy_finds_a_gateway_that_came_back(fresh):
    hosted = fresh(modes.proxy_fcgi)
    assert client.post(hosted.url, bitrix.body()).event
    hosted.site.gateway.stop()
    assert client.post(hosted.url, bitrix.body()).status == 503
    hosted.site.serve()
    assert client.post(hosted.url, bitrix.body()).event


@pytest.mark.parametrize("hosted", [modes.suexec_fcgid, modes.suexec_cgid], indirect=True, ids=named)
def test_suexec_makes_hooks_run_as_the_sites_user(hosted):
    run = hosted.site.run_of(client.post(hosted.url, bitrix.body()).event)
    assert run.status["Uid"].split() == [str(hosted.site.user.pw_uid)] * 4
    assert os.stat(hosted.site.home / "state" / "queue.db").st_uid == hosted.site.user.pw_uid
