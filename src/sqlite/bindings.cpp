// Subscriptions of the SQLite store.
#include "sqlite/bindings.h"

#include "sqlite/parts.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

class Keeper final : public Bindings {
public:
    explicit Keeper(Database& database) : db_(database) {}

    std::vector<OwnBinding> of(InstallationId id) override { return bindings_of(db_, id); }
    void add(InstallationId id, std::span<const OwnBinding> added) override;
    void remove(InstallationId id, std::span<const OwnBinding> removed) override;

private:
    Database& db_;
};

void Keeper::add(InstallationId id, std::span<const OwnBinding> added) {
    if (added.empty()) return;
    Transaction transaction(db_, Transaction::Kind::write);
    for (const OwnBinding& one : added) {
        db_.run(sql::binding_add, id, one.event, one.handler, one.offline ? 1 : 0,
                one.by_hand ? 1 : 0, one.bound_at);
    }
    transaction.commit();
}

void Keeper::remove(InstallationId id, std::span<const OwnBinding> removed) {
    if (removed.empty()) return;
    Transaction transaction(db_, Transaction::Kind::write);
    for (const OwnBinding& one : removed) {
        db_.run(sql::binding_remove, id, one.event, one.handler, one.offline ? 1 : 0);
    }
    transaction.commit();
}

}  // namespace

std::vector<OwnBinding> bindings_of(Database& database, InstallationId id) {
    std::vector<OwnBinding> all;
    Rows rows = database.rows(sql::bindings_of, id);
    using row = sql::own_binding;
    while (rows.next()) {
        all.push_back({rows.text(row::event), rows.text(row::handler),
                       rows.number(row::offline) != 0, rows.number(row::by_hand) != 0,
                       rows.number(row::bound_at)});
    }
    return all;
}

std::unique_ptr<Bindings> make_bindings(Database& database) {
    return std::make_unique<Keeper>(database);
}

}  // namespace bx::sqlite
