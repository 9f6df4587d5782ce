#include "stores/copy.h"

#include "base/fd.h"
#include "host/worker_lock.h"
#include "sqlite/sqlite_store.h"

namespace bx {

namespace {

constexpr std::size_t step = 200;         // events in one transaction, and in memory
constexpr Millis lock_wait = 5 * second;  // for a worker that is leaving

}  // namespace

CopyCount copy_store(const std::string& path, StoreImport& into,
                     const std::function<void(std::size_t done)>& done_so_far) {
    StoreOptions options;
    options.create = false;
    options.wait = 10 * second;
    SqliteStore from(path, options, journal_for(directory_of(path)));
    const WorkerLock lock(path, lock_wait);
    if (!lock.held()) {
        throw Error("a worker runs for store '" + path +
                    "': set `worker { start manual }` in its config, and stop it");
    }
    into.give_numbers_after(from.last_number());
    CopyCount count;
    for (EventNumber last = 0;;) {
        const std::vector<MovedEvent> events = from.moved(last, step);
        if (events.empty()) return count;
        count.copied += into.take(events);
        count.events += events.size();
        last = events.back().event.number;
        done_so_far(count.events);
    }
}

}  // namespace bx
