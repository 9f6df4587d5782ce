"""The upload for shared hosting, from the zip alone: behind web servers, on an old kernel, on a bare Debian."""

import os
import subprocess
import sys
import zipfile

import pytest

import bitrix
from scratch import ROOT

OLD = "tests/faults/oldkernel.c"
# Gateway, worker, hooks and commands, behind the servers that themselves run without newer calls; with the
# one store there is.
MAIN_JOB = "not postgresql and ((five_events and (nginx or lighttpd)) or test_hooks.py or test_commands.py)"


@pytest.fixture(scope="module")
def oldkernel(tmp_path_factory):
    """Static: it stands in for the program, anywhere."""
    path = tmp_path_factory.mktemp("old") / "oldkernel"
    subprocess.run(["cc", "-O1", "-static", "-o", path, ROOT / OLD], check=True)
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def unpacked(artefact, tmp_path_factory):
    path = tmp_path_factory.mktemp("zip")
    subprocess.run(["unzip", "-q", artefact("*.zip"), "-d", path], check=True)
    return path / "bxhook"


def passes(*selection, before=(), **environment):
    done = subprocess.run([*before, sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
                           *selection],
                          cwd=ROOT, env={**os.environ, **environment}, text=True, timeout=1200,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_program_is_small_and_needs_nothing(unpacked):
    program = unpacked / ".htbxhook" / "bxhook"
    said = subprocess.check_output(["readelf", "-ldnW", program], text=True)
    assert program.stat().st_size < 5_000_000
    assert "INTERP" not in said and "NEEDED" not in said and "OS: Linux, ABI: 3.2.0" in said
    strings = subprocess.check_output(["strings", "-a", program], text=True)
    assert "stores: sqlite\n" in subprocess.check_output([program, "version"], text=True)
    assert "nsswitch" not in strings and "getaddrinfo" not in strings and str(ROOT) not in strings


def test_the_upload_works_behind_web_servers(artefact, unpacked):
    passes("tests/e2e/test_upload.py", BXHOOK_ZIP=str(artefact("*.zip")), BXHOOK=str(unpacked / ".htbxhook" / "bxhook"))


def test_the_upload_works_on_an_old_kernel(artefact, unpacked, oldkernel):
    """Apache itself cannot: only what it starts is kept from newer calls."""
    passes("tests/e2e/test_upload.py", BXHOOK_ZIP=str(artefact("*.zip")), BXHOOK_SHIM=str(oldkernel),
           BXHOOK=str(unpacked / ".htbxhook" / "bxhook"))


def test_the_main_job_runs_on_an_old_kernel(unpacked, oldkernel):
    passes("tests/e2e", "-k", MAIN_JOB, before=[oldkernel], BXHOOK=str(unpacked / ".htbxhook" / "bxhook"))


def test_the_filter_takes_newer_calls_away(oldkernel):
    script = "import os; os.memfd_create('x')"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
    done = subprocess.run([oldkernel, sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1 and "Function not implemented" in done.stderr


def test_it_runs_on_a_bare_debian(artefact, template):
    """With no library of ours: by CGI, and its worker by cron."""
    where = template / "srv" / "upload"
    where.mkdir()
    try:
        zipfile.ZipFile(artefact("*.zip")).extractall(where)
        site = where / "bxhook"
        config = site / ".htbxhook" / "bxhook.conf"
        config.write_text(config.read_text().replace('token ""', f'token "{bitrix.TOKEN}"')
                          + "worker { start manual }\n")
        hook = site / ".htbxhook" / "hooks" / "any.sh"
        hook.write_text("#!/bin/sh\necho \"$BX_EVENT $HOME\" >ran\n")
        hook.chmod(0o755)
        subprocess.run(["chown", "-R", "nobody:nogroup", where], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", template / "proc"], check=True)

        def inside(*command, body=b"", **environment):
            return subprocess.run(["/usr/sbin/chroot", "--userspec=nobody:nogroup", template, *command], input=body,
                                  env=environment, capture_output=True, timeout=60)
        body = bitrix.body()
        answer = inside("/bin/sh", "/srv/upload/bxhook/bxhook.fcgi", body=body, REQUEST_METHOD="POST",
                        CONTENT_TYPE="application/x-www-form-urlencoded", CONTENT_LENGTH=str(len(body)))
        assert b'{"status":"ok","event":1}' in answer.stdout, answer
        assert inside("/srv/upload/bxhook/.htbxhook/bxhook", "work", "--once").returncode == 0
        assert (hook.parent / "ran").read_text() == "ONCRMDEALUPDATE /nonexistent\n"
    finally:
        subprocess.run(["umount", "-q", template / "proc"], check=False)
        subprocess.run(["rm", "-r", where], check=True)
