// What is to be done for installations, at due times that every process and host sees: whoever
// comes by when something is due does it (sync/chores.h).
//
// What they are begins with what happens: a held post that brings an installation is to be
// verified, one that becomes active is to be bound.  What happens while a chore is under way makes
// it due once more, from when the one that was taken ends: nobody does it beside that one.  Every
// function may throw StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/installation.h"

namespace bx {

// No chore of that kind is ever due later from now: its longest pause (sync/chores.h; of `renew`
// idle_renewal), and more than clocks differ.  One that is was given its time by a clock that was
// ahead, and is due now.
constexpr Millis farthest_due(Chore what) {
    switch (what) {
        case Chore::renew: return idle_renewal + 2 * day;
        case Chore::bind: return 2 * day;
        default: return 2 * hour;
    }
}
constexpr int chore_kinds = 6;

class Chores {
public:
    virtual ~Chores() = default;

    // Takes those of that kind that are due at NOW, by farthest_due() too, at most so many: those
    // not yet tried, then those due first.  They are due again at AGAIN_AT, should their taker die.
    virtual std::vector<DueChore> take_due(Chore what, Millis now, Millis again_at,
                                           std::size_t at_most) = 0;
    // That of ID, due or not; none: there is none, or another has taken it, for as long as it said.
    virtual std::optional<DueChore> take(InstallationId id, Chore what, Millis again_at) = 0;
    // It was tried in vain, is due again at DUE_AT, and PROBLEM is shown until it is done.  False,
    // and that is not kept: meanwhile it became due once more, and is due since then; or it was
    // taken by another, or is gone.
    virtual bool postpone(const DueChore& taken, Millis due_at, const std::string& problem) = 0;
    // It is done, and goes.  False as above.
    virtual bool finish(const DueChore& taken) = 0;
    // It is done, and due again at DUE_AT, as if it had never been tried.  False as above.
    virtual bool finish_until(const DueChore& taken, Millis due_at) = 0;
    // They were not begun: each is due as before it was taken, where it is as taken still.
    virtual void give_back(std::span<const DueChore> taken) = 0;
    // Chore::pass is done at NOW, and due again at DUE_AT.
    virtual void finish_pass(Millis now, Millis due_at) = 0;
    // All of that kind are due at NOW, but those that somebody has taken.
    virtual void hasten(Chore what, Millis now) = 0;
    // When the first of all chores is due, now at the latest where one is due too late; none: there
    // are none.
    virtual std::optional<Millis> next_chore() = 0;
    // When Chore::pass was done last.
    virtual std::optional<Millis> last_pass() = 0;
    // A block has CLIENT_ID: those that wait for it, and not to be verified, are to be at NOW.
    virtual void claim(const std::string& client_id, Millis now) = 0;
};

}  // namespace bx
