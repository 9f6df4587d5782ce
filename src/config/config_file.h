// Which file has the configuration, and what it says as it changes.
#pragma once

#include <string>

#include "base/clock.h"
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
    // too, and so is a config file of no bytes.
    //
    // Files that look half written are left alone, which is `none`, until they are a second old or
    // were seen unchanged for a second: those that are smaller than what is in force, and a portals
    // file that does not end with a newline.  FORCE takes them as they are.
    Change refresh(bool force = false);

    // The config or the portals file is not what it was when they were last read, and since then
    // ten times the time has passed that reading took, 100 ms at least: who can have this asked at
    // will has them read for a tenth of the time at most (ConfigPart::request: one request asks
    // once, without that rest).  Only looks.
    bool is_worth_a_look() const;
    // Why the file as it is now was refused; empty when it is in force.
    const std::string& error() const { return error_; }
    const std::string& path() const { return path_; }

private:
    struct Stamps {
        FileStamp config;
        FileStamp portals;
        bool operator==(const Stamps&) const = default;
    };

    ConfigFile() = default;
    Stamps stamps() const;
    bool is_half_written(const Stamps& found);
    bool looks_cut(const Stamps& found) const;
    ConfigPtr read();
    void put_in_force(ConfigPtr loaded);

    std::string path_;
    ConfigPart part_ = ConfigPart::all;
    ConfigPtr current_;
    std::string error_;
    Stamps read_;             // of the files as they were last read
    Stamps in_force_;         // of those that current_ was made of
    Stamps half_written_;     // as they were first seen then,
    Millis seen_at_ = 0;      // steady time
    Millis next_look_at_ = 0;  // is_worth_a_look(), steady time
};

}  // namespace bx
