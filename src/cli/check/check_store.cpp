#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "host/advice.h"
#include "base/fd.h"
#include "base/file_system.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "cli/command.h"
#include "cli/health.h"
#include "host/accounts.h"

namespace bx {

namespace {

constexpr std::uint64_t little_space = std::uint64_t{100} << 20;  // bytes
constexpr std::size_t shown_lanes = 5;
constexpr int small_backlog = 1024;

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
                         "lies on a network file system: every event waits for it, and only this "
                         "machine may use the store; set `store` to a path on a local disk",
                         edit_command(config_path));
    }
}

// What to do with DIR, where the store lies beside other things: it is no use to close or to give
// away what those need.
void advise_own_directory(const Config& config, const std::string& what, bool error,
                          Findings& findings) {
    std::string dir = directory_of(config.store);
    std::string message = what + "; other things lie there too: give the store a directory of its "
                                 "own, while no bxhook runs, and set `store` to it";
    std::string fix = make_directory_command(absolute_path(dir, "bxhook-store"), "700");
    error ? findings.error(dir, message, fix) : findings.warning(dir, message, fix);
}

void check_directory(const Config& config, Findings& findings) {
    std::string dir = directory_of(config.store);
    struct stat info {};
    if (::stat(dir.c_str(), &info) != 0) {
        if (errno != ENOENT) {
            return findings.error(dir,
                                  std::string("the store's directory cannot be looked at: ") +
                                      std::strerror(errno),
                                  "ls -ld " + shell_word(directory_of(dir)));
        }
        // The first event makes it.
        if (::access(directory_of(dir).c_str(), W_OK | X_OK) == 0) return;
        return findings.error(dir, "the store's directory is missing and cannot be made",
                              make_directory_command(dir, "700"));
    }
    bool own = has_own_directory(config.store);
    if (::access(dir.c_str(), R_OK | W_OK | X_OK) != 0) {
        std::string what = user_name(::geteuid()) + " cannot write there: " + std::strerror(errno);
        if (info.st_uid == ::geteuid()) {
            return findings.error(dir, what, "chmod u+rwx " + shell_word(dir));
        }
        if (!own) return advise_own_directory(config, what, true, findings);
        return findings.error(dir, what,
                              give_directory_command(config.store, user_argument(::geteuid())));
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
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
                           ", as whom gateway and worker run",
                       "chown -h " + user_argument(::geteuid()) + " " + shell_word(path));
    } else if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        findings.warning(path, "others can read the store", "chmod 600 " + shell_word(path));
    }
}

void check_lanes(const StoreStatus& status, Findings& findings) {
    // A delivery that fails alone holds up nobody, and is tried again.
    std::vector<BlockedLane> blocked = status.blocked;
    std::erase_if(blocked, [](const BlockedLane& lane) { return lane.behind == 0; });
    std::size_t shown = std::min(blocked.size(), shown_lanes);
    for (const BlockedLane& lane : std::span(blocked).first(shown)) {
        std::string name = to_string(DeliveryName{lane.event, lane.hook});
        findings.warning(name,
                         "its lane stands still since " + iso_time(lane.since) + ": " +
                             printable(lane.reason) + "; " + std::to_string(lane.behind) +
                             " wait behind it, until its hook is mended or it is given up ('bxhook "
                             "show " + name + "' tells more)",
                         findings.command("cancel " + name));
    }
    if (blocked.size() > shown) {
        findings.warning("lanes", std::to_string(blocked.size() - shown) + " more stand still",
                         findings.command("status"));
    }
    if (status.dead > 0) {
        findings.warning("deliveries",
                         std::to_string(status.dead) +
                             " are dead: given up ('bxhook list --state dead' tells why); when "
                             "their hook is mended",
                         findings.command("retry --state dead"));
    }
}

}  // namespace

void check_store(const Config& config, Findings& findings) {
    std::string place = store_without_password(config.store);
    bool local = config.store.starts_with('/');
    if (local) {
        check_directory(config, findings);
        // Not made here: a check changes nothing.
        if (::access(config.store.c_str(), F_OK) != 0) return;
        for (const char* end : {"", "-wal", "-shm", "-journal"}) {
            check_file(config.store + end, findings);
        }
    }
    try {
        std::unique_ptr<Store> store = store_of(config, Missing::leave);
        store->sink().probe();
        const Millis now = wall_now();
        const StoreStatus status = store->view().status(now);
        check_health(status, config, now, findings);
        if (!status.worker_runs && !config.worker.auto_start &&
            !overdue_since(status, config, now)) {
            findings.warning("worker",
                             "none runs, and worker.start is manual: by cron, 'bxhook work --once' "
                             "each minute, that is as it must be between two runs",
                             start_worker_command(config, findings));
        }
        check_lanes(status, findings);
    } catch (const Error& error) {
        findings.error(place, error.what(), "");
    }
}

void check_host(Findings& findings) {
    constexpr std::array<std::string_view, 6> shared{"www-data", "apache", "http",
                                                     "nginx",    "nobody", "wwwrun"};
    std::string user = user_name(::geteuid());
    if (std::ranges::find(shared, user) != shared.end()) {
        findings.warning("user " + user,
                         "every site the web server runs as this user can read tokens and events",
                         "give bxhook a user of its own: suEXEC, or 'bxhook serve' by systemd");
    }
    const std::string file = "/proc/sys/net/core/somaxconn";
    try {
        std::optional<std::int64_t> backlog = parse_number(trim(read_file(file)));
        if (!backlog || *backlog >= small_backlog) return;
        findings.warning(file,
                         "only " + std::to_string(*backlog) +
                             " connections may wait: more at once get a 502",
                         "sysctl -w net.core.somaxconn=4096");
    } catch (const Error&) {
        // A container need not show it.
    }
}

}  // namespace bx
