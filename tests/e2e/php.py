"""php-cgi as an oracle: what PHP makes of a body, for the corpus."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import client

SCRIPT = Path(__file__).resolve().parents[1] / "corpus" / "answer.php"
# What it logs when it cut something; only fields end the body, so they come first.
CUT = {b"Input variables exceeded": "fields", b"Multipart body parts limit": "fields",
       b"Input variable nesting level": "depth"}
ENVIRONMENT = {"PATH": os.environ["PATH"], "PHP_FCGI_MAX_REQUESTS": "0"}  # as many as come


class Php:
    """One process for all bodies, with the settings of PHP's own defaults."""

    def __enter__(self):
        self.home = Path(tempfile.mkdtemp(prefix="bxhook-php-"))
        self.popen = subprocess.Popen(["php-cgi", "-n", "-d", "log_errors=1", "-d", "display_errors=0", "-b",
                                       self.home / "socket"],
                                      env=ENVIRONMENT, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 15
        while True:
            try:
                self.connection = client.FastCgi(self.home / "socket")
                return self
            except OSError:
                if time.monotonic() > end or self.popen.poll() is not None:
                    raise
                time.sleep(0.01)

    def __exit__(self, *_):
        self.connection.socket.close()
        self.popen.kill()  # SIGTERM waits for a request to come
        self.popen.wait()
        shutil.rmtree(self.home)

    def answer(self, line):
        """{"expected": TREE} or {"over": WORD} for a LINE of the corpus."""
        body = base64.b64decode(line["body_b64"])
        more = {"content_type": line["type"]} if "type" in line else {}
        self.connection.send(client.fastcgi_request(body, keep=True, SCRIPT_FILENAME=str(SCRIPT), **more))
        streams = self.connection.streams()
        for warning, word in CUT.items():
            if warning in streams[client.STDERR]:
                return {"over": word}
        return {"expected": json.loads(streams[client.STDOUT].partition(b"\r\n\r\n")[2])}
