// What a person changes in the PostgreSQL store.
#include "postgres/parts.h"

namespace bx::postgres {

namespace {

constexpr int tries_at_most = 5;  // of a request that others are faster than

// What bxhook.cancel did with a delivery.
constexpr std::int64_t did_cancel = 1, did_mark = 2, did_leave_running = 3;

std::vector<std::string> hooks_of(const RequestFacts& facts) {
    std::vector<std::string> hooks;
    for (const RequestFacts::Delivery& delivery : facts.deliveries) hooks.push_back(delivery.hook);
    return hooks;
}

RequestFacts read_facts(View& view, const DeliveryName& name, std::optional<RowState> chosen) {
    RequestFacts facts{.name = name, .chosen = chosen};
    const std::optional<StoredEvent> event = view.event(name.event);
    if (!event) return facts;
    facts.event = event->state;
    facts.retryable = event->retryable;
    facts.secrets_erased = event->secrets_erased;
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
    explicit Operations(Session& session) : session_(session), view_(make_view(session)) {}

    Outcome retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                  Millis now, std::optional<RowState> chosen) override;
    Outcome deliver(EventNumber number, const NewDelivery& delivery, Millis now) override;
    Outcome cancel(const DeliveryName& name, bool kill, Millis now,
                   std::optional<RowState> chosen) override;

private:
    template <typename Judge, typename Act>
    Outcome request(const DeliveryName& name, std::optional<RowState> chosen, Judge judge, Act act);
    bool cancel_deliveries(const RequestFacts& facts, bool kill, Millis now, Outcome& outcome);

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
        const RequestFacts facts = read_facts(*view_, name, chosen);
        outcome = judge(facts);
        if (outcome.count == 0 || act(facts, outcome)) return outcome;
    }
    outcome.reason = Outcome::Reason::changed;
    outcome.count = 0;
    return outcome;
}

Outcome Operations::retry(const DeliveryName& name, const ExtraAttempts& extra_attempts,
                          Millis now, std::optional<RowState> chosen) {
    const bool also_done = chosen ? chosen == RowState::done : !name.hook.empty();
    return request(name, chosen, judge_retry, [&](const RequestFacts& facts, Outcome& outcome) {
        if (facts.event == EventState::skipped) {
            return session_.call("SELECT bxhook.renew($1::integer, $2)",
                                 {session_.shard(), Param::number(name.event)})
                       .number(0, 0) != 0;
        }
        const std::vector<std::string> hooks = hooks_of(facts);
        std::vector<std::int64_t> extra;
        for (const std::string& hook : hooks) extra.push_back(extra_attempts(hook));
        outcome.count =
            session_.call("SELECT bxhook.retry($1::integer, $2, $3, $4, $5, $6)",
                          {session_.shard(), Param::number(name.event), Param::texts(hooks),
                           Param::numbers(extra), Param::boolean(also_done),
                           session_.at(now)})
                .number(0, 0);
        return outcome.count > 0;
    });
}

Outcome Operations::deliver(EventNumber number, const NewDelivery& delivery, Millis now) {
    const DeliveryName name{number, delivery.hook};
    return request(name, std::nullopt, judge_deliver, [&](const RequestFacts&, Outcome&) {
        return session_.call("SELECT bxhook.deliver($1::integer, $2, $3, $4, $5, $6)",
                             {session_.shard(), Param::number(number), Param::text(delivery.hook),
                              Param::boolean(delivery.ordered),
                              Param::number(std::int64_t{delivery.max_attempts}),
                              session_.at(now)})
                   .number(0, 0) != 0;
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
            return session_.call("SELECT bxhook.give_up($1, 'cancelled', $2)",
                                 {Param::number(name.event), session_.at(now)})
                       .number(0, 0) != 0;
        }
        return session_.call("SELECT bxhook.skip($1::integer, $2, 'cancelled', $3)",
                             {session_.shard(), Param::number(name.event), session_.at(now)})
                   .number(0, 0) != 0;
    });
}

bool Operations::cancel_deliveries(const RequestFacts& facts, bool kill, Millis now,
                                   Outcome& outcome) {
    const Result done = session_.call(
        "SELECT name, did FROM bxhook.cancel($1::integer, $2, $3, $4, $5)",
        {session_.shard(), Param::number(facts.name.event), Param::texts(hooks_of(facts)),
         Param::boolean(kill), session_.at(now)});
    outcome.count = 0;
    outcome.running.clear();
    for (int row = 0; row < done.rows(); ++row) {
        const std::int64_t did = done.number(row, 1);
        if (did == did_cancel || did == did_mark) ++outcome.count;
        if (did == did_leave_running) outcome.running.push_back(done.text(row, 0));
    }
    const bool some_run = !outcome.running.empty();
    outcome.reason = some_run ? Outcome::Reason::some_run : Outcome::Reason::done;
    return outcome.count > 0 || some_run;
}

}  // namespace

std::unique_ptr<Operator> make_operator(Session& session) {
    return std::make_unique<Operations>(session);
}

}  // namespace bx::postgres
