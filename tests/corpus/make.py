#!/usr/bin/python3
"""Makes php-form.jsonl.xz, the corpus of the form decoder, anew: `make corpus`.

    make.py PHP_DIFF CONFORMANCE

Bodies written by hand (cases.py), those of the documented events, and random ones (tests/fuzz/bodies.h,
one seed), each with the answer of php-cgi as Debian 12 and 13 have it (PHP 8.2 and 8.4: the same).  The same
again gives the same file.  Left out is what bxhook refuses by its own choice: most of odd multipart, and names
over the limit of levels that PHP gives up before it counts them ("a[__Host-x][b][b]...").
"""

import base64
import json
import lzma
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import bitrix  # noqa: E402
import cases  # noqa: E402
import php  # noqa: E402

CORPUS = HERE / "php-form.jsonl.xz"
MULTIPART = "multipart/form-data; boundary=XX"
SEED = 7
RANDOM = {"form": 3600, "multipart": 1500}
LONGEST = 500  # bytes of a random body


def random_bodies(php_diff, kind):
    printed = subprocess.run([php_diff, "--print", kind, str(RANDOM[kind]), str(SEED)], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    bodies = (bytes.fromhex(line) for line in printed.splitlines())
    return [("random", body) for body in bodies if len(body) <= LONGEST]


def numbered(cases, more):
    """A line of the corpus for each (rule, body), without an answer."""
    for number, (rule, body) in enumerate(cases):
        yield {"id": f"{rule}-{number}", **more, "body_b64": base64.b64encode(body).decode()}


def bodies(php_diff):
    events = [("event", bitrix.encode(tree)) for _, tree in bitrix.samples()]
    yield from numbered([*cases.urlencoded(), *events, *random_bodies(php_diff, "form")], {})
    yield from numbered([*cases.multipart(), *random_bodies(php_diff, "multipart")], {"type": MULTIPART})


def refused(conformance, lines):
    """The ids of what bxhook refuses and PHP takes."""
    done = subprocess.run([conformance, "--print", "/dev/stdin"], check=True, stdout=subprocess.PIPE, text=True,
                          input="".join(json.dumps(line) + "\n" for line in lines))
    answers = map(json.loads, done.stdout.splitlines())
    return [line["id"] for line, answer in zip(lines, answers) if "expected" in line and "got" not in answer]


def main():
    php_diff, conformance = sys.argv[1:]
    lines = list(bodies(php_diff))
    with php.Php() as oracle:
        lines = [line | oracle.answer(line) for line in lines]
    left_out = set(refused(conformance, lines))
    kept = [line for line in lines if line["id"] not in left_out]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in kept)
    CORPUS.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{CORPUS.name}: {len(kept)} bodies, {CORPUS.stat().st_size} bytes; {len(left_out)} that "
          f"bxhook refuses are left out")


if __name__ == "__main__":
    main()
