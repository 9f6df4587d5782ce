#include "store/transfer.h"

#include "postgres/parts.h"
#include "store/errors.h"

namespace bx::postgres {

namespace {

class Carrier final : public Transfer {
public:
    explicit Carrier(Names& names) : session_(names.session()) {}

    Brought bring(const BroughtInstallation& one, Millis now) override;
    std::vector<BroughtInstallation> all() override;

private:
    Session& session_;
};

Brought Carrier::bring(const BroughtInstallation& one, Millis now) {
    using in = sql::bring_installation::In;
    using out = sql::bring_installation::Out;
    Call<sql::bring_installation> call;
    call[in::member] = Param::bytes(one.member_id);
    call[in::client] = Param::bytes(one.client_id);
    if (!one.application_token.empty()) call[in::token] = Param::bytes(one.application_token);
    call[in::problem] = Param::bytes(unproven_problem);
    call[in::tokens] = Param::bytes(pack_tokens({{}, one.refresh_token, 0}));
    call[in::now] = session_.at(now);
    const Result answer = session_.call(call);
    return {static_cast<Brought::Result>(answer.number(0, out::result)), answer.number(0, out::id)};
}

std::vector<BroughtInstallation> Carrier::all() {
    using out = sql::installations_to_take_along::Out;
    const Result answer = session_.call(Call<sql::installations_to_take_along>());
    std::vector<BroughtInstallation> all;
    for (int row = 0; row < answer.rows(); ++row) {
        try {
            const Tokens tokens = unpack_tokens(answer.text(row, out::tokens));
            if (tokens.refresh.empty()) continue;
            all.push_back({answer.text(row, out::member_id), answer.text(row, out::client_id),
                           tokens.refresh, answer.text(row, out::application_token)});
        } catch (const StoreDamaged&) {  // it has none that anybody could take
        }
    }
    return all;
}

}  // namespace

std::unique_ptr<Transfer> make_transfer(Names& names) {
    return std::make_unique<Carrier>(names);
}

}  // namespace bx::postgres
