// What is shown of a store's rows: why none matches, all of them page by page, an event's story.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/filter.h"
#include "cli/no_match.h"
#include "event/event.h"
#include "event/payload.h"
#include "form/form.h"
#include "report/story.h"
#include "store/view.h"

namespace bx {

namespace {

// Rows in memory, the newest last, chosen as a store chooses them.
class Rows final : public View {
public:
    void add(EventNumber number, const std::string& hook, DeliveryState state) {
        ListRow row;
        row.event.number = number;
        row.event.facts.code = "ONCRMDEALUPDATE";
        row.event.facts.id = std::to_string(number);
        row.event.facts.domain = "a.bitrix24.com";
        row.event.received_at = number * hour;
        row.delivery = DeliveryRecord{};
        row.delivery->event = number;
        row.delivery->hook = hook;
        row.delivery->state = state;
        rows.push_back(row);
    }

    std::vector<ListRow> list(const ListFilter& filter) override {
        ++lists;
        std::vector<ListRow> chosen;
        for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
            if (chosen.size() == filter.limit) break;
            if (matches(*row, filter)) chosen.push_back(*row);
        }
        return chosen;
    }
    void add_causes(std::span<ListRow>) override {}
    std::optional<StoredEvent> event(EventNumber number) override {
        if (stored.number != number) return std::nullopt;
        return stored;
    }
    std::vector<DeliveryRecord> deliveries(EventNumber number) override {
        std::vector<DeliveryRecord> found;
        for (const ListRow& row : rows) {
            if (row.event.number == number) found.push_back(*row.delivery);
        }
        return found;
    }
    std::vector<AttemptRecord> attempts(EventNumber, const std::string&) override { return {}; }
    StoreStatus status(Millis) override { return {}; }

