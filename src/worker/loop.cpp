#include "worker/loop.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/fault.h"
#include "base/text.h"
#include "worker/schedule.h"

namespace bx {

namespace {

constexpr Millis backstop = second;      // between looks into the store when nothing calls
constexpr Millis last_tries = 10 * second;  // to record the last runs after the grace
constexpr std::size_t stderr_lines = 5;

std::string delivery_name(EventNumber event, const std::string& hook) {
    return std::to_string(event) + '/' + hook;
}

std::vector<std::string_view> last_lines(std::string_view text, std::size_t most) {
    std::vector<std::string_view> lines = split(trim(text), '\n');
    if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<long>(most));
    if (lines.size() == 1 && lines.front().empty()) lines.clear();
    return lines;
}

}  // namespace

Loop::Loop(ConfigFile& config_file, Store& store, const std::string& store_place,
           WorkerLock& worker_lock, WorkerSignals& signals, const WorkerOptions& options, Log& log)
    : config_file_(config_file),
      store_(store),
      store_place_(store_place),
      worker_lock_(worker_lock),
      signals_(signals),
      options_(options),
      log_(log),
      hooks_(log),
      now_(steady_now()),
      idle_since_(now_),
      quiet_since_(now_),
      scrubbed_at_(now_),
      wall_ahead_(wall_now() - now_) {}

// -- Its life

int Loop::run() {
    if (store_.lease()) warden_.emplace();
    worker_lock_.open_wake();
    log_.info("started", {{"pid", ::getpid()}, {"config", config_file_.path()}});
    for (;;) {
        turn();
        if (may_leave() && leave()) break;
        wait();
    }
    depart();
    if (!given_up_.empty()) throw Error("work: in trouble for too long: " + given_up_);
    return exit_status_;
}

void Loop::turn() {
    progress_ = false;
    now_ = steady_now();
    log_.tend();
    watch_clock();
    try {
        if (stopping_ && now_ >= grace_until_) runs_.end_all(AttemptResult::interrupted, now_);
        watch_lease();
        runs_.reap(now_);
        runs_.tick(now_);
        collect();
        refresh();
        if (now_ >= store_at_ && has_store_work()) use_store();
    } catch (const StoreDataError& error) {
        note_trouble(error.what(), second / 20);  // less of it is tried next
    } catch (const StoreBusy& error) {
        note_trouble(error.what(), second / 5);
    } catch (const std::exception& error) {
        note_trouble(error.what(), second);
    }
    if (progress_) quiet_since_ = now_;
    if (progress_ || runs_.size() > 0 || !finishes_.empty()) idle_since_ = now_;
}

// False when the turn is only about a hook's output.
bool Loop::has_store_work() const {
    return more_ || woken_ || !finishes_.empty() || now_ >= second_at_ ||
           ((pruning_ || capping_) && now_ >= step_at_) || (next_due_ && wall_now() >= *next_due_);
}

void Loop::use_store() {
    // What others leave for us: they woke us, or it is looked for each second.
    const bool look = std::exchange(more_, false) || woken_ || now_ >= second_at_;
    if (now_ >= second_at_) show_worker();
    if (now_ >= adopt_at_) adopt_orphans();
    record_and_start();
    if (look && !stopping_ && match()) record_and_start();
    if (look && runs_.size() > 0) obey_kill_wishes();
    woken_ = false;
    keep_house();
    if (options_.detached && !progress_ && store_.has_unfinished()) idle_since_ = now_;
    if (!trouble_.empty()) log_.info("out of trouble");
    trouble_.clear();
}

void Loop::wait() {
    try {
        std::vector<pollfd> set{{signals_.fd(), POLLIN, 0},
                                {worker_lock_.wake_fd(), POLLIN, 0},
                                {store_.wake_fd(), POLLIN, 0}};
        runs_.append_to(set);
        if (::poll(set.data(), set.size(), static_cast<int>(wait_time())) <= 0) return;
        if (set[0].revents != 0) take_signals();
        if (set[1].revents != 0) {
            worker_lock_.drain();
            woken_ = true;
            called_ = called_ || stopping_;
        }
        if (set[2].revents != 0 && store_.take_wakes()) woken_ = true;
        runs_.handle(set.data() + 3);
    } catch (const std::exception& error) {  // out of memory
        note_trouble(error.what(), second);
    }
}

