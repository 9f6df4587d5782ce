// The store: where events and deliveries live, behind one interface for each who uses it.  SQLite
// implements it for one machine (sqlite/), PostgreSQL for several (postgres/).
//
// Every function that changes something is one transaction: when it returns, all of it is
// committed, when it throws, nothing is.  EventSink::add is durable on return (survives a power
// cut); the worker's marks survive a crash of the process, and after a power cut a hook may run
// again.  All functions throw StoreError, those that only read too.
//
// Each such transaction is bounded, in rows and so in time: nobody waits for long behind it, and a
// server that ends what takes over a second does not end it.  What is more is done in steps.
//
// A row that cannot be read is the trouble of its event alone: StoredEvent::damage tells.
#pragma once

#include "store/bindings.h"
#include "store/chores.h"
#include "store/errors.h"
#include "store/event_sink.h"
#include "store/installations.h"
#include "store/limiter.h"
#include "store/match_queue.h"
#include "store/operator.h"
#include "store/options.h"
#include "store/run_queue.h"
#include "store/transfer.h"
#include "store/upkeep.h"
#include "store/view.h"
#include "store/worker_registry.h"

namespace bx {

// Owns what it hands out.
class Store {
public:
    virtual ~Store() = default;

    virtual EventSink& sink() = 0;
    virtual MatchQueue& matching() = 0;
    virtual RunQueue& runs() = 0;
    virtual WorkerRegistry& workers() = 0;
    virtual Upkeep& upkeep() = 0;
    virtual View& view() = 0;
    virtual Operator& operate() = 0;
    virtual Installations& installations() = 0;
    virtual Transfer& transfer() = 0;
    virtual Chores& chores() = 0;
    virtual Bindings& bindings() = 0;
    virtual Limiter& limiter() = 0;
};

}  // namespace bx
