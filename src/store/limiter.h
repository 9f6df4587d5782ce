// How fast portals are called, for all who call them: every process on every host.
//
// A portal has a leaky bucket: each call adds one, `rate` flow out in a second, `burst` fit in.  A
// method has operating time, which its answers tell of; once it is used up nobody calls that method
// with that right before some of it is free again.  The clock is the store's.  Every function may
// throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace bx {

// What a portal takes.
struct CallRate {
    int rate = 2;    // calls a second
    int burst = 50;  // at once, after a pause
};

// What is called, and with whose right.
struct CalledMethod {
    std::string portal;  // member_id, or a domain where that is not known
    std::string whose;   // client_id, or what tells a webhook
    std::string method;  // as it was typed
};

// The operating time of a method that was refused is free again within that, whatever was said.
constexpr Millis longest_block = 10 * minute;

class Limiter {
public:
    virtual ~Limiter() = default;

    struct Turn {
        bool taken = false;
        Millis wait = 0;  // taken: before the call; not: before there may be a place
    };
    // A place for a call of WHAT that does not have to wait for longer than AT_MOST.  None is taken
    // while the method is blocked.
    virtual Turn take(const CalledMethod& what, const CallRate& rate, Millis at_most) = 0;
    // The portal takes no call at the moment: its bucket is full, whatever was counted here.
    virtual void fill(const std::string& portal, const CallRate& rate) = 0;
    // An answer told that some of the method's operating time is free again IN so long.
    virtual void note_operating(const CalledMethod& what, Millis in) = 0;
    // The method was refused, since its operating time is used up: it is blocked until that time,
    // or for OTHERWISE where none was noted or it has passed.  Gives how long that is.
    virtual Millis block(const CalledMethod& what, Millis otherwise) = 0;
};

}  // namespace bx
