// What `portals import` and `portals export` need of a store.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <vector>

#include "store/installation.h"

namespace bx {

struct Brought {
    enum class Result {
        made,    // a new one
        mended,  // it was broken, and is still, with the tokens that were brought
        there,   // it is active: nothing is changed
    };
    Result result = Result::there;
    InstallationId id = 0;
};

class Transfer {
public:
    virtual ~Transfer() = default;

    // What a person brings is broken until a renewal has proven its refresh token: its posts are
    // events already, since its application_token is as good as the configuration's.  One that is
    // active keeps the tokens it has, which are newer.  It is to be bound (Chore::bind).
    virtual Brought bring(const BroughtInstallation& one, Millis now) = 0;
    // The active and broken ones that have a refresh token, by member_id.
    virtual std::vector<BroughtInstallation> all() = 0;
};

}  // namespace bx
