// What bxhook has subscribed to on portals.  It unsubscribes from nothing else.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "store/installation.h"

namespace bx {

class Bindings {
public:
    virtual ~Bindings() = default;

    // Those of the installation ID, by event.
    virtual std::vector<OwnBinding> of(InstallationId id) = 0;
    // These are ours too from now on; what is known of one that is there already is as here.  Of an
    // installation that is not there: nothing.
    virtual void add(InstallationId id, std::span<const OwnBinding> added) = 0;
    // These are ours no more; one that is there with another handler stays.
    virtual void remove(InstallationId id, std::span<const OwnBinding> removed) = 0;
};

}  // namespace bx
