// The hooks as they are now: hooks_dir and the config are looked at again and again, and a change
// takes effect at once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "hooks/hooks.h"
#include "hooks/hooks_watch.h"

namespace bx {

class LiveHooks {
public:
    explicit LiveHooks(Log& log) : log_(log) {}

    // Reads them again when hooks_dir changed or CONFIG is another than last time.  A directory
    // that cannot be read: the old set stays and unreadable() says why.
    void refresh(const ConfigPtr& config, Millis now);
    // The same, without a look at every file when the kernel says that nothing changed.
    void refresh_if_changed(const ConfigPtr& config, Millis now);
    // No event is to be matched with this set any more, for PROBLEM.
    void stop(const std::string& problem) { unreadable_ = problem; }

    // The last good set; empty at first.
    const HookSet& set() const { return set_; }
    // True when events may be matched.
    bool ready() const { return config_ && unreadable_.empty(); }
    // Why they may not; empty: they may, or there is no config yet.
    const std::string& unreadable() const { return unreadable_; }
    // What people should know: that, or else the first of two hooks that have one name; empty:
    // nothing.
    const std::string& problem() const;

    // The scripts that could run a moment ago and cannot now.  Editors and FTP clients replace a
    // file by deleting it and writing it again: an event that a hook would take and that arrived in
    // between would be skipped for good, so it has to wait until gone_until().
    std::span<const Hook> gone(Millis now) const;
    Millis gone_until() const { return gone_until_; }

    // Logs what a person should know about the files of hooks_dir: each once, and again when it was
    // gone for a while.
    void log_warnings();

private:
    void replace(HookSet set, Millis now);
    void end_waiting(Millis now);
    void note_gone(const HookSet& set, Millis now);
    void note_duplicates();
    void report_end_of_duplicates(const std::string& place);
    void report(const std::string& problem);

    Log& log_;
    HooksWatch watch_;
    ConfigPtr config_;                  // set_ and stamp_ were made with
    HookSet set_;
    std::optional<std::string> stamp_;  // none: look again
    std::string unreadable_;
    std::map<std::string, std::string> duplicates_;  // by name: the message, as it was logged
    std::vector<Hook> gone_;
    Millis gone_until_ = 0;
    bool warned_ = true;               // of set_
    std::set<std::string> warnings_;   // as they were logged, of those that are still there
};

}  // namespace bx
