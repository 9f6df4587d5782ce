// The registry of the SQLite store's one worker.
#include "sqlite/parts.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

class Workers final : public WorkerRegistry {
public:
    explicit Workers(Database& database) : db_(database) {}

    void register_worker(const WorkerRecord& worker) override;
    void unregister_worker(const WorkerRecord& worker) override;
    // It is the only one while it holds the worker lock, and is woken by that lock's FIFO.
    std::optional<Millis> lease() const override { return std::nullopt; }
    int wake_fd() override { return -1; }
    bool take_wakes() override { return false; }

private:
    Database& db_;
};

void Workers::register_worker(const WorkerRecord& worker) {
    Transaction transaction(db_, Transaction::Kind::write);
    // There is one worker: another's row is that of one that was killed.
    db_.run(sql::workers_forget);
    db_.run(sql::worker_add, worker.host, worker.pid, worker.version, worker.since, worker.running,
            worker.config_error, worker.trouble, worker.once);
    if (!worker.once) db_.run(sql::once_forget);
    transaction.commit();
}

void Workers::unregister_worker(const WorkerRecord& worker) {
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::worker_remove, worker.host, worker.pid);
    if (worker.once) {
        db_.run(sql::once_forget);
        db_.run(sql::once_add, wall_now(), worker.host, worker.trouble);
    }
    transaction.commit();
}

}  // namespace

std::unique_ptr<WorkerRegistry> make_worker_registry(Database& database) {
    return std::make_unique<Workers>(database);
}

}  // namespace bx::sqlite