Millis Loop::wait_time() const {
    if (more_ && store_at_ <= now_) return 0;
    Millis now = steady_now();
    Millis until = std::min(now + backstop, runs_.next_tick());
    if (store_at_ > now) {
        until = std::min(until, store_at_);
    } else {
        if (!finishes_.empty()) return 0;
        if (next_due_) until = std::min(until, now + std::max(*next_due_ - wall_now(), Millis{0}));
        if (pruning_ || capping_) until = std::min(until, step_at_);
    }
    if (hooks_.settled_at() > now) until = std::min(until, hooks_.settled_at());
    if (runs_.size() > 0 && starts_until_ > now) until = std::min(until, starts_until_);
    if (stopping_ && grace_until_ > now) until = std::min(until, grace_until_);
    return std::max(until - now, Millis{0});
}

void Loop::take_signals() {
    while (int signal = signals_.next()) {
        switch (signal) {
            case SIGTERM:
            case SIGINT: stop(); break;
            case SIGHUP: reload_ = true; break;
            case SIGUSR1: log_.reopen(); break;
            default: break;  // SIGCHLD: each turn reaps
        }
    }
}

void Loop::stop() {
    const ConfigPtr& config = config_file_.current();
    Millis grace =
        config && !stopping_ ? config->worker.shutdown_grace : 0;  // none the second time
    if (!stopping_) log_.info("stopping", {{"running", runs_.size()}});
    stopping_ = true;
    next_due_.reset();
    grace_until_ = steady_now() + grace;
}

bool Loop::may_leave() {
    if (options_.once && in_lasting_trouble()) give_up();
    if (runs_.size() > 0) return false;
    if (stopping_) return finishes_.empty() || now_ >= grace_until_ + last_tries;
    bool quiet = finishes_.empty() && !more_ && !pruning_ && !capping_ && trouble_.empty();
    if (options_.once) return quiet && now_ >= hooks_.settled_at();
    return options_.detached && quiet && now_ - idle_since_ >= options_.idle;
}

// After the close wakers start another worker, which waits for the lock; what they woke us for
// before it is found by looking once more.
bool Loop::leave() {
    if (stopping_) return true;
    worker_lock_.close_wake();
    more_ = true;
    turn();
    if (may_leave()) return true;
    worker_lock_.open_wake();
    more_ = true;  // what came in between woke nobody
    return false;
}

// For cron, which calls again, and whose mail tells that nothing gets done.
void Loop::give_up() {
    if (stopping_) return;
    given_up_ = trouble_;
    stop();
    if (runs_.size() == 0) grace_until_ = now_;
}

void Loop::depart() {
    if (!finishes_.empty()) {
        log_.error("ended runs could not be recorded and will be repeated",
                   {{"runs", finishes_.size()}});
        exit_status_ = 1;
    }
    try {
        store_.unregister_worker(record());
        store_.scrub();
    } catch (const StoreError& error) {
        log_.warning("cannot tidy the store before leaving", {{"cause", error.what()}});
    }
    if (options_.once && !hooks_.problem().empty()) exit_status_ = 1;
    hand_over();
    log_.info("stopped");
}

// Whoever woke us while we were stopping would have started a worker had we been gone.
void Loop::hand_over() {
    if (!options_.detached || !stopping_) return;
    called_ = worker_lock_.drain() || called_;
    worker_lock_.close_wake();
    const ConfigPtr& config = config_file_.current();
    if (!called_ || !config || !config->worker.auto_start) return;
    try {
        start_worker(config_file_.path());  // it waits for our lock
        log_.info("events came meanwhile: another worker follows");
    } catch (const std::exception& error) {
        log_.error("cannot start the next worker", {{"cause", error.what()}});
    }
}

// -- A turn's work

// Takes the runs that are over, and decides what becomes of their deliveries.
void Loop::collect() {
    for (const std::unique_ptr<Run>& run : runs_.take_over()) {
        if (warden_) warden_->forget(run->name());
        Finish finish = run->outcome();
        settle(std::move(finish), run->max_attempts(), run->settings());
        report(finishes_.back(), run->max_attempts(), run->duration(now_));
    }
}

void Loop::settle(Finish finish, int max_attempts, const HookSettings& settings) {
    finish.ended_at = wall_now();
    double random = std::uniform_real_distribution<double>(0, 1)(random_);
    decide_next(finish, max_attempts, settings, finish.ended_at, random);
    finishes_.push_back(std::move(finish));
    progress_ = true;
}

