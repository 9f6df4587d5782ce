"""The hooks of examples/, each copied into hooks_dir as its head says and run by the worker."""

import base64
import contextlib
import email
import json
import re
import sqlite3
import subprocess

import pytest

import bitrix
import client
from remote import Remote
from scratch import ROOT, as_user, directory, give, wait_for, write
from smtp import MailServer

EXAMPLES = ROOT / "examples"
WORKER = "start manual"


@pytest.fixture
def service():
    with contextlib.closing(Remote()) as remote:
        yield remote


def use(site, example, name, settings=""):
    """Makes EXAMPLE the hook file NAME; SETTINGS are its block's."""
    block = f"hook {name.rpartition('.')[0]} {{\n {settings}\n}}\n"
    site.configure(more=block, worker=WORKER)
    site.hook(name, (EXAMPLES / example).read_text())


def blocks_of(example):
    """The conf blocks that the index gives for EXAMPLE."""
    section = (EXAMPLES / "README.md").read_text().split(f"\n## {example}\n")[1].split("\n## ")[0]
    return re.findall(r"```conf\n(.*?)```", section, re.DOTALL)


def test_the_russian_index_has_the_same_blocks():
    english, russian = [re.findall(r"```[\s\S]*?```|^## .*$|\]\((?!README).*?\)", (EXAMPLES / page).read_text(), re.MULTILINE)
                        for page in ("README.md", "README.ru.md")]
    assert english == russian


def use_as_told(site, example, name, replaced, block=0):
    """EXAMPLE with the index's block, strings REPLACED; NAME: its hook file, or None for a program elsewhere."""
    text = blocks_of(example)[block]
    if not name:
        program = write(site.home / example, (EXAMPLES / example).read_text(), 0o755, site.user)
        text, count = re.subn(r"/usr/local/bin/[\w-]+", str(program), text)
        assert count
    for old, new in replaced.items():
        assert old in text, f"examples/README.md has no {old!r} for {example}"
        text = text.replace(old, new)
    site.configure(more=text, worker=WORKER)
    if name:
        site.hook(name, (EXAMPLES / example).read_text())


def accept(site, tree):
    """Sends the event TREE through the gateway as CGI; gives its number."""
    body = bitrix.encode(tree)
    done = subprocess.run([site.binary], input=body, capture_output=True, cwd="/", timeout=30, check=True,
                          env={"PATH": "/usr/bin:/bin", "BXHOOK_CONFIG": str(site.config),
                               "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
                               "CONTENT_TYPE": client.FORM, "CONTENT_LENGTH": str(len(body))},
                          **as_user(site.user))
    answer = done.stdout.partition(b"\r\n\r\n")[2] or done.stdout.partition(b"\n\n")[2]
    return json.loads(answer)["event"]


def deliver(site, tree):
    """The event TREE's delivery after one run of the worker, and its last attempt."""
    number = accept(site, tree)
    site.run("work", "--once")
    delivery = site.show(number)["deliveries"][0]
    return delivery, delivery["attempts"][-1]


# -- mail.sh

MAIL = 'MAIL_TO "sales@example.com, boss@example.com"\n MAIL_FROM bitrix24@example.com\n'


@pytest.fixture
def mail():
    with contextlib.closing(MailServer()) as server:
        yield server


def sendmail(site, status):
    """A sendmail that keeps its arguments and stdin, and ends with STATUS; the line of env { } that has it found."""
    directory(site.path / "stand-ins")
    write(site.path / "stand-ins" / "sendmail", f"#!/bin/sh\necho \"$@\" >{site.out}/args\ncat >{site.out}/mail\n"
                                                f"exit {status}\n", 0o755)
    return f"PATH {site.path}/stand-ins:/usr/bin:/bin"


