"""What a hook gets and what its end means, by the real worker."""

import json
import os
import re
import time
import unicodedata
import urllib.parse

import pytest

import bitrix
import client
from scratch import USER, alive, wait_for

DEAL = bitrix.event(fields={"STAGE_ID": "C1:NEW", "title-1": "caf\u00e9 \U0001f600 /"})


@pytest.fixture
def serving(site):
    """A site whose gateway listens; the test adds hooks and posts to it."""
    site.serve()
    return site


def post(site, tree=None, **options):
    tree = tree or bitrix.event(**options)
    return client.fastcgi(site.socket, bitrix.encode(tree)).event


def attempts(delivery):
    return [(a["attempt"], a["result"], a["exit"], a["signal"]) for a in delivery["attempts"]]


# -- what it gets

def test_environment_is_built_from_nothing(serving):
    serving.probe("ONCRMDEALUPDATE")
    serving.configure(more="hook ONCRMDEALUPDATE { env { API_URL https://erp.example } attempts 7 }\n")
    before = time.time()
    number = post(serving, DEAL)
    env = serving.run_of(number, "ONCRMDEALUPDATE").env
    assert before + 59 <= int(env.pop("BX_DEADLINE")) <= time.time() + 60
    run = env.pop("BX_RUN")
    assert run
    received_at = env.pop("BX_RECEIVED_AT")
    assert time.strptime(received_at.partition(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S") and received_at.endswith("Z")
    assert env.pop("BX_TOKEN_EXPIRES_AT")
    assert env == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": USER.pw_dir,
        "LANG": "C.UTF-8", "BXHOOK": str(serving.binary), "BXHOOK_CONFIG": str(serving.config),
        "API_URL": "https://erp.example",
        "BX_EVENT": "ONCRMDEALUPDATE", "BX_ID": "6675", "BX_PORTAL": bitrix.DOMAIN, "BX_MEMBER_ID": bitrix.MEMBER_ID,
        "BX_USER_ID": "17", "BX_EVENT_HANDLER_ID": "655", "BX_TS": "1736424182", "BX_EVENT_NUMBER": str(number),
        "BX_ORIGIN": "post", "BX_HOOK": "ONCRMDEALUPDATE", "BX_ATTEMPT": "1", "BX_MAX_ATTEMPTS": "7",
        "BX_DATA_FIELDS_ID": "6675", "BX_DATA_FIELDS_STAGE_ID": "C1:NEW",
        "BX_DATA_FIELDS_TITLE_1": "caf\u00e9 \U0001f600 /"}


def test_process_is_clean(serving):
    serving.probe("any")
    run = serving.run_of(post(serving))
    assert sorted(run.fds) == ["0", "1", "2"]
    assert all(target.startswith("pipe:") or target.startswith("socket:") for target in run.fds.values()), run.fds
    for mask in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"):
        assert int(run.status[mask], 16) == 0, mask
    assert run.status["Umask"] == "0022"
    assert run.session == run.pid
    assert run.cwd == str(serving.hooks)
    assert run.status["Uid"].split() == [str(USER.pw_uid)] * 4
    assert run.status["Gid"].split() == [str(USER.pw_gid)] * 4
    assert run.argv == [str(serving.hooks / "any")]


def test_arguments_and_directory_are_the_configs(serving):
    serving.configure(more=f"""hook sync {{
    event ONCRMDEAL*
    run   {serving.probe('sync.disabled')}
    arg   --id
    arg   "{{data.FIELDS.ID}} {{{{{{event}}"
    arg   "$(id) `id` ; x"
    dir   {serving.run_dir}
}}
""")
    run = serving.run_of(post(serving), "sync")
    assert run.argv[1:] == ["--id", "6675 {ONCRMDEALUPDATE", "$(id) `id` ; x"]
    assert run.cwd == str(serving.run_dir)


REFUSED_ARGUMENTS = ["{data.NOPE}", "{data.FIELDS}", "{auth.application_token}", "x{auth.ACCESS_TOKEN}",
                     "{data.FIELDS.LONG}", "{data.FIELDS.NUL}"]


def test_an_argument_that_cannot_be_is_dead_and_runs_nothing(serving):
    tree = bitrix.event(fields={"LONG": "x" * 70000, "NUL": "a\0b"})
    tree["auth"]["ACCESS_TOKEN"] = "secret-in-upper-case"
    program = serving.probe("sync.disabled")
    serving.configure(more="".join(f'hook h{i} {{ event * run {program} arg "{text}" }}\n'
                                   for i, text in enumerate(REFUSED_ARGUMENTS)))
    number = post(serving, tree)
    serving.wait_idle()
    for delivery in serving.show(number)["deliveries"]:
        assert delivery["state"] == "dead" and "argument" in delivery["reason"]
        assert "secret-in-upper-case" not in delivery["reason"]
    assert list(serving.out.iterdir()) == []


# Values that a shell, a terminal, C or a decoder could take for more than data.
HOSTILE = [b"a\nb", b"a\r\nb\n", b"'", b'"', b"\\", b"'; touch pwned; '", b'"; touch pwned; "', b"$(touch pwned)",
           b"`touch pwned`", b"${IFS}", b"$BX_RUN", b"() { :;}; touch pwned", b"; touch pwned", b"| touch pwned",
           b"&& touch pwned", b"> pwned", b"\x1b[31m\x1b]0;x\x07", b"-rf", b"--help", b"-", b"%s%n%n", b"=x", b"*",
           b"~", b"../../../etc/passwd", b" ", b"\t", b"{data.FIELDS.ID}", b"{{", b"\x01\x7f\x9b", b"\xff\xfe", b"a\xd0",
           b"\xed\xa0\x80",
           b"\xf4\x90\x80\x80", b"\xc0\xaf", "\u0410\u202e\U0001f600\ufffe".encode(), b"", b"x" * 30000]
# Those that no variable and no argument can hold.
UNFIT = [b"a\0b", b"\0", b"$(touch pwned)\0", b"x" * 200_000, b"'\n" * 100_000]


def hostile_body(values):
    fields = [f"&data%5BFIELDS%5D%5BV{i}%5D=".encode() + urllib.parse.quote_from_bytes(value).encode()
              for i, value in enumerate(values)]
    return bitrix.body() + b"".join(fields)


def test_hostile_values_are_data(serving):
    """On stdin and in the environment, also for a shell that uses them as it should."""
    values = HOSTILE + UNFIT
    serving.probe("any.d/probe")
    printed = "".join(f'printf "%s\\000" "$BX_DATA_FIELDS_V{i}"\n' for i in range(len(HOSTILE)))
    serving.hook("any.d/shell", f"exec > {serving.out}/printed\n{printed}")
    number = client.fastcgi(serving.socket, hostile_body(values)).event
    run = serving.run_of(number, "any.d.probe")
    assert run.stdin.count(b"\n") == 1 and run.stdin.endswith(b"}\n")
    fields = run.event["data"]["FIELDS"]
    assert [fields[f"V{i}"] for i in range(len(values))] == [value.decode(errors="replace") for value in values]
    env = {name: value.encode(errors="surrogateescape") for name, value in run.env.items()}
    assert [env.get(f"BX_DATA_FIELDS_V{i}") for i in range(len(values))] == HOSTILE + [None] * len(UNFIT)
    assert env["BX_TRUNCATED"] == b"1"
    assert {name for name in env if not name.startswith("BX_")} == {"PATH", "HOME", "LANG", "BXHOOK", "BXHOOK_CONFIG"}
    serving.delivery(number, "any.d.shell")
    assert (serving.out / "printed").read_bytes().split(b"\0")[:-1] == HOSTILE
    assert not list(serving.path.rglob("pwned"))


def test_hostile_values_are_single_arguments(serving):
    args = "".join(f"    arg {{data.FIELDS.V{i}}}\n" for i in range(len(HOSTILE)))
    refused = "".join(f'hook unfit-{i} {{ event * run /bin/true arg "{{data.FIELDS.V{len(HOSTILE) + i}}}" }}\n'
                      for i in range(len(UNFIT)))
    serving.configure(more=f"hook sync {{\n    event *\n    run {serving.probe('sync.disabled')}\n"
                           + args.replace("{data", '"{data').replace("}\n", '}"\n') + "}\n" + refused)
    number = client.fastcgi(serving.socket, hostile_body(HOSTILE + UNFIT)).event
    run = serving.run_of(number, "sync")
    assert [arg.encode(errors="surrogateescape") for arg in run.argv[1:]] == HOSTILE
    for i in range(len(UNFIT)):
        delivery = serving.delivery(number, f"unfit-{i}", ("dead",))
        assert not delivery["attempts"] or delivery["attempts"][0]["exit"] is None
    assert not list(serving.path.rglob("pwned"))


HOSTILE_NAMES = [b"PATH", b"LD_PRELOAD", b"BX_RUN", b"BX_EVENT", b"BX_DATA_FIELDS_ID", b"IFS", b"ENV", b"a=b", b"a\nb",
                 b"$(touch pwned)", b"() { :;}", b"\xff", "\u0410".encode(), b"%", b"-", b"__proto__",
                 b"BASH_FUNC_ls%%",
                 b"n" * 40000]


def test_no_name_in_a_body_becomes_a_variable(serving):
    """At the top, below data and below FIELDS: only BX_DATA_ and what follows is of the sender's choosing."""
    serving.probe("any")
    plain = serving.run_of(post(serving)).env
    names = [urllib.parse.quote_from_bytes(name, safe="").encode() for name in HOSTILE_NAMES]
    body = bitrix.body() + b"".join(b"&%s=evil&data%%5B%s%%5D=evil&data%%5BFIELDS%%5D%%5B%s%%5D=evil&auth%%5B%s%%5D=evil"
                                    % (name, name, name, name) for name in names)
    env = serving.run_of(client.fastcgi(serving.socket, body).event).env
    data = {name for name in env if name.startswith("BX_DATA_")}
    assert set(env) - data == set(plain) - {"BX_DATA_FIELDS_ID"} | {"BX_TRUNCATED"}
    assert {name for name, value in env.items() if "evil" in value} <= data and len(data) > 20
    assert not [name for name in data if not re.fullmatch("BX_DATA_[A-Z0-9_]+", name)]
    assert env["BX_DATA_FIELDS_ID"] == "6675"


LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning|error) worker: ")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_a_hook_writes_cannot_forge_a_log_line(serving, log_format):
    serving.configure(more=f"log {{ format {log_format} }}\n")
    serving.hook("any", r"printf 'a\r2026-11-21T00:00:00Z error worker: forged\n\033[2J\"x=\\\000\377\n\302\205\n' >&2; exit 65")
    number = post(serving, bitrix.event(fields={"ID": "7\nforged \x1b[31m\x9b \"x"}))
    serving.delivery(number, states=("dead",))
    text = (serving.home / "state" / "bxhook.log").read_bytes().decode()
    assert text.count("forged") >= 1 and text.endswith("\n")
    assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]
    if log_format == "json":
        assert all(isinstance(json.loads(line), dict) for line in text.splitlines()[1:])
    else:
        assert [line for line in text.splitlines() if not LOG_LINE.match(line)] == []


