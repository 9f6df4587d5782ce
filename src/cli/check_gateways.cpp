#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/accounts.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/findings.h"

namespace bx {

namespace {

// A file of /proc/PID; empty when it is not ours to read, or the process has ended.
std::string read_or_nothing(const std::string& path) {
    try {
        return read_file(path);
    } catch (const Error&) {
        return "";
    }
}

bool has_word(const std::string& words, const std::string& wanted) {
    std::vector<std::string_view> all = split(words, '\0');
    return std::ranges::find(all, wanted) != all.end();
}

// True when the process of DIR (/proc/PID) is a bxhook that was told of the config at PATH, by its
// arguments or, if those are to be seen, by its environment.
bool uses_config(const std::string& dir, const std::string& path) {
    if (!read_or_nothing(dir + "/comm").starts_with("bxhook")) return false;
    return has_word(read_or_nothing(dir + "/cmdline"), path) ||
           has_word(read_or_nothing(dir + "/environ"), "BXHOOK_CONFIG=" + path);
}

}  // namespace

void check_gateways(const Config& config, Findings& findings) {
    std::string store_dir = directory_of(config.store);
    struct stat store {};
    if (!config.store.starts_with('/') || ::stat(store_dir.c_str(), &store) != 0) return;
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error); !error && entry != end(entry);
         entry.increment(error)) {
        std::string pid = entry->path().filename();
        struct stat process {};
        bool other = parse_number(pid) && ::stat(entry->path().c_str(), &process) == 0 &&
                     process.st_uid != 0 && process.st_uid != store.st_uid;
        if (!other || !uses_config(entry->path(), config.path)) continue;
        std::string user = user_name(process.st_uid);
        findings.error("process " + pid,
                       "a bxhook of this config runs as " + user + ", the store belongs to " +
                           user_name(store.st_uid) + ": a gateway answers 503 so; let the web "
                           "server start it as the store's user (suEXEC), or give all to its own",
                       "chown -R " + user + ": " + shell_word(store_dir) + " " +
                           shell_word(config.path));
    }
}

}  // namespace bx
