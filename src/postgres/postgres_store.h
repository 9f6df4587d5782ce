// The store in a PostgreSQL database, for the processes of many hosts.
#pragma once

#include <memory>
#include <string>

#include "postgres/parts.h"

namespace bx::postgres {

class PostgresStore final : public Store {
public:
    // Connects, and checks the schema.
    PostgresStore(const std::string& url, const StoreOptions& options);

    EventSink& sink() override { return *sink_; }
    MatchQueue& matching() override { return *matching_; }
    RunQueue& runs() override { return *runs_; }
    WorkerRegistry& workers() override { return *workers_; }
    Upkeep& upkeep() override { return *upkeep_; }
    View& view() override { return *view_; }
    Operator& operate() override { return *operator_; }
    Installations& installations() override { return *installations_; }
    Transfer& transfer() override { return *transfer_; }
    Chores& chores() override { return *chores_; }
    Bindings& bindings() override { return *bindings_; }
    Limiter& limiter() override { return *limiter_; }

private:
    Session session_;
    Names names_;
    std::unique_ptr<EventSink> sink_;
    std::unique_ptr<MatchQueue> matching_;
    std::unique_ptr<RunQueue> runs_;
    std::unique_ptr<WorkerRegistry> workers_;
    std::unique_ptr<Upkeep> upkeep_;
    std::unique_ptr<View> view_;
    std::unique_ptr<Operator> operator_;
    std::unique_ptr<Installations> installations_;
    std::unique_ptr<Transfer> transfer_;
    std::unique_ptr<Chores> chores_;
    std::unique_ptr<Bindings> bindings_;
    std::unique_ptr<Limiter> limiter_;
};

}  // namespace bx::postgres
