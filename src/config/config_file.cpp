#include <sys/stat.h>

#include "config/config.h"

namespace bx {

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

ConfigFile::Stamp ConfigFile::stamp_of(const std::string& path) {
    struct stat status{};
    if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
    auto nanoseconds = [](const timespec& time) {
        return static_cast<long long>(time.tv_sec) * 1000000000 + time.tv_nsec;
    };
    return {static_cast<long long>(status.st_dev), static_cast<long long>(status.st_ino),
            static_cast<long long>(status.st_size), nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim)};
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

// While the files are refused each look reads them again: what puts them right need not change a
// file that is watched here (a portals file that only the refused config names, a permission).
ConfigFile::Change ConfigFile::refresh(bool force) {
    bool changed = stamp_of(path_) != config_stamp_ ||
                   stamp_of(current_ ? current_->portals_file : "") != portals_stamp_;
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
