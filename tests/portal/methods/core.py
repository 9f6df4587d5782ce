"""What every application may ask: who am I, what may I."""

from ..errors import Refusal
from ..rest import METHODS, Answer, method


@method("profile")
def profile(call):
    return {"ID": str(call.user.id), "ADMIN": call.user.admin, "NAME": call.user.name,
            "LAST_NAME": call.user.last_name, "PERSONAL_GENDER": "", "TIME_ZONE": ""}


@method("app.info")
def app_info(call):
    """Of a webhook only the scope and the plan."""
    licence = {"LICENSE": f"{call.portal.language}_basic"}
    if not call.installation:
        return {"SCOPE": list(call.scope), **licence}
    app = call.installation.app
    return {"ID": 1, "CODE": app.client_id, "VERSION": app.version, "STATUS": app.status,
            "INSTALLED": call.installation.installed, "PAYMENT_EXPIRED": "N" if call.portal.paid else "Y",
            "DAYS": None, "LANGUAGE_ID": call.portal.language, "SCOPE": list(call.scope), **licence}


@method("scope")
def scope(call):
    """What is granted, or with `full` what there is."""
    if call.get("full"):
        return sorted({known.scope for known in METHODS.values() if known.scope})
    return list(call.scope)


@method("methods")
def methods(call):
    return sorted(known.name for known in METHODS.values() if not known.scope or known.scope in call.scope)


@method("user.current", scope="user")
def user_current(call):
    return row(call.user)


@method("user.admin")
def user_admin(call):
    return call.user.admin


@method("placement.bind", scope="placement", app_only=True)
def placement_bind(call):
    """A second time it is an error that comes with HTTP 200."""
    place = tuple(call.need("PLACEMENT", "HANDLER"))
    if not call.user.admin:
        raise Refusal("ACCESS_DENIED")
    if place in call.installation.placements:
        return Answer(None, error=Refusal("ERROR_CORE", "Handler already binded"))
    call.installation.placements.append(place)
    return True


@method("placement.get", scope="placement", app_only=True)
def placement_get(call):
    return [{"placement": place, "handler": handler} for place, handler in call.installation.placements]


def row(user):
    return {"ID": str(user.id), "ACTIVE": user.active, "NAME": user.name, "LAST_NAME": user.last_name,
            "EMAIL": f"user{user.id}@example.com"}
