// Held claims of the SQLite store (store/run_queue.h): rows of `running` whose runs have not begun, or
// have since the worker's last transaction, which their slots tell (host/slot_file.h).
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "host/slot_file.h"
#include "sqlite/change.h"
#include "store/run_queue.h"

namespace bx::sqlite {

// The delivery D, which is held and whose run has not begun, waits again: as if it had never been
// claimed.
void release_held(Change& change, DeliveryId d, Millis now);

// The worker's side.
class HeldStarts {
public:
    explicit HeldStarts(Database& database) : database_(database) {}

    // D is held from now on; in the transaction that claims it.
    void hold(DeliveryId d);
    // Whether the run of D may start now: requests since its claim may have taken it back.  It is not
    // held any more then, unless it is to be asked `later`.
    MayStart may_start(DeliveryId d);
    // D is not held any more.
    void forget(DeliveryId d) { held_.erase(d); }

private:
    SlotFile& file();

    Database& database_;
    std::optional<SlotFile> file_;
    std::unordered_map<DeliveryId, std::uint64_t> held_;  // with the requests before its claim
};

// The side of a person's request.  In its transaction: nothing is held as long as one lives, and none
// of what was may start.
class TakenBack {
public:
    // What is held waits again; what has begun runs.  WAIT: for the end of another request.
    TakenBack(Change& change, Millis now);

private:
    std::optional<SlotFile> file_;
    std::optional<SlotFile::Request> request_;
};

}  // namespace bx::sqlite
