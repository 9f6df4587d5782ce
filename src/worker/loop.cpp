#include "worker/loop.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>
#include <vector>

namespace bx {

namespace {

constexpr Millis backstop = second;  // between looks into the store when nothing calls

}  // namespace

Loop::Loop(ConfigFile& config_file, Store& store, const StorePlace& store_place,
           WorkerLock& worker_lock, WorkerSignals& signals, const WorkerOptions& options, Log& log)
    : store_(store),
      worker_lock_(worker_lock),
      signals_(signals),
      context_{.log = log,
               .options = options,
               .live = LiveConfig(config_file, store_place, worker_lock, options, log),
               .now = steady_now(),
               .progress_at = steady_now()},
      trouble_(log),
      membership_(context_, store.workers(), trouble_),
      dead_events_(context_, store.sink(), store.view()),
      runner_(context_, store.runs(), membership_, store_place.worker_files,
              [this](std::span<const Finish> runs) { dead_events_.note(runs); }),
      uninstallations_(context_, store.installations()),
      matcher_(
          context_, store.matching(),
          [this](std::span<const Dispatch> verdicts) {
              return runner_.dispatch_and_start(verdicts);
          },
          &uninstallations_),
      upkeep_(context_, store.upkeep(), store.view(), uninstallations_),
      chores_(context_, store.chores()),
      leaving_(context_, worker_lock) {}

int Loop::run() {
    worker_lock_.open_wake();
    say("started", {{"pid", ::getpid()}, {"config", context_.live.path()}});
    for (;;) {
        iterate();
        if (may_leave() && leave()) break;
        wait();
    }
    tidy();
    leaving_.hand_over();
    say("stopped");
    const std::string& given_up = trouble_.given_up();
    if (!given_up.empty()) throw Error("work: in trouble for too long: " + given_up);
    return leaving_.exit_status();
}

// That it came and went is no news of a worker that cron calls each minute, and would be mailed.
void Loop::say(std::string_view what, LogFields fields) {
    const bool unattended = context_.options.once && ::isatty(STDERR_FILENO) == 0;
    if (unattended) {
        context_.log.debug(what, fields);
    } else {
        context_.log.info(what, fields);
    }
}

// -- An iteration

void Loop::iterate() {
    context_.progress = false;
    context_.now = steady_now();
    context_.log.send_unsent();
    follow_clock();
    try {
        work();
    } catch (const StoreDataError& error) {
        note_trouble(error.what(), second / 20);  // less of it is tried next
    } catch (const StoreBusy& error) {
        note_trouble(error.what(), second / 5);
    } catch (const std::exception& error) {
        note_trouble(error.what(), second);
    }
    if (context_.progress) context_.progress_at = context_.now;
    if (context_.progress || context_.runs.size() > 0 || runner_.unrecorded() > 0 ||
        chores_.runs()) {
        leaving_.note_work();
    }
}

void Loop::work() {
    if (leaving_.grace_over()) {
        context_.runs.end_all(AttemptResult::interrupted, context_.now);
    }
    membership_.end_runs_in_time();
    context_.runs.reap(context_.now,
                       [this](pid_t pid, int status) { chores_.reaped(pid, status); });
    context_.runs.tick(context_.now);
    runner_.collect();
    context_.live.refresh(context_.now);
    follow_config();
    if (!has_store_work()) return;
    leaving_.look(woken_);
    if (trouble_.may_try(context_.now)) use_store();
}

// False when the iteration is only about a hook's output.
bool Loop::has_store_work() const {
    const Millis now = context_.now;
    return context_.more || woken_ || second_.due(now) || runner_.next(now) <= now ||
           upkeep_.next() <= now || dead_events_.next() <= now;
}

void Loop::use_store() {
    const bool each_second = second_.due(context_.now);
    // What others leave for us: they woke us, or it is looked for each second.
    const bool look = std::exchange(context_.more, false) || woken_ || each_second;
    if (each_second) membership_.update();
    runner_.adopt_orphans();
    runner_.record_and_start();
    const bool matched = look && !context_.stopping && matcher_.match();
    follow_config();  // which the matcher may have loaded anew
    if (matched) runner_.record_and_start();
    if (look) runner_.end_requested();
    woken_ = false;
    if (second_.every(second, context_.now)) runner_.save_outputs();
    upkeep_.work();
    tell_of_deaths();
    if (look) chores_.look();
    if (context_.options.detached && !context_.progress && store_.upkeep().unfinished() > 0) {
        leaving_.note_work();
    }
    trouble_.end();
}

// What is left to tell when nothing else is left to do is told then: no minute is waited for.
void Loop::tell_of_deaths() {
    const bool last = context_.options.once && !context_.more && context_.runs.size() == 0 &&
                      runner_.unrecorded() == 0;
    dead_events_.add_due(last);
}

void Loop::follow_clock() {
    const Millis step = upkeep_.clock_step();
    if (step == 0) return;
    context_.log.warning("the clock was set",
                         {{"by", (step < 0 ? "-" : "") + duration_text(std::abs(step))}});
    context_.live.look_next_time();
    second_.set(0);
    runner_.look_for_orphans_next_time();
    // Set back, what waits must be capped; set forward, nothing has become old by it.
    if (step < 0) upkeep_.start_next_time();
}

// What a config that was loaded since the last call changes.
void Loop::follow_config() {
    if (!context_.live.take_loaded()) return;
    context_.more = true;
    upkeep_.start_next_time();  // without any config there was none, nor could orphans be adopted
    runner_.look_for_orphans_next_time();
    if (!context_.live.names_other_store() || context_.stopping) return;
    context_.log.error("restarting: the config names another store");
    if (!context_.options.detached) leaving_.fail();  // so that a supervisor starts it again
    leaving_.start();
}

void Loop::note_trouble(const std::string& what, Millis retry_after) {
    trouble_.note(what, retry_after, context_.now);
    runner_.look_for_orphans_next_time();  // a claim may have been committed after all
    context_.more = true;
}

// -- Between two iterations

void Loop::wait() {
    try {
        std::vector<pollfd> set{{signals_.fd(), POLLIN, 0},
                                {worker_lock_.wake_fd(), POLLIN, 0},
                                {store_.workers().wake_fd(), POLLIN, 0}};
        const std::size_t first_of_runs = set.size();
        context_.runs.append_to(set);
        if (::poll(set.data(), set.size(), static_cast<int>(wait_time())) <= 0) return;
        if (set[0].revents != 0) take_signals();
        if (set[1].revents != 0) {
            worker_lock_.drain();
            woken_ = true;
            leaving_.note_wake();
        }
        if (set[2].revents != 0 && store_.workers().take_wakes()) woken_ = true;
        context_.runs.handle(set.data() + first_of_runs);
    } catch (const std::exception& error) {  // out of memory
        note_trouble(error.what(), second);
    }
}

// 0: work is left.
Millis Loop::wait_time() const {
    if (context_.more && trouble_.may_try(context_.now)) return 0;
    const Millis now = steady_now();
    Millis until = std::min({now + backstop, context_.runs.next_tick(), matcher_.next(now),
                             membership_.next(now), leaving_.next(now)});
    if (trouble_.may_try(now)) {
        until = std::min({until, runner_.next(now), upkeep_.next(), dead_events_.next()});
    } else {
        until = std::min(until, trouble_.next());
    }
    return std::max(until - now, Millis{0});
}

void Loop::take_signals() {
    while (int signal = signals_.next()) {
        switch (signal) {
            case SIGTERM:
            case SIGINT: leaving_.start(); break;
            case SIGHUP: context_.live.load_next_time(); break;
            case SIGUSR1: context_.log.reopen(); break;
            default: break;  // SIGCHLD: each iteration reaps
        }
    }
}

// -- Its end

bool Loop::may_leave() {
    // For cron, which calls again, and whose mail says that nothing gets done.
    if (context_.options.once && trouble_.lasts(context_.now) && !context_.stopping) {
        trouble_.give_up();
        leaving_.start();
        if (context_.runs.size() == 0) leaving_.end_grace();
    }
    const bool recorded = runner_.unrecorded() == 0;
    const bool quiet = recorded && !context_.more && !upkeep_.busy() && trouble_.none() &&
                       !chores_.runs() && !dead_events_.any();
    return leaving_.may_leave(recorded, quiet);
}

// After the close wakers start another worker, which waits for the lock; what they woke us for
// before it is found by looking once more.
bool Loop::leave() {
    if (context_.stopping) return true;
    worker_lock_.close_wake();
    context_.more = true;
    iterate();
    if (may_leave()) return true;
    worker_lock_.open_wake();
    context_.more = true;  // what came in between woke nobody
    return false;
}

void Loop::tidy() {
    chores_.end();
    const std::size_t left = runner_.unrecorded();
    const std::size_t written = std::min(runner_.written(), left);
    if (written > 0) {
        context_.log.error(
            "finished runs could not be recorded: the next worker on this host does it",
            {{"runs", written}});
    }
    if (left > written) {
        context_.log.error("finished runs could not be recorded and will run again",
                           {{"runs", left - written}});
    }
    if (left > 0) leaving_.fail();
    try {
        dead_events_.add_due(true);
    } catch (const StoreError& error) {
        context_.log.warning("cannot tell of the deliveries that died last",
                             {{"cause", error.what()}});
    }
    try {
        membership_.leave();
        store_.upkeep().scrub();
    } catch (const StoreError& error) {
        context_.log.warning("cannot clean up the store before exiting", {{"cause", error.what()}});
    }
    const bool hooks_stopped = !context_.live.hooks().problem().empty();
    if (context_.options.once && hooks_stopped) leaving_.fail();
}

}  // namespace bx
