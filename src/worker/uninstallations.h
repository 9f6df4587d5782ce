// The end of installations: those whose ONAPPUNINSTALL is matched, and those that are old.
#pragma once

#include <span>

#include "store/installations.h"
#include "worker/context.h"

namespace bx {

class Uninstallations {
public:
    Uninstallations(WorkerContext& context, Installations& installations)
        : context_(context), installations_(installations) {}

    // Before EVENTS are dispatched: those that are the end of the installation that proved them end it.
    // Done again, it does nothing more.
    void take(std::span<const StoredEvent* const> events);
    // Erases those that nobody verified for 25 days, and those that have been gone for `retention
    // dead`; a step of it, at NOW (wall time).
    void drop_old(Millis now);

private:
    WorkerContext& context_;
    Installations& installations_;
};

}  // namespace bx
