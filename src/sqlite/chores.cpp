// Chores of the SQLite store.
#include "sqlite/parts.h"
#include "sqlite/statements.h"

namespace bx::sqlite {

namespace {

class Board final : public Chores {
public:
    explicit Board(Database& database) : db_(database) {}

    std::vector<DueChore> take_due(Chore what, Millis now, Millis again_at,
                                   std::size_t at_most) override;
    std::optional<DueChore> take(InstallationId id, Chore what, Millis again_at) override;
    void postpone(InstallationId id, Chore what, Millis due_at,
                  const std::string& problem) override;
    void finish(InstallationId id, Chore what, Millis now, std::optional<Millis> due_at) override;
    void hasten(Chore what, Millis now) override;
    std::optional<Millis> next_chore() override;
    std::optional<Millis> last_pass() override;
    void claim(const std::string& client_id, Millis now) override;

private:
    Database& db_;
};

std::vector<DueChore> Board::take_due(Chore what, Millis now, Millis again_at,
                                       std::size_t at_most) {
    std::vector<DueChore> due;
    Transaction transaction(db_, Transaction::Kind::write);
    {
        Rows rows = db_.rows(sql::chores_due, number_of(what), now, at_most);
        using row = sql::due_chore;
        while (rows.next()) {
            due.push_back({rows.number(row::installation),
                           static_cast<int>(rows.number(row::tries))});
        }
    }
    if (due.empty()) return due;
    for (const DueChore& one : due) {
        db_.run(sql::chore_take, one.id, number_of(what), again_at, now);
    }
    transaction.commit();
    return due;
}

std::optional<DueChore> Board::take(InstallationId id, Chore what, Millis again_at) {
    Transaction transaction(db_, Transaction::Kind::write);
    DueChore found{id, 0};
    {
        Rows rows = db_.rows(sql::chore_of, id, number_of(what));
        if (!rows.next()) return std::nullopt;
        found.tries = static_cast<int>(rows.number(sql::due_chore::tries));
    }
    db_.run(sql::chore_take, id, number_of(what), again_at, wall_now());
    transaction.commit();
    return found;
}

void Board::postpone(InstallationId id, Chore what, Millis due_at, const std::string& problem) {
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::chore_postpone, id, number_of(what), due_at, problem);
    transaction.commit();
}

void Board::finish(InstallationId id, Chore what, Millis now, std::optional<Millis> due_at) {
    Transaction transaction(db_, Transaction::Kind::write);
    if (due_at) {
        db_.run(sql::chore_finish, id, number_of(what), *due_at, now);
    } else {
        db_.run(sql::chore_remove, id, number_of(what));
    }
    transaction.commit();
}

void Board::hasten(Chore what, Millis now) {
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::chores_hasten, number_of(what), now);
    transaction.commit();
}

std::optional<Millis> Board::next_chore() { return db_.maybe_number(sql::chore_next); }

std::optional<Millis> Board::last_pass() {
    return db_.maybe_number(sql::chore_ended, number_of(Chore::pass));
}

void Board::claim(const std::string& client_id, Millis now) {
    Transaction transaction(db_, Transaction::Kind::write);
    std::vector<InstallationId> waiting;
    {
        Rows rows = db_.rows(sql::unclaimed_of, client_id);
        while (rows.next()) waiting.push_back(rows.number(0));
    }
    if (waiting.empty()) return;
    for (const InstallationId id : waiting) {
        db_.run(sql::installation_claim, id);
        db_.run(sql::chore_begin, id, number_of(Chore::verify), now);
    }
    transaction.commit();
}

}  // namespace

std::unique_ptr<Chores> make_chores(Database& database) {
    return std::make_unique<Board>(database);
}

}  // namespace bx::sqlite
