"""The ways to host bxhook: each gives a site, as MAKE makes it, with its gateway behind a web server."""

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from scratch import AS_ROOT, Site, wait_for
from servers import SHARED_HOST, Apache, Lighttpd, Nginx, conf, fcgi_script, group_of, suexec_docroot, upload


class Hosted:
    def __init__(self, site, server):
        self.site, self.server = site, server
        self.url = server.url

    def logs(self):
        return self.site.logs()

    def close(self):
        self.site.stop()


def nginx_listen(scratch, make=Site):
    site = make(scratch, "nginx")
    site.serve("--group", group_of(site.user), as_root=AS_ROOT)
    return Hosted(site, Nginx(site))


def nginx_spawn_fcgi(scratch, make=Site):
    site = make(scratch, "spawn-fcgi")
    site.start(["spawn-fcgi", "-n", "-s", site.socket, "-M", "0660", "--", site.binary], "gateway.log",
               env={"BXHOOK_CONFIG": str(site.config)})
    wait_for(site.socket.exists, "spawn-fcgi's socket")
    return Hosted(site, Nginx(site))


def nginx_socket_activation(scratch, make=Site):
    site = make(scratch, "systemd")
    site.start(["systemd-socket-activate", "-l", site.socket, site.binary, "serve", "--config", site.config],
               "gateway.log")
    wait_for(site.socket.exists, "the activated socket")
    return Hosted(site, Nginx(site))


def lighttpd(scratch, make=Site):
    site = make(scratch, "lighttpd")
    return Hosted(site, Lighttpd(site))


def fcgid_htaccess_binary(scratch, make=Site):
    site = make(scratch, "fcgid-binary", inside=True)
    upload(site)
    return Hosted(site, Apache(site, ["fcgid"], SHARED_HOST, path="/bxhook.fcgi"))


def fcgid_htaccess_script(scratch, make=Site):
    site = make(scratch, "fcgid-script")
    upload(site, fcgi_script(site))
    return Hosted(site, Apache(site, ["fcgid"], SHARED_HOST, path="/bxhook.fcgi"))


def fcgid_vhost(scratch, make=Site):
    site = make(scratch, "fcgid-vhost")
    upload(site, fcgi_script(site))
    (site.docroot / ".htaccess").unlink()
    vhost = conf("apache-mod_fcgid.conf", {"*:80": "127.0.0.1:@PORT@", "/srv/bxhook/public": "@DOCROOT@"})
    return Hosted(site, Apache(site, ["fcgid"], vhost, path="/bxhook.fcgi"))


def proxy_fcgi(scratch, make=Site):
    site = make(scratch, "proxy-fcgi")
    site.serve("--group", group_of(site.user), as_root=AS_ROOT)
    vhost = conf("apache-mod_proxy_fcgi.conf", {"*:80": "127.0.0.1:@PORT@", "/run/bxhook/bxhook.sock": site.socket})
    return Hosted(site, Apache(site, ["proxy", "proxy_fcgi"], vhost))


def cgi(scratch, make, module, mpm):
    site = make(scratch, module, inside=True)
    upload(site)
    return Hosted(site, Apache(site, [module], SHARED_HOST, mpm, "/bxhook.cgi"))


def mod_cgid(scratch, make=Site):
    return cgi(scratch, make, "cgid", "event")


def mod_cgi(scratch, make=Site):
    return cgi(scratch, make, "cgi", "prefork")


def suexec(scratch, make, module, path):
    if not AS_ROOT:
        pytest.skip("suEXEC needs root")
    top = suexec_docroot()
    assert top and top.is_dir(), "suEXEC is not installed: make deps"
    docroot = Path(tempfile.mkdtemp(prefix="bxhook-e2e-", dir=top))
    os.rmdir(docroot)  # the site makes it, for its user
    site = make(scratch, f"suexec-{module}", inside=True, docroot=docroot, user=pwd.getpwnam("nobody"))
    upload(site)
    user = f"SuexecUserGroup {site.user.pw_name} {group_of(site.user)}\n"
    return Hosted(site, Apache(site, [module, "suexec"], user + SHARED_HOST, path=path))


def suexec_fcgid(scratch, make=Site):
    return suexec(scratch, make, "fcgid", "/bxhook.fcgi")


def suexec_cgid(scratch, make=Site):
    return suexec(scratch, make, "cgid", "/bxhook.cgi")


MODES = [nginx_listen, nginx_spawn_fcgi, nginx_socket_activation, lighttpd, fcgid_htaccess_binary,
         fcgid_htaccess_script, fcgid_vhost, proxy_fcgi, mod_cgid, mod_cgi, suexec_fcgid, suexec_cgid]