def test_mail_goes_by_smtp(site, mail):
    use_as_told(site, "mail.sh", "ONCRMLEADADD.sh", {"smtps://smtp.example.com:465": mail.url}, block=1)
    delivery, attempt = deliver(site, bitrix.event("ONCRMLEADADD", "31"))
    assert delivery["state"] == "done", attempt
    [(sender, recipients, text)] = mail.messages
    assert (sender, recipients) == ("bitrix24@example.com", ["sales@example.com"])
    assert mail.logins == ["bitrix24@example.com:SECRET"]
    assert b"\n" not in text.replace(b"\r\n", b"")
    message = email.message_from_bytes(text)
    assert message["Subject"] == "ONCRMLEADADD 31" and message["From"] == "<bitrix24@example.com>"
    assert message["Message-ID"] == f"<{delivery['event']}.ONCRMLEADADD@{bitrix.DOMAIN}>"
    assert email.utils.parsedate_to_datetime(message["Date"])
    assert f"https://{bitrix.DOMAIN}/crm/lead/details/31/" in message.get_payload()


def test_mail_goes_to_several(site, mail):
    use(site, "mail.sh", "ONCRMLEADADD.sh", f"env {{ {MAIL} SMTP_URL {mail.url} }}")
    deliver(site, bitrix.event("ONCRMLEADADD", "31"))
    [(_, recipients, text)] = mail.messages
    assert recipients == ["sales@example.com", "boss@example.com"] and mail.logins == []
    assert email.message_from_bytes(text)["To"] == "sales@example.com,boss@example.com"


def test_mail_takes_no_header_from_the_event(site, mail):
    use(site, "mail.sh", "any.sh", f"env {{ {MAIL} SMTP_URL {mail.url} }}")
    delivery, attempt = deliver(site, bitrix.event("ONCRMLEADADD", "1\r\nBcc: other@example.com\r\n\r\n.\r\nx"))
    assert delivery["state"] == "done", attempt
    [(_, recipients, text)] = mail.messages
    assert "other@example.com" not in recipients
    assert email.message_from_bytes(text)["Bcc"] is None


@pytest.mark.parametrize("command, answer, exit_status, state", [
    ("RCPT", "550 no such user", 65, "dead"), ("RCPT", "450 greylisted", 75, "waiting"),
    ("DATA", "451 later", 75, "waiting"), ("AUTH", "535 wrong password", 77, "dead")])
def test_mail_repeats_what_may_pass(site, mail, command, answer, exit_status, state):
    use(site, "mail.sh", "any.sh", f"backoff 1h\n env {{ {MAIL} SMTP_URL {mail.url}\n SMTP_USER u\n SMTP_PASSWORD \"p\\\"q\" }}")
    mail.refusals[command] = answer
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"], mail.messages) == (exit_status, state, []), attempt
    assert command == "AUTH" or mail.logins == ['u:p"q']


def test_mail_sends_no_password_without_tls_to_another_machine(site, mail):
    url = mail.url.replace("127.0.0.1", "LOCALHOST")  # not known as this machine
    use(site, "mail.sh", "any.sh", f"backoff 1h\n env {{ {MAIL} SMTP_URL {url}\n SMTP_USER u\n SMTP_PASSWORD p }}")
    delivery, attempt = deliver(site, bitrix.event())
    assert (delivery["state"], mail.logins, mail.messages) == ("waiting", [], [])
    assert "SSL" in attempt["stderr"] or "TLS" in attempt["stderr"]


@pytest.mark.parametrize("status, exit_status, state", [
    (0, 0, "done"), (67, 65, "dead"), (75, 75, "waiting"), (69, 75, "waiting")])
def test_mail_goes_by_sendmail(site, status, exit_status, state):
    use(site, "mail.sh", "any.sh", f"backoff 1h\n env {{ {MAIL} {sendmail(site, status)} }}")
    delivery, attempt = deliver(site, bitrix.event("ONCRMLEADADD", "31"))
    assert (attempt["exit"], delivery["state"]) == (exit_status, state), attempt
    assert (site.out / "args").read_text() == "-i -f bitrix24@example.com -- sales@example.com boss@example.com\n"
    assert email.message_from_string((site.out / "mail").read_text())["Subject"] == "ONCRMLEADADD 31"


@pytest.mark.parametrize("settings, word", [("", "MAIL_TO"), (f"env {{ {MAIL} PATH /nonexistent:/bin }}", "SMTP_URL")])
def test_mail_without_its_settings_is_dead_at_once(site, settings, word):
    use(site, "mail.sh", "any.sh", settings)
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (78, "dead")
    assert word in attempt["stderr"]


# -- log-deals.sh