void Loop::report(const Finish& finish, int max_attempts, Millis duration) {
    std::string name = delivery_name(finish.event, finish.hook);
    std::string attempt = std::to_string(finish.attempt) + " of " + std::to_string(max_attempts);
    switch (finish.result) {
        case AttemptResult::done:
            log_.info("done", {{"delivery", name}, {"attempt", attempt}, {"ms", duration}});
            return;
        case AttemptResult::interrupted:
        case AttemptResult::cancelled:
            log_.info(name_of(finish.result), {{"delivery", name}, {"attempt", attempt}});
            return;
        default: break;
    }
    const std::string& reason = finish.delivery_reason;
    if (finish.next == DeliveryState::dead) {
        log_.error(
            "dead",
            {{"delivery", name}, {"attempt", attempt}, {"reason", reason}, {"ms", duration}});
    } else {
        log_.warning(name_of(finish.result), {{"delivery", name},
                                              {"attempt", attempt},
                                              {"reason", reason},
                                              {"ms", duration},
                                              {"again_at", iso_time(finish.due_at)}});
    }
    for (std::string_view line : last_lines(finish.err.kept, stderr_lines)) {
        log_.warning("stderr: " + std::string(line), {{"delivery", name}});
    }
}

// Records what ended, and starts what may run in its place.
void Loop::record_and_start() {
    const std::size_t free = free_slots();
    const std::size_t slots = std::min(free, claim_batch_.size());
    const bool ended = !finishes_.empty();
    next_due_.reset();
    if (slots == 0 && !ended) return;
    const Millis wall = wall_now();
    if (ended) fault_point("before-finish");
    const std::vector<Claim> claims = record_and_claim(slots, wall);
    if (ended) fault_point("after-finish");
    if (ended || !claims.empty()) progress_ = true;
    unscrubbed_ = unscrubbed_ || ended;
    store_.started(claims);
    for (const Claim& claim : claims) start(claim);
    if (claims.size() < slots) {
        next_due_ = store_.next_due(wall);
        if (next_due_ && *next_due_ <= wall) next_due_ = wall + step_pause;  // more than it came to
    } else if (slots < free) {
        more_ = true;
    }
}

std::vector<Claim> Loop::record_and_claim(std::size_t slots, Millis wall) {
    const std::size_t count = std::min(finishes_.size(), finish_batch_.size());
    const Millis begun = steady_now();
    try {
        std::vector<Claim> claims = store_.finish_and_claim(
            {finishes_.data(), count}, slots,
            [this](const std::string& hook) { return room(hook); }, wall);
        finishes_.erase(finishes_.begin(), finishes_.begin() + static_cast<std::ptrdiff_t>(count));
        finish_failures_ = 0;
        finish_batch_.went(steady_now() - begun);
        claim_batch_.went(steady_now() - begun);
        return claims;
    } catch (const std::exception& error) {
        finish_batch_.failed();
        claim_batch_.failed();
        const bool doubtful = count == 1 && may_be_its_own_fault(error);
        if (doubtful && ++finish_failures_ >= failures_at_most) record_alone();
        throw;
    }
}

// The first of those that ended could not be recorded, again and again, with nothing else.  At last
// it is recorded without what the hook wrote, and when that fails too, given up: its delivery stays
// `running` until it is taken for lost.
void Loop::record_alone() {
    finish_failures_ = 0;
    Finish& finish = finishes_.front();
    try {
        store_.finish({&finish, 1});  // it may have been what was to be claimed
    } catch (const std::exception& error) {
        if (!may_be_its_own_fault(error)) throw;
        log_.error("a run's end cannot be recorded",
                   {{"delivery", delivery_name(finish.event, finish.hook)},
                    {"cause", error.what()}});
        const bool silent = finish.out.kept.empty() && finish.err.kept.empty();
        finish.out.kept.clear();
        finish.err.kept.clear();
        if (!silent) return;
    }
    finishes_.erase(finishes_.begin());
}

// How many hooks may be started now.
std::size_t Loop::free_slots() const {
    const ConfigPtr& config = config_file_.current();
    const bool may = config && !stopping_ && now_ < starts_until_;
    const std::size_t most =
        may ? static_cast<std::size_t>(config->worker.concurrency) : 0;
    return most > runs_.size() ? most - runs_.size() : 0;
}

