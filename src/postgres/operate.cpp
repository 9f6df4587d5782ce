// What a person changes in the PostgreSQL store.
#include "postgres/parts.h"
#include "store/facts.h"

namespace bx::postgres {

namespace {

constexpr int tries_at_most = 5;  // of a request that others are faster than

// What bxhook.cancel did with a delivery.
constexpr std::int64_t did_cancel = 1, did_mark = 2, did_leave_running = 3;

RequestFacts read_facts(Session& session, View& view, const DeliveryName& name,
                        std::optional<RowState> chosen) {
    RequestFacts facts{.name = name, .chosen = chosen};
    const std::optional<StoredEvent> event = view.event(name.event);
    if (!event) return facts;
    facts.event = event->state;
    facts.retryable = event->retryable;
    facts.secrets_erased = event->secrets_erased;
    if (event->state == EventState::skipped) {
        Call<sql::unmatched_before> call;
        call[sql::unmatched_before::In::n] = Param::number(name.event);
        facts.unmatched_before = session.call(call).number(0, 0);
    }
    if (event->state != EventState::matched) return facts;
    for (const DeliveryRecord& record : view.deliveries(name.event)) {
        if (!name.hook.empty() && record.hook != name.hook) continue;
        facts.deliveries.push_back(
            {record.hook, record.state, record.merged_into, record.blocked_by});
    }
    return facts;
}

class Operations final : public Operator {
public:
    explicit Operations(Names& names)
        : names_(names), session_(names.session()), view_(make_view(names)) {}

    Outcome retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                  Millis now, std::optional<RowState> chosen) override;
    Outcome deliver(EventNumber number, const NewDelivery& delivery, Millis now) override;
    Outcome cancel(const DeliveryName& name, bool kill, Millis now,
                   std::optional<RowState> chosen) override;

private:
    template <typename Judge, typename Act>
    Outcome request(const DeliveryName& name, std::optional<RowState> chosen, Judge judge, Act act);
    bool cancel_deliveries(const RequestFacts& facts, bool kill, Millis now, Outcome& outcome);
    std::vector<std::int64_t> hooks_of(const RequestFacts& facts);

    Names& names_;
    Session& session_;
    std::unique_ptr<View> view_;
};

// JUDGE says what is to come of the request, ACT does it in one statement.  ACT gives false when
// nothing was left to do: somebody else was faster, and the request is judged anew, as if it had
// come afterwards.
template <typename Judge, typename Act>
Outcome Operations::request(const DeliveryName& name, std::optional<RowState> chosen, Judge judge,
                            Act act) {
    Outcome outcome;
    for (int tries = 0; tries < tries_at_most; ++tries) {
        const RequestFacts facts = read_facts(session_, *view_, name, chosen);
        outcome = judge(facts);
        if (outcome.count == 0 || act(facts, outcome)) return outcome;
    }
    outcome.reason = Outcome::Reason::changed;
    outcome.count = 0;
    return outcome;
}

std::vector<std::int64_t> Operations::hooks_of(const RequestFacts& facts) {
    std::vector<std::int64_t> hooks;
    for (const RequestFacts::Delivery& delivery : facts.deliveries) {
        hooks.push_back(names_.hook(delivery.hook));
        names_.ready().add(hooks.back());
    }
    return hooks;
}

Outcome Operations::retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                          Millis now, std::optional<RowState> chosen) {
    const bool also_done = chosen ? chosen == RowState::done : !name.hook.empty();
    return request(name, chosen, judge_retry, [&](const RequestFacts& facts, Outcome& outcome) {
        if (facts.event == EventState::skipped) {
            using in = sql::renew::In;
            Call<sql::renew> call;
            call[in::owner] = session_.owner();
            call[in::shard] = session_.shard();
            call[in::n] = Param::number(name.event);
            return session_.call(call).number(0, 0) != 0;
        }
        using in = sql::retry::In;
        std::vector<std::int64_t> extra;
        for (const RequestFacts::Delivery& delivery : facts.deliveries) {
            const bool waits = delivery.state == DeliveryState::waiting;
            extra.push_back(waits ? 0 : extra_attempts(delivery.hook));
        }
        Call<sql::retry> call;
        call[in::owner] = session_.owner();
        call[in::shard] = session_.shard();
        call[in::n] = Param::number(name.event);
        call[in::hook] = Param::numbers(hooks_of(facts));
        call[in::extra] = Param::numbers(extra);
        call[in::done] = Param::boolean(also_done);
        call[in::now] = session_.at(now);
        outcome.count = session_.call(call).number(0, 0);
        return outcome.count > 0;
    });
}

