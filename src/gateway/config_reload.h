// The gateway's configuration, loaded again when its files change.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"
#include "config/config_file.h"
#include "host/file_id.h"

namespace bx {

class ConfigReload {
public:
    // Loads nothing yet.  LOG is told when a config is refused.
    ConfigReload(std::string path, ConfigPart part, Log& log);

    // Null until one could be loaded.
    const ConfigPtr& current() const { return file_.current(); }
    const std::string& path() const { return file_.path(); }
    // Why the files were refused when they were last read; empty: they were not.
    const std::string& error() const { return file_.error(); }

    // True at most once a second, and always with FORCE: load_changed() is due.
    bool is_due(bool force);
    // ConfigFile::is_worth_a_look(), whether load_changed() is due or not.
    bool is_worth_a_look() const { return file_.is_worth_a_look(); }
    // The directory of the file was renamed or deleted since this process began: what is there now is
    // for another gateway.
    bool is_misplaced() const { return dir_ != FileId{} && is_gone(directory_of(path()), dir_); }
    // Loads the config when its files have changed, or FORCE.  True: another one is in force.
    bool load_changed(bool force);

private:
    ConfigFile file_;
    Log& log_;
    const FileId dir_;
    Timer next_look_;
};

}  // namespace bx
