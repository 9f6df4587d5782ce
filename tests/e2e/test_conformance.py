"""The conformance checker itself: it must find every kind of wrong answer."""

import base64
import json
import lzma
import os
import subprocess

import pytest

import php
from scratch import ROOT

CHECKER = ROOT / os.environ.get("BUILD", "build") / "conformance"
CORPUS = ROOT / "tests" / "corpus" / "php-form.jsonl.xz"


@pytest.fixture(scope="module")
def corpus():
    return [json.loads(line) for line in lzma.decompress(CORPUS.read_bytes()).splitlines()]


def b64(text):
    return base64.b64encode(text.encode()).decode()


def text(value):
    return {"s": b64(value)}


def array(*pairs):
    return {"a": [[b64(key), value] for key, value in pairs]}


def case(body, **answer):
    return {"id": "case", "group": "planted", "body_b64": b64(body), **answer}


def check(tmp_path, cases, *options):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(line) + "\n" for line in cases))
    return subprocess.run([CHECKER, *options, corpus], stdout=subprocess.PIPE, text=True, timeout=120)


BODY = "b=1&a[]=2&a[x]=3"
RIGHT = array(("b", text("1")), ("a", array(("0", text("2")), ("x", text("3")))))
TOO_MANY = "&".join(f"k{i}=" for i in range(1001))
TOO_DEEP = "a" + "[b]" * 65 + "=1"


@pytest.mark.parametrize("body, answer", [
    (BODY, {"expected": RIGHT}), (TOO_MANY, {"over": "fields"}), (TOO_DEEP, {"over": "depth"})])
def test_it_passes_what_is_right(tmp_path, body, answer):
    done = check(tmp_path, [case(body, **answer)])
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed")


@pytest.mark.parametrize("body, answer", [
    (BODY, {"expected": array(("b", text("1")), ("a", array(("0", text("2")), ("x", text("4")))))}),  # a value
    (BODY, {"expected": array(("b", text("1")), ("a", array(("1", text("2")), ("x", text("3")))))}),  # a key
    (BODY, {"expected": array(("a", array(("0", text("2")), ("x", text("3")))), ("b", text("1")))}),  # the order
    (BODY, {"expected": array(("b", text("1")), ("a", array(("0", text("2")))))}),                    # one less
    (BODY, {"expected": array(("b", text("1")), ("a", text("2")))}),                                  # no array
    (BODY, {"expected": array()}),
    (BODY, {"over": "fields"}),
    (TOO_MANY, {"expected": array()}),
    (TOO_MANY, {"over": "depth"}),
    (TOO_DEEP, {"over": "fields"}),
])
def test_it_finds_a_wrong_answer(tmp_path, body, answer):
    done = check(tmp_path, [case(BODY, expected=RIGHT), case(body, **answer)])
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 passed, 1 failed")


def test_it_prints_what_it_got_from_the_body_alone(tmp_path):
    done = check(tmp_path, [case(BODY), case(TOO_MANY), case(TOO_DEEP, expected=array())], "--print")
    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"id": "case", "got": RIGHT}, {"id": "case", "over": "fields"}, {"id": "case", "over": "depth"}]


def test_it_finds_each_wrong_answer_of_the_corpus(tmp_path, corpus):
    lines = [{key: line[key] for key in ("id", "type", "body_b64") if key in line} for line in corpus[::50]]
    for line in lines:
        line["expected"] = array(("planted", text("wrong")))
    done = check(tmp_path, lines)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"0 passed, {len(lines)} failed")


def test_the_php_of_this_machine_answers_as_the_corpus_says(corpus, need):
    """`make corpus` was run with one PHP; Debian 12 and 13 have different ones."""
    need("php-cgi")
    with php.Php() as oracle:
        other = [line["id"] for line in corpus if line | oracle.answer(line) != line]
    assert len(corpus) > 9000 and other == []
