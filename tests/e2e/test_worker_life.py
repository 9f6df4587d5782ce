"""The worker comes when it is needed, leaves nothing behind, and never runs a lane twice at a time."""

import os
import signal
import time
from pathlib import Path

import pytest

import bitrix
import client
from scratch import alive, kill, wait_for, write

RUNS = int(os.environ.get("BXHOOK_RUNS", 5_000))


@pytest.fixture
def serving(site):
    site.serve()
    return site


@pytest.fixture
def manual(site):
    site.configure(worker="start manual")
    site.serve()
    return site


def post(site, *args, **options):
    return client.fastcgi(site.socket, bitrix.body(*args, **options)).event


def kill_worker(site, signal_number=signal.SIGKILL):
    pid = wait_for(site.worker_pid, "the worker")
    kill(pid, signal_number)
    wait_for(lambda: not alive(pid), "its end")


def until_go(site):
    """Script: fails until the file `go` is there."""
    return f"[ -e {site.out}/go ]"


# -- It comes

CALLS = {
    "a request": lambda site, dead: post(site, id="other"),
    "a gateway's start": lambda site, dead: (site.gateway.stop(), site.serve()),
    "retry": lambda site, dead: site.run("retry", f"{dead}/any"),
    "trigger": lambda site, dead: site.run("trigger", "ONAPPTEST"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_killed_worker_is_replaced_by(serving, call):
    serving.hook("any", f'[ "$BX_ID" != dead ] || exit 65; {until_go(serving)}')
    dead, number = post(serving, id="dead"), post(serving)
    serving.delivery(dead, states=("dead",))
    kill_worker(serving)
    (serving.out / "go").touch()
    wait_for(lambda: serving.worker_pid() is None, "its lock to be free")  # a hook just being started holds it too
    assert serving.status()["workers"] == []
    CALLS[call](serving, dead)
    serving.delivery(number)


def test_cron_picks_up_after_a_reboot(serving):
    """All processes gone at once, a hook running, the FIFO and the lock's file left; then only `work --once`."""
    serving.hook("any", f'echo $$ > {serving.out}/$BX_EVENT_NUMBER; [ "$BX_ATTEMPT" != 1 ] || sleep infinity')
    running, new = post(serving), None
    wait_for((serving.out / str(running)).exists, "the hook to run")
    worker = serving.worker_pid()
    kill(worker, signal.SIGSTOP)
    new = post(serving, id="new")
    serving.gateway.kill()
    kill(worker)
    wait_for(lambda: not alive(worker), "its end")
    assert (serving.home / "state" / "queue.db.wake").exists()
    serving.configure(worker="start manual", backoff="1ms")
    serving.hook("any", "exit 0")

    def once():
        serving.run("work", "--once")
        return serving.status()["unfinished"] == 0
    wait_for(once, "cron's turn to finish all")
    assert [a["result"] for a in serving.show(running)["deliveries"][0]["attempts"]] == ["lost", "done"]
    assert serving.show(new)["deliveries"][0]["state"] == "done"


def test_cron_mails_nothing_when_nothing_was_to_do(manual):
    """What a command writes is mailed: each minute.  What was done, or is wrong, is worth it."""
    manual.hook("ONCRMDEALADD", "exit 0", 0o644)  # a warning, as long as it stays
    manual.hook("ONAPPTEST", "exit 0")
    for _ in range(2):
        done = manual.run("work", "--once")
        assert (done.stdout, done.stderr) == (b"", b"")
    post(manual, "ONAPPTEST")
    assert [line.split()[1:4] for line in manual.run("work", "--once").stderr.decode().splitlines()
            if "done" in line] == [["info", "worker:", "done"]]
    post(manual, "ONCRMDEALADD")
    assert b"not executable" in manual.run("work", "--once").stderr


def test_two_files_of_one_name_stop_that_hook_alone(serving):
    serving.hook("ONCRMDEALUPDATE.sh", f"echo $BX_EVENT_NUMBER >> {serving.out}/ran")
    serving.hook("any", "exit 0")
    serving.delivery(post(serving), "ONCRMDEALUPDATE")
    serving.hook("ONCRMDEALUPDATE.php", "exit 0")
    wait_for(lambda: serving.status()["workers"][0]["config_error"], "the worker to see it")
    number = post(serving)
    serving.delivery(number)
    waiting = serving.delivery(number, "ONCRMDEALUPDATE", states=("waiting",))
    assert waiting["reason"] == "two hooks have this name: ONCRMDEALUPDATE.php, ONCRMDEALUPDATE.sh"
    assert serving.run("status", check=False).returncode == 1
    assert "error worker: hook ONCRMDEALUPDATE does not run problem=" in serving.log()
    worker = serving.worker_pid()
    kill(worker, signal.SIGSTOP)
    (serving.hooks / "ONCRMDEALUPDATE.php").rename(serving.hooks / "ONCRMDEALUPDATE.php.disabled")
    for command in ("check", "status"):  # what it reports is not what is there
        said = serving.run(command, check=False)
        assert said.returncode == 0, said
        assert b"still reports what it read before" in said.stdout and b"not usable" not in said.stdout
    kill(worker, signal.SIGCONT)
    serving.delivery(number, "ONCRMDEALUPDATE")
    assert (serving.out / "ran").read_text().split() == [str(number - 1), str(number)]
    wait_for(lambda: serving.run("status", check=False).returncode == 0, "all to be well again")


def test_of_many_workers_at_once_one_works(manual):
    manual.hook("any", f'echo "$BX_EVENT_NUMBER" >> {manual.out}/ran')
    numbers = [post(manual, id=i) for i in range(200)]
    workers = [manual.start([manual.binary, "work", "--config", manual.config], f"worker{i}.log") for i in range(6)]
    once = [manual.start([manual.binary, "work", "--once", "--config", manual.config], f"once{i}.log")
            for i in range(3)]
    wait_for(lambda: all(not p.running() for p in once), "the --once to leave")
    wait_for(lambda: sum(p.running() for p in workers) == 1, "five to leave")
    manual.wait_idle()
    assert sorted(int(n) for n in (manual.out / "ran").read_text().split()) == numbers
    assert sorted(p.popen.returncode for p in workers + once if not p.running()) == [0] * 8
    holder = next(p for p in workers if p.running())
    assert manual.worker_pid() == holder.pid


def test_retries_hours_away_survive_the_worker(manual):
    manual.configure(worker="start manual", backoff="3h")
    manual.hook("any", until_go(manual))
    number = post(manual)
    manual.work()
    wait_for(lambda: manual.show(number)["deliveries"] and manual.show(number)["deliveries"][0]["attempt"] == 1 and
             manual.show(number)["deliveries"][0]["state"] == "waiting", "the first attempt")
    due = manual.show(number)["deliveries"][0]["due_at"]
    kill_worker(manual)
    (manual.out / "go").touch()
    manual.run("work", "--once")  # not yet
    delivery = manual.show(number)["deliveries"][0]
    assert (delivery["state"], delivery["due_at"], delivery["attempt"]) == ("waiting", due, 1)
    assert manual.status()["unfinished"] == 1


# -- What a dead worker left

def test_what_a_killed_worker_left_ends_before_the_lane_goes_on(manual):
    """A hook of half a minute that is deaf to SIGTERM, its child, and one that left the session."""
    left = manual.out / "left"
    # Attempt 1 writes down three processes; each later run of the lane looks whether one is alive.
    manual.hook("any", f"""
[ "$BX_ID" != free ] || exit 0
for pid in $(cat {left} 2>/dev/null); do
    grep -qs '^State:.[^ZX]' /proc/$pid/status && echo $pid >> {manual.out}/overlap
done
echo "$BX_EVENT_NUMBER $BX_ATTEMPT" >> {manual.out}/ran
[ "$BX_EVENT_NUMBER.$BX_ATTEMPT" = 1.1 ] || exit 0
trap '' TERM
echo $$ >> {left}
sleep 30 &
echo $! >> {left}
setsid sh -c 'echo $$ >> {left}; sleep 30; sleep 30' &
while :; do sleep 30; done
""")
    manual.configure(worker="start manual", backoff="1ms")
    first = post(manual)
    assert first == 1
    worker = manual.work()
    wait_for(lambda: left.exists() and left.read_text().count("\n") == 3, "the long hook")
    pids = [int(pid) for pid in left.read_text().split()]
    second = post(manual)
    worker.kill()
    assert all(alive(pid) for pid in pids)
    began = time.monotonic()
    manual.work()
    free = post(manual, id="free")
    manual.delivery(free)  # others need not wait for it
    assert any(alive(pid) for pid in pids) and time.monotonic() - began < 5
    manual.delivery(second)
    assert [a["result"] for a in manual.show(first)["deliveries"][0]["attempts"]] == ["lost", "done"]
    assert (manual.out / "ran").read_text().split("\n")[:3] == ["1 1", "1 2", f"{second} 1"]
    assert not (manual.out / "overlap").exists() and not any(alive(pid) for pid in pids)


def test_the_output_of_a_lost_run_stays(manual):
    """What `logs` showed of it, `show` and `logs` have for ever."""
    manual.configure(worker="start manual", backoff="1h")
    manual.hook("any", "echo half way; echo and worse >&2; sleep 60")
    number = post(manual)
    worker = manual.work()
    wait_for(lambda: manual.status()["deliveries"]["running"] == 1, "the run")
    wait_for(lambda: b"half way" in manual.run("logs", f"{number}/any").stdout, "its output")
    worker.kill()
    manual.work()
    (attempt,) = manual.delivery(number, states=("waiting",))["attempts"]
    assert attempt["result"] == "lost"
    assert (attempt["stdout"], attempt["stdout_bytes"]) == ("half way\n", 9)
    assert (attempt["stderr"], attempt["stderr_bytes"]) == ("and worse\n", 10)
    assert b"half way" in manual.run("logs", f"{number}/any").stdout


# -- It stops

def test_sigterm_starts_nothing_new_and_gives_running_hooks_their_grace(manual):
    manual.configure(worker="start manual concurrency 2 shutdown_grace 20s")
    manual.hook("any", f'echo "$BX_EVENT_NUMBER" >> {manual.out}/ran; '
                       f'while [ ! -e {manual.out}/go ]; do sleep 0.05; done')
    numbers = [post(manual, id=i) for i in range(4)]
    worker = manual.work()
    wait_for(lambda: manual.status()["deliveries"]["running"] == 2, "two runs")
    os.kill(worker.pid, signal.SIGTERM)
    wait_for(lambda: "stopping" in manual.log(), "the stop")
    late = post(manual, id="late")
    (manual.out / "go").touch()
    assert worker.popen.wait(15) == 0
    states = {line["event"]: line["state"] for line in manual.list()}
    assert sorted(states[n] for n in numbers) == ["done", "done", "waiting", "waiting"]
    assert states[late] == "new"
    assert len((manual.out / "ran").read_text().split()) == 2


def test_an_event_that_comes_while_a_worker_stops_needs_no_other_to_run(serving):
    serving.hook("any", f'touch {serving.out}/began; while [ ! -e {serving.out}/go ]; do sleep 0.05; done')
    number = post(serving)
    wait_for((serving.out / "began").exists, "the hook")
    stopped = serving.worker_pid()
    kill(stopped, signal.SIGTERM)
    wait_for(lambda: "stopping" in serving.log(), "the stop")
    late = post(serving, id="late")
    (serving.out / "go").touch()
    wait_for(lambda: not alive(stopped), "its end")
    serving.delivery(number)
    serving.delivery(late)


def test_a_worker_that_was_told_to_stop_stays_away_until_an_event_comes(serving):
    serving.hook("any", '[ "$BX_ID" = last ] || exit 1')
    first = post(serving)
    serving.delivery(first, states=("waiting",))
    stopped = serving.worker_pid()
    kill(stopped, signal.SIGTERM)
    wait_for(lambda: not alive(stopped), "its end")
    assert "starting another worker" not in serving.log()
    wait_for(lambda: serving.worker_pid() is None, "no worker")
    serving.delivery(post(serving, id="last"))


def test_a_second_sigterm_ends_the_grace(manual):
    manual.configure(worker="start manual shutdown_grace 1h")
    manual.hook("any", f"echo $$ > {manual.out}/pid.new; mv {manual.out}/pid.new {manual.out}/pid; exec sleep infinity")
    number = post(manual)
    worker = manual.work()
    wait_for((manual.out / "pid").exists, "the hook")
    pid = int((manual.out / "pid").read_text())
    os.kill(worker.pid, signal.SIGTERM)
    wait_for(lambda: "stopping" in manual.log(), "the stop")
    assert alive(pid)
    assert worker.stop() == 0 and not alive(pid)
    delivery = manual.show(number)["deliveries"][0]
    assert (delivery["state"], delivery["attempt"], delivery["max_attempts"]) == ("waiting", 1, 13)
    assert [a["result"] for a in delivery["attempts"]] == ["interrupted"]


# -- It leaves nothing behind

def zombies_of(pid):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def descriptors_of(pid):
    """Numbers of the open descriptors."""
    return sorted(os.listdir(f"/proc/{pid}/fd"), key=int)


def memory_of(pid):
    """Bytes it holds by itself: heap, stack and written data."""
    fields = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def run_many(site, count):
    bodies = [bitrix.body(id=i, fields={"TEXT": "x" * 2000}) for i in range(count)]
    with client.FastCgi(site.socket) as connection:
        for first in range(0, count, 25):
            some = bodies[first:first + 25]
            connection.send(b"".join(client.fastcgi_request(body, keep=True) for body in some))
            assert [connection.read().status for _ in some] == [200] * len(some)
    return site.wait_idle(120 + count // 20)


def test_thousands_of_runs_leave_no_zombie_descriptor_or_memory(manual, slack):
    """Good and bad ones, such as leave children behind, and such as cannot be started."""
    quick = manual.hook("lane.disabled", manual.scratch.compiled("lane").read_bytes())
    manual.hook("any",
                'case $BX_ID in *0) sleep 0 & exit 0;; *1) echo out; echo err >&2; exit 65;; *2) kill -9 $$;; esac')
    manual.configure(worker="start manual concurrency 8", defaults="attempts 1", more=f"""
hook lane {{ event * run {quick} dir {manual.out} concurrency 8 }}
hook none {{ event * run /no/such/program when {{ data.FIELDS.ID *3 }} }}
hook any {{ unless {{ data.FIELDS.ID ???* }} }}
""")
    worker = manual.work()
    wait_for(manual.worker_pid, "the worker")
    run_many(manual, RUNS // 10)
    descriptors, memory = descriptors_of(worker.pid), memory_of(worker.pid)
    status = run_many(manual, RUNS)
    wait_for(lambda: not zombies_of(worker.pid), "no zombie")
    ran = sum(status["deliveries"].values())
    assert ran > RUNS and status["deliveries"]["done"] >= RUNS and status["deliveries"]["running"] == 0
    assert descriptors_of(worker.pid) == descriptors
    grown = memory_of(worker.pid) - memory
    print(f"{ran} deliveries, memory {memory // 1024} KB, grown by {grown // 1024} KB")
    assert grown < 2_000_000 + 1024 * slack  # of bodies of 2 KB and more


def test_a_worker_that_does_not_come_up_is_not_waited_for(site):
    """The program on the disk hangs before it has left the gateway's hands: its disk hangs, say."""
    site.binary = write(site.path / "bxhook", site.binary.read_bytes(), 0o755, site.user)
    site.serve()
    program = site.path / "program"
    os.link(site.binary, program)
    hangs = write(site.path / "hangs", "#!/bin/sh\nwhile :; do sleep 1; done\n", 0o755, site.user)
    hangs.rename(site.binary)
    first = post(site)
    wait_for(lambda: "it did not start within 5s" in site.gateway.text(), "the gateway to go on")
    assert post(site) == first + 1
    site.gateway.stop(limit=7)
    program.rename(site.binary)


def test_a_worker_that_could_not_start_comes_without_another_request(serving):
    serving.hook("any", "true")
    good = serving.config.read_text()
    serving.config.write_text(good + "hooks_dir \"hooks\n")
    number = post(serving)
    wait_for(lambda: "cannot start the worker" in serving.gateway.text(), "a start that fails")
    serving.config.write_text(good)
    wait_for(serving.worker_pid, "the worker", 30)
    serving.delivery(number)
