// Putting events into the SQLite store, whoever brings them.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include "sqlite/counters.h"
#include "sqlite/names.h"
#include "sqlite/secrets.h"

namespace bx::sqlite {

class EventWriter {
public:
    explicit EventWriter(Names& names) : names_(names), db_(names.database()) {}

    // Adds it after LAST, which it becomes; inside a write transaction.
    void insert(const NewEvent& event, LastEvent& last);
    SlotHand& hand() { return hand_; }

private:
    Names& names_;
    Database& db_;
    SlotHand hand_;
};

}  // namespace bx::sqlite
