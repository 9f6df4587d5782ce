// Chores of the SQLite store.
#include "sqlite/chores.h"

#include <algorithm>

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
    bool postpone(const DueChore& taken, Millis due_at, const std::string& problem) override;
    bool finish(const DueChore& taken) override;
    bool finish_until(const DueChore& taken, Millis due_at) override;
    void give_back(std::span<const DueChore> taken) override;
    void finish_pass(Millis now, Millis due_at) override;
    void hasten(Chore what, Millis now) override;
    std::optional<Millis> next_chore() override;
    std::optional<Millis> last_pass() override;
    void claim(const std::string& client_id, Millis now) override;

private:
    bool repeat(const DueChore& taken);

    Database& db_;
};

// Columns due_chore.
DueChore taken_of(Rows& rows, Chore what, Millis again_at) {
    using row = sql::due_chore;
    return {rows.number(row::installation), what, static_cast<int>(rows.number(row::tries)),
            rows.number(row::due_at), again_at};
}

std::vector<DueChore> Board::take_due(Chore what, Millis now, Millis again_at,
                                       std::size_t at_most) {
    std::vector<DueChore> due;
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::chores_recall, number_of(what), now, now + farthest_due(what));
    {
        Rows rows = db_.rows(sql::chores_due, number_of(what), now, at_most);
        while (rows.next()) due.push_back(taken_of(rows, what, again_at));
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
    const Millis now = wall_now();
    DueChore taken;
    {
        Rows rows = db_.rows(sql::chore_of, id, number_of(what), now);
        if (!rows.next()) return std::nullopt;
        taken = taken_of(rows, what, again_at);
    }
    db_.run(sql::chore_take, id, number_of(what), again_at, now);
    transaction.commit();
    return taken;
}

bool Board::repeat(const DueChore& taken) {
    return db_.run(sql::chore_repeat, taken.id, number_of(taken.what), taken.again_at) > 0;
}

bool Board::postpone(const DueChore& taken, Millis due_at, const std::string& problem) {
    Transaction transaction(db_, Transaction::Kind::write);
    const bool done = !repeat(taken) && db_.run(sql::chore_postpone, taken.id,
                                                number_of(taken.what), taken.again_at, due_at,
                                                problem) > 0;
    transaction.commit();
    return done;
}

bool Board::finish(const DueChore& taken) {
    Transaction transaction(db_, Transaction::Kind::write);
    const bool done = !repeat(taken) && db_.run(sql::chore_end, taken.id, number_of(taken.what),
                                                taken.again_at) > 0;
    transaction.commit();
    return done;
}

bool Board::finish_until(const DueChore& taken, Millis due_at) {
    Transaction transaction(db_, Transaction::Kind::write);
    const bool done = !repeat(taken) && db_.run(sql::chore_rest, taken.id, number_of(taken.what),
                                                taken.again_at, due_at, wall_now()) > 0;
    transaction.commit();
    return done;
}

void Board::give_back(std::span<const DueChore> taken) {
    Transaction transaction(db_, Transaction::Kind::write);
    for (const DueChore& one : taken) {
        db_.run(sql::chore_give_back, one.id, number_of(one.what), one.again_at, one.due_at);
    }
    transaction.commit();
}

void Board::finish_pass(Millis now, Millis due_at) {
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::chore_set, 0, number_of(Chore::pass), due_at, now);
    transaction.commit();
}

void Board::hasten(Chore what, Millis now) {
    Transaction transaction(db_, Transaction::Kind::write);
    db_.run(sql::chores_hasten, number_of(what), now);
    transaction.commit();
}

std::optional<Millis> Board::next_chore() { return sqlite::next_chore(db_); }

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
        db_.run(sql::chore_begin, id, number_of(Chore::verify), now);
    }
    transaction.commit();
}

}  // namespace

bool want_again(Database& database, InstallationId id, Chore what, Millis at) {
    return database.run(sql::chore_want_again, id, number_of(what), at, wall_now()) > 0;
}

std::optional<Millis> next_chore(Database& database) {
    const Millis now = wall_now();
    std::optional<Millis> next;
    for (int what = 0; what < chore_kinds; ++what) {
        Rows rows = database.rows(sql::chore_times, what);
        using row = sql::chore_span;
        if (!rows.next() || rows.is_null(row::first)) continue;
        const bool too_late = rows.number(row::last) > now + farthest_due(Chore{what});
        const Millis due = too_late ? std::min(rows.number(row::first), now)
                                    : rows.number(row::first);
        next = std::min(next.value_or(due), due);
    }
    return next;
}

std::unique_ptr<Chores> make_chores(Database& database) {
    return std::make_unique<Board>(database);
}

}  // namespace bx::sqlite
