"""What the tests of `bxhook call` share."""

import json
import subprocess

import pytest

import clouds
from clouds import land
from scratch import as_user, wait_for


@pytest.fixture
def named(site):
    """Bitrix24's own names, behind a proxy."""
    with clouds.on(site, names=True) as made:
        yield made


def call(land, *words, check=True, data=None, env=None):
    return land.site.run("call", *words, check=check, input=data or b"", env=env)


def result(land, *words, **more):
    """What a call that succeeds prints, as a value."""
    done = call(land, *words, **more)
    assert done.stderr == b"" and done.stdout.count(b"\n") == 1 and done.stdout.endswith(b"\n"), done
    return json.loads(done.stdout)


def failed(done, status, *parts):
    """One line says why, and nothing else is printed."""
    assert done.returncode == status, done
    assert done.stdout == b"" and done.stderr.startswith(b"bxhook: ") and done.stderr.count(b"\n") == 1, done
    for part in parts:
        assert part in done.stderr.decode(), done


def asked(land, method):
    """The parameters of the calls of METHOD that ran, without the token."""
    return [{name: value for name, value in one.params.items() if name != "auth"}
            for one in land.cloud.records.of(method) if one.ran]


def count(land, method):
    return len(land.cloud.records.of(method, done=False))


HOOK = """cat > /dev/null
"$BXHOOK" call {words} > {out}/$BX_HOOK.result 2> {out}/$BX_HOOK.errors
"""


def run_hooks(land, portal, hooks, code="ONCRMDEALADD", data=None):
    """The states of HOOKS, {name: (words, more of its block)}, that an event of PORTAL starts."""
    site = land.site
    for name, (words, _) in hooks.items():
        site.hook(f"{name}.disabled", HOOK.format(words=words, out=site.out))
    land.configure(more="".join(f"hook {name} {{ event {code} run {site.hooks}/{name}.disabled attempts 1 {extra} }}\n"
                                for name, (_, extra) in hooks.items()))
    wait_for(lambda: site.run("check", "--print").stdout.count(code.encode()) == len(hooks), "the hooks")
    post = portal.send(land.app, code, data or {"FIELDS": {"ID": "7"}}, portal.admin()).wait()
    number = json.loads(post.answer)["event"]
    site.run("work", "--once")
    return {line["hook"]: line["state"] for line in site.list() if line["event"] == number}


def together(land, words, many):
    """MANY calls at once: their exit statuses and what they said."""
    asking = [subprocess.Popen([land.site.binary, "call", *words, "--config", land.site.config], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, cwd="/", **as_user(land.site.user)) for _ in range(many)]
    said = [one.communicate(timeout=90) for one in asking]
    return [one.returncode for one in asking], said


def batch(land, lines, *options, check=True):
    """What `--batch -` prints for LINES, values or texts, in order."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    done = land.site.run("call", "--batch", "-", *options, input=text.encode(), check=check)
    return done, [json.loads(line) for line in done.stdout.splitlines()]
