// The store in one SQLite file, for the processes of one machine.
#pragma once

#include <memory>
#include <string>

#include "sqlite/parts.h"

namespace bx::sqlite {

class SqliteStore final : public Store {
public:
    // Opens it as open_database does.  A worker's is looked over for what was changed by hand
    // (repair.h).
    SqliteStore(const std::string& path, const StoreOptions& options, Journal journal);

    Database& database() { return *database_; }  // for tests, which look at plans and pragmas

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
    std::unique_ptr<Database> database_;
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

}  // namespace bx::sqlite
