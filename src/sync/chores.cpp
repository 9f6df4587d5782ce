#include "sync/chores.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/escape.h"
#include "sync/chore_queue.h"
#include "sync/locked_store.h"
#include "sync/pace.h"
#include "sync/renewal_process.h"
#include "sync/retry_soon.h"
#include "sync/signal_end.h"
#include "sync/upkeep.h"
#include "sync/verification.h"

namespace bx {

namespace {

using Tell = std::function<void(const SyncNews&)>;

constexpr std::size_t taken_at_once = 64;
constexpr Millis look_again = second;     // for what comes while others are under way
constexpr Millis first_pause = minute;
constexpr Millis longest_pause = hour;
// Of one that is to be renewed 20 days after it was used: each day counts for little.
constexpr Millis later_pause = day;
// Where no `app` block has a catch_up.
constexpr Millis longest_period = hour;

// Longer than a chore takes that is begun in BEGUN_WITHIN, so that nobody does it a second time
// meanwhile.  Verifying is app.info
// at two servers, a renewal with each block, and profile; the last token that adopting begins with
// is app.info and profile too.  Two calls wait for their turn.  A subscription may begin with a
// renewal, and the last call as it ends.
Millis taken_for(const Config& config, Millis begun_within) {
    const Millis requests = 3 * (config.rest.timeout + second);
    const auto renewals = static_cast<Millis>(config.apps.size()) + 1;
    const Millis turns = 2 * longest_turn_wait;
    const Millis longest =
        requests + turns +
        std::max({renewals * renewal_waits, adopting_lasts, subscribing_lasts + renewal_waits}) +
        begun_within;
    return std::min(longest, farthest_due(Chore::verify) - minute);
}

// What is to be done, shared by the threads that do it.
class Board {
public:
    Board(Store& store, const Config& config, const SyncOptions& options)
        : store_(store),
          options_(options),
          taken_for_(taken_for(config, options.begun_within)) {
        take_only();
    }

    std::mutex& store_mutex() { return store_mutex_; }

    // The next; none: no more are due, or the time is over.  Waits while others may bring more.
    std::optional<DueChore> next();
    void end(const DueChore& task, const ChoreEnd& end);
    // The first failure of the store or of this machine ends all.
    void fail(std::exception_ptr failure);
    // What was taken and not begun; no more is begun.
    void give_back();
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }
    bool is_told_to_end() const { return is_told_to_end_; }
    SyncCount count() const { return count_; }

private:
    bool is_over();
    bool lasts(Millis time) const { return time == 0 || steady_now() - began_ < time; }
    void give_back_late();
    void refill();
    void take(Chore what, Timer& look);
    void take_only();
    void take_one(InstallationId id, Chore what);
    void record(const DueChore& task, const ChoreEnd& end);

