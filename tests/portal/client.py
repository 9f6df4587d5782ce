"""A simple client of the stand-in, for its tests: not the way of bxhook, on purpose."""

import http.client
import json
import ssl
import urllib.parse

import bitrix


class Client:
    """Has APP on PORTAL installed for USER, and a pair of his tokens; calls directly, with no proxy."""

    def __init__(self, cloud, portal, app, user=None):
        self.cloud, self.portal, self.app = cloud, portal, app
        self.pair = cloud.tokens.issue(portal.add(app), user or portal.admin())
        self.status, self.headers = None, {}

    def get(self, url, body=None, headers=()):
        """What URL answers, as bytes: to a POST of BODY, if there is one."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=10, context=ssl.create_default_context(cafile=self.cloud.cacert))
        try:
            connection.request("POST" if body is not None else "GET",
                               parts.path + (f"?{parts.query}" if parts.query else ""), body, dict(headers))
            answer = connection.getresponse()
            self.status, self.headers = answer.status, dict(answer.getheaders())
            return answer.read()
        finally:
            connection.close()

    def post(self, url, tree):
        return json.loads(self.get(url, bitrix.encode(tree), {"Content-Type": "application/x-www-form-urlencoded"}))

    def call(self, method, access=None, **params):
        """The whole answer to METHOD, with typed PARAMS as JSON, by the pair's token or ACCESS."""
        url = f"{self.cloud.client_endpoint(self.portal)}{method}"
        return json.loads(self.get(url, json.dumps(params), {
            "Content-Type": "application/json", "Authorization": f"Bearer {access or self.pair.access}"}))

    def result(self, method, **params):
        answer = self.call(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def refresh(self, refresh_token=None, **more):
        """The token URL's answer; the pair is the new one when there is one."""
        answer = self.post(f"{self.cloud.url}/oauth/token/", {
            "grant_type": "refresh_token", "client_id": self.app.client_id,
            "client_secret": self.app.client_secret,
            "refresh_token": self.pair.refresh if refresh_token is None else refresh_token, **more})
        if "access_token" in answer and self.cloud.tokens.of_access(answer["access_token"]):
            self.pair = self.cloud.tokens.of_access(answer["access_token"])
        return answer
