// The config and the hooks as they are now: both are looked at once a second, and a change takes
// effect at once.  So are the places of the files this worker belongs to: once one is lost, the
// config stays as it is and no event is matched any more.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "config/config_file.h"
#include "worker/live_hooks.h"
#include "worker/place.h"
#include "worker/worker.h"

namespace bx {

// The settings of the worker's log: a detached one writes beside its store unless told otherwise.
LogSettings log_settings(const Config& config, const WorkerOptions& options);

class LiveConfig {
public:
    // STORE_PLACE is Config::store as the store was opened.
    LiveConfig(ConfigFile& file, const StorePlace& store_place, const WorkerLock& lock,
               const WorkerOptions& options, Log& log);

    // Looks at both when the last look is a second old.  NOW is steady time.
    void refresh(Millis now);
    // Looks at both and for the places now, but at no file of hooks_dir when nothing changed there.
    void look(Millis now);
    void look_next_time() { look_.set(0); }  // whenever the last look was
    void load_next_time();                   // changed or not
    // Looks for the places alone, now.
    void check_place();
    // What is not in its place; empty: all is.
    const std::string& lost() const { return lost_; }
    // Another program stands in the place of this one.  Only a detached worker looks.
    bool has_new_program() const { return has_new_program_; }
    // Where the config file is now; empty: nowhere.
    std::string path_now() const { return lost_.empty() ? path() : place_.config_now(); }
    // True once after a config was loaded.
    bool take_loaded();

    // The config in force; null until one could be loaded.
    const ConfigPtr& config() const { return file_.current(); }
    const std::string& path() const { return file_.path(); }
    const LiveHooks& hooks() const { return hooks_; }
    // The hook NAME, looked for once more when it could not run or its file is gone.  Null: there
    // is none.
    const Hook* find_hook(const std::string& name, Millis now);
    // Of HOOK, or the defaults where it is unknown.  There must be a config.
    const HookSettings& settings_of(const std::string& hook) const;
    // How many of HOOK may run at a time; 0: it is disabled (by a setting, or by its file's name),
    // or another hook has its name.
    std::size_t concurrency_of(const std::string& hook) const;
    // For a worker that cron calls, when there is an event for them; others have logged them.
    void log_hook_warnings() { hooks_.log_warnings(); }

    bool names_other_store() const;
    // Why the config was refused, or else what is wrong with the hooks; empty: neither.
    const std::string& problem() const;

private:
    void look_at_config();

    ConfigFile& file_;
    Log& log_;
    const WorkerOptions options_;
    const StorePlace store_place_;
    LiveHooks hooks_;
    WorkerPlace place_;
    std::string lost_;
    bool has_new_program_ = false;
    Timer look_;
    bool force_ = false;
    bool loaded_ = false;
};

}  // namespace bx
