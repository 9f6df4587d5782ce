"""Which server is asked, and for what.

Portals are told apart by the first segment of the path (https://127.0.0.1:PORT/acme/rest/), or by the
host, as in Bitrix24, where the client named one: through the proxy, or by its own resolving.
"""

import re
from urllib.parse import quote

from . import rest
from .errors import Refusal
from .faults import HTML, HTML_TYPE, Reply, of_json

AUTHORIZATION_SERVERS = ("oauth.bitrix.info", "oauth.bitrix24.tech")
SUFFIX = re.compile(r"\.json$")


def find(cloud, request):
    """A function that answers REQUEST; its portal and method are written into it."""
    host = request.host.lower().rstrip(".")
    first, _, rest_of_path = request.path[1:].partition("/")
    if host in cloud.hosts and first in cloud.names_of:
        name, path = first, f"/{rest_of_path}"
    else:
        name, path = host, request.path
    portal = cloud.names_of.get(name)
    if portal:
        handle = of_portal(cloud, portal, request, path)
        return handle if name in (portal.name, portal.domain) else moved(cloud, portal, request, path)
    if host in (*AUTHORIZATION_SERVERS, *cloud.hosts):
        return of_server(cloud, request, request.path)
    return nowhere


def nowhere():
    return Reply(404, HTML, HTML_TYPE)


def moved(cloud, portal, request, path):
    """From a former name of PORTAL to today's, as a web server redirects."""
    to = cloud.client_endpoint(portal)[:-len("/rest/")] + quote(path) + (f"?{request.query}" if request.query else "")

    def run():
        request.ran = False
        return Reply(302, HTML, HTML_TYPE, {"Location": to})
    return run


def of_server(cloud, request, path):
    """The authorization server."""
    if path.rstrip("/") == "/oauth/token":
        request.method = "oauth/token"
        return lambda: cloud.oauth.token(request.params)
    if not path.startswith("/rest/"):
        return nowhere
    request.method = SUFFIX.sub("", path[len("/rest/"):])

    def run():
        if request.method.lower() != "app.info":
            raise Refusal("ERROR_METHOD_NOT_FOUND")
        return of_json({"result": cloud.oauth.app_info(rest.token_of(request))})
    return run


def of_portal(cloud, portal, request, path):
    request.portal = portal.name
    if path.rstrip("/") == "/oauth/authorize":
        request.method = "oauth/authorize"
        return lambda: cloud.oauth.authorize(portal, request.params)
    if not path.startswith("/rest/"):
        return nowhere
    parts = SUFFIX.sub("", path[len("/rest/"):]).rstrip("/").split("/")
    version = cloud.rest
    if parts[0] == "api":
        version, parts = cloud.rest3, parts[1:]
    request.method = parts[-1] if len(parts) in (1, 3) else ""
    webhook = tuple(parts[:2]) if len(parts) > 1 else None
    return lambda: version.answer(request, portal, request.method, webhook)
