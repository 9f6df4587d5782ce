#include "stores/copy.h"

#include "base/fd.h"
#include "host/worker_lock.h"
#include "sqlite/export.h"
#include "sqlite/schema.h"
#include "store/errors.h"

namespace bx {

namespace {

constexpr std::size_t step = 200;         // events in one transaction, and in memory
constexpr Millis lock_wait = 5 * second;  // for a worker that is leaving

}  // namespace

CopyCount copy_store(const std::string& path, StoreImport& into,
                     const std::function<void(std::size_t done)>& done_so_far) {
    StoreOptions options{.role = Role::person};
    options.create = false;
    options.wait = 10 * second;
    const std::unique_ptr<sqlite::Database> from =
        sqlite::open_database(path, options, sqlite::journal_for(directory_of(path)));
    const WorkerLock lock(path, lock_wait);
    if (!lock.held()) {
        throw Error("a worker runs for store '" + path +
                    "': set `worker { start manual }` in its config, and stop it");
    }
    sqlite::Names names(*from);
    const EventNumber last_there = sqlite::last_number(*from);
    // Refused before anything is changed, where other events are the first that it would meet.
    if (const EventNumber first = into.first_up_to(last_there)) {
        into.require_same(sqlite::moved_events(names, first - 1, 1));
    }
    into.give_numbers_after(last_there);
    CopyCount count;
    for (EventNumber last = 0;;) {
        const std::vector<MovedEvent> events = sqlite::moved_events(names, last, step);
        if (events.empty()) return count;
        count.copied += into.take(events);
        count.events += events.size();
        last = events.back().event.number;
        done_so_far(count.events);
    }
}

}  // namespace bx
