// What a gateway needs of a store: to put events into it.
//
// Every function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/installation.h"
#include "store/records.h"

namespace bx {

// What a gateway stores in one transaction.
struct NewBatch {
    std::span<const NewEvent> events;
    std::span<const NewHeldPost> held;
};

// What became of it, in its order.
struct AddedBatch {
    std::vector<std::optional<EventNumber>> numbers;
    std::vector<HoldResult> held;
    // Pending ones that were erased, with what was held for them, to make room for those that posts
    // brought.  Where the answer to the commit was lost, some may be missing.
    std::vector<ReplacedInstallation> replaced;
};

// Of a post: the new application_token of that installation (SHA-256).
struct SeenToken {
    InstallationId id = 0;
    std::string token;
};

class EventSink {
public:
    virtual ~EventSink() = default;

    // Adds the events in order, with ascending numbers, and holds the posts within hold_limits, in
    // one transaction.  A number is empty when that event would be beyond QUEUE_LIMIT unfinished
    // ones; the others are added.  Throws StoreError: nothing was, or (lost at the commit itself)
    // it is not known.
    //
    // A post that brings an installation makes one, and where all are taken it replaces the newest
    // of the peer that has most, unless that peer is the only one.  One with the token of a pending
    // one is held with it: an ONAPPINSTALL brings fresher tokens, a page only where those that are
    // there are a page's and were tried in vain, and is not held again.  One without a body, and a
    // page of a broken one, makes an installation beside the verified one with its token.
    // Of those for a verified one without application_token, none of which is proven, the oldest
    // with another token makes room for a new one; where there is none, it is full.
    virtual AddedBatch add(const NewBatch& batch, std::int64_t queue_limit) = 0;
    std::vector<std::optional<EventNumber>> add(std::span<const NewEvent> events,
                                                std::int64_t queue_limit) {
        return add(NewBatch{events, {}}, queue_limit).numbers;
    }

    // The installations of these MEMBER_IDS that are not gone, and the verified ones with one of
    // DOMAINS (lower case); sorted by member_id.
    virtual std::vector<KnownInstallation> look_up(std::span<const std::string> member_ids,
                                                   std::span<const std::string> domains) = 0;
    // Is there any to be looked up?
    virtual bool has_installations() = 0;
    // Posts with their new application_tokens have come: those before are no longer right.  Where
    // another is the new one by now, nothing is changed.
    virtual void retire_tokens(std::span<const SeenToken> seen) = 0;
    // A broken installation takes the tokens that its own user offers, and is active again; a lease
    // of those before ends.
    virtual void heal(std::span<const Offer> offers) = 0;

    // Proves that an add would work now: takes the write lock, writes, rolls back.  Throws
    // StoreError.  Gives the number of unfinished events.
    virtual std::int64_t probe() = 0;
    // When the first chore is due (store/chores.h); none: there are none.
    virtual std::optional<Millis> next_chore() = 0;
    // Events that are `new` or have a delivery waiting or running, due or not.
    virtual std::int64_t unfinished() = 0;
};

}  // namespace bx
