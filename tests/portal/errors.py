"""What a server refuses with: the words of Bitrix24's REST, and the HTTP status of each."""

# error: (status as documented, status as seen on live portals where it differs), what it says.
ERRORS = {
    # the authorization server
    "wrong_client": ((200,), "Client not found"),
    "invalid_client": ((400,), "Client authentication failed"),
    "invalid_grant": ((400,), "Invalid grant"),
    "invalid_request": ((400,), "A required parameter is missing"),
    "insufficient_scope": ((403, 401), "The request requires higher privileges than provided by the access token"),
    "invalid_scope": ((403, 401), "The requested scope is invalid"),
    "PAYMENT_REQUIRED": ((401,), "Payment required"),
    "NOT_INSTALLED": ((401,), "Application is not installed"),
    # a portal
    "NO_AUTH_FOUND": ((401,), "Wrong authorization data"),
    "INVALID_REQUEST": ((400,), "Https required"),
    "INVALID_CREDENTIALS": ((401,), "Invalid request credentials"),
    "expired_token": ((401,), "The access token provided has expired"),
    "invalid_token": ((401,), "Unable to get application by token"),
    "APPLICATION_NOT_FOUND": ((401,), "Application not found"),
    "ERROR_OAUTH": ((401,), "Application is not available"),
    "authorization_error": ((401,), "Unable to authorize user"),
    "user_access_error": ((401,), "The user does not have access to the application"),
    "CONNECTION_ERROR": ((401,), "Error connecting to the authorization server"),
    "PORTAL_DELETED": ((403, 410), "The portal was deleted"),
    "QUERY_LIMIT_EXCEEDED": ((503,), "Too many requests"),
    "OPERATION_TIME_LIMIT": ((429,), "Method is blocked due to operation time limit"),
    "OVERLOAD_LIMIT": ((503,), "REST API is blocked due to overload"),
    "INTERNAL_SERVER_ERROR": ((500,), "Internal server error"),
    "ERROR_UNEXPECTED_ANSWER": ((500,), "Unexpected answer of the server"),
    "METHOD_CONFIRM_WAITING": ((401,), "Waiting for confirmation"),
    "METHOD_CONFIRM_DENIED": ((403,), "Method call denied"),
    "ACCESS_DENIED": ((403, 401), "Access denied"),
    "WRONG_AUTH_TYPE": ((403,), "Current authorization type is denied for this method"),
    "WRONG_LICENSE": ((403,), "The feature is not available on the current plan"),
    "ERROR_METHOD_NOT_FOUND": ((404,), "Method not found"),
    "ERROR_ARGUMENT": ((400,), "An argument is missing or wrong"),
    "ERROR_CORE": ((400,), "Error"),
    "ERROR_EVENT_NOT_FOUND": ((400,), "Event not found"),
    "ERROR_BATCH_LENGTH_EXCEEDED": ((400,), "Max batch length exceeded"),
    "ERROR_BATCH_METHOD_NOT_ALLOWED": ((405,), "Method is not allowed in a batch"),
}


class Refusal(Exception):
    """ERROR, with another STATUS or text than the table's where they are given."""

    def __init__(self, error, text=None, status=None):
        statuses, usual = ERRORS.get(str(error), ((400,), ""))
        super().__init__(error)
        self.error = error
        self.text = usual if text is None else text
        self.statuses = (status,) if status else statuses

    def status(self, live=False):
        """As documented, or as seen LIVE."""
        return self.statuses[-1 if live else 0]

    def body(self):
        return {"error": self.error, "error_description": self.text}
