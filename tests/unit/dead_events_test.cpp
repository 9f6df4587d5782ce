// Which events tell of deaths, and when: with the time that it is told, on a real store.
#include "worker/dead_events.h"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "event/own_events.h"
#include "event/payload.h"
#include "host/worker_lock.h"
#include "store/own_event.h"
#include "store_scene.h"

namespace fs = std::filesystem;

namespace {

using bx::second;
using store_tests::Scene;

// A configuration and its hooks.
struct Place {
    Place() {
        std::ofstream(scratch / "queue.db") << "it is only looked for";
        fs::create_directory(scratch / "hooks");
        configure("");
    }
    void configure(const std::string& more) const {
        std::ofstream(scratch / "new.conf")
            << "store queue.db\nhooks_dir hooks\nportal { token abcdefgh1234 }\n"
            << "log { file worker.log }\n" << more;
        fs::rename(scratch / "new.conf", scratch / "bxhook.conf");
    }

    store_tests::Scratch scratch;
};

struct Fixture : Place {
    explicit Fixture(bool once = false)
        : options{.once = once},
          file(scratch / "bxhook.conf", bx::ConfigPart::all),
          lock(scratch / "queue.db", 0),
          context{.log = log,
                  .options = options,
                  .live = bx::LiveConfig(file, file.current()->store, lock, options, log),
                  .now = begun,
                  .progress_at = begun},
          events(std::in_place, context, s.store().sink(), s.store().view()) {
        log.configure({.file = scratch / "worker.log"});
    }

    // A hook file; the set is read again.
    void hook(const std::string& name) {
        std::ofstream(scratch / ("hooks/" + name)) << "#!/bin/sh\n";
        BOOST_REQUIRE(::chmod((scratch / ("hooks/" + name)).c_str(), 0755) == 0);
        look();
    }
    void look() {
        context.live.load_next_time();
        context.live.refresh(context.now);
    }

    // The delivery of a new event, of CODE, dies at HOOK; REASON.
    void dies(const std::string& hook_name, const std::string& reason = "exit 65",
              const std::string& code = "ONCRMDEALADD") {
        bx::NewEvent event = Scene::event(std::to_string(++last));
        event.facts.code = code;
        event.facts.domain = "a.example";
        event.facts.member_id = "m1";
        event.installation = 7;
        ends(s.add(event), hook_name, reason);
    }
    void ends(bx::EventNumber number, const std::string& hook_name, const std::string& reason,
              bx::DeliveryState next = bx::DeliveryState::dead) {
        bx::Finish finish;
        finish.event = number;
        finish.hook = hook_name;
        finish.next = next;
        finish.delivery_reason = reason;
        finish.ended_at = 1795225588123;
        events->note({&finish, 1});
    }

    // What is told at that time after the beginning: "crm 3 1/crm exit 65, ...".
    std::string told(bx::Millis at, bool all = false) {
        context.now = begun + at;
        events->add_due(all);
        std::string text;
        for (const bx::ListRow& row : s.store().view().list({.after = seen})) {
            if (row.event.origin != bx::Origin::self) continue;
            const bx::StoredEvent event = *s.store().view().event(row.event.number);
            const bx::Tree body = bx::decode_payload(event.body, "", bx::Secrets::omit);
            std::string one;
            for (const char* name : {"HOOK", "COUNT", "DELIVERY", "REASON"}) {
                one += (one.empty() ? "" : " ") + std::string(body.root()["data"][name].text());
            }
            text = one + (text.empty() ? "" : ", ") + text;
        }
        seen = s.store().upkeep().newest();
        return text;
    }

    const bx::WorkerOptions options;
    const bx::Millis begun = bx::steady_now();
    Scene s;
    bx::Log log{"worker"};
    bx::ConfigFile file;
    bx::WorkerLock lock;
    bx::WorkerContext context;
    std::optional<bx::DeadEvents> events;
    bx::EventNumber seen = 0;
    int last = 0;
};

struct OnceFixture : Fixture {
    OnceFixture() : Fixture(true) {}
};

}  // namespace

BOOST_AUTO_TEST_SUITE(dead_events)

BOOST_FIXTURE_TEST_CASE(the_first_is_told_at_once_the_others_of_its_minute_together, Fixture) {
    hook("BXHOOK.DEAD.sh");
    dies("crm", "exit 65");
    BOOST_TEST(told(0) == "crm 1 1/crm exit 65");
    BOOST_TEST(!events->any());
    dies("crm", "exit 78");
    dies("crm", "timeout");
    BOOST_TEST(told(1 * second) == "");
    BOOST_TEST(told(59 * second) == "");
    BOOST_TEST(events->next() == begun + 60 * second);
    BOOST_TEST(told(60 * second) == "crm 2 3/crm exit 78");
    BOOST_TEST(told(130 * second) == "");
    dies("crm");
    BOOST_TEST(told(131 * second) == "crm 1 6/crm exit 65");
}

BOOST_FIXTURE_TEST_CASE(ten_thousand_in_a_minute_are_two_events_a_hook, Fixture) {
    hook("BXHOOK.DEAD.sh");
    dies("a");
    dies("b");
    std::string all = told(0);
    for (int i = 0; i < 5000; ++i) {
        ends(1, "a", "exit 65");
        ends(2, "b", "exit 65");
        if (i % 500 == 0) all += told(i * 10);
    }
    BOOST_TEST(all == "a 1 1/a exit 65, b 1 2/b exit 65");
    BOOST_TEST(told(60 * second) == "a 5000 1/a exit 65, b 5000 2/b exit 65");
}