    Store& store_;
    const SyncOptions& options_;
    const Millis taken_for_;
    const Millis began_ = steady_now();
    const Millis began_at_ = wall_now();
    std::mutex store_mutex_;
    std::mutex mutex_;
    std::condition_variable changed_;
    ChoreQueue queue_;
    std::array<Timer, taken_kinds.size()> looks_;  // for more of each kind, steady
    bool is_told_to_end_ = false;
    SyncCount count_;
    std::exception_ptr failure_;
};

std::optional<DueChore> Board::next() {
    std::unique_lock lock(mutex_);
    for (;;) {
        give_back_late();
        refill();
        if (options_.is_over && options_.is_over()) is_told_to_end_ = true;
        if (is_over()) return std::nullopt;
        const Millis now = steady_now();
        if (std::optional<DueChore> task = queue_.begin(now)) return task;
        if (queue_.is_idle()) return std::nullopt;
        const Millis pause =
            std::clamp<Millis>(queue_.next_verification() - now, 1, look_again);
        changed_.wait_for(lock, std::chrono::milliseconds(pause));
    }
}

bool Board::is_over() { return failure_ || is_told_to_end_ || !lasts(options_.limit); }

// Those that have waited too long behind others are due as before: others may do them, or this
// process once more.
void Board::give_back_late() {
    const std::vector<DueChore> late = queue_.take_late(steady_now());
    if (late.empty()) return;
    try {
        const std::lock_guard lock(store_mutex_);
        store_.chores().give_back(late);
        if (options_.only.empty()) return;
        for (const DueChore& one : late) take_one(one.id, one.what);
    } catch (...) {
        failure_ = std::current_exception();
        changed_.notify_all();
    }
}

// Looks for more of each kind of which none waits, once a second, or at once when there were many,
// or when nothing is left: what was done last may have brought more.
void Board::refill() {
    if (!options_.only.empty()) return;
    if (queue_.is_idle()) looks_ = {};
    try {
        for (std::size_t i = 0; i < taken_kinds.size(); ++i) {
            const bool lacks = queue_.lacks(taken_kinds[i]);
            if (lacks && looks_[i].due(steady_now())) take(taken_kinds[i], looks_[i]);
        }
    } catch (...) {
        failure_ = std::current_exception();
        changed_.notify_all();
    }
}

void Board::take(Chore what, Timer& look) {
    const bool by_posts = what == Chore::verify || what == Chore::adopt;
    const bool from_the_first = by_posts && !lasts(options_.newcomers);
    const std::lock_guard lock(store_mutex_);
    const Millis now = wall_now();
    const std::vector<DueChore> taken = store_.chores().take_due(
        what, from_the_first ? std::min(began_at_, now) : now, now + taken_for_, taken_at_once);
    const Millis begin_by = steady_now() + options_.begun_within;
    for (const DueChore& one : taken) queue_.add(one, begin_by);
    look.set(taken.size() == taken_at_once ? 0 : steady_now() + look_again);
}

void Board::take_only() {
    for (const InstallationId id : options_.only) {
        for (const Chore what : {Chore::verify, Chore::adopt, Chore::bind}) {
            take_one(id, what);
        }
    }
}

void Board::take_one(InstallationId id, Chore what) {
    const std::optional<DueChore> due = store_.chores().take(id, what, wall_now() + taken_for_);
    if (due) queue_.add(*due, steady_now() + options_.begun_within);
}

void Board::end(const DueChore& task, const ChoreEnd& end) {
    record(task, end);
    for (const std::string& portal : end.active_on) {
        retry_soon(store_, store_mutex_, portal, wall_now());
    }
    const std::lock_guard lock(mutex_);
    queue_.end(task);
    // What can wait without a problem has not failed.
    const bool is_in_vain = !end.problem.empty();
    ++(is_in_vain ? count_.in_vain : count_.done);
    changed_.notify_all();
}

void Board::record(const DueChore& task, const ChoreEnd& end) {
    const std::lock_guard lock(store_mutex_);
    const Millis now = wall_now();
    Chores& chores = store_.chores();
    const Millis pause = std::min(first_pause << std::min(task.tries, 10), longest_pause);
    switch (end.kind) {
        case ChoreEnd::Kind::in_vain: chores.postpone(task, now + pause, end.problem); break;
        case ChoreEnd::Kind::later: chores.postpone(task, now + later_pause, end.problem); break;
        case ChoreEnd::Kind::until_tomorrow: chores.finish_until(task, now + day); break;
        case ChoreEnd::Kind::done:
            // Whose renewal says when it is due again.
            if (task.what != Chore::renew) chores.finish(task);
    }
}

void Board::fail(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    changed_.notify_all();
}

void Board::give_back() {
    const std::lock_guard lock(mutex_);
    is_told_to_end_ = true;
    const std::vector<DueChore> rest = queue_.clear();
    if (rest.empty()) return;
    const std::lock_guard store_lock(store_mutex_);
    store_.chores().give_back(rest);
}

// What an active one is needed for.  One that is broken may become active again, and says itself what
// is wrong; of one that is gone there is nothing to do.
ChoreEnd not_active(const Installation& one) {
    return {one.state == InstallationState::broken ? ChoreEnd::Kind::in_vain : ChoreEnd::Kind::done};
}

ChoreEnd do_task(const SyncContext& context, const DueChore& task) {
    const std::optional<InstallationWithTokens> known = context.installations.find(task.id);
    if (!known) return {};
    const Installation& one = known->installation;
    const bool is_active = one.state == InstallationState::active;
    switch (task.what) {
        case Chore::verify:
            return one.state == InstallationState::pending ? verify(context, *known) : ChoreEnd();
        case Chore::adopt:
            return is_active ? adopt_application_token(context, *known) : not_active(one);
        case Chore::bind: return is_active ? keep_subscriptions(context, one) : not_active(one);
        case Chore::renew: return is_active ? renew_idle(context, one) : ChoreEnd();
        case Chore::pass:
        case Chore::tell: break;
    }
    return {};
}

void do_tasks(Board& board, const SyncContext& context) {
    while (const std::optional<DueChore> task = board.next()) {
        try {
            board.end(*task, do_task(context, *task));
        } catch (...) {
            board.fail(std::current_exception());
        }
    }
}

// COUNT of them; fewer where this user may not have so many.
std::vector<std::jthread> threads(std::size_t count, const std::function<void()>& work) {
    std::vector<std::jthread> started;
    started.reserve(count);
    try {
        while (started.size() < count) started.emplace_back(work);
    } catch (const std::system_error&) {
    }
    return started;
}

std::string erased_cause(const Installation& one) {
    return "no `app` block has its client_id '" + one.client_id +
           "', nor is one empty any more; held posts erased with it: " + std::to_string(one.held) +
           "; fix: if it is yours, put this client_id into a block, then install the application "
           "there again";
}

// Kept for an empty `app` block that stands no more.
void erase_unclaimed(Store& store, const Config& config, const Tell& tell) {
    const bool stands = std::ranges::find(config.apps, "", &App::client_id) != config.apps.end();
    if (stands || store.installations().counts().pending == 0) return;
    for (const Installation& one : store.installations().list()) {
        const bool waits =
            one.state == InstallationState::pending && !one.client_id.empty();
        if (waits && block_of(config, one.client_id) == nullptr) {
            store.installations().erase(one.id);
            tell(news_of(one, SyncNews::Kind::in_vain, "installation erased",
                         erased_cause(one)));
        }
    }
}

// What is done for all of them, before the rest.
void pass(Store& store, const Config& config, const Tell& tell) {
    const Millis now = wall_now();
    for (const App& app : config.apps) {
        if (!app.client_id.empty()) store.chores().claim(app.client_id, now);
    }
    erase_unclaimed(store, config, tell);
}

// Where the store has failed before, it may fail at this too.
void end_board(Board& board) {
    try {
        board.give_back();
    } catch (const std::exception&) {
        board.rethrow();
        throw;
    }
    board.rethrow();
}

}  // namespace

