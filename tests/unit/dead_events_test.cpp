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

    // The delivery of a new event, of CODE, dies at HOOK of REASON.
    void dies(const std::string& hook_name, const std::string& reason = "exit 65",
              const std::string& code = "ONCRMDEALADD") {
        bx::NewEvent event = Scene::event(std::to_string(++last));
        event.facts.code = code;
        event.facts.domain = "a.example";
        event.facts.member_id = "m1";
        event.installation = 7;
        ends(begins(event, hook_name), reason);
    }
    // The run of EVENT's delivery to HOOK, as it ends.
    bx::Finish begins(const bx::NewEvent& event, const std::string& hook_name) {
        const bx::EventNumber number = s.add(event);
        s.match(number, std::vector{hook_name});
        BOOST_REQUIRE(s.claim(1) == store_tests::key_of(number, hook_name) + "#1");
        return s.ending(store_tests::key_of(number, hook_name), bx::AttemptResult::failed,
                        bx::DeliveryState::dead);
    }
    // RUN is recorded; it is the worker's own.
    void ends(bx::Finish run, const std::string& reason,
              bx::DeliveryState next = bx::DeliveryState::dead) {
        run.next = next;
        run.delivery_reason = reason;
        run.ended_at = 1795225588123;
        run.due_at = run.ended_at + bx::hour;
        s.finish(run);
        events->note({&run, 1});
    }

    // One is unfinished from now on.
    void waits() {
        bx::NewDelivery delivery = s.delivery("later");
        delivery.due_at += bx::hour;
        s.put(std::to_string(++last), delivery);
    }
    // As if another delivery had died as that one did.
    void note_again(const std::string& delivery) {
        bx::Finish run =
            s.ending(delivery, bx::AttemptResult::failed, bx::DeliveryState::dead);
        run.delivery_reason = "exit 65";
        run.ended_at = 1795225588123;
        events->note({&run, 1});
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
        note_again("1/a");
        note_again("2/b");
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
    for (const bx::DeliveryState next : {bx::DeliveryState::waiting, bx::DeliveryState::done,
                                         bx::DeliveryState::cancelled}) {
        ends(begins(Scene::event(std::to_string(++last)), "crm"), "exit 1", next);
    }
    bx::Finish gone = begins(Scene::event("gone"), "crm");
    gone.event += 1000;
    ends(gone, "exit 65");
    BOOST_TEST(told(0) == "");
}

// As on a host whose worker was taken for lost: another has recorded how the run ended.
BOOST_FIXTURE_TEST_CASE(what_an_end_did_not_change_is_not_told, Fixture) {
    hook("BXHOOK.DEAD.sh");
    const bx::Finish first = begins(Scene::event("1"), "crm");
    s.done("1/crm");
    ends(first, "exit 65");
    const bx::Finish repeated = begins(Scene::event("2"), "crm");
    s.fails("2/crm", 0);
    BOOST_REQUIRE(s.claim(1) == "2/crm#2");
    s.dead("2/crm");
    ends(repeated, "exit 65");
    const bx::Finish third = begins(Scene::event("3"), "crm");
    s.dead("3/crm");
    ends(third, "timeout");
    BOOST_TEST(told(0) == "");
    BOOST_TEST(!events->any());
    // One that was recorded, and recorded again, since the first answer was lost.
    const bx::Finish fourth = begins(Scene::event("4"), "crm");
    s.dead("4/crm");
    ends(fourth, "exit 65");
    BOOST_TEST(told(1) == "crm 1 4/crm exit 65");
}

// Of what died: a body may be large, and there may be thousands.
BOOST_FIXTURE_TEST_CASE(no_body_is_read, Fixture) {
    struct Bodies : bx::View {
        explicit Bodies(bx::View& of) : view(of) {}
        std::vector<bx::ListRow> list(const bx::ListFilter& filter) override {
            return view.list(filter);
        }
        void add_causes(std::span<bx::ListRow> rows) override { view.add_causes(rows); }
        std::optional<bx::StoredEvent> event(bx::EventNumber number) override {
            ++read;
            return view.event(number);
        }
        std::vector<bx::DeliveryRecord> deliveries(bx::EventNumber number) override {
            return view.deliveries(number);
        }
        std::vector<bx::AttemptRecord> attempts(bx::EventNumber number,
                                                const std::string& name) override {
            return view.attempts(number, name);
        }
        bx::StoreStatus status(bx::Millis at) override { return view.status(at); }

        bx::View& view;
        int read = 0;
    } bodies(s.store().view());
    hook("BXHOOK.DEAD.sh");
    events.emplace(context, s.store().sink(), bodies);
    for (int i = 0; i < 10; ++i) dies("crm");
    BOOST_TEST(told(0) == "crm 10 1/crm exit 65");
    BOOST_TEST(bodies.read == 0);
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
    for (int i = 0; i < 8; ++i) waits();
    for (int i = 0; i < 8; ++i) dies("crm");
    BOOST_TEST(told(0) == "");
    BOOST_TEST(told(59 * second) == "");
    BOOST_TEST(s.cancel(1).count == 1);
    BOOST_TEST(told(60 * second) == "crm 8 9/crm exit 65");
    waits();
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
