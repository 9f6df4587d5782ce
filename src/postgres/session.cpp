#include "postgres/session.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "postgres/schema.h"

namespace bx::postgres {

namespace {

// Less would not be enough to connect to a server some way off.
constexpr Millis least_limit = second;
constexpr int tries_at_most = 5;  // of a transaction that the server undid
constexpr Millis skew_tolerance = 2 * second;

const std::string server_clock = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

// What a script gave, as text.
std::int64_t number_in(const Result& answer, int column) {
    return parse_number(answer.word(0, column)).value_or(0);
}

// Not negative.
std::int64_t random_number() { return static_cast<std::int64_t>(random_bits() >> 1); }

}  // namespace

Session::Session(const std::string& url, const StoreOptions& options)
    : url_(url),
      options_(options),
      limit_(std::max(options.wait, least_limit)),
      owner_(random_number()),
      run_seed_(random_number()) {
    link(until());
}

Link& Session::link(Millis until) {
    if (link_ && link_->lives()) {
        if (clock_was_set()) {
            const Millis before = wall_now();
            const Result answer = link_->script("SELECT " + server_clock, until);
            compare_clocks(number_in(answer, 0), before, wall_now());
        }
        return *link_;
    }
    link_.reset();
    auto made = std::make_unique<Link>(url_, Link::Patience{limit_, options_.give_up}, until);
    set_up(*made, until);
    link_ = std::move(made);
    ++generation_;
    shard_.reset();
    wakes_.asleep = false;
    return *link_;
}

// One round trip.  Every statement has its index, and must use it also while a table is too small
// to be worth it: its plan is kept while the table grows.  A server that finds its client gone must
// let go of what that held.
void Session::set_up(Link& link, Millis until) {
    // Before we give up ourselves, so that it says which of the two it was.
    const std::string statement_limit = std::to_string(limit_ * 9 / 10);
    const std::string lock_limit = std::to_string(limit_ * 8 / 10);
    const Millis before = wall_now();
    const Result answer = link.script(
        "SET default_transaction_isolation = 'read committed'; SET search_path = ''; "
        "SET statement_timeout = " + statement_limit + "; SET lock_timeout = " + lock_limit + "; "
        "SET idle_in_transaction_session_timeout = '10s'; SET enable_seqscan = off; SET jit = off; "
        "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off; "
        "SET enable_sort = off; "
        "SET plan_cache_mode = force_generic_plan; SET tcp_keepalives_idle = 5; "
        "SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; "
        "SET tcp_user_timeout = '10s'; "
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'; " +
            std::string(wakes_.listens ? "LISTEN bxhook; " : "") +
            "SELECT major, minor, " + server_clock + " FROM bxhook.version",
        until);
    std::optional<SchemaVersion> version;
    if (answer.rows() > 0) version = SchemaVersion{number_in(answer, 0), number_in(answer, 1)};
    check_schema(version);
    compare_clocks(number_in(answer, 2), before, wall_now());
}

bool Session::clock_was_set() const {
    return std::abs(wall_now() - steady_now() - clocks_.since_start) >= skew_tolerance;
}

// A server that was slow to answer is none whose clock is another.
void Session::compare_clocks(Millis theirs, Millis before, Millis after) {
    const Millis skew = theirs - std::clamp(theirs, before, std::max(before, after));
    clocks_.skew = std::abs(skew) < skew_tolerance ? 0 : skew / second * second;
    clocks_.since_start = wall_now() - steady_now();
}

Result Session::run(std::string_view sql, const Params& values,
                    std::optional<std::int64_t> generation) {
    const Millis end = until();
    for (int tries = 1;; ++tries) {
        try {
            Link& server = link(end);
            if (generation && *generation != generation_) {
                throw StoreAway("the connection to the store was made anew");
            }
            return server.run(sql, values, end);
        } catch (const Conflict&) {
            if (tries == tries_at_most) throw;
        }
    }
}

std::int64_t Session::generation() {
    link(until());
    return generation_;
}

Param Session::shard() {
    link(until());
    if (!shard_) {
        Call<sql::take_shard> take;
        take[sql::take_shard::In::seed] = owner();
        shard_ = call(take).number(0, 0);
    }
    return Param::number(*shard_);
}

std::optional<Millis> Session::theirs(std::optional<Millis> moment) const {
    if (!moment) return std::nullopt;
    return theirs(*moment);
}

std::optional<Millis> Session::ours(std::optional<Millis> moment) const {
    if (!moment) return std::nullopt;
    return ours(*moment);
}

int Session::wake_fd() {
    if (!link_ || !link_->lives()) return -1;
    if (!wakes_.listens) {
        link_->script("LISTEN bxhook", until());
        wakes_.listens = true;
        go_to_sleep();
    }
    if (!wakes_.look_again) return link_->fd();
    if (!wakes_.always_readable) {
        wakes_.always_readable = Fd(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    }
    return wakes_.always_readable.get();
}

bool Session::take_wakes() {
    const bool again = std::exchange(wakes_.look_again, false);
    if (!link_ || !link_->take_notices()) return again;
    wakes_.asleep = false;
    return true;
}

bool Session::go_to_sleep() {
    if (!wakes_.listens || wakes_.asleep) return false;
    Call<sql::sleep> sleep;
    sleep[sql::sleep::In::owner] = owner();
    call(sleep);
    wakes_.asleep = true;
    return true;
}

}  // namespace bx::postgres
