"""README and the pages of docs/ as a reader uses them: types their commands, compares what they show.

A page names things of its own (YOUR-SITE, /home/USER); a Terminal knows what they are in a test.
"""

import re
import subprocess

import client
from scratch import ROOT, as_user, wait_for

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)

# What differs from run to run.
VARYING = [
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"), (r"\d{4}/\d\d/\d\d [\d:]+", "TIME"),
    (r"\b(now|\d+(ms|s|m|h|d))( ago)?(?=[\s,:.]|$)", "WHILE"), (r"\(\d+ bytes\)", "(N bytes)"),
    (r"peer=\S+", "peer=P"), (r"client: [^,]+", "client: C"), (r"size=\d+", "size=N"),
    (r"\d+#\d+: \*\d+", "N"), (r"bxhook\.conf:\d+:", "bxhook.conf:N:"), (r"\bline \d+", "line N"),
    (r"\s+", " ")]


def blocks(name, language, heading=None):
    """The fenced blocks of LANGUAGE on page NAME, of one section only when HEADING is given."""
    text = (ROOT / name).read_text()
    if heading:
        begin = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
        assert begin, f"{name} has no section {heading!r}"
        text = re.split(rf"^#{{1,{len(begin[1])}}} ", text[begin.end():], flags=re.MULTILINE)[0]
    found = [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
             for indent, tongue, block in FENCE.findall(text) if tongue == language]
    assert found, f"{name} has no {language} block in {heading!r}"
    return found


def same(lines):
    """LINES without what differs from run to run."""
    kept = []
    for line in lines:
        for pattern, word in VARYING:
            line = re.sub(pattern, word, line)
        kept.append(line.strip())
    return kept


def problem(shown, printed):
    """The first line of SHOWN that PRINTED lacks at its place, or None; a line `...` skips any number."""
    skip = False
    rest = list(printed)
    for line in shown:
        if line == "...":
            skip = True
            continue
        while skip and rest and rest[0] != line:
            rest.pop(0)
        if not rest or rest[0] != line:
            return line
        rest.pop(0)
        skip = False
    return None if skip or not rest else f"(nothing after it, but there is {rest[0]!r})"


class Terminal:
    """Where a page's commands are typed: as the site's user, with NAMES {the page's: the test's}."""

    def __init__(self, site, names, path="", **env):
        self.names = {name: str(real) for name, real in names.items()}
        self.env = {"PATH": f"{path}:{site.scratch.bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                    "BXHOOK_CONFIG": str(site.config), "LANG": "C.UTF-8"} | site.env | env
        self.user = site.user
        self.cwd = "/"

    def real(self, text):
        """TEXT of a page with the test's names."""
        for name, real in self.names.items():
            text = text.replace(name, real)
        return text

    def type(self, commands, check=True):
        """What COMMANDS print, stdout and stderr together."""
        done = subprocess.run(["sh", "-eu", "-c", self.real(commands)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=60,
                              cwd=self.cwd, env=self.env, **(as_user(self.user) if self.user else {}))
        if check:
            assert done.returncode == 0, f"{commands}exit {done.returncode}: {done.stdout}"
        return done.stdout

    def see(self, block):
        """Types each `$ command` of BLOCK: it must print what stands below it."""
        for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = entry.partition("\n")

            def missing():
                """The first line of the page that is not printed, and what is."""
                printed = self.type(command, check=False)
                for name, real in sorted(self.names.items(), key=lambda pair: -len(pair[1])):
                    printed = printed.replace(real, name)
                self.printed = printed
                return problem(same(shown.splitlines()), same(printed.splitlines()))
            if "$LOG" in command:  # the gateway answers before it logs
                wait_for(lambda: missing() is None, lambda: f"$ {command}\nto print\n{shown}but\n{self.printed}")
            else:
                line = missing()
                assert line is None, f"$ {command}\nprints no {line}\nbut\n{self.printed}"


def php_page(site, script, body):
    """What the PHP page SCRIPT answers to BODY, run as a web server would."""
    done = subprocess.run(
        ["php-cgi"], input=body, capture_output=True, timeout=30, cwd=site.docroot, **as_user(site.user),
        env={"PATH": "/usr/bin:/bin", "REDIRECT_STATUS": "200", "GATEWAY_INTERFACE": "CGI/1.1",
             "REQUEST_METHOD": "POST", "SCRIPT_FILENAME": str(script), "CONTENT_TYPE": client.FORM,
             "SCRIPT_NAME": "/b24/handler.php", "REQUEST_URI": "/b24/handler.php",
             "CONTENT_LENGTH": str(len(body))})
    assert done.returncode == 0, done
    head, _, text = done.stdout.partition(b"\r\n\r\n")
    status = re.search(rb"Status: (\d+)", head)
    return int(status[1]) if status else 200, text.decode()
