"""Methods whose parameters count by their place, and a controller, whose name counts letter by letter."""

from ..errors import Refusal
from ..rest import method


@method("task.commentitem.add", scope="task")
def comment_add(call):
    """TASKID and FIELDS by position: whatever stands first is the task."""
    values = list(call.params.values())
    if len(values) < 2 or not str(values[0]).isdigit() or not isinstance(values[1], dict):
        raise Refusal("ERROR_CORE", "TASKS_ERROR_EXCEPTION_#256; Param #0 (taskId) for method "
                                    "ctaskcommentitem::add() expected to be of type \"integer\"")
    comments = call.portal.rows.setdefault("task.commentitem", {})
    comments[len(comments) + 1] = {"ID": str(len(comments) + 1), "TASK_ID": str(values[0]), **values[1]}
    return len(comments)


@method("tasks.flow.Flow.isExists", scope="task", exact=True)
def flow_exists(call):
    """A result that may be false; its parameter is an object."""
    data = call.need("flowData")
    return any(row["name"] == data.get("name") for row in call.portal.rows.get("tasks.flow", {}).values())