def test_log_deals_writes_a_line_for_every_deal(site):
    use(site, "log-deals.sh", "ONCRMDEALADD.sh", f"env {{ HOME {site.home} }}")
    for number in ("7", "8"):
        delivery, attempt = deliver(site, bitrix.event("ONCRMDEALADD", number))
        assert delivery["state"] == "done", attempt
    lines = (site.home / "deals.csv").read_text().splitlines()
    assert lines[0] == "event,received at,deal,portal,user"
    assert [line.split(",")[2:] for line in lines[1:]] == [
        ['"7"', f'"{bitrix.DOMAIN}"', '"17"'], ['"8"', f'"{bitrix.DOMAIN}"', '"17"']]


def test_a_line_and_a_mail_for_one_event(site, mail):
    """The directory and the block of the index: two hooks, each with a delivery of its own."""
    text = (EXAMPLES / "README.md").read_text()
    names = re.findall(r"^hooks/(ONCRMDEALADD\.d/\S+) +(\S+), the hook (\S+)$", text, re.M)
    assert [hook for _, _, hook in names] == ["ONCRMDEALADD.d.csv", "ONCRMDEALADD.d.mail"]
    block = re.search(r"```conf\n(hook ONCRMDEALADD\.d\.mail \{.*?)```", text, re.S)[1]
    settings = block.replace("env {", f"env {{ SMTP_URL {mail.url} ")
    site.configure(more=settings + f"hook ONCRMDEALADD.d.csv {{ env {{ HOME {site.home} }} }}\n", worker=WORKER)
    for name, example, _ in names:
        site.hook(name, (EXAMPLES / example).read_text())
    number = accept(site, bitrix.event("ONCRMDEALADD", "7"))
    site.run("work", "--once")
    assert {delivery["hook"]: delivery["state"] for delivery in site.show(number)["deliveries"]} == {
        hook: "done" for _, _, hook in names}, site.show(number)
    [(sender, recipients, _)] = mail.messages
    assert (sender, recipients) == ("bitrix24@example.com", ["sales@example.com"])
    assert '"7"' in (site.home / "deals.csv").read_text()


def test_log_deals_takes_no_event_of_another_installation_for_its_own(site):
    use(site, "log-deals.sh", "ONCRMDEALADD.sh", f"env {{ HOME {site.home} }}")
    (site.home / "deals.csv").write_text("event,received at,deal,portal,user\n"
                                         '1,2026-11-29T01:02:03.004Z,"5","p","1"\n')
    give(site.home / "deals.csv", site.user)
    deliver(site, bitrix.event("ONCRMDEALADD", "7"))
    assert '"7"' in (site.home / "deals.csv").read_text()


def test_log_deals_writes_a_repeated_event_once(site):
    use(site, "log-deals.sh", "ONCRMDEALADD.sh", f"env {{ HOME {site.home} }}")
    delivery, _ = deliver(site, bitrix.event("ONCRMDEALADD", 'a"b,c'))
    site.run("retry", delivery["delivery"])
    site.run("work", "--once")
    attempts = site.show(delivery["event"])["deliveries"][0]["attempts"]
    assert [attempt["result"] for attempt in attempts] == ["done", "done"]
    assert "already" in attempts[1]["stdout"]
    lines = (site.home / "deals.csv").read_text().splitlines()
    assert len(lines) == 2 and '"a""b,c"' in lines[1]


# -- deals-db.php

def test_deals_db_adds_a_row_once(site):
    path = site.out / "new-deals.db"
    use_as_told(site, "deals-db.php", "ONCRMDEALADD.php", {"/var/lib/bxhook/new-deals.db": str(path)})
    delivery, attempt = deliver(site, bitrix.event("ONCRMDEALADD", "7"))
    assert (delivery["state"], attempt["stdout"]) == ("done", "deal 7: added\n"), attempt
    deliver(site, bitrix.event("ONCRMDEALADD", "8"))
    site.run("retry", delivery["delivery"])
    site.run("work", "--once")
    again = site.show(delivery["event"])["deliveries"][0]
    assert (again["state"], again["attempts"][-1]["stdout"]) == ("done", "event 1 was added before\n")
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT event, deal, portal FROM new_deal ORDER BY event").fetchall()
    assert rows == [(1, "7", bitrix.DOMAIN), (2, "8", bitrix.DOMAIN)]


