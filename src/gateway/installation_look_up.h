// The installations of those who send the posts of a batch: one query for all of them.
//
// What was found is believed for a second, of a thousand portals at most, where it proves a post's
// token: of an installation that nothing is to be done about.  All else is asked each time.  So a
// portal that sends much costs no query a batch, and one that is uninstalled is believed as long as
// its ONAPPUNINSTALL may wait to be matched anyway.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "gateway/post.h"
#include "gateway/store_slot.h"

namespace bx {

class InstallationLookUp {
public:
    // ONE_SHOT: a process of one request.
    InstallationLookUp(StoreSlot& store, bool one_shot) : store_(store), one_shot_(one_shot) {}

    // May a token be an installation's?  With an `app` block it may; without one (it was taken away)
    // while the store has installations, which is asked every few seconds; until it has said that
    // it has none, it may.  A process of one request is told by a file beside a SQLite store
    // (host/installed_mark.h), since one that it refuses is not to cost an opened store; that one on
    // a server has none it remembers there for as long.
    bool is_on(const Config& config);
    // The store has one, for those who are not to ask it.
    void note_one(const Config& config);
    // Those of POSTS' senders; without one that could be an installation's, nothing is asked.
    // Throws what StoreSlot::use throws.
    std::vector<KnownInstallation> find(std::span<const Post> posts);

    // The store may be another, or older.
    void forget() {
        believed_.clear();
        noted_ = false;
        any_.reset();
        next_question_ = {};
    }

private:
    struct Believed {
        std::vector<KnownInstallation> known;
        Millis until = 0;  // steady
    };

    const Believed* belief_in(const Post& post, Millis now) const;
    void believe(const std::vector<KnownInstallation>& known, Millis now);

    StoreSlot& store_;
    const bool one_shot_;
    bool noted_ = false;
    std::unordered_map<std::string, Believed> believed_;  // by member_id
    std::optional<bool> any_;  // as the store said last; none: it has not
    Timer next_question_;
};

}  // namespace bx
