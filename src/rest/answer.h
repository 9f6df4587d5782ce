// What an answer of Bitrix24 means: for `call`, for sync and for renewals alike.
//
// The `error` of the body decides, in whatever case, and not the status: live portals and the
// documentation disagree about statuses, and some methods answer an error with 200.  The status
// decides for bodies that are no JSON.  Facts: the tables of system errors and of OAuth errors in
// Bitrix24's documentation; what core sends where they differ.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_text.h"
#include "rest/http.h"

namespace bx {

// Why a call did not succeed.
enum class RestCause {
    none,             // it did
    refused,          // the method said no, or there is no such method
    limit,            // too many calls at the moment: the method did not run
    operating_limit,  // the method's time is used up, until RestAnswer::operating_reset_at
    overload,         // the portal is blocked by hand
    expired_token,
    bad_token,        // the portal does not know it any more, nor the code of the webhook
    no_right,         // scope, plan, user
    unpaid,
    not_installed,    // the application is gone from the portal, or not active there
    portal_gone,
    confirmation,     // a person has to agree first
    no_authorization, // the portal cannot reach the authorization server
    bad_grant,        // the refresh token is spent or too old
    wrong_client,     // client_id or client_secret
    renamed,          // the portal has another name: a redirect, which is not followed
    server,           // an error of theirs, or no JSON
    unreachable,      // no connection: the method did not run
    lost,             // the connection ended, or took too long
    too_large,        // the request, or the answer
    local,            // not allowed, not possible on this machine, no curl
    foreign,          // the answer is of another portal, user or application than it has to be
};

// Whose right a call had: `event` is the token that came with an event, which nobody can renew.
enum class Right { application, webhook, event };

// The exit status that `call` ends with (sysexits.h), so that a hook that ends with it is tried
// again exactly when that helps: 0 done, 65 refused, 75 not now, 77 no right, 78 configuration.
int exit_status_of(RestCause cause, Right right);

// What `error` of an answer means, in whatever case; of one that the method itself made: refused.
RestCause cause_of_error(const std::string& code);

// May the same call be sent again?
enum class Repeat {
    yes,            // it did not run
    if_idempotent,  // it may have run
    no,             // it would come to the same
};

// What a method or a server said.
struct RestAnswer {
    RestCause cause = RestCause::none;
    int status = 0;              // HTTP's; 0: there was none
    std::string code;            // `error` as it was sent, printable, at most 100 bytes
    std::string text;            // of a failure: "CODE: description", printable, at most 500 bytes
    bool may_have_run = false;
    std::optional<std::int64_t> operating_ms{};        // of the method, that are used up
    std::optional<std::int64_t> operating_reset_at{};  // Unix time
    std::unique_ptr<const std::string> body{};         // what `json` looks into
    std::optional<JsonText> json{};                    // the whole answer, where it is JSON

    bool succeeded() const { return cause == RestCause::none; }
    Repeat repeat() const;
    // The member of that name at the top: `result`, or what the authorization server answers.
    std::optional<JsonText> find(std::string_view name) const;
};

// Reads TIME, an answer's `time`, or what a batch tells so of one of its commands.
void read_operating(const JsonText& time, RestAnswer& answer);

// What OUTCOME means.  SECRETS become *** in the text: whatever the request had of them may come
// back in it.
RestAnswer answer_of(HttpOutcome outcome, const std::vector<std::string>& secrets);

// TEXT of a server as one line for people: masked, escaped, at most 500 bytes.
std::string shown_of_server(const std::string& text, const std::vector<std::string>& secrets);

}  // namespace bx