Millis pass_period(const Config& config) {
    Millis period = longest_period;
    for (const App& app : config.apps) {
        if (app.catch_up > 0) period = std::min(period, app.catch_up);
    }
    return period;
}

SyncCount do_chores(Store& store, const Config& config, const SyncOptions& options,
                    const std::function<void(const SyncNews&)>& tell) {
    pass(store, config, tell);
    const Millis began = steady_now();
    Board board(store, config, options);
    LockedInstallations installations(store.installations(), board.store_mutex());
    LockedLimiter limiter(store.limiter(), board.store_mutex());
    LockedBindings bindings(store.bindings(), board.store_mutex());
    const Endpoints endpoints(config);
    std::mutex telling;
    HttpSettings http = settings_of(config.rest);
    if (options.end > 0) http.until = began + options.end;
    const SyncContext context{config, endpoints, http, installations, limiter, bindings,
                              [&](const SyncNews& news) {
                                  const std::lock_guard lock(telling);
                                  tell(news);
                              }};
    {
        const SignalEnd before_signals([&] { board.give_back(); });
        const auto others = threads(options.width - 1, [&] { do_tasks(board, context); });
        do_tasks(board, context);
    }
    const bool again = board.is_told_to_end();
    end_board(board);
    const Millis now = wall_now();
    if (!config.apps.empty() && options.only.empty()) {
        store.chores().finish_pass(now, again ? now : now + pass_period(config));
    }
    return board.count();
}

}  // namespace bx
