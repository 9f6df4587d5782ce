#include "sqlite/held.h"

#include <vector>

#include "base/error.h"
#include "sqlite/events.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr Millis request_wait = second;

struct Held {
    DeliveryId d = 0;
    int attempt = 0;
    std::int64_t seed = 0;
};

std::vector<Held> all_held(Database& database) {
    std::vector<Held> held;
    Rows rows = database.rows(sql::held);
    using row = sql::held_claim_row;
    while (rows.next()) {
        held.push_back({rows.number(row::d), static_cast<int>(rows.number(row::attempt)),
                        rows.number(row::seed)});
    }
    return held;
}

}  // namespace

void release_held(Change& change, DeliveryId d, Millis now) {
    Database& database = change.database();
    database.run(sql::running_remove, d);
    const std::optional<Open> open = read_open(database, d);
    if (!open) return;
    change.names().ready().add(hook_of(d));
    if (open->lane) {
        settle_lane(database, open->lane, now);
    } else {
        give_turn(database, open->waiting(), now);
    }
}

SlotFile& HeldStarts::file() {
    if (!file_) file_.emplace(database_.path());
    return *file_;
}

// A request that is not counted here yet does not have the write lock either, and will find D.
void HeldStarts::hold(DeliveryId d) try {
    held_[d] = file().requests();
} catch (const Error& error) {
    throw StoreError(error.what());
}

MayStart HeldStarts::may_start(DeliveryId d) try {
    const auto found = held_.find(d);
    if (found == held_.end()) return MayStart::no;
    if (file().is_requested()) return MayStart::later;
    const bool asked = file().requests() != found->second;
    held_.erase(found);
    // Requests let go of the file when they have committed.
    if (asked && database_.number(sql::held_one, d) == 0) return MayStart::no;
    return MayStart::yes;
} catch (const StoreError&) {
    throw;
} catch (const Error& error) {
    throw StoreError(error.what());
}

TakenBack::TakenBack(Change& change, Millis now) try {
    Database& database = change.database();
    // The worker can hold nothing more: this transaction has the write lock.
    const std::vector<Held> held = all_held(database);
    if (held.empty()) return;
    file_.emplace(database.path());
    request_.emplace(*file_, request_wait);
    const auto begun = file_->begun();
    for (const auto& [d, attempt, seed] : held) {
        const std::string hook = change.names().hook_name(hook_of(d));
        const std::string run = run_name(seed, event_of(d), hook, attempt);
        if (begun.contains(SlotFile::key_of(run))) {
            database.run(sql::running_begun, d, now);
        } else {
            release_held(change, d, now);
        }
    }
} catch (const StoreError&) {
    throw;
} catch (const Error& error) {
    throw StoreBusy(error.what());
}

}  // namespace bx::sqlite