@pytest.mark.parametrize("settings, exit_status, state, word", [
    ("", 78, "dead", "DB_DSN"), ('env { DB_DSN "oracle:x" }', 78, "dead", "pdo_oracle"),
    ('env { DB_DSN "sqlite:/nonexistent/x.db" }', 75, "waiting", "unable to open")])
def test_deals_db_says_what_is_wrong(site, settings, exit_status, state, word):
    use(site, "deals-db.php", "ONCRMDEALADD.php", "backoff 1h\n " + settings)
    delivery, attempt = deliver(site, bitrix.event("ONCRMDEALADD", "7"))
    assert (attempt["exit"], delivery["state"]) == (exit_status, state), attempt
    assert word in attempt["stderr"]


# -- many-events.php

def test_many_events_handles_each_by_its_code(site):
    use_as_told(site, "many-events.php", None, {})
    printed = [deliver(site, bitrix.event(code, "7"))[1]["stdout"]
               for code in ("ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE", "ONCRMLEADADD")]
    assert printed == ["deal 7 is new\n", "deal 7 was changed\n", "deal 7 is gone\n", "lead 7 is new\n"]
    task = bitrix.event("ONTASKADD") | {"data": {"FIELDS_AFTER": {"ID": "9"}}}
    assert deliver(site, task)[1]["stdout"] == "task 9 is new\n"


def test_many_events_refuses_what_it_does_not_know(site):
    use(site, "many-events.php", "any.php")
    delivery, attempt = deliver(site, bitrix.event("ONCRMCONTACTADD", "7"))
    assert (attempt["exit"], delivery["state"]) == (65, "dead")
    assert attempt["stderr"] == "ONCRMCONTACTADD is not handled\n"


# -- moved-deal.sh

@pytest.mark.parametrize("stage, said", [
    ("C1:NEW", "deal 6675 enters pipeline 1"),
    ("C7:WON", "deal 6675 is won"),
    ("C7:LOSE", "nothing to do"),
])
def test_moved_deal_acts_by_stage(site, stage, said):
    use(site, "moved-deal.sh", "ONCRMDEALMOVETOCATEGORY.sh")
    event = bitrix.event("ONCRMDEALMOVETOCATEGORY", fields={"CATEGORY_ID": "1", "STAGE_ID": stage})
    delivery, attempt = deliver(site, event)
    assert delivery["state"] == "done"
    assert said in attempt["stdout"]


# -- notify.sh

def test_notify_tells_the_service_and_keeps_the_tokens(site, service):
    use(site, "notify.sh", "any.sh", f'env {{ WEBHOOK_URL "{service.url}chat/secret" }}')
    service.answers = [(200, {})]
    delivery, attempt = deliver(site, bitrix.event("ONCRMLEADADD", "31"))
    assert delivery["state"] == "done", attempt
    [(path, headers, form)] = service.requests
    assert path == "/chat/secret"
    assert form == {"text": f"ONCRMLEADADD 31 on {bitrix.DOMAIN}"}
    assert headers["Idempotency-Key"] == f"{bitrix.MEMBER_ID}-{delivery['event']}"


def test_notify_sends_any_id_as_text(site, service):
    use(site, "notify.sh", "any.sh", f'env {{ WEBHOOK_URL "{service.url}" }}')
    service.answers = [(200, {})]
    delivery, attempt = deliver(site, bitrix.event("ONCRMLEADADD", '@/etc/passwd "\\\n\u0416'))
    assert delivery["state"] == "done", attempt
    assert service.requests[0][2]["text"] == f'ONCRMLEADADD @/etc/passwd "\\ \u0416 on {bitrix.DOMAIN}'


def test_notify_writes_to_telegram(site, service):
    use_as_told(site, "notify.sh", "ONCRMLEADADD.sh", {"https://api.telegram.org/": service.url}, block=1)
    service.answers = [(200, {"ok": True})]
    delivery, attempt = deliver(site, bitrix.event("ONCRMLEADADD", "31"))
    assert delivery["state"] == "done", attempt
    [(path, _, form)] = service.requests
    assert path == "/botTOKEN/sendMessage"
    assert form == {"chat_id": "-1001234567890", "text": f"ONCRMLEADADD 31 on {bitrix.DOMAIN}"}


