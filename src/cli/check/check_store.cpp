#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "base/escape.h"
#include "base/fd.h"
#include "base/file_system.h"
#include "base/shell.h"
#include "cli/check/findings.h"
#include "cli/open.h"
#include "config/file_stamp.h"
#include "config/secrets.h"
#include "host/accounts.h"
#include "host/advice.h"
#include "host/host_name.h"
#include "host/slot_file.h"
#include "report/portals.h"
#include "report/wording.h"
#include "worker/rematch.h"

namespace bx {

namespace {

constexpr std::uint64_t little_space = std::uint64_t{100} << 20;  // bytes

void check_file_system(const std::string& dir, const std::string& config_path,
                       Findings& findings) {
    struct statvfs space {};
    if (::statvfs(dir.c_str(), &space) == 0 &&
        std::uint64_t{space.f_bavail} * space.f_frsize < little_space) {
        findings.warning(dir, "less than 100 MB are free: events are refused when the disk is full",
                         "df -h " + shell_word(dir));
    }
    if (is_shared_file_system(dir)) {
        findings.warning(dir,
                         "is on a network file system: every event waits for it, and only this "
                         "machine may use the store; set `store` to a path on a local disk",
                         edit_command(config_path));
    }
}

// What to do where the store lies beside other things: its directory cannot be closed or given
// away, the others need it.
void advise_own_directory(const Config& config, const std::string& what, bool error,
                          Findings& findings) {
    std::string dir = directory_of(config.store.address);
    std::string message = what + "; other files are there too: give the store a directory of its "
                                 "own, while bxhook is stopped, and set `store` to it";
    std::string fix = make_directory_command(absolute_path(dir, "bxhook-store"), "700");
    error ? findings.error(dir, message, fix) : findings.warning(dir, message, fix);
}

bool is_open_to_others(const std::string& path, const struct stat& info) {
    return (info.st_mode & (S_IRWXG | S_IRWXO)) != 0 && can_be_reached(path, S_IXGRP | S_IXOTH);
}

void check_directory(const Config& config, Findings& findings) {
    std::string dir = directory_of(config.store.address);
    struct stat info {};
    if (::stat(dir.c_str(), &info) != 0) {
        if (errno != ENOENT) {
            return findings.error(dir,
                                  std::string("the store's directory cannot be checked: ") +
                                      std::strerror(errno),
                                  "ls -ld " + shell_word(directory_of(dir)));
        }
        // The first event makes it.
        if (::access(directory_of(dir).c_str(), W_OK | X_OK) == 0) return;
        return findings.error(dir, "the store's directory is missing and cannot be made",
                              make_directory_command(dir, "700"));
    }
    bool own = has_own_directory(config.store.address);
    if (::access(dir.c_str(), R_OK | W_OK | X_OK) != 0) {
        std::string what = user_name(::geteuid()) + " cannot write there: " + std::strerror(errno);
        if (info.st_uid == ::geteuid()) {
            return findings.error(dir, what, "chmod u+rwx " + shell_word(dir));
        }
        if (!own) return advise_own_directory(config, what, true, findings);
        return findings.error(dir, what,
                              give_directory_command(config.store.address,
                                                     user_argument(::geteuid())));
    }
    if (is_open_to_others(dir, info)) {
        const std::string what = "others can enter the store's directory";
        own ? findings.warning(dir, what, "chmod 700 " + shell_word(dir))
            : advise_own_directory(config, what, false, findings);
    }
    check_file_system(dir, config.path, findings);
}

void check_file(const std::string& path, Findings& findings) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return;
    if (info.st_uid != ::geteuid()) {
        std::string user = user_name(::geteuid());
        findings.error(path,
                       "belongs to " + user_name(info.st_uid) + ", its directory to " + user +
                           ", the user that gateway and worker run as",
                       "chown -h " + user_argument(::geteuid()) + " " + shell_word(path));
    } else if (is_open_to_others(path, info)) {
        findings.warning(path, "others can read the store", "chmod 600 " + shell_word(path));
    }
}

// Without them a worker goes on, and only the log says it.
void check_slots(const Config& config, Findings& findings) {
    const std::string path = SlotFile::path_of(config.store.worker_files);
    try {
        SlotFile::left_in(config.store.worker_files);
    } catch (const UnusableSlots& error) {
        findings.warning(path,
                         error.problem() + ", so workers do not use it: hooks that ended right "
                                           "before a worker is killed will run again",
                         error.fix());
    } catch (const Error& error) {
        findings.warning(path, error.what(), "ls -l " + shell_word(path));
    }
}

// Events that were skipped for a mistake of ours are matched again by a worker alone, and one that
// is started by the gateway leaves when there is nothing to do.
void check_skipped(Store& store, Millis now, Findings& findings) {
    const EventNumber newest = store.matching().newest_retryable();
    if (newest == 0) return;
    const std::optional<StoredEvent> event = store.view().event(newest);
    if (!event || event->received_at < now - rematched_for) return;
    findings.warning("worker",
                     "none is running, and events were skipped for a mistake, the newest is " +
                         std::to_string(newest) + " ('bxhook show " + std::to_string(newest) +
                         "' shows the mistake); once that is corrected, the next event has them "
                         "matched again, and this does it now",
                     findings.commands().line("work --once"));
}

// What waits for a hook that a person disabled waits for ever, and counts against limits.queue.
void check_disabled(const StoreStatus& status, const Hooks& hooks, Findings& findings) {
    for (const HookCounts& counts : status.hooks) {
        const auto hook = hooks.disabled.find(counts.hook);
        if (counts.waiting == 0 || hook == hooks.disabled.end()) continue;
        findings.warning("hook " + printable(counts.hook),
                         "it is " + printable(hook->second) + ", and " +
                             counted(counts.waiting, "delivery waits", "deliveries wait") +
                             " for it: enable it, or this gives them up",
                         findings.commands().line("cancel --hook " + shell_word(counts.hook) +
                                                  " --state waiting"));
    }
}

// What waits for a hook that is gone fails until it is dead.
void check_gone(const StoreStatus& status, const Hooks& hooks, Findings& findings) {
    for (const HookCounts& counts : gone_hooks(status, hooks)) {
        findings.warning("hook " + printable(counts.hook),
                         "no file and no block with run has this name, and " +
                             counted(counts.waiting, "delivery waits", "deliveries wait") +
                             " for it: put it back, or this gives them up",
                         findings.commands().line("cancel --hook " + shell_word(counts.hook) +
                                                  " --state waiting"));
    }
}

// Whether what lies in STORE is worked on.
void check_work(const Config& config, Store& store, const Hooks& hooks, Findings& findings) {
    const OwnCommands& commands = findings.commands();
    const Millis now = wall_now();
    const StoreStatus status = store.view().status(now);
    const Health health =
        judge_health(status, config, now, commands, known_from(findings, hooks, config));
    findings.add(health.problems);
    check_disabled(status, hooks, findings);
    check_gone(status, hooks, findings);
    if (!status.worker_runs && !config.worker.auto_start && !health.overdue_since) {
        findings.warning("worker",
                         "none is running, and worker.start is manual; with cron ('bxhook work "
                         "--once' each minute) that is normal between two runs",
                         start_worker_command(config, commands));
    }
    if (!status.worker_runs && config.worker.auto_start) {
        check_skipped(store, now, findings);
    }
    if (const std::optional<Problem> dead = judge_old_dead(status, commands)) findings.add(*dead);
}

// Newcomers displace those of the peer that has most: behind a proxy all have the same.
void check_peers(const std::vector<Installation>& installations, Findings& findings) {
    constexpr std::size_t suspicious = 20;
    std::set<std::string> peers;
    std::size_t unverified = 0;
    for (const Installation& one : installations) {
        if (one.state != InstallationState::pending || !one.client_id.empty()) continue;
        peers.insert(one.peer);
        ++unverified;
    }
    if (unverified < suspicious || peers.size() > 1) return;
    findings.warning("portals",
                     "all " + std::to_string(unverified) +
                         " installations that wait to be verified came from " + *peers.begin() +
                         ": if that is a proxy of yours, have the web server pass the sender's "
                         "address (nginx: real_ip_header, Apache: mod_remoteip), or whoever floods "
                         "it keeps real ones out",
                     "");
}

// What of it a person has to mend.
void check_installations(const Config& config, Store& store, Findings& findings) {
    const std::vector<Installation> installations = store.installations().list();
    check_peers(installations, findings);
    for (const ShownPortal& portal : shown_portals(config, installations)) {
        if (!portal.place.empty() || portal.fix.empty()) continue;
        findings.warning("portal " + name_of(portal), portal.problem, portal.fix);
    }
}

// Of the configuration and hooks_dir, with the EVENT.d in it: wall time.
Millis last_change(const Config& config) {
    long long newest = 0;
    const auto look = [&](const std::string& path) {
        newest = std::max(newest, stamp_of(path).ctime_ns);
    };
    look(config.path);
    look(config.portals_file);
    look(config.hooks_dir);
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(config.hooks_dir, error)) {
        if (entry.is_directory(error)) look(entry.path().string());
    }
    return newest / 1000000;
}

}  // namespace

Known known_from(const Findings& findings, const Hooks& hooks, const Config& config) {
    Known known{hooks.stopped, {}, is_draft(config) ? "" : host_name(), last_change(config)};
    for (const auto& [hook, reason] : hooks.disabled) known.stopped.push_back(hook);
    for (const Problem& problem : findings.list()) {
        known.problems.push_back(problem.message);
        known.problems.push_back(to_string(problem));
    }
    return known;
}

void check_store(const Config& config, const Hooks* hooks, Findings& findings) {
    if (config.store.is_file()) {
        check_directory(config, findings);
        // Not made here: a check changes nothing.
        if (::access(config.store.address.c_str(), F_OK) != 0) return;
        for (const char* end : {"", "-wal", "-shm", "-journal"}) {
            check_file(config.store.address + end, findings);
        }
    }
    check_slots(config, findings);
    try {
        std::unique_ptr<Store> store = store_of(config, Missing::leave);
        store->sink().probe();
        if (hooks != nullptr) check_work(config, *store, *hooks, findings);
        check_installations(config, *store, findings);
        check_chores(config, *store, findings);
        check_subscriptions(config, *store, findings);
    } catch (const Error& error) {
        findings.error(config.store.for_people(), error.what(), "");
    }
}

}  // namespace bx
