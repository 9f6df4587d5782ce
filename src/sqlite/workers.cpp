// The registry of the SQLite store's one worker.
#include "sqlite/change.h"
#include "sqlite/parts.h"

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
    Change change(db_);
    // There is one worker: another's row is that of one that was killed.
    db_.run("DELETE FROM worker");
    db_.run("INSERT INTO worker (host, pid, version, since, running, config_error, trouble, once) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            {worker.host, worker.pid, worker.version, worker.since, worker.running,
             worker.config_error, worker.trouble, worker.once});
    if (!worker.once) db_.run("DELETE FROM once");
    change.commit();
}

void Workers::unregister_worker(const WorkerRecord& worker) {
    Change change(db_);
    db_.run("DELETE FROM worker WHERE host = ? AND pid = ?", {worker.host, worker.pid});
    if (worker.once) {
        db_.run("DELETE FROM once");
        db_.run("INSERT INTO once (left_at, host, trouble) VALUES (?, ?, ?)",
                {wall_now(), worker.host, worker.trouble});
    }
    change.commit();
}

}  // namespace

std::unique_ptr<WorkerRegistry> make_worker_registry(Database& database) {
    return std::make_unique<Workers>(database);
}

}  // namespace bx::sqlite