// Looks at config and hooks when the last look is a second old.
void Loop::refresh() {
    if (!reload_ && now_ < refresh_at_) return;
    refresh_at_ = now_ + second;
    refreshed_at_ = wall_now();
    switch (config_file_.refresh(std::exchange(reload_, false))) {
        case ConfigFile::Change::loaded:
            log_.configure(log_settings(*config_file_.current(), options_));
            log_.info("config loaded", {{"config", config_file_.path()}});
            more_ = true;
            minute_at_ = adopt_at_ = 0;  // without any config orphans could not be adopted
            break;
        case ConfigFile::Change::refused:
            log_.error("config refused, the old one stays", {{"problem", config_file_.error()}});
            break;
        case ConfigFile::Change::none: break;
    }
    const ConfigPtr& config = config_file_.current();
    if (!config) return;
    if (config->store != store_place_ && !stopping_) {
        log_.error("the config names another store: leaving this one");
        exit_status_ = options_.detached ? 0 : 1;  // so that a supervisor starts it anew
        stop();
    }
    hooks_.refresh(config, now_);
}

const HookSettings& Loop::settings_of(const std::string& hook) const {
    const Hook* known = hooks_.set().find(hook);
    return known ? known->settings : config_file_.current()->defaults;
}

std::size_t Loop::room(const std::string& hook) const {
    const HookSettings& settings = settings_of(hook);
    return settings.disabled ? 0 : static_cast<std::size_t>(settings.concurrency);
}

void Loop::start(const Claim& claim) {
    std::optional<StartProblem> problem;
    try {
        problem = launch(claim);
    } catch (const std::exception& error) {
        problem = StartProblem{StartFault::failed, error.what(), ""};
    }
    if (problem) fail(claim, *problem);
}

// Why CLAIM's run could not be started; none: it runs.  Throws std::exception too.
std::optional<StartProblem> Loop::launch(const Claim& claim) {
    const Config& config = *config_file_.current();
    const Hook* hook = up_to_date(claim.hook);
    if (!hook) {
        return StartProblem{
            StartFault::missing,
            "missing: no file named " + claim.hook + ", and no block with run", ""};
    }
    if (hook->problem) return hook->problem;
    if (auto problem = start_problem(*hook, config.hooks_dir)) return problem;
    const Launch what = prepare_launch(claim, *hook, home_);
    if (!what.refusal.empty()) return StartProblem{StartFault::bad_argument, what.refusal, ""};
    fault_point("before-spawn");
    if (warden_) warden_->watch(claim.run);
    auto process = std::make_unique<Process>(what, config.limits.output);
    if (warden_) warden_->watch(claim.run, process->pid());
    fault_point("after-spawn");
    runs_.add(std::make_unique<Run>(claim, settings_of(claim.hook), std::move(process),
                                    steady_now()));
    log_.debug("begun", {{"delivery", delivery_name(claim.event.number, claim.hook)},
                         {"attempt", claim.attempt}});
    return std::nullopt;
}

// The hook NAME, looked for again when it could not run: it may have been corrected.  Null: none.
const Hook* Loop::up_to_date(const std::string& name) {
    const Hook* hook = hooks_.set().find(name);
    if (hook && !hook->problem) return hook;
    hooks_.refresh(config_file_.current(), now_);
    return hooks_.set().find(name);
}

// Ends CLAIM's attempt, of which nothing ran.
void Loop::fail(const Claim& claim, const StartProblem& problem) {
    if (!problem.fix.empty()) {
        log_.warning("cannot start",
                     {{"hook", claim.hook}, {"reason", problem.reason}, {"fix", problem.fix}});
    }
    if (warden_) warden_->forget(claim.run);
    Finish finish;
    finish.event = claim.event.number;
    finish.hook = claim.hook;
    finish.attempt = claim.attempt;
    finish.result = AttemptResult::failed;
    finish.reason = problem.reason;
    const bool permanent = is_permanent(problem.fault);
    settle(std::move(finish), permanent ? claim.attempt : claim.max_attempts,
           settings_of(claim.hook));
    report(finishes_.back(), claim.max_attempts, 0);
}

LogSettings log_settings(const Config& config, const WorkerOptions& options) {
    LogSettings settings = config.log;
    if (options.detached && settings.file.empty()) {
        settings.file = directory_of(config.worker_files) + "/bxhook.log";
        settings.rotate_at = default_rotate_at;
    }
    return settings;
}

}  // namespace bx
