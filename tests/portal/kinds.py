"""The other posts: bots, calls, open lines, and the kinds whose sender reads the answer."""

import secrets

from . import posts
from .outbox import FORM_TYPE, make_post

JSON_TYPE = "application/json"
RAW = "raw-bytes"  # stands for what is not UTF-8 until it is encoded
SHIPMENT = {"ID": 85, "DELIVERY_SERVICE": {"ID": 3}, "PRICE": 120, "CURRENCY": "EUR", "WEIGHT": 500}


def message(installation, code, data, user=None):
    """An event of a line or bot."""
    cloud = installation.portal.cloud
    return posts.event(cloud, code, cloud.subscriptions.next_id(), data, posts.auth(cloud, installation, user))


def bot_v1(installation, user):
    """Tokens stand below the bot, and below its AUTH once more."""
    cloud = installation.portal.cloud
    tokens = {**posts.auth(cloud, installation, user, refresh=True), "client_id": installation.app.client_id}
    return message(installation, "ONIMBOTMESSAGEADD", {
        "BOT": {"567": {**tokens, "AUTH": dict(tokens), "BOT_ID": 567, "BOT_CODE": "helper"}},
        "PARAMS": {"MESSAGE": "Hello", "MESSAGE_TYPE": "P", "FROM_USER_ID": user.id, "DIALOG_ID": user.id,
                   "TO_CHAT_ID": 14, "TO_USER_ID": 567, "MESSAGE_ID": 843, "CHAT_TYPE": "P"}}, user)


def bot_v2(installation, user):
    """Of a bot that a webhook registered: no tokens, and its own token in place of the application's."""
    return said_to_bot(installation.portal, 456, "helper", "Hello", user, token=f"custom{secrets.token_hex(16)}")


def said_to_bot(portal, bot, code, text, user, installation=None, token=None):
    cloud = portal.cloud
    block = (posts.auth(cloud, installation, user) if installation else
             {**posts.ends(cloud, portal), "application_token": token})
    return posts.event(cloud, "ONIMBOTV2MESSAGEADD", cloud.subscriptions.next_id(), {
        "bot": {"id": bot, "code": code, "isHidden": False, "eventMode": "webhook"},
        "message": {"id": 789, "chatId": 5, "authorId": user.id, "text": text, "uuid": "", "forward": ""},
        "chat": {"id": 5, "dialogId": "chat5", "type": "chat"}, "user": {"id": user.id, "bot": False},
        "language": "en"}, block)


def call(installation, user):
    return message(installation, "ONEXTERNALCALLSTART", {
        "PHONE_NUMBER": "+12025550100", "EXTENSION": "", "USER_ID": user.id, "LINE_NUMBER": "line-1", "IS_MOBILE": 0,
        "CALL_ID": f"externalCall.{secrets.token_hex(16)}.1", "CRM_ENTITY_TYPE": "CONTACT", "CRM_ENTITY_ID": 7}, user)


def open_line(installation, user):
    return message(installation, "ONIMCONNECTORMESSAGEADD", {
        "CONNECTOR": "my_connector", "LINE": 3, "MESSAGES": [
            {"im": {"chat_id": 18, "message_id": 86}, "message": {"user_id": user.id, "text": "Good day"},
             "chat": {"id": "channel-1"}}]}, user)


def webhook_robot(installation, user):
    return {"document_id": posts.document("DEAL_7")[0]}


def pay_form(installation, user):
    return {"paymentId": "98/1", "serviceid": "shop", "BX_PAYSYSTEM_ID": 17, "BX_RETURN_URL": "https://a.example/?o=98"}


def pay_checkout(installation, user):
    return {"paymentId": "98/1", "serviceid": "shop", "BX_SYSTEM_PARAMS": {
        "RETURN_URL": "https://a.example/?o=98", "PAYSYSTEM_ID": 17, "PAYMENT_ID": 98, "SUM": "96.5",
        "CURRENCY": "EUR"}}


