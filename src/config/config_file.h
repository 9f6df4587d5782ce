// Which file has the configuration, and what it says as it changes.
#pragma once

#include <string>

#include "config/config.h"
#include "config/file_stamp.h"

namespace bx {

// Where the configuration is: EXPLICIT_PATH (--config) when not empty, else $BXHOOK_CONFIG, else
// .htbxhook/bxhook.conf or bxhook.conf beside the binary, else $sysconfdir/bxhook/bxhook.conf.  The
// first two need not exist; of the others the first that does, else the last.  Absolute.
std::string find_config(const std::string& explicit_path);

// The log file that $BXHOOK_LOG names (conf/bxhook.fcgi), made absolute; empty without one.
std::string find_log();

// Keeps a Config fresh.  Not thread-safe.
class ConfigFile {
public:
    // Loads now; throws as load_config does.  A second form that begins without a config (and so
    // without throwing) is `ConfigFile::pending`.
    ConfigFile(std::string path, ConfigPart part);
    static ConfigFile pending(std::string path, ConfigPart part);

    // The config in force; null until one could be loaded.
    const ConfigPtr& current() const { return current_; }

    enum class Change { none, loaded, refused };

    // Looks whether the file or the portals file changed (device, inode, size, mtime, ctime) or
    // FORCE is set, and if so loads it.  `refused`: the new one is invalid, error() says why and
    // the old one stays.  A portals file that is gone or bad keeps the old list and is `refused`
    // too.
    Change refresh(bool force = false);

    // The config or the portals file is not what it was when they were last read.  Only looks.
    bool has_changed() const;
    // Why the file as it is now was refused; empty when it is in force.
    const std::string& error() const { return error_; }
    const std::string& path() const { return path_; }

private:
    ConfigFile() = default;
    void load();

    std::string path_;
    ConfigPart part_ = ConfigPart::all;
    ConfigPtr current_;
    std::string error_;
    FileStamp config_stamp_;
    FileStamp portals_stamp_;
};

}  // namespace bx
