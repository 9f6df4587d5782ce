// Chores of the PostgreSQL store.
#include "postgres/chores.h"

#include <vector>

#include "postgres/columns.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

class Board final : public Chores {
public:
    explicit Board(Names& names) : session_(names.session()) {}

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
    Session& session_;
};

std::vector<DueChore> Board::take_due(Chore what, Millis now, Millis again_at,
                                       std::size_t at_most) {
    using in = sql::take_due_chores::In;
    using out = sql::take_due_chores::Out;
    Call<sql::take_due_chores> call;
    call[in::what] = Param::number(number_of(what));
    call[in::now] = session_.at(now);
    call[in::farthest] = session_.at(now + farthest_due(what));
    const Millis again = session_.theirs(again_at);
    call[in::again] = Param::number(again);
    call[in::most] = Param::number(static_cast<std::int64_t>(at_most));
    const Result answer = session_.call(call);
    std::vector<DueChore> due;
    for (int row = 0; row < answer.rows(); ++row) {
        due.push_back({answer.number(row, out::id), what,
                       static_cast<int>(answer.number(row, out::tries)),
                       answer.number(row, out::due), again});
    }
    return due;
}

std::optional<DueChore> Board::take(InstallationId id, Chore what, Millis again_at) {
    using in = sql::take_chore::In;
    using out = sql::take_chore::Out;
    Call<sql::take_chore> call;
    call[in::id] = Param::number(id);
    call[in::what] = Param::number(number_of(what));
    const Millis again = session_.theirs(again_at);
    call[in::now] = session_.at(wall_now());
    call[in::again] = Param::number(again);
    const Result answer = session_.call(call);
    if (answer.rows() == 0) return std::nullopt;
    return DueChore{id, what, static_cast<int>(answer.number(0, out::tries)),
                    answer.number(0, out::due), again};
}

bool Board::postpone(const DueChore& taken, Millis due_at, const std::string& problem) {
    using in = sql::postpone_chore::In;
    Call<sql::postpone_chore> call;
    call[in::id] = Param::number(taken.id);
    call[in::what] = Param::number(number_of(taken.what));
    call[in::again] = Param::number(taken.again_at);
    call[in::due] = session_.at(due_at);
    call[in::problem] = Param::bytes(problem);
    return session_.call(call).number(0, 0) != 0;
}

bool Board::finish(const DueChore& taken) {
    using in = sql::end_chore::In;
    Call<sql::end_chore> call;
    call[in::id] = Param::number(taken.id);
    call[in::what] = Param::number(number_of(taken.what));
    call[in::again] = Param::number(taken.again_at);
    return session_.call(call).number(0, 0) != 0;
}

bool Board::finish_until(const DueChore& taken, Millis due_at) {
    using in = sql::rest_chore::In;
    Call<sql::rest_chore> call;
    call[in::id] = Param::number(taken.id);
    call[in::what] = Param::number(number_of(taken.what));
    call[in::again] = Param::number(taken.again_at);
    call[in::due] = session_.at(due_at);
    call[in::now] = session_.at(wall_now());
    return session_.call(call).number(0, 0) != 0;
}

void Board::give_back(std::span<const DueChore> taken) {
    using in = sql::give_back_chores::In;
    Call<sql::give_back_chores> call;
    call[in::id] = numbers_of(taken, [](const DueChore& one) { return one.id; });
    call[in::what] = numbers_of(taken, [](const DueChore& one) { return number_of(one.what); });
    call[in::again] = numbers_of(taken, [](const DueChore& one) { return one.again_at; });
    call[in::due] = numbers_of(taken, [](const DueChore& one) { return one.due_at; });
    session_.call(call);
}

void Board::finish_pass(Millis now, Millis due_at) {
    using in = sql::set_chore::In;
    Call<sql::set_chore> call;
    call[in::id] = Param::number(0);
    call[in::what] = Param::number(number_of(Chore::pass));
    call[in::now] = session_.at(now);
    call[in::due] = session_.at(due_at);
    session_.call(call);
}

void Board::hasten(Chore what, Millis now) {
    using in = sql::hasten_chores::In;
    Call<sql::hasten_chores> call;
    call[in::what] = Param::number(number_of(what));
    call[in::now] = session_.at(now);
    session_.call(call);
}

std::optional<Millis> Board::next_chore() {
    return postgres::next_chore(session_);
}

std::optional<Millis> Board::last_pass() {
    return session_.ours(session_.call(Call<sql::last_pass>()).maybe_number(0, 0));
}

void Board::claim(const std::string& client_id, Millis now) {
    Call<sql::claim_installations> call;
    call[sql::claim_installations::In::client] = Param::bytes(client_id);
    call[sql::claim_installations::In::now] = session_.at(now);
    session_.call(call);
}

}  // namespace

std::optional<Millis> next_chore(Session& session) {
    using in = sql::next_chore::In;
    std::vector<Chore> kinds;
    for (int what = 0; what < chore_kinds; ++what) kinds.push_back(Chore{what});
    const Millis now = wall_now();
    Call<sql::next_chore> call;
    call[in::now] = session.at(now);
    call[in::what] = numbers_of(kinds, number_of);
    call[in::farthest] =
        numbers_of(kinds, [&](Chore what) { return session.theirs(now + farthest_due(what)); });
    return session.ours(session.call(call).maybe_number(0, 0));
}

std::unique_ptr<Chores> make_chores(Names& names) { return std::make_unique<Board>(names); }

}  // namespace bx::postgres
