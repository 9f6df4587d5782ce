// Chores of the PostgreSQL store.
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

class Board final : public Chores {
public:
    explicit Board(Names& names) : session_(names.session()) {}

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
    Session& session_;
};

std::vector<DueChore> Board::take_due(Chore what, Millis now, Millis again_at,
                                       std::size_t at_most) {
    using in = sql::take_due_chores::In;
    using out = sql::take_due_chores::Out;
    Call<sql::take_due_chores> call;
    call[in::what] = Param::number(number_of(what));
    call[in::now] = session_.at(now);
    call[in::again] = session_.at(again_at);
    call[in::most] = Param::number(static_cast<std::int64_t>(at_most));
    const Result answer = session_.call(call);
    std::vector<DueChore> due;
    for (int row = 0; row < answer.rows(); ++row) {
        due.push_back({answer.number(row, out::id),
                       static_cast<int>(answer.number(row, out::tries))});
    }
    return due;
}

std::optional<DueChore> Board::take(InstallationId id, Chore what, Millis again_at) {
    using in = sql::take_chore::In;
    Call<sql::take_chore> call;
    call[in::id] = Param::number(id);
    call[in::what] = Param::number(number_of(what));
    call[in::again] = session_.at(again_at);
    const std::optional<std::int64_t> tries = session_.call(call).maybe_number(0, 0);
    if (!tries) return std::nullopt;
    return DueChore{id, static_cast<int>(*tries)};
}

void Board::postpone(InstallationId id, Chore what, Millis due_at, const std::string& problem) {
    using in = sql::postpone_chore::In;
    Call<sql::postpone_chore> call;
    call[in::id] = Param::number(id);
    call[in::what] = Param::number(number_of(what));
    call[in::due] = session_.at(due_at);
    call[in::problem] = Param::bytes(problem);
    session_.call(call);
}

void Board::finish(InstallationId id, Chore what, Millis now, std::optional<Millis> due_at) {
    using in = sql::finish_chore::In;
    Call<sql::finish_chore> call;
    call[in::id] = Param::number(id);
    call[in::what] = Param::number(number_of(what));
    call[in::now] = session_.at(now);
    if (due_at) call[in::due] = session_.at(*due_at);
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
    return session_.ours(session_.call(Call<sql::next_chore>()).maybe_number(0, 0));
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

std::unique_ptr<Chores> make_chores(Names& names) { return std::make_unique<Board>(names); }

}  // namespace bx::postgres
