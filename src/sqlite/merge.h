// Coalescing in the SQLite store: what of a lane can be merged, and merging it.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <span>
#include <vector>

#include "sqlite/change.h"

namespace bx::sqlite {

// What is merged is of one of these.  `lane` is a hash: the facts are compared.
struct Merging {
    HookId hook = 0;
    Lane lane;
    PortalId account = 0;
    EventFacts facts;
};

// The lane's waiting deliveries before BEFORE with that code, by N; of the lane's last thousand
// that wait before it.
std::vector<Open> mergeable(Names& names, const Merging& merging, DeliveryId before);

// Merges OLDER into INTO, which takes over due time and attempts; its lane is yet to be settled.
void merge(Change& change, const std::vector<Open>& older, Open& into, Millis now);

// A step of MatchQueue::merge_ahead.
bool merge_step(Names& names, std::span<const Dispatch> verdicts, Millis now);

}  // namespace bx::sqlite