Outcome Operations::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    const DeliveryName name{number, delivery.hook};
    return request(name, std::nullopt, judge_deliver, [&](const RequestFacts&, Outcome&) {
        using in = sql::deliver::In;
        std::vector<Refusal> refused;
        if (const std::optional<StoredEvent> event = view_->event(number)) refused = event->refused;
        std::erase_if(refused, [&](const auto& one) { return one.hook == delivery.hook; });
        Call<sql::deliver> call;
        call[in::owner] = session_.owner();
        call[in::shard] = session_.shard();
        call[in::d] = Param::number(delivery_id(number, names_.hook(delivery.hook)));
        call[in::ordered] = Param::boolean(delivery.ordered);
        call[in::max] = Param::number(std::int64_t{delivery.max_attempts});
        call[in::refused] = Param::bytes(pack_refusals(refused));
        call[in::now] = session_.at(now);
        names_.ready().add(names_.hook(delivery.hook));
        return session_.call(call).number(0, 0) != 0;
    });
}

Outcome Operations::cancel(const DeliveryName& name, bool kill, Millis now,
                           std::optional<RowState> chosen) {
    const auto judge = [&](const RequestFacts& facts) { return judge_cancel(facts, kill); };
    return request(name, chosen, judge, [&](const RequestFacts& facts, Outcome& outcome) {
        if (facts.event == EventState::matched) {
            return cancel_deliveries(facts, kill, now, outcome);
        }
        if (facts.event == EventState::skipped) {
            Call<sql::give_up> call;
            call[sql::give_up::In::n] = Param::number(name.event);
            call[sql::give_up::In::now] = session_.at(now);
            return session_.call(call).number(0, 0) != 0;
        }
        using in = sql::cancel_new::In;
        Call<sql::cancel_new> call;
        call[in::shard] = session_.shard();
        call[in::n] = Param::number(name.event);
        call[in::now] = session_.at(now);
        return session_.call(call).number(0, 0) != 0;
    });
}

bool Operations::cancel_deliveries(const RequestFacts& facts, bool kill, Millis now,
                                   Outcome& outcome) {
    using in = sql::cancel::In;
    using out = sql::cancel::Out;
    Call<sql::cancel> call;
    call[in::owner] = session_.owner();
    call[in::shard] = session_.shard();
    call[in::n] = Param::number(facts.name.event);
    call[in::hook] = Param::numbers(hooks_of(facts));
    call[in::kill] = Param::boolean(kill);
    call[in::now] = session_.at(now);
    const Result done = session_.call(call);
    outcome.count = 0;
    outcome.running.clear();
    for (int row = 0; row < done.rows(); ++row) {
        const std::int64_t did = done.number(row, out::did);
        if (did == did_cancel || did == did_mark) ++outcome.count;
        if (did == did_leave_running) {
            outcome.running.push_back(names_.hook_name(done.number(row, out::hook)));
        }
    }
    const bool some_run = !outcome.running.empty();
    outcome.reason = some_run ? Outcome::Reason::some_run : Outcome::Reason::done;
    return outcome.count > 0 || some_run;
}

}  // namespace

std::unique_ptr<Operator> make_operator(Names& names) {
    return std::make_unique<Operations>(names);
}

}  // namespace bx::postgres
