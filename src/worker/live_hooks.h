// The hooks as they are now: hooks_dir and the config are looked at again and again, and a change
// takes effect at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "hooks/hooks.h"

namespace bx {

class LiveHooks {
public:
    explicit LiveHooks(Log& log) : log_(log) {}

    // Reads them anew when hooks_dir changed or CONFIG is another than last time.  Two of one name,
    // or a directory that cannot be read: the old set stays and problem() says why.
    void refresh(const ConfigPtr& config, Millis now);

    // The last good set; empty at first.
    const HookSet& set() const { return set_; }
    // Why events cannot be matched; empty: they can.
    const std::string& problem() const { return problem_; }
    // True when events may be matched at NOW: no problem, and no script disappeared a moment ago.
    // Editors and FTP clients replace a file by deleting it and writing it again; an event that
    // arrived in between would be skipped for good.
    bool ready(Millis now) const { return config_ && problem_.empty() && now >= stable_at_; }
    Millis stable_at() const { return stable_at_; }

private:
    void replace(HookSet set, Millis now);
    void report(const std::string& problem);

    Log& log_;
    ConfigPtr config_;                  // set_ and stamp_ were made with
    HookSet set_;
    std::optional<std::string> stamp_;  // none: look again
    std::string problem_;
    std::vector<std::string> gone_;  // scripts that could run, and cannot any more
    Millis stable_at_ = 0;
};

}  // namespace bx