def test_what_does_not_fit_the_environment_is_left_out(serving):
    serving.probe("any")
    fields = {"BIG": "x" * 40000, "NUL": "a\0b", "a-b": "1", "a_b": "2"} | {f"K{i}": "y" * 30000 for i in range(6)}
    run = serving.run_of(post(serving, bitrix.event(fields=fields)))
    assert run.env["BX_TRUNCATED"] == "1"
    assert run.env["BX_DATA_FIELDS_A_B"] == "1"
    assert not {"BX_DATA_FIELDS_BIG", "BX_DATA_FIELDS_NUL"} & set(run.env)
    assert [f"BX_DATA_FIELDS_K{i}" in run.env for i in range(6)] == [True] * 4 + [False] * 2
    assert run.event["data"]["FIELDS"]["BIG"] == "x" * 40000


def test_invalid_utf8_is_replaced(serving):
    serving.probe("any")
    body = bitrix.body() + b"&data[FIELDS][BAD]=a%FFb"
    run = serving.run_of(client.fastcgi(serving.socket, body).event)
    assert run.event["data"]["FIELDS"]["BAD"] == "a\ufffdb"


def test_no_header_becomes_a_variable(nginx):
    answer = client.request(nginx.url, "POST", bitrix.body(), {
        "Content-Type": client.FORM, "Proxy": "evil:1", "BX-Data-Evil": "1", "X-Path": "/evil", "LD-Preload": "evil"})
    run = nginx.site.run_of(answer.event)
    assert not [f"{k}={v}" for k, v in run.env.items() if "evil" in (k + v).lower()]


