#!/usr/bin/python3
"""A Bitrix24 on this machine, to try an application's hooks against.

    tests/portal/serve.py start URL       serves until it is interrupted; URL is where bxhook takes events
    tests/portal/serve.py COMMAND ...     acts on the portal that is served, from another terminal
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from portal import commands  # noqa: E402  (what serves is imported where it is needed: the rest starts at once)

LIMIT = 60  # seconds for a command


def parse(arguments):
    return commands.parser(__doc__, Path(f"/tmp/bxhook-portal-{os.getuid()}")).parse_args(arguments)


def own_folder(folder):
    """Makes FOLDER: others may read the certificate there, and nothing else."""
    folder.mkdir(mode=0o711, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o22:
        sys.exit(f"serve.py: {folder} is not a directory where only you can write: name another with --folder")


def application(cloud, folder, url):
    """The application: the same at every start, so that bxhook.conf need not change."""
    file = folder / "app.json"
    if file.exists():
        return cloud.app(url, **json.loads(file.read_text()))
    app = cloud.app(url)
    file.touch(mode=0o600)
    file.write_text(json.dumps({"client_id": app.client_id, "client_secret": app.client_secret}))
    return app


def listen(path):
    """A socket at PATH for this user alone."""
    control = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    mask = os.umask(0o177)
    control.bind(str(path))
    os.umask(mask)
    control.listen()
    return control


def serve(words):
    from portal import Cloud
    from portal.console import Console
    own_folder(words.folder)
    try:
        cloud = Cloud(words.port, words.clock, words.names, words.folder)
    except OSError as error:
        sys.exit(f"serve.py: cannot listen on 127.0.0.1:{words.port}: {error.strerror}: name another with --port")
    path = words.folder / "control"
    with cloud, listen(path) as control:
        app = application(cloud, words.folder, words.url)
        console = Console(cloud, cloud.portal(words.name), app)
        print(f"; portal {cloud.client_endpoint(console.portal)}\n; the lines for bxhook.conf:\n{cloud.conf(app)}",
              flush=True)
        threading.Thread(target=report, args=[cloud], daemon=True).start()
        try:
            obey(control, console)
        except KeyboardInterrupt:
            pass
        finally:
            path.unlink(missing_ok=True)


def report(cloud):
    """Prints each request once it is answered, in order."""
    from portal.console import line_of
    for number in range(1, sys.maxsize):
        print(line_of(cloud.records.answered(number)), flush=True)


def obey(control, console):
    while True:
        with control.accept()[0] as connection:
            connection.settimeout(LIMIT)
            try:
                with connection.makefile("rw") as stream:
                    json.dump(answer(console, json.loads(stream.readline())), stream)
            except (OSError, ValueError):
                pass  # who asked is gone


def answer(console, arguments):
    """[text, exit status] of a command; what is wrong with it is text too, and ends nothing that is served."""
    try:
        return [console.obey(parse(arguments)), 0]
    except (Exception, SystemExit) as error:
        return [f"serve.py: {error}", 1]


def ask(folder, arguments):
    """Has the program that serves do it; its exit status."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(LIMIT)
        try:
            connection.connect(str(folder / "control"))
        except OSError:
            sys.exit(f"serve.py: nothing is served with {folder}: type serve.py start in another terminal")
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(arguments) + "\n")
            stream.flush()
            text, status = json.loads(stream.read())
    print(text, file=sys.stderr if status else sys.stdout)
    return status


def main():
    words = parse(sys.argv[1:])
    return serve(words) if words.command == "start" else ask(words.folder, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
