#include "config/config_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <utility>

#include "base/fd.h"

namespace bx {

namespace {

// A file that looks half written is waited for so long.
constexpr Millis writing_time = second;
constexpr Millis shortest_rest = 100;

bool ends_with_newline(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    const off_t end = file ? ::lseek(file.get(), 0, SEEK_END) : -1;
    char last = 0;
    return end > 0 && ::pread(file.get(), &last, 1, end - 1) == 1 && last == '\n';
}

std::string from_here(const std::string& path) {
    if (path.starts_with('/')) return path;
    std::array<char, PATH_MAX> dir;
    if (::getcwd(dir.data(), dir.size()) == nullptr) {
        throw_errno("cannot tell the working directory");
    }
    return absolute_path(dir.data(), path);
}

}  // namespace

std::string find_config(const std::string& explicit_path) {
    if (!explicit_path.empty()) return from_here(explicit_path);
    const char* named = std::getenv("BXHOOK_CONFIG");
    if (named != nullptr && *named != '\0') return from_here(named);
    std::string beside = directory_of(own_binary());
    for (const char* place : {".htbxhook/bxhook.conf", "bxhook.conf"}) {
        std::string path = absolute_path(beside, place);
        if (::access(path.c_str(), F_OK) == 0) return path;
    }
    return std::string(BXHOOK_SYSCONFDIR) + "/bxhook/bxhook.conf";
}

std::string find_log() {
    const char* named = std::getenv("BXHOOK_LOG");
    return named != nullptr && *named != '\0' ? from_here(named) : "";
}

ConfigFile::ConfigFile(std::string path, ConfigPart part)
    : ConfigFile(pending(std::move(path), part)) {
    put_in_force(read());
}

ConfigFile ConfigFile::pending(std::string path, ConfigPart part) {
    ConfigFile file;
    file.path_ = std::move(path);
    file.part_ = part;
    return file;
}

ConfigFile::Stamps ConfigFile::stamps() const {
    return {stamp_of(path_), stamp_of(current_ ? current_->portals_file : "")};
}

// Stamps are taken before the files are read: a change meanwhile is seen at the next look.
ConfigPtr ConfigFile::read() {
    read_ = stamps();
    ConfigPtr loaded = load_config(path_, part_);
    // Valid, but more often the beginning of a file, or what a full disk left of it.
    if (current_ && read_.config.size == 0) {
        throw Error("'" + path_ + "' is empty: write it again (to stop accepting events, take its "
                    "portals away and leave a comment)");
    }
    if (loaded->portals_file != (current_ ? current_->portals_file : "")) {
        read_.portals = stamp_of(loaded->portals_file);
        loaded = load_config(path_, part_);
    }
    return loaded;
}

void ConfigFile::put_in_force(ConfigPtr loaded) {
    current_ = std::move(loaded);
    in_force_ = read_;
    error_.clear();
}

bool ConfigFile::is_worth_a_look() const {
    const bool rested = part_ == ConfigPart::request || steady_now() >= next_look_at_;
    return rested && stamps() != read_;
}

// What an editor, `cat` or FTP writes in place is empty first, and grows: valid at any moment, with
// fewer portals.
bool ConfigFile::looks_cut(const Stamps& found) const {
    const auto shrank = [](const FileStamp& now, const FileStamp& before) {
        return now != before && now.size >= 0 && now.size < before.size;
    };
    if (shrank(found.config, in_force_.config) || shrank(found.portals, in_force_.portals)) {
        return true;
    }
    return found.portals != in_force_.portals && found.portals.size > 0 &&
           !ends_with_newline(current_->portals_file);
}

// By the clock, so that what changed long ago waits for nothing; and by the time that passes, since
// the clock of the file system may be another, or be set back.
bool ConfigFile::is_half_written(const Stamps& found) {
    if (!current_ || !looks_cut(found)) return false;
    const Millis now = steady_now();
    if (found != half_written_) {
        half_written_ = found;
        seen_at_ = now;
    }
    const Millis changed_at = std::max(found.config.ctime_ns, found.portals.ctime_ns) / 1000000;
    return wall_now() - changed_at < writing_time && now - seen_at_ < writing_time;
}

// While the files are refused each look reads them again: what puts them right need not change a
// file that is watched here (a portals file that only the refused config names, a permission).
ConfigFile::Change ConfigFile::refresh(bool force) {
    const Stamps found = stamps();
    const bool changed = found != read_;
    bool in_force = current_ && error_.empty();
    if (!force && !changed && in_force) return Change::none;
    if (!force && is_half_written(found)) return Change::none;
    const Millis begun = steady_now();
    ConfigPtr loaded;
    std::string problem;
    try {
        loaded = read();
    } catch (const Error& error) {
        problem = error.what();
    }
    const Millis now = steady_now();
    if (current_) next_look_at_ = now + std::max(10 * (now - begun), shortest_rest);
    const Stamps after = stamps();
    if (!force && after != read_ && is_half_written(after)) return Change::none;
    if (loaded) {
        put_in_force(std::move(loaded));
        return Change::loaded;
    }
    const bool news = force || changed || error_ != problem;
    error_ = problem;
    return news ? Change::refused : Change::none;
}

}  // namespace bx