# -- what its end means

ENDS = {  # script: state, attempts (of 2), reason
    "exit 0": ("done", [(1, "done", 0, None)]),
    "exit 65": ("dead", [(1, "failed", 65, None)]),
    "exit 77": ("dead", [(1, "failed", 77, None)]),
    "exit 78": ("dead", [(1, "failed", 78, None)]),
    "exit 100": ("dead", [(1, "failed", 100, None)]),
    "exit 1": ("dead", [(1, "failed", 1, None), (2, "failed", 1, None)]),
    "exit 75": ("dead", [(1, "failed", 75, None), (2, "failed", 75, None)]),
    "kill -KILL $$": ("dead", [(1, "failed", None, "SIGKILL"), (2, "failed", None, "SIGKILL")]),
    "kill -SEGV $$": ("dead", [(1, "failed", None, "SIGSEGV"), (2, "failed", None, "SIGSEGV")]),
    "no-such-command-here": ("dead", [(1, "failed", 127, None), (2, "failed", 127, None)]),
    '[ "$BX_ATTEMPT" = 2 ]': ("done", [(1, "failed", 1, None), (2, "done", 0, None)]),
    "#!/no/such/interpreter\n": ("dead", [(1, "failed", None, None), (2, "failed", None, None)]),
}


def test_an_end_decides_the_delivery(serving):
    """All of them at once: several hooks of one event, each with its own fate."""
    serving.configure(defaults="attempts 2 concurrency 20", worker="concurrency 20")
    names = {}
    for index, script in enumerate(ENDS):
        names[script] = f"ONCRMDEALUPDATE.d.h{index}"
        serving.hook(f"ONCRMDEALUPDATE.d/h{index}", script)
    number = post(serving)
    serving.wait_idle()
    deliveries = {d["hook"]: d for d in serving.show(number)["deliveries"]}
    for script, (state, expected) in ENDS.items():
        delivery = deliveries[names[script]]
        assert (delivery["state"], attempts(delivery)) == (state, expected), script
        if script.startswith("#!"):
            assert delivery["attempts"][0]["reason"]
    shown = serving.run("show", f"{number}/{names['no-such-command-here']}").stdout
    assert b"command not found in the hook" in shown


