#include "config/config_file.h"
#include "worker/worker.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "host/detach.h"
#include "host/installed_mark.h"
#include "host/own_program.h"
#include "host/store_owner.h"
#include "host/worker_lock.h"
#include "stores/open.h"
#include "worker/live_config.h"
#include "worker/loop.h"
#include "worker/run_processes.h"
#include "worker/signals.h"

namespace bx {

namespace {

constexpr Millis lock_wait = 5 * second;  // for a worker that is leaving
// Where both authorization servers are asked they have 30 s, and then there is a commit.
constexpr Millis renewals_end = 35 * second;
constexpr useconds_t renewals_step_us = 50'000;

ConfigFile open_config(const std::string& path, const WorkerOptions& options) {
    if (!options.detached) return ConfigFile(path, ConfigPart::all);
    ConfigFile file = ConfigFile::pending(path, ConfigPart::all);
    file.refresh(true);
    return file;
}

// Null: told to stop before the store could be opened.  With ONCE it throws when that lasts.
std::unique_ptr<Store> open_patiently(const StorePlace& place, const StoreOwner& owner, bool once,
                                      WorkerSignals& signals, Log& log) {
    StoreOptions options{.role = Role::worker};
    options.wait = second / 4;  // the hooks' pipes wait as long
    bool said = false;
    const Millis end = steady_now() + lasting_trouble;
    const auto tell = [&](const StoreError& error) {
        if (!std::exchange(said, true)) {
            log.warning("waiting for the store", {{"cause", error.what()}});
        }
        return once && steady_now() >= end;
    };
    for (;;) {
        try {
            return open_store(place, options, owner);
        } catch (const StoreBusy& error) {
            if (tell(error)) throw;
        } catch (const StoreAway& error) {
            if (tell(error)) throw;
        }
        signals.wait(second);
        while (int signal = signals.next()) {
            if (signal == SIGTERM || signal == SIGINT) return nullptr;
        }
    }
}

// None when another worker holds the lock; it has been woken then.  One that is leaving wakes no
// more but holds the lock still: that one is waited for.
std::optional<WorkerLock> take_worker_lock(const std::string& path, Millis patience) {
    for (Millis end = steady_now() + patience;;) {
        WorkerLock lock(path, 0);
        if (lock.held()) return lock;
        if (wake_worker(path) == WakeResult::woken || steady_now() >= end) return std::nullopt;
    }
}

// What a unit of systemd leaves behind is killed when its main process has ended: those that renew
// tokens would lose what the server has answered.
void wait_for_renewals(const std::string& config_path) {
    const Millis end = steady_now() + renewals_end;
    while (!processes_with(renewal_mark(config_path)).empty() && steady_now() < end) {
        ::usleep(renewals_step_us);
    }
}

// It may be lost where the store is put back from a copy.
void keep_installed_mark(Store& store, const StorePlace& place) {
    try {
        if (place.is_file() && store.sink().has_installations()) mark_installed(place.worker_files);
    } catch (const StoreError&) {  // the loop says so
    }
}

int work(ConfigFile& file, const Config& config, const StoreOwner& owner,
         const WorkerOptions& options, Log& log) {
    if (!file.current()) {
        log.error("config refused: events wait until it is corrected", {{"problem", file.error()}});
    }
    WorkerSignals signals;
    // What a hook leaves behind becomes our child, so that it can be told when it has ended.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    std::unique_ptr<Store> store = open_patiently(config.store, owner, options.once, signals, log);
    if (!store) return 0;
    const Millis patience = options.once ? 0 : lock_wait;
    std::optional<WorkerLock> lock = take_worker_lock(config.store.worker_files, patience);
    if (!lock) {
        if (!options.once) log.info("another worker is running");
        return 0;
    }
    keep_installed_mark(*store, config.store);
    const int status = Loop(file, *store, config.store, *lock, signals, options, log).run();
    if (!options.once) wait_for_renewals(file.path());
    return status;
}

// Left to itself, glibc keeps blocks of a large event's size once one was freed.
void give_large_blocks_back() {
    constexpr int large = 128 << 10;
    ::mallopt(M_MMAP_THRESHOLD, large);
}

}  // namespace

int run_worker(const std::string& config_path, const WorkerOptions& options, Log& log) {
    give_large_blocks_back();
    close_inherited_descriptors();
    log.take_stderr();
    ConfigFile file = open_config(config_path, options);
    // Of a config that is wrong only where the gateway does not look, that part is used.
    ConfigPtr config =
        file.current() ? file.current() : load_config(config_path, ConfigPart::gateway);
    const StoreOwner owner = become_store_owner(config->store.worker_files, config->writers);
    log.configure(log_settings(*config, options));
    if (!options.detached) return work(file, *config, owner, options, log);
    try {
        detach();
        log.take_stderr();
        return work(file, *config, owner, options, log);
    } catch (const std::exception& error) {
        log.error("the worker failed", {{"cause", error.what()}});  // nobody reads stderr any more
        throw;
    }
}

}  // namespace bx