BOOST_FIXTURE_TEST_CASE(deaths_of_its_own_events_are_not_told, Fixture) {
    hook("BXHOOK.DEAD.sh");
    dies("BXHOOK.DEAD", "exit 1", "BXHOOK.DEAD");
    dies("BXHOOK.PORTAL", "exit 1", "BXHOOK.PORTAL");
    BOOST_TEST(told(0) == "");
    BOOST_TEST(!events->any());
    dies("BXHOOK.DEAD", "exit 1", "ONCRMDEALADD");  // a block that takes others too
    BOOST_TEST(told(1) == "BXHOOK.DEAD 1 3/BXHOOK.DEAD exit 1");
}

BOOST_FIXTURE_TEST_CASE(only_deaths_are_told, Fixture) {
    hook("BXHOOK.DEAD.sh");
    const bx::EventNumber number = s.add("1");
    for (const bx::DeliveryState next : {bx::DeliveryState::waiting, bx::DeliveryState::done,
                                         bx::DeliveryState::cancelled}) {
        ends(number, "crm", "exit 1", next);
    }
    ends(number + 1000, "crm", "exit 65");  // of an event that is gone
    BOOST_TEST(told(0) == "");
}

BOOST_FIXTURE_TEST_CASE(without_a_hook_that_names_them_there_are_none, Fixture) {
    hook("any");
    configure("hook all { event * run /bin/true }\nhook own { event BXHOOK.* run /bin/true }\n"
              "hook off { event BXHOOK.DEAD run /bin/true disabled yes }\n");
    look();
    dies("crm");
    BOOST_TEST(told(0) == "");
    BOOST_TEST(!events->any());
    BOOST_TEST(events->next() == bx::Timer::never);
    configure("hook named { event ONX* event bxhook.dead run /bin/true }\n");
    look();
    dies("crm");
    BOOST_TEST(told(second) == "crm 1 2/crm exit 65");
}

BOOST_FIXTURE_TEST_CASE(none_is_made_above_four_fifths_of_the_queue, Fixture) {
    hook("BXHOOK.DEAD.sh");
    configure("limits { queue 10 }\n");
    look();
    for (int i = 0; i < 8; ++i) dies("crm");
    BOOST_TEST(told(0) == "");
    BOOST_TEST(told(59 * second) == "");
    s.skip(1, "none");
    BOOST_TEST(told(60 * second) == "crm 8 1/crm exit 65");
    dies("crm");
    BOOST_TEST(told(61 * second, true) == "");
    BOOST_TEST(!events->any());  // who leaves waits for no room
}

BOOST_FIXTURE_TEST_CASE(the_limit_is_four_fifths, Fixture) {
    for (const auto& [limit, most] : {std::pair<std::int64_t, std::int64_t>{10, 8}, {1, 0}, {2, 1},
                                      {1000000, 800000}, {1000000000, 800000000}, {7, 5}}) {
        BOOST_TEST(bx::own_event_limit(limit) == most);
    }
}

BOOST_FIXTURE_TEST_CASE(one_that_leaves_when_all_is_done_tells_at_its_end, OnceFixture) {
    hook("BXHOOK.DEAD.sh");
    dies("crm");
    BOOST_TEST(told(0) == "");
    dies("crm");
    BOOST_TEST(events->any());
    BOOST_TEST(told(second, true) == "crm 2 1/crm exit 65");
    BOOST_TEST(!events->any());
    dies("crm");
    BOOST_TEST(told(50 * second) == "");
    BOOST_TEST(told(112 * second) == "crm 1 4/crm exit 65");  // one that has much to do
}

BOOST_FIXTURE_TEST_CASE(what_another_told_of_a_moment_ago_is_told_later, Fixture) {
    hook("BXHOOK.DEAD.sh");
    dies("crm");
    BOOST_TEST(told(0) == "crm 1 1/crm exit 65");
    events.emplace(context, s.store().sink(), s.store().view());  // of a worker that is started again
    dies("crm");
    dies("erp");
    BOOST_TEST(told(second) == "erp 1 4/erp exit 65");
    BOOST_TEST(events->next() == begun + 61 * second);
    BOOST_TEST(told(2 * second, true) == "crm 1 3/crm exit 65");
}

BOOST_FIXTURE_TEST_CASE(the_event_says_what_died_and_of_whom, Fixture) {
    hook("BXHOOK.DEAD.sh");
    dies("crm", "exit 65\nBX_EVENT=evil \x1B[2J \xFF");
    BOOST_TEST(told(0) == "crm 1 1/crm exit 65\\nBX_EVENT=evil \\x1b[2J \\xff");
    const bx::StoredEvent event = *s.store().view().event(2);
    BOOST_TEST(event.facts.code == "BXHOOK.DEAD");
    BOOST_TEST(event.facts.id == "");
    BOOST_TEST(event.facts.domain == "a.example");
    BOOST_TEST(event.facts.member_id == "m1");
    BOOST_TEST((event.installation == 7));
    std::string json;
    append_tree_json(json, bx::decode_payload(event.body, "", bx::Secrets::omit));
    BOOST_TEST(json.find(R"("SINCE":"2026-11-21T01:46:28.123Z","EVENT":"ONCRMDEALADD","ENTITY":"1",)") !=
                   std::string::npos,
               json);
    BOOST_TEST(json.find("show 1/crm") != std::string::npos, json);
    BOOST_TEST(json.find(R"("auth":{"domain":"a.example","member_id":"m1"})") != std::string::npos,
               json);
}

BOOST_AUTO_TEST_SUITE_END()