def test_cannot_be_started_is_a_failed_attempt(serving):
    serving.configure(defaults="attempts 2", more="hook gone { event ONCRMDEALUPDATE run /no/such/program }\n")
    serving.hook("ONCRMLEADADD", "exit 0", mode=0o777)
    gone, unsafe = post(serving), post(serving, code="ONCRMLEADADD")
    assert attempts(serving.delivery(gone, "gone", ("dead",))) == [(1, "failed", None, None), (2, "failed", None, None)]
    delivery = serving.delivery(unsafe, "ONCRMLEADADD", ("dead",))
    assert [a["reason"] for a in delivery["attempts"]] == ["unsafe permissions"] * 2


def test_a_failing_delivery_waits_longer_each_time(serving):
    serving.configure(defaults="attempts 4")  # backoff 100ms
    serving.hook("any", "exit 1")
    delivery = serving.delivery(post(serving), states=("dead",))
    begins = [a["started_at"] for a in delivery["attempts"]]
    times = [time.mktime(time.strptime(t[:19], "%Y-%m-%dT%H:%M:%S")) + float(t[19:-1]) for t in begins]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(gaps) == 3
    for gap, least in zip(gaps, (0.09, 0.18, 0.36)):
        assert least <= gap < least * 1.3 + 0.5


def test_time_limit_ends_the_whole_run(serving):
    """A hook that ignores SIGTERM, and one whose child left its session: SIGKILL 5 s later."""
    serving.configure(defaults="timeout 500ms attempts 1")
    serving.hook("any.d/deaf", f"trap '' TERM; echo $$ > {serving.out}/deaf; while :; do sleep infinity; done")
    serving.hook("any.d/split",
                 f"setsid sh -c 'trap \"\" TERM; echo $$ > {serving.out}/split; exec sleep infinity' & wait; wait")
    began = time.monotonic()
    number = post(serving)
    files = [serving.out / "deaf", serving.out / "split"]
    wait_for(lambda: all(f.exists() and f.read_text().strip() for f in files), "both hooks to run")
    pids = [int(f.read_text()) for f in files]
    for hook in ("any.d.deaf", "any.d.split"):
        delivery = serving.delivery(number, hook, ("dead",))
        assert [a["result"] for a in delivery["attempts"]] == ["timeout"]
    assert 5 < time.monotonic() - began < 12
    assert not [pid for pid in pids if alive(pid)]


def test_time_limit_begins_with_sigterm(serving):
    serving.configure(defaults="timeout 300ms attempts 1")
    serving.hook("any", f"trap 'echo bye > {serving.out}/bye; exit 0' TERM; sleep infinity & wait")
    began = time.monotonic()
    delivery = serving.delivery(post(serving), states=("dead",))
    assert [a["result"] for a in delivery["attempts"]] == ["timeout"]
    assert (serving.out / "bye").exists() and time.monotonic() - began < 4


# -- streams

BIG = 300_000


