// The registry of the PostgreSQL store's workers.
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

class Workers final : public WorkerRegistry {
public:
    explicit Workers(Session& session) : session_(session) {}

    void register_worker(const WorkerRecord& worker) override;
    void unregister_worker(const WorkerRecord& worker) override;
    std::optional<Millis> lease() const override { return lease_time; }
    int wake_fd() override { return session_.wake_fd(); }
    bool take_wakes() override { return session_.take_wakes(); }

private:
    Session& session_;
};

void Workers::register_worker(const WorkerRecord& worker) {
    session_.call("SELECT bxhook.worker_stays($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                  {session_.owner(), Param::text(worker.host), Param::number(worker.pid),
                   Param::text(worker.version), session_.at(worker.since),
                   Param::number(std::int64_t{worker.running}), Param::bytes(worker.config_error),
                   Param::bytes(worker.trouble), Param::boolean(worker.once),
                   Param::number(lease_time)});
}

void Workers::unregister_worker(const WorkerRecord& worker) {
    session_.call("SELECT bxhook.worker_leaves($1, $2, $3, $4)",
                  {session_.owner(), Param::text(worker.host), Param::bytes(worker.trouble),
                   Param::boolean(worker.once)});
}

}  // namespace

std::unique_ptr<WorkerRegistry> make_worker_registry(Session& session) {
    return std::make_unique<Workers>(session);
}

}  // namespace bx::postgres
