// Whose turn it is to be claimed: round the hooks, and within a hook round the portals, across
// claims; within a portal the smallest event.
//
// Every function that reads the database throws StoreError.
#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sqlite/names.h"

namespace bx::sqlite {

// A row of `ready`.
struct Ready {
    HookId hook = 0;
    PortalId account = 0;
    DeliveryId d = 0;
};

class Rotation {
public:
    explicit Rotation(Names& names) : names_(names), db_(names.database()) {}

    // A claim begins, in a transaction of its own.
    void begin();
    // Whether it asks those only that were remembered.
    bool remembers() const { return remembers_; }
    // All that had something claimable when the claim began, or were met.
    const std::vector<HookId>& all();
    // The next hook round that has something claimable; none: no hook has.
    std::optional<HookId> next_hook();
    // Serves HOOK, which next_hook gave: what is claimable is to be deleted from `ready` before it
    // is asked again.  MOST: as many will be asked for.  None: there is nothing left.
    std::optional<Ready> take(HookId hook, std::size_t most);

private:
    std::optional<HookId> hook_after(HookId hook);
    std::optional<Ready> ready_after(HookId hook, PortalId account);
    // Each portal's first, round from the last that was served, at most MOST; true: these are all.
    bool first_of_each(HookId hook, std::size_t most, std::vector<Ready>& found);
    void leave_out(HookId hook);
    void fill(HookId hook, std::size_t most, std::deque<Ready>& queue);

    Names& names_;
    Database& db_;
    HookId last_hook_ = 0;                                // that was served
    std::unordered_map<HookId, PortalId> last_account_;   // of each hook

    // Of this claim.
    HookId place_ = 0;                                    // the hook that was given last
    std::vector<HookId> round_;                           // hooks in their order, as far as known
    bool all_known_ = false;
    bool remembers_ = false;
    std::unordered_map<HookId, std::deque<Ready>> queues_;
};

}  // namespace bx::sqlite
