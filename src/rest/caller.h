// Calls of REST methods: each with a right that is good, in its turn, and again where that helps.
//
// Whose right it is and how fast the portal may be asked is for others to say, who have a store.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "rest/answer.h"
#include "rest/endpoint.h"
#include "rest/http.h"
#include "rest/method_call.h"
#include "rest/oauth.h"

namespace bx {

// What stands for an answer where there is none.
RestAnswer without_answer(RestCause cause, std::string text);

struct GivenGrant {
    RestResult result;  // of a failure: why there is none
    Grant grant;
};

// Where the right to call comes from.
class Access {
public:
    virtual ~Access() = default;

    // One that is good now.  Nothing is waited for after END (steady; 0: there is no end).
    virtual GivenGrant grant(Millis end) = 0;
    // Another than the last, which the portal refused as too old, or whose host has another name
    // now.  Where there can be none: a failure of CAUSE.
    virtual GivenGrant renewed(RestCause cause, Millis end) = 0;
};

// Why a call whose turn does not come has no answer.
constexpr std::string_view no_turn =
    "its turn does not come in time: others call this portal, or it takes no more now";

// How fast the portal may be asked, by all who do.
class Pace {
public:
    virtual ~Pace() = default;

    // Waits for the turn of METHOD, until UNTIL (steady); false: it does not come by then.
    virtual bool wait_for_turn(const std::string& method, Millis until) = 0;
    // What METHOD was answered.  Gives how long it is not to be called where that is known; 0: not.
    virtual Millis note(const std::string& method, const RestAnswer& answer) = 0;
};

class Caller {
public:
    // All outlive it.  At http.until, where there is one, everything ends.
    struct Way {
        Access& access;
        Pace& pace;
        const Endpoints& endpoints;
        HttpSettings http;
    };
    explicit Caller(Way way) : way_(std::move(way)) {}

    // What CALL was answered at last.  Repeated, first after a second, until UNTIL (steady): one
    // that did not run; and one that may have run where it reads only or is idempotent.  With a
    // right that is too old it is called once more with another.  Throws Error when this machine
    // lacks memory or descriptors, and what the store throws.
    RestAnswer call(const MethodCall& call, Millis until);

private:
    RestAnswer ask(const MethodCall& call, const Grant& grant);

    Way way_;
};

}  // namespace bx
