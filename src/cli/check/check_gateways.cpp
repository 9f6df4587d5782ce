#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/fd.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "host/accounts.h"

namespace bx {

namespace {

// Of the arguments and of the environment of a process; its user chose how much there is.
constexpr std::size_t looked_at = std::size_t{128} << 10;

// True when the process of DIR (/proc/PID) is a gateway or a worker that was told of the config at
// PATH, by its arguments or, if that is to be seen, by its environment.
bool serves_config(const std::string& dir, const std::string& path) {
    if (!read_file_or_nothing(dir + "/comm").starts_with("bxhook")) return false;
    std::string arguments = first_bytes(dir + "/cmdline", looked_at);
    std::string environment = first_bytes(dir + "/environ", looked_at);
    std::vector<std::string_view> words = split(arguments, '\0');  // an empty one ends them
    bool stays = words.size() < 3 || words[1] == "serve" || words[1] == "work";
    std::vector<std::string_view> variables = split(environment, '\0');
    return stays && (std::ranges::find(words, path) != words.end() ||
                     std::ranges::find(variables, "BXHOOK_CONFIG=" + path) != variables.end());
}

}  // namespace

void check_gateways(const Config& config, Findings& findings) {
    std::string store_dir = directory_of(config.store.address);
    struct stat store {};
    if (!config.store.is_file() || ::stat(store_dir.c_str(), &store) != 0) return;
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error); !error && entry != end(entry);
         entry.increment(error)) {
        std::string pid = entry->path().filename();
        struct stat process {};
        bool other = parse_number(pid) && ::stat(entry->path().c_str(), &process) == 0 &&
                     process.st_uid != 0 && process.st_uid != store.st_uid;
        if (!other || !serves_config(entry->path(), config.path)) continue;
        findings.error("process " + pid,
                       "a bxhook with this config runs as " + user_name(process.st_uid) +
                           ", but the store belongs to " + user_name(store.st_uid) +
                           ", so a gateway answers 503: have the web server start it as the "
                           "store's owner (suEXEC), or give store and config to the user it runs "
                           "as",
                       // Whoever it is can start such a process: nothing is given to it.
                       "ps -fp " + pid);
    }
}

}  // namespace bx