@pytest.mark.parametrize("status, exit_status, state", [
    (503, 75, "waiting"), (429, 75, "waiting"), (404, 65, "dead"), (401, 65, "dead")])
def test_notify_repeats_what_may_pass(site, service, status, exit_status, state):
    use(site, "notify.sh", "any.sh", f'backoff 1h\n env {{ WEBHOOK_URL "{service.url}" }}')
    service.answers = [(status, {})]
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (exit_status, state)


def test_notify_succeeds_once_the_service_is_back(site, service):
    use(site, "notify.sh", "any.sh", f'env {{ WEBHOOK_URL "{service.url}" }}')
    service.answers = [(503, {}), (200, {})]
    number = accept(site, bitrix.event())
    site.work()
    assert site.delivery(number)["attempt"] == 2


def test_notify_repeats_when_nobody_listens(site, service):
    service.close()
    use(site, "notify.sh", "any.sh", f'backoff 1h\n env {{ WEBHOOK_URL "{service.url}" }}')
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (75, "waiting")


def test_notify_without_its_setting_is_dead_at_once(site):
    use(site, "notify.sh", "any.sh")
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (78, "dead")
    assert "WEBHOOK_URL" in attempt["stderr"]


# -- alarm.sh

def dies(site):
    """A delivery dies, and the worker tells of it: the delivery of that, and its attempt."""
    site.hook("ONCRMDEALADD.sh", "exit 65")
    number = accept(site, bitrix.event("ONCRMDEALADD", "7"))
    site.run("work", "--once")
    [told] = [line for line in site.list("--event", "BXHOOK.*") if line["delivery"]]
    delivery = site.show(told["event"])["deliveries"][0]
    return number, delivery, delivery["attempts"][-1]


def test_alarm_tells_a_chat_what_died(site, service):
    use_as_told(site, "alarm.sh", "BXHOOK.DEAD.sh", {"https://chat.example/": service.url})
    service.answers = [(200, {})]
    number, delivery, attempt = dies(site)
    assert delivery["state"] == "done", attempt
    [(path, _, form)] = service.requests
    assert path == "/hooks/SECRET"
    assert f"1 deliveries of the hook ONCRMDEALADD died. The first: {number}/ONCRMDEALADD (ONCRMDEALADD 7), exit 65." in form["text"]
    assert f"show {number}/ONCRMDEALADD" in form["text"]


def test_alarm_sends_a_mail(site):
    use_as_told(site, "alarm.sh", "BXHOOK.DEAD.sh", {"env { ": f"env {{ {sendmail(site, 0)}  "}, block=1)
    _, delivery, attempt = dies(site)
    assert delivery["state"] == "done", attempt
    assert (site.out / "args").read_text() == "-i -f bitrix24@example.com -- admin@example.com\n"
    message = email.message_from_string((site.out / "mail").read_text())
    assert message["Subject"] == "bxhook: ONCRMDEALADD: 1 dead" and message["To"] == "admin@example.com"
    assert "exit 65" in message.get_payload()


def test_alarm_tells_of_an_installation(site, service):
    use_as_told(site, "alarm.sh", "BXHOOK.PORTAL.sh", {"https://chat.example/": service.url})
    service.answers = [(200, {})]
    site.run("trigger", "BXHOOK.PORTAL")
    site.run("work", "--once")
    [(_, _, form)] = service.requests
    assert form["text"].startswith("bxhook: The application local.67f0c1a2b3c4d5.01234567 on ") and " is broken: " in form["text"]


@pytest.mark.parametrize("status, exit_status, state", [(503, 75, "waiting"), (404, 65, "dead")])
def test_alarm_repeats_what_may_pass_and_alarms_of_no_alarm(site, service, status, exit_status, state):
    use(site, "alarm.sh", "BXHOOK.DEAD.sh", f'backoff 1h\n env {{ WEBHOOK_URL "{service.url}" }}')
    service.answers = [(status, {})]
    _, delivery, attempt = dies(site)
    assert (attempt["exit"], delivery["state"]) == (exit_status, state)


