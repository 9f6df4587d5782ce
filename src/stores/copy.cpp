#include "stores/copy.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "base/fd.h"
#include "host/slot_file.h"
#include "host/worker_lock.h"
#include "sqlite/export.h"
#include "sqlite/moved.h"
#include "sqlite/parts.h"
#include "sqlite/schema.h"
#include "store/errors.h"

namespace bx {

namespace {

constexpr std::size_t step = 200;         // events in one transaction, and in memory
constexpr std::size_t installations_step = 50;
constexpr Millis lock_wait = 5 * second;  // for a worker that is leaving
constexpr Millis longest_lease = minute;  // one that reaches further is from before the boot
constexpr int tries_at_most = 20;         // each in vain because a post has changed something

using Ids = std::map<InstallationId, InstallationId>;  // from the SQLite store's to the other's

// A renewal that is under way would bring its tokens here, where nobody looks for them any more.
void require_no_renewal(const MovedInstallation& moved) {
    // By the time since this machine's boot, as the SQLite store counts leases.
    const Millis left = moved.lease_until.value_or(0) - boot_now();
    if (left <= 0 || left > longest_lease) return;
    const Installation& one = moved.installation;
    throw Error("the tokens of '" + (one.domain.empty() ? one.member_id : one.domain) +
                "' are being renewed: copy again in a minute");
}

// False: some have changed meanwhile, and are to be read again.
bool hand_over(sqlite::Names& names, const std::vector<MovedInstallation>& batch, StoreImport& into,
               Ids& ids, CopyCount& count) {
    const std::vector<InstallationId> given = into.take(batch);
    bool all = true;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const MovedInstallation& moved = batch[i];
        if (given[i] > 0) ids[moved.installation.id] = given[i];
        if (!sqlite::hand_over(names, moved)) {
            all = false;
            continue;
        }
        const bool gone = moved.installation.state == InstallationState::gone;
        if (!moved.moved && !gone) ++count.installations;
        count.held += moved.posts.size();
    }
    return all;
}

Ids move_installations(sqlite::Names& names, StoreImport& into, CopyCount& count) {
    Ids ids;
    int tries = 0;
    for (InstallationId after = 0;;) {
        const auto batch = sqlite::moved_installations(names, after, installations_step);
        if (batch.empty()) return ids;
        std::ranges::for_each(batch, require_no_renewal);
        if (hand_over(names, batch, into, ids, count)) {
            after = batch.back().installation.id;
            tries = 0;
        } else if (++tries == tries_at_most) {
            throw StoreBusy("posts of installations keep coming while these move: copy again");
        }
    }
}

// What was erased leaves the log too: no worker will see to it.
void scrub(sqlite::Names& names, sqlite::Journal journal) {
    constexpr int tries = 50;  // of some milliseconds, while gateways read
    const std::unique_ptr<Upkeep> upkeep = sqlite::make_upkeep(names, journal);
    for (int i = 0; i < tries && !upkeep->scrub(); ++i) continue;
}

// Which installation proved an event, by the numbers of the other store.
void translate(std::vector<MovedEvent>& events, const Ids& ids) {
    for (MovedEvent& moved : events) {
        std::optional<InstallationId>& one = moved.event.installation;
        if (!one) continue;
        const auto found = ids.find(*one);
        one = found == ids.end() ? std::nullopt : std::optional(found->second);
    }
}

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
    const sqlite::Journal journal = sqlite::journal_for(directory_of(path));
    const std::unique_ptr<sqlite::Database> from = sqlite::open_database(path, options, journal);
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
    const Ids ids = move_installations(names, into, count);
    for (EventNumber last = 0;;) {
        std::vector<MovedEvent> events = sqlite::moved_events(names, last, step);
        if (events.empty()) break;
        translate(events, ids);
        count.copied += into.take(events);
        count.events += events.size();
        last = events.back().event.number;
        done_so_far(count.events);
    }
    scrub(names, journal);
    return count;
}

}  // namespace bx
