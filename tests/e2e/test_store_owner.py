"""Whose store it is: root becomes its owner, anybody else is told whom to be."""

import os
import subprocess

import pytest

import bitrix
import client
from scratch import AS_ROOT
from test_commands import post, reason_of

needs_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


@needs_root
def test_root_becomes_the_owner_of_the_store(quiet):
    post(quiet)
    done = subprocess.run([quiet.binary, "list", "--json", "--config", quiet.config], capture_output=True, timeout=10)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    owners = {path.stat().st_uid for path in (quiet.home / "state").iterdir()}
    assert owners == {quiet.user.pw_uid}


@needs_root
def test_root_makes_the_directory_of_a_fresh_store_for_its_owner(site):
    done = subprocess.run([site.binary, "status", "--config", site.config], capture_output=True, timeout=10)
    assert done.returncode == 0, done
    state = (site.home / "state").stat()
    assert (state.st_uid, state.st_mode & 0o777) == (site.user.pw_uid, 0o700)


@needs_root
@pytest.mark.parametrize("exists", [True, False])
def test_a_store_of_root_is_refused_with_the_way_out(site, exists):
    os.chown(site.home, 0, 0)
    site.home.chmod(0o755)
    if exists:
        (site.home / "state").mkdir(mode=0o700)
    done = subprocess.run([site.binary, "list", "--config", site.config], capture_output=True, timeout=10)
    reason = reason_of(done, 1)
    assert "root" in reason and ("chown -R" in reason if exists else "install -d" in reason)
    assert (site.home / "state").exists() == exists


@needs_root
def test_another_user_is_told_who_to_run_as(quiet):
    post(quiet)
    quiet.home.chmod(0o755)
    quiet.config.chmod(0o644)
    done = subprocess.run([quiet.binary, "list", "--config", quiet.config], capture_output=True, timeout=10,
                          user="nobody", group="nogroup", extra_groups=[])
    assert f"run as {quiet.user.pw_name}" in reason_of(done, 1)


@needs_root
def test_the_cgi_gateway_of_a_store_of_root_answers_503(site):
    (site.home / "state").mkdir(mode=0o700)
    body = bitrix.body()
    done = subprocess.run([site.binary], input=body, capture_output=True, timeout=10, env={
        "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST", "CONTENT_TYPE": client.FORM,
        "CONTENT_LENGTH": str(len(body)), "BXHOOK_CONFIG": str(site.config)})
    assert done.returncode == 0 and b"Status: 503" in done.stdout and b"chown" in done.stderr
    assert list((site.home / "state").iterdir()) == []
