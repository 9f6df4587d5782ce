"""The authorization server: /oauth/token/, /rest/app.info, and a portal's /oauth/authorize/."""

import secrets
import urllib.parse

from .errors import Refusal
from .faults import HTML, HTML_TYPE, Reply, of_json

CODE_SECONDS = 30


class Authorization:
    def __init__(self, cloud):
        self.cloud = cloud
        self._codes = {}  # code: (installation, user, until)

    def token(self, params):
        """The Reply to /oauth/token/ with PARAMS; throws Refusal."""
        app = self.cloud.apps.get(params.get("client_id"))
        if not app:
            raise Refusal("wrong_client")
        if params.get("client_secret") != app.client_secret:
            raise Refusal("invalid_client")
        grants = {"refresh_token": self._refreshed, "authorization_code": self._exchanged}
        grant = grants.get(params.get("grant_type"))
        if not grant:
            raise Refusal("invalid_request")
        return of_json(self._pair(grant(app, params)))

    def _refreshed(self, app, params):
        token = params.get("refresh_token")
        if not token:
            raise Refusal("invalid_request")
        pair = self.cloud.tokens.of_refresh(token)
        if not pair or pair.installation.app is not app:
            raise Refusal("invalid_grant")
        self._may_go_on(pair.installation, pair.user)
        if pair.spent or self.cloud.clock.now() >= pair.refresh_until:
            raise Refusal("invalid_grant")
        return self.cloud.tokens.renew(pair)

    def _exchanged(self, app, params):
        if not params.get("code"):
            raise Refusal("invalid_request")
        installation, user, until = self._codes.pop(params["code"], (None, None, 0))
        if not installation or installation.app is not app or self.cloud.clock.now() >= until:
            raise Refusal("invalid_grant")
        self._may_go_on(installation, user)
        return self.cloud.tokens.issue(installation, user)

    @staticmethod
    def _may_go_on(installation, user):
        """Throws what a portal or user that is no longer there, or does not pay, gets."""
        if installation.portal.deleted:
            raise Refusal("NOT_FOUND", "The portal was not found", 404)
        if installation.gone or not installation.active:
            raise Refusal("NOT_INSTALLED")
        if not installation.portal.paid:
            raise Refusal("PAYMENT_REQUIRED")
        if not installation.serves(user):
            raise Refusal("authorization_error")

    def _pair(self, pair):
        """The answer of the token URL: its `domain` is this server's own name, not the portal's."""
        portal = pair.installation.portal
        server = self.cloud.server_endpoint(portal)
        return {"access_token": pair.access, "expires": pair.expires,
                "expires_in": self.cloud.tokens.access_seconds, "scope": ",".join(pair.installation.granted),
                "domain": urllib.parse.urlsplit(server).hostname, "server_endpoint": server,
                "status": pair.installation.app.status, "client_endpoint": self.cloud.client_endpoint(portal),
                "member_id": portal.member_id, "user_id": pair.user.id, "refresh_token": pair.refresh}

    def app_info(self, token):
        """app.info as this server answers it, for whoever has an access token."""
        pair = self.cloud.tokens.of_access(token)
        if not pair or pair.installation.gone:
            raise Refusal("invalid_client")
        if pair.spent or self.cloud.tokens.expired(pair):
            raise Refusal("expired_token")
        installation, portal = pair.installation, pair.installation.portal
        return {"client_id": installation.app.client_id, "scope": ",".join(installation.granted),
                "expires": pair.expires, "user_id": pair.user.id,
                "install": {"installed": installation.installed, "version": str(installation.app.version),
                            "status": installation.app.status, "scope": ",".join(installation.granted),
                            "domain": portal.domain, "uri": self.cloud.client_endpoint(portal).replace("/rest/", "/"),
                            "client_endpoint": self.cloud.client_endpoint(portal), "member_id": portal.member_id,
                            "member_type": "b24"}}

    def code(self, installation, user):
        """A code that lives half a minute."""
        made = secrets.token_hex(35)
        self._codes[made] = (installation, user, self.cloud.clock.now() + CODE_SECONDS)
        return made

    def authorize(self, portal, params):
        """What the browser of PORTAL's administrator gets: back to the application; no redirect when it cannot be."""
        installation = portal.installations.get(params.get("client_id"))
        if not installation or installation.gone:
            return Reply(200, HTML, HTML_TYPE)
        server = urllib.parse.urlsplit(self.cloud.server_endpoint(portal))
        back = {"code": self.code(installation, portal.admin()), "state": params.get("state", ""),
                "domain": portal.domain, "member_id": portal.member_id, "scope": ",".join(installation.granted),
                "server_domain": server.hostname}
        return Reply(302, b"", HTML_TYPE, {"Location": f"{installation.app.url}?{urllib.parse.urlencode(back)}"})
