// The limiter of the PostgreSQL store.
#include "store/limiter.h"

#include <algorithm>

#include "postgres/parts.h"

namespace bx::postgres {

namespace {

class Buckets final : public Limiter {
public:
    explicit Buckets(Names& names) : session_(names.session()) {}

    Turn take(const CalledMethod& what, const CallRate& rate, Millis at_most) override;
    void fill(const std::string& portal, const CallRate& rate) override;
    void note_operating(const CalledMethod& what, Millis in) override;
    Millis block(const CalledMethod& what, Millis otherwise) override;

private:
    Session& session_;
};

template <typename Function>
Call<Function> call_of(const CalledMethod& what) {
    using in = typename Function::In;
    Call<Function> call;
    call[in::portal] = Param::bytes(what.portal);
    call[in::whose] = Param::bytes(what.whose);
    call[in::method] = Param::bytes(what.method);
    return call;
}

Limiter::Turn Buckets::take(const CalledMethod& what, const CallRate& rate, Millis at_most) {
    using in = sql::take_call::In;
    using out = sql::take_call::Out;
    auto call = call_of<sql::take_call>(what);
    call[in::rate] = Param::number(rate.rate);
    call[in::burst] = Param::number(rate.burst);
    call[in::most] = Param::number(at_most);
    const Result answer = session_.call(call);
    return {answer.number(0, out::taken) != 0, answer.number(0, out::wait)};
}

void Buckets::fill(const std::string& portal, const CallRate& rate) {
    using in = sql::fill_bucket::In;
    Call<sql::fill_bucket> call;
    call[in::portal] = Param::bytes(portal);
    call[in::rate] = Param::number(rate.rate);
    call[in::burst] = Param::number(rate.burst);
    session_.call(call);
}

void Buckets::note_operating(const CalledMethod& what, Millis in) {
    auto call = call_of<sql::note_operating>(what);
    call[sql::note_operating::In::free_in] =
        Param::number(std::clamp<Millis>(in, 0, longest_block));
    session_.call(call);
}

Millis Buckets::block(const CalledMethod& what, Millis otherwise) {
    auto call = call_of<sql::block_method>(what);
    call[sql::block_method::In::otherwise] = Param::number(otherwise);
    return session_.call(call).number(0, 0);
}

}  // namespace

std::unique_ptr<Limiter> make_limiter(Names& names) {
    return std::make_unique<Buckets>(names);
}

}  // namespace bx::postgres