def cashbox_print(installation, user):
    """With the operator's password, and a marking code of any bytes."""
    return {"type": "sell", "calculated_sign": "income", "unique_id": 85, "items": [
        {"name": "Chair", "price": 96, "quantity": 1, "nomenclature_code": RAW, "payment_method": "full_payment"}],
        "date_create": int(installation.portal.cloud.clock.now()), "payments": [
            {"type": "cash", "is_cash": "Y", "sum": 96}], "client_email": "client@example.com", "total_sum": 96,
        "uuid": f"check|{installation.portal.domain}|85", "operation": "income", "number_kkm": "",
        "cashbox_params": {"AUTH": {"LOGIN": "operator", "PASSWORD": "operator-password"}}}


def cashbox_check(installation, user):
    return {"uuid": "00000000-0000-4000-8000-000000000085"}


def delivery(installation, user):
    return {"SHIPMENT": SHIPMENT}


def prompt(installation, user):
    endpoint = installation.portal.cloud.client_endpoint(installation.portal)
    return {"prompt": "Say hello", "payload_raw": "Say hello", "context": [], "category": "text", "ttl": 900,
            "auth": posts.auth(installation.portal.cloud, installation, user),
            "callbackUrl": f"{endpoint}ai/1", "errorCallbackUrl": f"{endpoint}ai/2"}


def connection(**more):
    return {**more, "connection": {"login": "reader", "password": "reader-password"}}


def bi_check(installation, user):
    return connection()


def bi_tables(installation, user):
    return {"searchString": "sales", **connection()}


def bi_table(installation, user):
    return {"table": "sales", **connection()}


def bi_data(installation, user):
    return {"limit": 100, **connection(), "table": "sales", "mapFields": {"deal_id": "Deal"}}


def settings(code, data):
    """The wizard of a market application: its auth has the client_id too; no ts, no event_handler_id."""
    def build(installation, user):
        block = posts.auth(installation.portal.cloud, installation, user, refresh=True)
        token = block.pop("application_token")
        auth = {**block, "client_id": installation.app.client_id, "application_token": token}
        tree = {"event": code, "data": data, "auth": auth}
        return tree if code else {"data": data, "auth": auth, "saveform": "Y"}
    return build


KINDS = {  # name: (what builds its tree, whose sender reads the answer, type)
    "bot_v1": (bot_v1, False, FORM_TYPE), "bot_v2": (bot_v2, False, FORM_TYPE), "call": (call, False, FORM_TYPE),
    "open_line": (open_line, False, FORM_TYPE), "webhook_robot": (webhook_robot, False, FORM_TYPE),
    "pay_form": (pay_form, True, FORM_TYPE), "pay_checkout": (pay_checkout, True, FORM_TYPE),
    "cashbox_print": (cashbox_print, True, FORM_TYPE), "cashbox_check": (cashbox_check, True, FORM_TYPE),
    "delivery": (delivery, True, JSON_TYPE), "prompt": (prompt, True, JSON_TYPE),
    "bi_check": (bi_check, True, FORM_TYPE), "bi_tables": (bi_tables, True, FORM_TYPE),
    "bi_table": (bi_table, True, FORM_TYPE), "bi_data": (bi_data, True, FORM_TYPE),
    "settings_install": (settings("OnAppSettingsInstall", {}), True, FORM_TYPE),
    "settings_change": (settings("OnAppSettingsChange", {"api-key": "k1", "country": "DE"}), True, FORM_TYPE),
    "settings_save": (settings("", {"api-key": "k1", "country": "DE", "vat-id": ""}), True, FORM_TYPE),
}


def post(installation, kind, user, url):
    """(The Post of KIND, whether its sender waits for the answer)."""
    build, read, type = KINDS[kind]
    made = make_post(kind, url, build(installation, user), type)
    made.body = made.body.replace(RAW.encode(), b"DM%05%CE%D1%F0%99%0C") if type == FORM_TYPE else made.body
    return made, read
