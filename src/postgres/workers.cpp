// The registry of the PostgreSQL store's workers.
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

class Workers final : public WorkerRegistry {
public:
    explicit Workers(Names& names) : session_(names.session()) {}

    void register_worker(const WorkerRecord& worker) override;
    void unregister_worker(const WorkerRecord& worker) override;
    std::optional<Millis> lease() const override { return lease_time; }
    int wake_fd() override { return session_.wake_fd(); }
    bool take_wakes() override { return session_.take_wakes(); }

private:
    Session& session_;
};

void Workers::register_worker(const WorkerRecord& worker) {
    using in = sql::worker_stays::In;
    Call<sql::worker_stays> call;
    call[in::id] = session_.owner();
    call[in::host] = Param::text(worker.host);
    call[in::pid] = Param::number(worker.pid);
    call[in::version] = Param::text(worker.version);
    call[in::since] = session_.at(worker.since);
    call[in::running] = Param::number(std::int64_t{worker.running});
    call[in::config_error] = Param::bytes(worker.config_error);
    call[in::trouble] = Param::bytes(worker.trouble);
    call[in::once] = Param::boolean(worker.once);
    call[in::lease] = Param::number(lease_time);
    session_.call(call);
}

void Workers::unregister_worker(const WorkerRecord& worker) {
    using in = sql::worker_leaves::In;
    Call<sql::worker_leaves> call;
    call[in::id] = session_.owner();
    call[in::host] = Param::text(worker.host);
    call[in::trouble] = Param::bytes(worker.trouble);
    call[in::once] = Param::boolean(worker.once);
    session_.call(call);
}

}  // namespace

std::unique_ptr<WorkerRegistry> make_worker_registry(Names& names) {
    return std::make_unique<Workers>(names);
}

}  // namespace bx::postgres
