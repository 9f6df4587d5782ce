"""What a portal posts to handlers, as trees, with the names of each kind in their real order."""

import json
import secrets


def ends(cloud, portal):
    return {"domain": portal.domain, "client_endpoint": cloud.client_endpoint(portal),
            "server_endpoint": cloud.server_endpoint(portal), "member_id": portal.member_id}


def auth(cloud, installation, user, refresh=False):
    """The auth block: with a fresh token of USER, if there is one, and with REFRESH the chain's token too."""
    portal = installation.portal
    if not user:
        return {**ends(cloud, portal), "application_token": installation.application_token}
    pair = cloud.tokens.issue(installation, user)
    block = {"access_token": pair.access, "expires": pair.expires, "expires_in": cloud.tokens.access_seconds,
             "scope": ",".join(installation.granted), "domain": portal.domain,
             "server_endpoint": cloud.server_endpoint(portal), "status": installation.app.status,
             "client_endpoint": cloud.client_endpoint(portal), "member_id": portal.member_id, "user_id": user.id}
    if refresh:
        block["refresh_token"] = pair.refresh
    return {**block, "application_token": installation.application_token}


def event(cloud, code, handler_id, data, block):
    """An event of the queue with the auth BLOCK."""
    return {"event": code, "event_handler_id": handler_id, "data": data, "ts": int(cloud.clock.now()), "auth": block}


def page(cloud, installation, user, placement="DEFAULT", options=None, old=False):
    """(query, body) that a browser posts to an application's page; OLD: of portals without the three newer names."""
    portal = installation.portal
    query = {"DOMAIN": portal.domain, "PROTOCOL": 1, "LANG": portal.language, "APP_SID": secrets.token_hex(16)}
    pair = cloud.tokens.issue(installation, user)
    body = {"AUTH_ID": pair.access, "AUTH_EXPIRES": cloud.tokens.access_seconds, "REFRESH_ID": pair.refresh}
    if not old:
        body.update(SERVER_ENDPOINT=cloud.server_endpoint(portal), APPLICATION_TOKEN=installation.application_token,
                    APPLICATION_SCOPE=",".join(installation.granted))
    body.update(member_id=portal.member_id, status=installation.app.status, PLACEMENT=placement)
    if options is not None:
        body["PLACEMENT_OPTIONS"] = options if isinstance(options, str) else json.dumps(options).replace("/", "\\/")
    return query, body


def document(id):
    """(document_id, document_type) of a CRM entity: `DEAL_7303`, `DYNAMIC_31_5`."""
    kind = id.rpartition("_")[0]
    cls = ("Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic" if kind.startswith("DYNAMIC") else
           f"CCrmDocument{kind.capitalize()}")
    return ["crm", cls, id], ["crm", cls, kind]


def robot(cloud, installation, user, code, document_id, properties, wait=True, timeout=0):
    """A robot's or activity's post; `wait`: the workflow stands still until bizproc.event.send."""
    workflow = f"{secrets.token_hex(7)}.{secrets.randbelow(10 ** 8):08}"
    id, kind = document(document_id)
    return {"workflow_id": workflow, "code": code, "document_id": id, "document_type": kind,
            "event_token": f"{workflow}|A{secrets.randbelow(10 ** 5)}|{secrets.token_hex(16)}.{secrets.token_hex(32)}",
            "properties": properties, "use_subscription": "Y" if wait else "N", "timeout_duration": timeout,
            "ts": int(cloud.clock.now()), "auth": auth(cloud, installation, user, refresh=True)}


def sms(cloud, installation, user, code, to, text, document_id=None):
    """A message to send: of a workflow with DOCUMENT_ID, else of the CRM; without USER nothing proves its sender."""
    tree = {"module_id": "crm", "bindings": [{"OWNER_TYPE_ID": 3, "OWNER_ID": 4242}]}
    if document_id:
        id, kind = document(document_id)
        tree = {"module_id": "bizproc", "workflow_id": f"{secrets.token_hex(7)}.{secrets.randbelow(10 ** 8):08}",
                "document_id": id, "document_type": kind}
    tree.update(properties={"phone_number": to, "message_text": text}, type="SMS", code=code,
                message_id=secrets.token_hex(16), message_to=to, message_body=text, ts=int(cloud.clock.now()))
    if user:
        tree["auth"] = auth(cloud, installation, user)
    return tree
