"""What waits for an application to say something back: a workflow for its robot, a message for its status."""

from dataclasses import dataclass, field
from typing import Optional


@dataclass
class Workflow:
    """One that came to a robot or an activity."""

    code: str
    waits: bool
    names: Optional[set] = None  # in capitals, of what it takes back: RETURN_PROPERTIES; None: whatever comes
    values: Optional[dict] = None  # what it took; None: nothing yet
    log: list = field(default_factory=list)

    def take(self, values, log):
        """VALUES, which may be an empty list for none, and a line LOG, where they are still waited for."""
        if not self.waits or self.values is not None:
            return
        values = values if isinstance(values, dict) else {}
        self.values = {name: value for name, value in values.items()
                       if self.names is None or name.upper() in self.names}
        self.log.append(log or "The application has answered")


@dataclass
class Message:
    """One for an application to send."""

    client_id: str
    author: object = None  # a User
    status: Optional[str] = None