    std::vector<ListRow> rows;
    StoredEvent stored;
    int lists = 0;  // calls

private:
    static bool matches(const ListRow& row, const ListFilter& filter) {
        const auto among = [](const auto& all, const auto& one) {
            return all.empty() || std::ranges::find(all, one) != all.end();
        };
        const Millis at = row.event.received_at;
        return among(filter.states, state_of(row)) && among(filter.hooks, row.delivery->hook) &&
               (filter.id.empty() || filter.id == row.event.facts.id) &&
               (filter.portal.empty() || filter.portal == row.event.facts.domain) &&
               (filter.code_glob.empty() ||
                glob_match(filter.code_glob, row.event.facts.code, true)) &&
               at >= filter.from && (!filter.to || at < *filter.to) &&
               (!filter.beyond || row.event.number < filter.beyond->event);
    }
};

struct Fixture {
    std::string why(const ListFilter& filter, const std::vector<std::string>& hooks = {}) {
        std::string text;
        for (const std::string& line : why_no_match(view, filter, {.hooks = hooks})) text += line + "\n";
        return text;
    }
    Rows view;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(view, Fixture)

BOOST_AUTO_TEST_CASE(an_empty_store_says_how_an_event_comes) {
    BOOST_TEST(why({.hooks = {"crm"}}).starts_with("no event has come yet: 'bxhook trigger"));
}

BOOST_AUTO_TEST_CASE(what_matches_in_other_states_is_named_with_the_way_to_it) {
    view.add(1, "crm", DeliveryState::dead);
    view.add(2, "crm", DeliveryState::waiting);
    view.add(3, "crm", DeliveryState::done);
    BOOST_TEST(why({.states = {RowState::dead}, .id = "2"}) ==
               "what matches is waiting, not dead: choose it with --state\n");
    BOOST_TEST(why({.states = {RowState::dead, RowState::running}, .from = 2 * hour}) ==
               "what matches is done or waiting, not dead or running: choose it with --state\n");
    // Without another filter there is nothing that "matches": what there is is named.
    BOOST_TEST(why({.states = {RowState::running}}) ==
               "nothing is running; there are dead, done, waiting\n");
}

BOOST_AUTO_TEST_CASE(each_condition_that_none_meets_is_named) {
    view.add(1, "crm", DeliveryState::done);
    BOOST_TEST(why({.hooks = {"erp"}, .code_glob = "x*", .portal = "b", .id = "7"}) ==
               "there is no hook 'erp'; there are crm\n"
               "no event's code matches 'x*'; there are ONCRMDEALUPDATE\n"
               "no event is of the portal 'b', did you mean 'a.bitrix24.com'?\n"
               "no event is about an entity with the id '7'\n");
    BOOST_TEST(why({.hooks = {"erp"}}, {"crm", "erp"}) == "hook 'erp' has no delivery yet\n");
    BOOST_TEST(why({.hooks = {"rep"}}, {"erp"}) ==
               "there is no hook 'rep', did you mean 'erp'?\n");
    BOOST_TEST(why({.code_glob = "deal"}) ==
               "no event's code matches 'deal', did you mean '*deal*'?\n");
}

BOOST_AUTO_TEST_CASE(a_time_without_events_names_the_newest) {
    view.add(5, "crm", DeliveryState::done);
    BOOST_TEST(why({.from = 6 * hour}).starts_with("no event was received in that time; the newest "
                                                   "was at 1970-01-01 "));
}

BOOST_AUTO_TEST_CASE(conditions_that_are_met_one_by_one_are_not_blamed) {
    view.add(1, "crm", DeliveryState::done);
    view.add(2, "erp", DeliveryState::done);
    BOOST_TEST(why({.hooks = {"crm"}, .id = "2"}) ==
               "nothing meets all of these conditions at once\n");
}

BOOST_AUTO_TEST_CASE(all_rows_come_once_a_thousand_at_a_time) {
    for (EventNumber number = 1; number <= 2500; ++number) {
        view.add(number, "crm", DeliveryState::done);
    }
    std::vector<EventNumber> seen;
    std::size_t most = 0;
    const auto take = [&](std::span<ListRow> rows) {
        most = std::max(most, rows.size());
        for (const ListRow& row : rows) seen.push_back(row.event.number);
    };
    for_rows(view, {.limit = 10'000}, take);
    BOOST_TEST(seen.size() == 2500u);
    BOOST_TEST(std::ranges::is_sorted(seen, std::greater<>()));
    BOOST_TEST(most == 1000u);
    BOOST_TEST(view.lists == 3);
    seen.clear();
    for_rows(view, {.limit = 1001}, take);
    BOOST_TEST(seen.size() == 1001u);
    BOOST_TEST(seen.back() == 1500);
}

BOOST_AUTO_TEST_CASE(a_story_is_of_one_event_or_of_one_of_its_deliveries) {
    view.add(1, "crm", DeliveryState::done);
    view.add(1, "erp", DeliveryState::dead);
    view.stored.number = 1;
    view.stored.state = EventState::matched;
    BOOST_TEST(read_story(view, {1, ""}, false).deliveries.size() == 2u);
    const Story story = read_story(view, {1, "erp"}, false);
    BOOST_REQUIRE(story.deliveries.size() == 1u);
    BOOST_TEST(story.deliveries[0].record.hook == "erp");
    BOOST_CHECK_THROW(read_story(view, {1, "x"}, false), Error);
    BOOST_CHECK_THROW(read_story(view, {2, ""}, false), Error);
}

BOOST_AUTO_TEST_CASE(a_story_masks_secrets_and_says_so) {
    const Payload payload = encode_payload(
        decode_urlencoded("event=X&auth[application_token]=0123456789", {100, 64}));
    view.stored.number = 1;
    view.stored.body = payload.body;
    view.stored.secrets = payload.secrets;
    const auto token = [](const Story& story) {
        return std::string(story.body.at("auth.application_token").text());
    };
    const Story masked = read_story(view, {1, ""}, false);
    BOOST_TEST(masked.masked);
    BOOST_TEST(token(masked) == "***");
    const Story open = read_story(view, {1, ""}, true);
    BOOST_TEST(!open.masked);
    BOOST_TEST(token(open) == "0123456789");
    view.stored.secrets_erased = true;
    view.stored.secrets.clear();
    BOOST_TEST(!read_story(view, {1, ""}, false).masked);
}

BOOST_AUTO_TEST_CASE(a_body_that_cannot_be_read_is_damage_and_no_failure) {
    view.stored.number = 1;
    view.stored.body = "garbage";
    const Story story = read_story(view, {1, ""}, false);
    BOOST_TEST(!story.event.damage.empty());
    BOOST_TEST(values_of(story.body).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
