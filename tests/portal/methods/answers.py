"""What a hook says back: to a workflow that waits, about a message it sent."""

from ..errors import Refusal
from ..rest import method
from .registered import code_of, require_admin

STATUSES = ("delivered", "undelivered", "failed", "queued", "sent")


def workflow_of(call):
    """Whose EVENT_TOKEN it is, whoever asks: of no workflow it is as a forged one."""
    found = call.portal.workflows.get(call.get("EVENT_TOKEN"))
    if not found:
        raise Refusal("ACCESS_DENIED", "Access denied!")
    return found


@method("bizproc.event.send", scope="bizproc")
def event_send(call):
    """True also when the workflow has gone on: it takes the first answer."""
    workflow_of(call).take(call.get("RETURN_VALUES") or {}, call.get("LOG_MESSAGE") or "")
    return True


@method("bizproc.activity.log", scope="bizproc")
def activity_log(call):
    workflow = workflow_of(call)
    if not call.get("LOG_MESSAGE"):
        raise Refusal("ERROR_EMPTY_LOG_MESSAGE", "Empty log message!")
    workflow.log.append(call.get("LOG_MESSAGE"))
    return True


@method("messageservice.message.status.update", scope="messageservice")
def status_update(call):
    """Of a message that another application sends there is none."""
    if not call.installation:
        raise Refusal("ACCESS_DENIED", "Application context required")
    code, status = code_of(call, "sender"), call.get("STATUS")
    if not call.get("MESSAGE_ID"):
        raise Refusal("ERROR_MESSAGE_NOT_FOUND", "Message not found!")
    if status not in STATUSES:
        raise Refusal("ERROR_MESSAGE_STATUS_INCORRECT", "Message status incorrect!")
    message = call.portal.messages.get((code, call.get("MESSAGE_ID")))
    if not message or message.client_id != call.installation.app.client_id:
        raise Refusal("ERROR_MESSAGE_NOT_FOUND", "Message not found!")
    if message.author is not call.user:
        require_admin(call)
    message.status = status
    return True
