#include "stores/copy.h"

#include <algorithm>
#include <unordered_set>

#include "base/fd.h"
#include "host/slot_file.h"
#include "host/worker_lock.h"
#include "sqlite/export.h"
#include "sqlite/parts.h"
#include "sqlite/schema.h"
#include "store/errors.h"

namespace bx {

namespace {

constexpr std::size_t step = 200;         // events in one transaction, and in memory
constexpr Millis lock_wait = 5 * second;  // for a worker that is leaving

// How many runs a worker that was killed had seen the end of, and could not record.
std::size_t unrecorded_ends(sqlite::Names& names, const std::string& path) {
    std::unordered_set<SlotFile::Key> ended;
    try {
        for (const SlotFile::Found& found : SlotFile::left_in(path)) ended.insert(found.run);
    } catch (const UnusableSlots&) {  // nor could that worker have used it
        return 0;
    }
    if (ended.empty()) return 0;
    const std::vector<Orphan> running = sqlite::make_run_queue(names)->orphans({});
    return static_cast<std::size_t>(std::ranges::count_if(running, [&](const Orphan& orphan) {
        return ended.contains(SlotFile::key_of(orphan.run));
    }));
}

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
    if (const std::size_t ends = unrecorded_ends(names, path); ends > 0) {
        throw Error("a worker of store '" + path + "' was killed before it recorded how " +
                    std::to_string(ends) + (ends == 1 ? " run" : " runs") +
                    " ended: run 'bxhook work --once' with that store's config first");
    }
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
