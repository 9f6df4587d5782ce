"""Bots register themselves, by an incoming webhook too."""

from ..errors import Refusal
from ..rest import method


@method("imbot.register", scope="imbot")
def register(call):
    """By webhook CLIENT_ID is needed: the bot's events carry "custom" and that in place of a token."""
    code, handler = call.need("CODE", "EVENT_HANDLER")
    return make(call, code, handler, call.need("CLIENT_ID") if call.webhook else None)


@method("imbot.v2.Bot.register", scope="imbot", exact=True)
def register_v2(call):
    fields = call.need("fields")
    if not fields.get("code") or (fields.get("eventMode") == "webhook" and not fields.get("webhookUrl")):
        raise Refusal("ERROR_ARGUMENT")
    token = (call.get("botToken") or fields.get("botToken")) if call.webhook else None
    if call.webhook and not token:
        raise Refusal("ERROR_ARGUMENT", "Argument 'botToken' is null or empty")
    return {"bot": {"id": make(call, fields["code"], fields.get("webhookUrl", ""), token), "code": fields["code"]}}


def make(call, code, handler, token):
    bots = call.portal.bots
    id = max(bots, default=400) + 1
    bots[id] = {"code": code, "handler": handler, "installation": call.installation,
                "token": f"custom{token}" if token else None}
    return id
