#include "worker/decision.h"

#include <boost/test/unit_test.hpp>

#include "event/event.h"
#include "event/payload.h"
#include "form/form.h"

namespace {

constexpr bx::Millis received = 1000 * bx::second;
constexpr bx::Millis later = received + bx::minute;

// Hooks that are blocks with `run`, and events as the store gives them.
struct Fixture {
    bx::HookSettings& block(const std::string& name, std::vector<std::string> events) {
        bx::HookBlock& hook = config.hooks.emplace_back();
        hook.name = name;
        hook.events = std::move(events);
        hook.run = "/bin/true";
        return hook.settings;
    }

    static bx::StoredEvent event(const std::string& body) {
        const bx::Tree tree = bx::decode_urlencoded(body, {});
        bx::Payload payload = bx::encode_payload(tree);
        bx::StoredEvent event;
        event.number = 7;
        event.facts = bx::read_event(tree);
        event.received_at = received;
        event.body = std::move(payload.body);
        event.secrets = std::move(payload.secrets);
        return event;
    }

    bx::Decision decide(const bx::StoredEvent& event) const {
        config.hooks_dir = "/nowhere";
        return bx::decide(event, bx::HookSet::load(config), later);
    }

    mutable bx::Config config;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(decision, Fixture)

BOOST_AUTO_TEST_CASE(no_delivery_is_due_before_its_event_is_matched) {
    block("a", {"*"}).delay = later - received - 1;
    BOOST_TEST(decide(event("event=ONCRMDEALUPDATE")).dispatch.deliveries[0].due_at == later);
}

BOOST_AUTO_TEST_CASE(a_delivery_is_due_from_the_receipt_on_and_a_merging_one_from_now_on) {
    const bx::Millis delay = later - received + bx::second;
    block("a", {"*"}).delay = delay;
    bx::HookSettings& merging = block("b", {"*"});
    merging.delay = delay;
    merging.coalesce = true;
    const bx::Dispatch update = decide(event("event=ONCRMDEALUPDATE")).dispatch;
    BOOST_REQUIRE(update.deliveries.size() == 2U);
    BOOST_TEST(update.deliveries[0].due_at == received + delay);
    BOOST_TEST(!update.deliveries[0].coalesce);
    BOOST_TEST(update.deliveries[1].due_at == later + delay);
    BOOST_TEST(update.deliveries[1].coalesce);
    for (const char* body : {"event=ONCRMDEALADD", "event=ONCRMDEALDELETE"}) {
        BOOST_TEST(!decide(event(body)).dispatch.deliveries[1].coalesce, body);
    }
}

BOOST_AUTO_TEST_CASE(an_event_of_no_hook_says_the_rules_of_its_own_hooks_first) {
    block("other", {"ONCRMLEADADD"});
    block("own", {"*"}).disabled = true;
    const bx::Decision skipped = decide(event("event=ONCRMDEALADD"));
    BOOST_TEST(skipped.dispatch.deliveries.empty());
    BOOST_TEST(skipped.dispatch.skip_reason == "no matching hook");
    BOOST_TEST(!skipped.dispatch.retryable);
    BOOST_TEST(skipped.log_reason == "no matching hook; own: disabled");
    BOOST_REQUIRE(skipped.dispatch.refused.size() == 2U);
    BOOST_TEST(skipped.dispatch.refused[0].reason == "disabled");
    BOOST_TEST(skipped.dispatch.refused[1].reason == "other event (wants ONCRMLEADADD)");
}

BOOST_AUTO_TEST_CASE(what_two_hooks_of_one_name_take_waits_and_says_why) {
    block("twin", {"ONCRMLEADADD"});
    block("twin", {"ONCRMDEALADD"});
    block("other", {"*"});
    const bx::Dispatch dispatch = decide(event("event=ONCRMDEALADD")).dispatch;
    BOOST_REQUIRE(dispatch.deliveries.size() == 2U);
    BOOST_TEST(dispatch.deliveries[0].hook == "other");
    BOOST_TEST(dispatch.deliveries[0].reason == "");
    BOOST_TEST(dispatch.deliveries[1].hook == "twin");
    BOOST_TEST(dispatch.deliveries[1].reason.starts_with("two hooks have this name: "));
}

BOOST_AUTO_TEST_CASE(a_hook_that_is_gone_is_asked_whether_it_would_take_an_event) {
    block("gone", {"ONCRMDEAL*"});
    config.hooks_dir = "/nowhere";
    const bx::HookSet hooks = bx::HookSet::load(config);
    BOOST_TEST(bx::is_taken(event("event=ONCRMDEALADD"), hooks.hooks()));
    BOOST_TEST(!bx::is_taken(event("event=ONCRMLEADADD"), hooks.hooks()));
    BOOST_TEST(!bx::is_taken(event("event=ONCRMDEALADD"), {}));
    bx::StoredEvent damaged = event("event=ONCRMDEALADD");
    damaged.damage = "no page";
    BOOST_TEST(!bx::is_taken(damaged, hooks.hooks()));
}

BOOST_AUTO_TEST_CASE(of_many_refusals_the_number_is_kept) {
    for (int i = 0; i < 130; ++i) block("h" + std::to_string(i), {"ONCRMLEADADD"});
    const bx::Decision skipped = decide(event("event=ONCRMDEALADD"));
    BOOST_TEST(skipped.dispatch.refused.size() == 100U);
    BOOST_TEST(skipped.dispatch.refused_more == 30);
    BOOST_TEST(skipped.log_reason == "no matching hook; 30 more hooks did not match");
}

BOOST_AUTO_TEST_CASE(a_hook_that_cannot_run_is_among_those_that_are_kept) {
    block("a", {"*"});
    for (int i = 0; i < 30; ++i) block("h" + std::to_string(i), {"*"}).disabled = true;
    bx::HookBlock& missing = config.hooks.emplace_back();
    missing.name = "z";
    const bx::Dispatch dispatch = decide(event("event=ONCRMDEALADD")).dispatch;
    BOOST_TEST(dispatch.deliveries.size() == 1U);
    BOOST_TEST(dispatch.refused_more == 11);
    BOOST_REQUIRE(dispatch.refused.size() == 20U);
    BOOST_TEST(dispatch.refused[0].hook == "z");
    BOOST_TEST((dispatch.refused[0].rule == bx::HookRule::unable));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_skipped_and_may_be_retried) {
    block("a", {"*"});
    bx::StoredEvent damaged = event("event=ONCRMDEALADD");
    damaged.damage = "no page";
    const bx::Dispatch dispatch = decide(damaged).dispatch;
    BOOST_TEST(dispatch.event == 7);
    BOOST_TEST(dispatch.deliveries.empty());
    BOOST_TEST(dispatch.retryable);
    BOOST_TEST(dispatch.skip_reason == "cannot be read: no page");
}

BOOST_AUTO_TEST_CASE(a_transaction_takes_a_thousand_rows_or_one_event) {
    std::vector<bx::Dispatch> dispatches(3);
    BOOST_TEST(bx::count_for_transaction({}) == 0U);
    BOOST_TEST(bx::count_for_transaction(dispatches) == 3U);
    dispatches[1].deliveries.resize(998);
    BOOST_TEST(bx::count_for_transaction(dispatches) == 2U);
    dispatches[0].deliveries.resize(2000);
    BOOST_TEST(bx::count_for_transaction(dispatches) == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
