#include "config/config_file.h"

#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "base/fd.h"

namespace bx {

namespace {

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
    load();
}

ConfigFile ConfigFile::pending(std::string path, ConfigPart part) {
    ConfigFile file;
    file.path_ = std::move(path);
    file.part_ = part;
    return file;
}

// Stamps are taken before the files are read: a change meanwhile is seen at the next look.
void ConfigFile::load() {
    config_stamp_ = stamp_of(path_);
    std::string portals_file = current_ ? current_->portals_file : "";
    portals_stamp_ = stamp_of(portals_file);
    ConfigPtr loaded = load_config(path_, part_);
    if (loaded->portals_file != portals_file) {
        portals_stamp_ = stamp_of(loaded->portals_file);
        loaded = load_config(path_, part_);
    }
    current_ = std::move(loaded);
    error_.clear();
}

bool ConfigFile::has_changed() const {
    return stamp_of(path_) != config_stamp_ ||
           stamp_of(current_ ? current_->portals_file : "") != portals_stamp_;
}

// While the files are refused each look reads them again: what puts them right need not change a
// file that is watched here (a portals file that only the refused config names, a permission).
ConfigFile::Change ConfigFile::refresh(bool force) {
    const bool changed = has_changed();
    bool in_force = current_ && error_.empty();
    if (!force && !changed && in_force) return Change::none;
    try {
        load();
        return Change::loaded;
    } catch (const Error& error) {
        bool news = force || changed || error_ != error.what();
        error_ = error.what();
        return news ? Change::refused : Change::none;
    }
}

}  // namespace bx
