"""The REST methods: each module enters its own in rest.METHODS."""

from . import answers, batch, bots, core, events, lists, offline, registered, tasks  # noqa: F401
