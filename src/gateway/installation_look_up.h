// The installations of those who send the posts of a batch: one query for all of them.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "gateway/post.h"
#include "gateway/store_slot.h"

namespace bx {

class InstallationLookUp {
public:
    explicit InstallationLookUp(StoreSlot& store) : store_(store) {}

    // May a token be an installation's?  With an `app` block it may; without one (it was taken away)
    // while the store has installations, which is asked every few seconds.
    bool is_on(const Config& config);
    // Those of POSTS' senders; without one that could be an installation's, nothing is asked.
    // Throws what StoreSlot::use throws.
    std::vector<KnownInstallation> find(std::span<const Post> posts);

private:
    StoreSlot& store_;
    bool any_ = false;  // as it was last asked
    Timer next_question_;
};

}  // namespace bx
