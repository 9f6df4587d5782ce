"""A stand-in for Bitrix24: the authorization server and portals, by HTTPS on 127.0.0.1.  See README.md."""

import sys
from pathlib import Path

# http_build_query and the documented events are the end-to-end tests'.
_E2E = str(Path(__file__).resolve().parents[1] / "e2e")
if _E2E not in sys.path:
    sys.path.append(_E2E)


def __getattr__(name):
    """Cloud, imported when it is asked for: who types a command does without it."""
    if name == "Cloud":
        from .cloud import Cloud
        return Cloud
    raise AttributeError(f"module 'portal' has no attribute {name!r}")
