// Subscriptions of an application on a portal: which events are posted, and where.
//
// Only an application has them, and what it may not subscribe to a portal calls an event that it does
// not know.  They have no number of their own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rest/answer.h"
#include "rest/method_call.h"

namespace bx {

struct Binding {
    std::string event;    // its code, upper case
    std::string handler;  // the URL it is posted to; of an offline one empty
    bool offline = false; // it is kept on the portal, to be fetched
    std::string user{};   // whose token comes with it; "0": that of who caused the event
};

// What there is of the application's; of one whose user is no administrator his own alone.
MethodCall bindings_call();
// None: RESULT, of that call, is no list of them.
std::optional<std::vector<Binding>> bindings_in(const JsonText& result);

// The codes of the events that the application may subscribe to.
MethodCall events_call();
std::optional<std::vector<std::string>> events_in(const JsonText& result);

// Whose token comes: as the portal likes it, or that of who caused the event.  An administrator's
// own have the latter, those of another user his own.
enum class TokenOf { anybody, causer };

// To have EVENT posted to HANDLER, and no more.  Either may be sent again.  Without more words the
// latter takes back all that are alike but for the token.
MethodCall bind_call(const std::string& event, const std::string& handler);
MethodCall unbind_call(const std::string& event, const std::string& handler,
                       TokenOf whose = TokenOf::anybody);
// ANSWER to either says that it is so already: success.
void accept_if_so_already(RestAnswer& answer);
// ANSWER to bind_call says that somebody else's is under way: asked again in a while it is there.
bool is_being_bound(const RestAnswer& answer);

// Has the portal send ONAPPTEST to whoever subscribed to it, with NONCE in its data.
MethodCall test_call(const std::string& nonce);

}  // namespace bx
