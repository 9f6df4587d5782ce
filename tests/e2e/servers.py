"""Web servers, each an instance of its own with the configuration of ../../conf, its paths replaced.

Never the system's services: own config file, own pid file, a free port on 127.0.0.1.
"""

import grp
import os
import random
import re
import socket
import subprocess
from pathlib import Path

import client
from scratch import AS_ROOT, CONF, USER, directory, wait_for, write

MODULES = "/usr/lib/apache2/modules"


def free_port():
    """A port nobody listens on, below those that connections are given by themselves; each process of
    pytest-xdist has ports of its own."""
    lowest = 20000 + 3000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4)
    while True:
        port = random.randrange(lowest, lowest + 3000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def conf(name, replaced=None):
    """conf/NAME with strings replaced; each must be there, or the file no longer is what is tested."""
    text = (CONF / name).read_text()
    for old, new in (replaced or {}).items():
        assert old in text, f"conf/{name} has no {old!r}"
        text = text.replace(old, str(new))
    return text


def group_of(user):
    return grp.getgrgid(user.pw_gid).gr_name


class Server:
    """A running web server: url (of the gateway), port, log."""

    name = ""

    def __init__(self, site):
        self.site = site
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = self.root + "/bitrix24"
        self.dir = directory(site.path / f"{self.name}-{self.port}", 0o755)
        self.docroot = site.docroot
        self.process = None

    def log_path(self, name="error"):
        return self.site.log_dir / f"{self.name}-{self.port}-{name}.log"

    def launch(self, *arguments):
        """Starts the server (as root when we are: it changes its user itself) and waits for its port."""
        self.process = self.site.start(arguments, self.log_path("out").name, user=False)

        def up():
            assert self.process.running(), f"{self.name} did not start: {self.errors()}"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                return False
        wait_for(up, f"{self.name} on port {self.port}")
        return self

    def errors(self):
        return "".join(path.read_text(errors="replace") for path in
                       (self.log_path("out"), self.log_path()) if path.exists())

    def post(self, body, content_type=client.FORM, **options):
        return client.post(self.url, body, content_type, **options)

    def get(self, path=None, **options):
        return client.get(self.url if path is None else self.root + path, **options)


class Nginx(Server):
    name = "nginx"

    def __init__(self, site, workers=1, kept=0, more="", params="include /etc/nginx/fastcgi_params;", beside=""):
        """KEPT: connections to the gateway that each worker keeps open; MORE: lines of the location; PARAMS: what
        passes the request; BESIDE: other locations."""
        super().__init__(site)
        location = conf("nginx.conf.example", {
            "include       fastcgi_params;": f"{params}\n{more}",
            "unix:/run/bxhook/bxhook.sock": "gateway"})
        keep = f"keepalive {kept};" if kept else ""
        if kept:
            location = location.replace("fastcgi_pass", "fastcgi_keep_conn on;\n    fastcgi_pass", 1)
        temp = "".join(f"    {kind}_temp_path {self.dir}/{kind};\n"
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.config = write(self.dir / "nginx.conf", f"""
{f"user {site.user.pw_name};" if AS_ROOT else ""}
worker_processes {workers};
daemon off;
pid {self.dir}/nginx.pid;
error_log {self.log_path()} warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000;
{temp}
    upstream gateway {{
        server unix:{site.socket};
        {keep}
    }}
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        root {self.docroot};
        {location}
        {beside}
    }}
}}
""")
        self.command = ["nginx", "-c", self.config, "-p", self.dir, "-e", self.log_path()]
        self.launch(*self.command)

    def reload(self, config):
        """`nginx -t && systemctl reload nginx` with the text CONFIG."""
        write(self.config, config)
        for option in (["-t"], ["-s", "reload"]):
            subprocess.run([*self.command, *option], check=True, capture_output=True)


class NginxInFront(Server):
    """NGINX as hosting panels set it up: some files straight from the document root, the rest from APACHE."""

    name = "nginx-front"

    def __init__(self, apache, static):
        """STATIC: the locations of those files; @apache is Apache."""
        super().__init__(apache.site)
        site = apache.site
        self.url = self.root + apache.url.removeprefix(apache.root)
        temp = "".join(f"    {kind}_temp_path {self.dir}/{kind};\n"
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = write(self.dir / "nginx.conf", f"""
{f"user {USER.pw_name};" if AS_ROOT else ""}
daemon off;
pid {self.dir}/nginx.pid;
error_log {self.log_path()} crit;
events {{ }}
http {{
    access_log off;
{temp}
    server {{
        listen 127.0.0.1:{self.port};
        root {self.docroot};
        {static}
        location @apache {{ proxy_pass {apache.root}; }}
    }}
}}
""")
        self.launch("nginx", "-c", config, "-p", self.dir, "-e", self.log_path())


class Lighttpd(Server):
    name = "lighttpd"

    def __init__(self, site):
        super().__init__(site)
        block = conf("lighttpd.conf", {
            "/usr/local/bin/bxhook": site.binary,
            "/etc/bxhook/bxhook.conf": site.config,
            "/run/lighttpd/bxhook.sock": site.run_dir / "lighttpd.sock",
            "/var/log/lighttpd/bxhook.log": site.log_dir / "gateway.log"})
        user = f'server.username = "{site.user.pw_name}"\nserver.groupname = "{group_of(site.user)}"\n' if AS_ROOT else ""
        config = write(self.dir / "lighttpd.conf", f"""
server.bind = "127.0.0.1"
server.port = {self.port}
server.document-root = "{self.docroot}"
server.errorlog = "{self.log_path()}"
server.upload-dirs = ( "{site.run_dir}" )
{user}
{block}
""")
        self.launch("lighttpd", "-D", "-f", config)


class Apache(Server):
    """HTTPD with the text of a vhost or of server-wide directives, given @PORT@ and @DOCROOT@."""

    name = "apache"
    BASE = ["authz_core", "mime", "setenvif", "env"]

    def __init__(self, site, modules, text, mpm="event", path="/bitrix24"):
        super().__init__(site)
        self.url = self.root + path
        load = "".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so\n" for m in [f"mpm_{mpm}", *self.BASE, *modules])
        user = f"User {USER.pw_name}\nGroup {group_of(USER)}\n" if AS_ROOT else ""
        fcgid = f"FcgidIPCDir {self.dir}/fcgid\nFcgidProcessTableFile {self.dir}/fcgid.shm\n" if "fcgid" in modules else ""
        cgid = f"ScriptSock {self.dir}/cgid.sock\n" if "cgid" in modules else ""
        text = text.replace("@PORT@", str(self.port)).replace("@DOCROOT@", str(self.docroot))
        config = write(self.dir / "apache.conf", f"""
{load}{user}{fcgid}{cgid}
ServerRoot {self.dir}
ServerName 127.0.0.1
Listen 127.0.0.1:{self.port}
PidFile {self.dir}/apache.pid
Mutex file:{self.dir} default
DefaultRuntimeDir {self.dir}
ErrorLog {self.log_path()}
LogLevel warn
TypesConfig /etc/mime.types
DocumentRoot {self.docroot}
<Directory />
    AllowOverride None
    Require all denied
</Directory>
{text}
""")
        self.launch("apache2", "-f", config, "-DFOREGROUND")
        if cgid:  # the daemon makes its socket while the port is open, and then gives it to the server's user
            def given():  # its name ends in a process id
                return any(path.stat().st_uid == USER.pw_uid for path in self.dir.glob("cgid.sock*"))
            wait_for(given, "the socket of the CGI daemon")


# What a shared host's own configuration allows: everything else has to come from .htaccess.
SHARED_HOST = """
<Directory @DOCROOT@>
    Options SymLinksIfOwnerMatch
    AllowOverride All
    Require all granted
</Directory>
"""


def upload(site, script=None):
    """What a person uploads: .htaccess and bxhook.fcgi, a copy of the binary or the SCRIPT's text."""
    write(site.docroot / ".htaccess", conf("htaccess"), 0o644, site.user)
    for name in ("bxhook.fcgi", "bxhook.cgi"):
        write(site.docroot / name, script or site.binary.read_bytes(), 0o755, site.user)
    if site.database and not script:
        module = "bxhook-postgresql.so"
        write(site.docroot / module, (site.scratch.bin / module).read_bytes(), 0o644, site.user)


def fcgi_script(site):
    """conf/bxhook.fcgi for SITE."""
    return conf("bxhook.fcgi", {"home=.htbxhook": f"home={site.home}",
                                "program=$home/bxhook": f"program={site.binary}"})


def suexec_docroot():
    """The directory suEXEC accepts programs below, or None when there is no suEXEC here."""
    helper = Path("/usr/lib/apache2/suexec")
    if not helper.exists():
        return None
    custom = Path("/etc/apache2/suexec") / USER.pw_name
    if custom.exists():
        return Path(custom.read_text().splitlines()[0])
    said = subprocess.run([helper, "-V"], capture_output=True, text=True)
    found = re.search(r'AP_DOC_ROOT="([^"]+)"', said.stdout + said.stderr)
    return Path(found[1]) if found else None
