#include "store/transfer.h"

#include "sqlite/chores.h"
#include "sqlite/event_writer.h"
#include "sqlite/held_posts.h"
#include "sqlite/parts.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

Bound blob_or_null(const std::string& bytes) {
    if (bytes.empty()) return nullptr;
    return Blob{bytes};
}

class Carrier final : public Transfer {
public:
    explicit Carrier(Names& names) : db_(names.database()) {}

    Brought bring(const BroughtInstallation& one, Millis now) override;
    std::vector<BroughtInstallation> all() override;

private:
    Brought find(const BroughtInstallation& one);

    Database& db_;
};

Brought Carrier::find(const BroughtInstallation& one) {
    Rows rows = db_.rows(sql::brought, one.member_id, one.client_id);
    using row = sql::brought_row;
    if (!rows.next()) return {Brought::Result::made, 0};
    const auto state = static_cast<InstallationState>(rows.number(row::state));
    const bool active = state == InstallationState::active;
    return {active ? Brought::Result::there : Brought::Result::mended, rows.number(row::id)};
}

Brought Carrier::bring(const BroughtInstallation& one, Millis now) {
    Transaction transaction(db_, Transaction::Kind::write);
    Brought brought = find(one);
    const Bound token = blob_or_null(one.application_token);
    switch (brought.result) {
        case Brought::Result::there: return brought;
        case Brought::Result::mended:
            db_.run(sql::brought_mend, brought.id, token);
            break;
        case Brought::Result::made:
            db_.run(sql::brought_add, one.member_id, one.client_id, token, unproven_problem, now);
            brought.id = db_.last_inserted();
            break;
    }
    HeldPosts held(db_);
    held.bring_tokens(brought.id, {{}, one.refresh_token, 0});
    if (!want_again(db_, brought.id, Chore::bind, now)) {
        db_.run(sql::chore_begin, brought.id, number_of(Chore::bind), now);
    }
    held.note_erased();
    transaction.commit();
    return brought;
}

std::vector<BroughtInstallation> Carrier::all() {
    const Transaction moment(db_, Transaction::Kind::read);
    std::vector<BroughtInstallation> all;
    std::vector<InstallationId> ids;
    {
        Rows rows = db_.rows(sql::installations_to_take_along);
        using row = sql::taken_along;
        while (rows.next()) {
            ids.push_back(rows.number(row::id));
            all.push_back({rows.text(row::member_id), rows.text(row::client_id), {},
                           rows.text(row::application_token)});
        }
    }
    HeldPosts held(db_);
    for (std::size_t i = 0; i < all.size(); ++i) {
        try {
            all[i].refresh_token = held.tokens_of(ids[i]).refresh;
        } catch (const StoreDamaged&) {  // it has none that anybody could take
        }
    }
    std::erase_if(all, [](const auto& one) { return one.refresh_token.empty(); });
    return all;
}

}  // namespace

std::unique_ptr<Transfer> make_transfer(Names& names) {
    return std::make_unique<Carrier>(names);
}

}  // namespace bx::sqlite