def big_event(**options):
    return bitrix.event(fields={"TEXT": "\u0410" * (BIG // 2)}, **options)


def test_output_before_input_does_not_block(serving):
    serving.configure(more="limits { output 1M }\n")
    serving.hook("any", f"head -c {BIG} /dev/zero | tr '\\0' x; head -c {BIG} /dev/zero | tr '\\0' y >&2; "
                        f"cat > {serving.out}/event")
    number = post(serving, big_event())
    attempt, = serving.delivery(number)["attempts"]
    assert (attempt["stdout"], attempt["stderr"]) == ("x" * BIG, "y" * BIG)
    assert json.loads((serving.out / "event").read_text()) == big_event()


def test_a_hook_that_never_reads_is_fine(serving):
    serving.hook("any.d/ends", "exit 0")
    serving.hook("any.d/closes", "exec <&-; echo closed")
    number = post(serving, big_event())
    assert serving.delivery(number, "any.d.ends")["attempts"][0]["exit"] == 0
    assert serving.delivery(number, "any.d.closes")["attempts"][0]["stdout"] == "closed\n"


def test_output_is_cut_in_the_middle(serving):
    serving.configure(more="limits { output 4K }\n")
    serving.hook("any", f"echo first; head -c {BIG} /dev/zero | tr '\\0' x; echo; echo last")
    attempt, = serving.delivery(post(serving))["attempts"]
    out = attempt["stdout"]
    assert out.startswith("first\n") and out.endswith("last\n") and len(out) < 4096 + 200
    assert attempt["stdout_bytes"] == BIG + 12
    assert out.strip("firstlax\n")  # the mark of the cut


def test_a_child_left_behind_is_left_alone(serving):
    """It keeps stdout open: the delivery ends with the hook nevertheless."""
    serving.hook("any", f"sleep infinity & echo $! > {serving.out}/child; echo started")
    began = time.monotonic()
    delivery = serving.delivery(post(serving))
    assert time.monotonic() - began < 10
    assert delivery["attempts"][0]["stdout"] == "started\n"
    child = int((serving.out / "child").read_text())
    assert alive(child)
    os.kill(child, 9)


def test_secrets_in_output_are_hidden(serving):
    serving.hook("any", "cat; cat /proc/self/environ >&2")
    attempt, = serving.delivery(post(serving))["attempts"]
    assert not [s for s in bitrix.secrets_of(DEAL) if s in attempt["stdout"] + attempt["stderr"]]
    assert attempt["stdout"].count("***") == len(bitrix.secrets_of(DEAL))


# -- lanes

def test_a_lane_is_one_at_a_time_and_a_failure_holds_it(serving):
    serving.configure(defaults="attempts 1")
    gate = serving.gate()
    serving.hook("any", f'echo "$BX_EVENT_NUMBER" >> {serving.out}/order; '
                        f'[ "$BX_ID $BX_EVENT" != "1 ONCRMDEALUPDATE" ] || {gate.wait}')
    first, second = post(serving, id=1), post(serving, id=1, code="ONCRMDEALDELETE")
    other = post(serving, id=2)
    serving.delivery(other)
    waiting = serving.delivery(second, states=("waiting",))
    assert waiting["blocked_by"] == f"{first}/any"
    gate.open()
    serving.delivery(second)
    order = [int(n) for n in (serving.out / "order").read_text().split()]
    assert order.index(first) < order.index(second)


# -- the worker's life

def test_shutdown_interrupts_and_the_next_worker_repeats(site):
    site.configure(worker="start manual shutdown_grace 200ms")
    site.serve()
    site.hook("any", f'[ "$BX_ATTEMPT" = 1 ] && [ ! -e {site.out}/once ] || exit 0; '
                        f'touch {site.out}/once; sleep infinity')
    worker = site.work()
    number = post(site)
    wait_for((site.out / "once").exists, "the hook to run")
    assert worker.stop() == 0
    assert site.show(number)["deliveries"][0]["attempts"][0]["result"] == "interrupted"
    site.work()
    delivery = site.delivery(number)
    assert [a["result"] for a in delivery["attempts"]] == ["interrupted", "done"]


def test_once_runs_what_is_due_and_leaves(site):
    site.configure(worker="start manual")
    site.serve()
    site.probe("any")
    number = post(site)
    site.run("work", "--once")
    assert site.show(number)["deliveries"][0]["state"] == "done"


def test_a_second_worker_leaves_quietly(site):
    site.configure(worker="start manual")
    site.serve()
    site.work()
    wait_for(site.worker_pid, "the worker")
    done = site.run("work", "--once")
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_skipped_event_says_why(serving):
    serving.configure(more=f"hook sync {{ event ONCRMDEAL* run {serving.probe('x.disabled')} unless {{ auth.user_id 17 }} }}\n")
    number = post(serving)
    event = wait_for(lambda: (e := serving.show(number))["state"] == "skipped" and e, "the event to be skipped")
    assert event["refused"] == [{"hook": "sync", "reason": "unless auth.user_id 17"}]
