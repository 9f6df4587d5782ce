// Events with all that became of them, and installations with their tokens, from a SQLite store
// into one that many hosts share.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/installation.h"
#include "store/records.h"

namespace bx {

struct MovedDelivery {
    DeliveryRecord record;  // without `blocked_by`
    bool ordered = true;    // it has a lane
    std::optional<Millis> failed_at;
    std::optional<int> failures;  // as Claim's
    std::vector<AttemptRecord> attempts;
};

struct MovedEvent {
    StoredEvent event;  // with refusals, body and secrets
    std::optional<Millis> ended_at;
    std::vector<MovedDelivery> deliveries;
};

struct MovedPost {
    std::int64_t id = 0;  // the other store's
    Millis received_at = 0;
    std::int64_t bytes = 0;
    bool counted = true;
    std::string token;   // SHA-256
    std::string packed;  // pack_post
};

struct MovedChore {
    int what = 0;
    Millis due_at = 0;
    int tries = 0;
};

struct MovedInstallation {
    Installation installation;       // with the other store's id
    std::optional<Tokens> tokens;    // none: they are erased
    std::string application_token;   // SHA-256, as the next two; empty: there is none
    std::string application_token_before;
    std::string page_key;
    std::optional<Millis> last_event_at, gone_at;
    std::optional<Millis> lease_until;
    std::string lease_by;            // of a renewal that did not end
    std::vector<MovedChore> chores;
    std::vector<OwnBinding> bindings;
    std::vector<MovedPost> posts;    // in order of receipt
    bool moved = false;              // it was handed over before: here is what came since
};

class StoreImport {
public:
    virtual ~StoreImport() = default;

    // Numbers that the store gives from now on are beyond LAST by so many that the other store can
    // go on with its own for a while.  Throws StoreError.
    virtual void give_numbers_after(EventNumber last) = 0;
    // The smallest number of an event that is there and not beyond LAST; 0: there is none.
    virtual EventNumber first_up_to(EventNumber last) = 0;
    // Throws StoreError where a number of EVENTS is that of another event there.
    virtual void require_same(std::span<const MovedEvent> events) = 0;
    // Takes EVENTS over, in one transaction, and gives how many: those that are there already are
    // left as they are.  Throws StoreError, also as require_same does: then it takes none.
    virtual std::size_t take(std::span<const MovedEvent> events) = 0;
    // Takes INSTALLATIONS over, in one transaction, and gives the id that each has now; 0: it was
    // handed over before, and is there no more.  One that is there already (the same application on
    // that portal, or one with its application_token) takes the tokens only where they are newer
    // than its own, and the posts.  Held posts of one that is verified there become events.
    // Throws StoreError.
    virtual std::vector<InstallationId> take(std::span<const MovedInstallation> installations) = 0;
};

}  // namespace bx
