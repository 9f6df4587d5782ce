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

#include "postgres/link.h"
#include "store/options.h"

namespace bx::postgres {

// Longer than a server takes to be replaced by its standby, so that hooks need not be ended for
// that; short enough to be waited for when a worker died.
constexpr Millis lease_time = 30 * second;

class Session {
public:
    // Connects, and checks the schema.
    Session(const std::string& url, const StoreOptions& options);

    // Runs one statement; again when the server undid it in favour of another.
    Result call(std::string_view sql, const Params& values);
    // For more than `call` does: the connection, made again when it was lost, until UNTIL (steady).
    Link& link(Millis until);
    // When a call that begins now must have ended (steady).
    Millis until() const { return steady_now() + limit_; }
    bool is_told_to_stop() const { return options_.give_up && options_.give_up(); }

    // The database's clock, and ours.
    Millis theirs(Millis moment) const { return moment + skew_; }
    Millis ours(Millis moment) const { return moment - skew_; }
    std::optional<Millis> ours(std::optional<Millis> moment) const;
    Param at(Millis moment) const { return Param::number(theirs(moment)); }

    // This worker, in what it claims; where it counts; what makes the names of its runs unlike
    // those of others.
    Param owner() const { return Param::number(owner_); }
    Param shard() const { return Param::number(shard_); }
    Param run_seed() const { return Param::text(run_seed_); }

    // As WorkerRegistry's.  From the first wake_fd on the server notifies this session.
    int wake_fd();
    bool take_wakes();

private:
    void set_up(Link& link, Millis until);

    const std::string url_;
    const StoreOptions options_;
    const Millis limit_;  // for one call
    const std::int64_t owner_;
    const std::int64_t shard_;
    const std::string run_seed_;
    std::unique_ptr<Link> link_;
    Millis skew_ = 0;       // of the database's clock, ahead of ours
    bool listens_ = false;  // a worker
};

}  // namespace bx::postgres
