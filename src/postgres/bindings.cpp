// Subscriptions of the PostgreSQL store.
#include "store/bindings.h"

#include "postgres/binding_columns.h"
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

class Keeper final : public Bindings {
public:
    explicit Keeper(Names& names) : session_(names.session()) {}

    std::vector<OwnBinding> of(InstallationId id) override;
    void add(InstallationId id, std::span<const OwnBinding> added) override;
    void remove(InstallationId id, std::span<const OwnBinding> removed) override;

private:
    Session& session_;
};

std::vector<OwnBinding> Keeper::of(InstallationId id) {
    using out = sql::bindings_of::Out;
    Call<sql::bindings_of> call;
    call[sql::bindings_of::In::id] = Param::number(id);
    const Result answer = session_.call(call);
    std::vector<OwnBinding> all;
    for (int row = 0; row < answer.rows(); ++row) {
        all.push_back({answer.text(row, out::event), answer.text(row, out::handler),
                       answer.number(row, out::offline) != 0, answer.number(row, out::by_hand) != 0,
                       session_.ours(answer.number(row, out::bound_at))});
    }
    return all;
}

void Keeper::add(InstallationId id, std::span<const OwnBinding> added) {
    if (added.empty()) return;
    Call<sql::add_bindings> call;
    call[sql::add_bindings::In::id] = Param::number(id);
    describe_bindings(call, added, session_);
    session_.call(call);
}

void Keeper::remove(InstallationId id, std::span<const OwnBinding> removed) {
    if (removed.empty()) return;
    Call<sql::remove_bindings> call;
    call[sql::remove_bindings::In::id] = Param::number(id);
    name_bindings(call, removed);
    session_.call(call);
}

}  // namespace

std::unique_ptr<Bindings> make_bindings(Names& names) {
    return std::make_unique<Keeper>(names);
}

}  // namespace bx::postgres
