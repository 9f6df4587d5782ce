// What the parts of the PostgreSQL store share: the connection, which the next call makes again
// after the server was lost, and the two clocks.
//
// Moments are given in this host's time and kept in the database's.
//
// What asks the server throws StoreError: StoreAway, StoreSlow or StoreDataError where that can be
// told.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "postgres/link.h"
#include "postgres/sql.h"
#include "store/options.h"

namespace bx::postgres {

// Longer than a server takes to be replaced by its standby, so that hooks need not be ended for
// that; short enough to be waited for when a worker died.
constexpr Millis lease_time = 30 * second;

class Session {
public:
    // Connects, and checks the schema.
    Session(const std::string& url, const StoreOptions& options);

    // Calls a function; again when the server undid it in favour of another.
    template <typename Function>
    Result call(const Call<Function>& call) {
        return run(Function::text, call.values(), std::nullopt);
    }
    // The same on the connection of that generation: StoreAway when it was lost, since what the
    // values were made from may not be true of another server.
    template <typename Function>
    Result call(const Call<Function>& call, std::int64_t generation) {
        return run(Function::text, call.values(), generation);
    }
    // Of the connection: greater each time it is made.
    std::int64_t generation();
    // For more than `call` does: the connection, made again when it was lost, until UNTIL (steady).
    Link& link(Millis until);
    // The connection is of no more use.
    void lose() { link_.reset(); }
    // When a call that begins now must have ended (steady).
    Millis until() const { return steady_now() + limit_; }
    bool is_told_to_stop() const { return options_.give_up && options_.give_up(); }

    // The database's clock, and ours; compared anew with the first call after ours was set.
    Millis theirs(Millis moment) const { return moment + clocks_.skew; }
    Millis ours(Millis moment) const { return moment - clocks_.skew; }
    std::optional<Millis> theirs(std::optional<Millis> moment) const;
    std::optional<Millis> ours(std::optional<Millis> moment) const;
    Param at(Millis moment) const { return Param::number(theirs(moment)); }
    // 0: NULL.
    Param at_if_known(Millis moment) const { return moment == 0 ? Param::null() : at(moment); }

    // This worker, in what it claims; where this session counts; what makes the names of its runs
    // unlike those of others.
    Param owner() const { return Param::number(owner_); }
    Param shard();
    std::int64_t run_seed() const { return run_seed_; }

    // As WorkerRegistry's.  From the first wake_fd on the server notifies this session, once it has
    // gone to sleep.
    int wake_fd();
    bool take_wakes();
    // What is added from now on wakes this session; false: it does not listen, or did so before.
    bool go_to_sleep();
    // wake_fd is readable until take_wakes, whatever comes.
    void look_again() { wakes_.look_again = true; }

private:
    void set_up(Link& link, Millis until);
    bool clock_was_set() const;
    // THEIRS was read between BEFORE and AFTER, by our clock.
    void compare_clocks(Millis theirs, Millis before, Millis after);
    Result run(std::string_view sql, const Params& values, std::optional<std::int64_t> generation);

    const std::string url_;
    const StoreOptions options_;
    const Millis limit_;  // for one call
    const std::int64_t owner_;
    const std::int64_t run_seed_;
    std::unique_ptr<Link> link_;
    std::int64_t generation_ = 0;
    std::optional<std::int64_t> shard_;  // as long as the connection lasts
    struct {
        Millis skew = 0;         // of the database's clock, ahead of ours
        Millis since_start = 0;  // our wall clock's, ahead of the steady one, then
    } clocks_;
    struct {
        bool listens = false;  // a worker
        bool asleep = false;
        bool look_again = false;
        Fd always_readable;
    } wakes_;
};

}  // namespace bx::postgres