def test_alarm_without_its_setting_is_dead_at_once(site):
    use(site, "alarm.sh", "BXHOOK.DEAD.sh")
    _, delivery, attempt = dies(site)
    assert (attempt["exit"], delivery["state"]) == (78, "dead") and "WEBHOOK_URL" in attempt["stderr"]


# -- forward.sh

FORWARD_SECRET = base64.b64encode(b"a key of 24 random bytes").decode()


def forwarding(site, service):
    use_as_told(site, "forward.sh", None, {"https://erp.example/": service.url + "erp/", '"SECRET"': f'"{FORWARD_SECRET}"',
                                           "https://reports.example/": service.url + "reports/"})


def test_forward_sends_each_service_the_event_without_its_tokens(site, service):
    forwarding(site, service)
    service.answers = [(204, {})]
    event = bitrix.event("ONCRMDEALADD", fields={"TITLE": "@/etc/passwd \u0416"})
    number = accept(site, event)
    site.run("work", "--once")
    assert {d["hook"]: d["state"] for d in site.show(number)["deliveries"]} == {"to-erp": "done", "to-reports": "done"}
    sent = {path: (headers, form) for path, headers, form in service.requests}
    assert sorted(sent) == ["/erp/bitrix24", "/reports/in"]
    headers, form = sent["/erp/bitrix24"]
    assert headers["webhook-id"] == f"{number}/to-erp" and headers["webhook-signature"].startswith("v1,")
    assert "webhook-signature" not in sent["/reports/in"][0]
    assert form["auth"] == {name: value for name, value in event["auth"].items() if name not in bitrix.SECRET_KEYS}
    assert form["data"] == event["data"]


def test_forward_holds_up_only_what_is_down(site, service):
    forwarding(site, service)
    service.answers = [(503, {}), (200, {})]
    number = accept(site, bitrix.event("ONCRMDEALADD"))
    site.run("work", "--once")
    first = {d["hook"]: d["attempts"][0]["exit"] for d in site.show(number)["deliveries"]}
    assert sorted(first.values()) == [0, 75]
    site.work()
    for hook in ("to-erp", "to-reports"):
        assert site.delivery(number, hook)["attempt"] == (2 if first[hook] else 1)


@pytest.mark.parametrize("status, exit_status, state", [
    (500, 75, "waiting"), (408, 75, "waiting"), (400, 65, "dead"), (404, 65, "dead")])
def test_forward_repeats_what_may_pass(site, service, status, exit_status, state):
    forwarding(site, service)
    service.answers = [(status, {})]
    number = accept(site, bitrix.event("ONAPPTEST"))
    site.run("work", "--once")
    [delivery] = site.show(number)["deliveries"]
    assert (delivery["attempts"][0]["exit"], delivery["state"]) == (exit_status, state)


def test_forward_without_its_setting_is_dead_at_once(site):
    use(site, "forward.sh", "any.sh")
    delivery, attempt = deliver(site, bitrix.event())
    assert (attempt["exit"], delivery["state"]) == (78, "dead")


# -- The index

HOOKS = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix != ".md")


@pytest.mark.parametrize("example", HOOKS)
def test_the_index_has_a_valid_block(site, example):
    for block in blocks_of(example):
        program = write(site.home / "program", "#!/bin/sh\n", 0o755, site.user)
        script = re.search(r"^hook (ONCRM\w+|BXHOOK\.\w+)", block)
        if script:
            site.hook(f"{script[1]}.sh", "exit 0")
        site.configure(more=re.sub(r"/usr/local/bin/[\w-]+", str(program), block))
        site.run("check")


@pytest.mark.parametrize("example", HOOKS)
def test_its_head_says_how_to_use_it(site, example):
    text = (EXAMPLES / example).read_text()
    tried = re.search(r"Try +bxhook (trigger [\w.]+(?: --set \S+)?)", text)
    assert tried and "Install " in text and "Set " in text
    site.run(*tried[1].split(), "--dry-run")


def test_every_example_has_a_test():
    files = (ROOT / "tests" / "e2e").glob("test_*examples.py")
    tests = "".join(file.read_text() for file in files)
    assert [name for name in HOOKS if f'"{name}"' not in tests] == []
