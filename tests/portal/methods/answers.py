"""What a hook says back: to a workflow that waits, about a message it sent."""

from ..errors import Refusal
from ..rest import method

STATUSES = ("delivered", "undelivered", "failed", "queued", "sent")


@method("bizproc.event.send", scope="bizproc")
def event_send(call):
    """True also when the workflow is gone; only a token that no robot was given is refused."""
    token = call.need("EVENT_TOKEN")
    if token not in call.portal.event_tokens:
        raise Refusal("ACCESS_DENIED")
    call.portal.returned.setdefault(token, []).append(
        {"values": call.get("RETURN_VALUES") or {}, "log": call.get("LOG_MESSAGE") or ""})
    return True


@method("bizproc.activity.log", scope="bizproc")
def activity_log(call):
    token, text = call.need("EVENT_TOKEN", "LOG_MESSAGE")
    if token not in call.portal.event_tokens:
        raise Refusal("ACCESS_DENIED")
    call.portal.returned.setdefault(token, []).append({"values": {}, "log": text})
    return True


@method("messageservice.message.status.update", scope="messageservice", app_only=True)
def status_update(call):
    code, message, status = call.need("CODE", "MESSAGE_ID", "STATUS")
    if status not in STATUSES:
        raise Refusal("ERROR_ARGUMENT", "Argument 'STATUS' is wrong")
    if (code, message) not in call.portal.messages:
        raise Refusal("ERROR_MESSAGE_NOT_FOUND", "Message not found", 400)
    call.portal.messages[code, message] = status
    return True
