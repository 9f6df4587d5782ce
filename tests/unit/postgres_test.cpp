// What only a store on a server has: several at once, rights, leases, a server that is away.  Run
// with BXHOOK_TEST_STORE=postgresql, as the store's other suites are then.
#include <boost/test/unit_test.hpp>

#include <poll.h>

#include <atomic>
#include <future>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "host/slot_file.h"
#include "postgres/sql.h"
#include "postgres_server.h"
#include "store_scene.h"
#include "stores/copy.h"
#include "stores/module.h"

using bx::Millis;
using store_tests::PostgresServer;
using store_tests::Scene;

namespace {

PostgresServer& server() { return PostgresServer::instance(); }

const auto plenty = [](const std::string&) { return std::size_t{1000}; };

bx::WorkerRecord worker(std::int64_t pid) { return {"web1", pid, "1.0.0", 0, 0, "", {}, "", false}; }

// The text of what WORK throws.
template <typename Error, typename Work>
std::string failure(Work work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing was thrown";
}

bool says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// What bxhook(1) says a role needs.
void grant_least_rights() {
    for (const char* sql :
         {"DROP OWNED BY bxhook_app", "GRANT USAGE ON SCHEMA bxhook TO bxhook_app",
          "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bxhook TO bxhook_app",
          "GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA bxhook TO bxhook_app"}) {
        server().query(sql);
    }
}

std::string app_url() {
    const bool there =
        !server().query("SELECT 1 FROM pg_roles WHERE rolname = 'bxhook_app'").empty();
    if (!there) server().query("CREATE ROLE bxhook_app LOGIN");
    grant_least_rights();
    return server().url("bxhook_app");
}

// A session that holds what another is to wait for, and then wants what that one holds: the server
// ends the other's transaction, since this one does not look for deadlocks so soon.
class Rival {
public:
    explicit Rival(const std::string& hold) {
        server().query("ALTER ROLE bxhook_owner SET deadlock_timeout = '500ms'");
        server().query("SET deadlock_timeout = '20s'; SET client_min_messages = error");
        server().query("BEGIN; " + hold);
    }
    ~Rival() {
        server().query("ROLLBACK; RESET deadlock_timeout; RESET client_min_messages");
        server().query("ALTER ROLE bxhook_owner RESET deadlock_timeout");
    }
    void want(const std::string& more) {
        while (server().query("SELECT 1 FROM pg_locks WHERE NOT granted").empty()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        server().query(more);
        server().query("COMMIT");
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(postgres, *boost::unit_test::precondition(store_tests::on_postgresql))

// -- Adding

BOOST_AUTO_TEST_CASE(a_batch_given_again_is_there_once) {
    Scene s;
    const std::string add =
        "SELECT string_agg(n::text, ' ') FROM bxhook.add('\\x01', 1, 100, '{1,1}', '{1,1}', NULL, "
        "NULL, '{f,f}', '{b,b}', '{s,s}', NULL, NULL, NULL)";
    BOOST_TEST(server().query(add).at(0) == "1 2");
    BOOST_TEST(server().query(add).at(0) == "1 2");
    BOOST_TEST(s.store().matching().undispatched(9).size() == 2U);
    BOOST_TEST(s.add("7") == 5);  // the numbers of the second time are nobody's
    BOOST_TEST(s.recount() == "");
    for (const bx::EventNumber n : {1, 2, 5}) s.skip(n, "none");
    BOOST_TEST(s.store().upkeep().unfinished() == 0);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(numbers_are_seen_in_their_order) {
    Scene s;
    std::atomic<bool> over = false;
    std::vector<std::thread> gateways;
    for (int i = 0; i < 3; ++i) {
        gateways.emplace_back([&] {
            const auto store = s.another();
            const std::vector<bx::NewEvent> batch(3, Scene::event("7"));
            for (int round = 0; round < 60; ++round) store->sink().add(batch, 1'000'000);
        });
    }
    std::thread ender([&] {
        for (std::thread& gateway : gateways) gateway.join();
        over = true;
    });
    std::size_t seen = 0;
    bool in_order = true;
    for (bool last = false; !last;) {
        last = over;
        const auto events = s.store().matching().undispatched(10'000);
        // Were a smaller one to come later, the numbers would not be without a gap here.
        in_order = in_order && (events.empty() || events.back().number ==
                                                      static_cast<bx::EventNumber>(events.size()));
        seen = events.size();
    }
    ender.join();
    BOOST_TEST(in_order);
    BOOST_TEST(seen == 540U);
}

BOOST_AUTO_TEST_CASE(a_number_is_not_seen_before_the_smaller_ones) {
    Scene s;
    const std::string add =
        "BEGIN; SELECT bxhook.add('\\x01', 1, 100, '{1}', '{1}', NULL, NULL, '{f}', '{b}', '{s}', "
        "NULL, NULL, NULL)";
    server().query(add);
    BOOST_TEST(s.add("7") == 2);  // which does not wait
    BOOST_TEST(s.store().matching().undispatched(9).empty());
    BOOST_TEST(s.list({}) == "");
    server().query("COMMIT");
    BOOST_TEST(s.list({}) == "2/- 1/-");
    BOOST_TEST(s.store().matching().undispatched(9).size() == 2U);
    server().query(add + "; ROLLBACK");
    BOOST_TEST(s.add("7") == 4);
    server().query("BEGIN; SELECT nextval('bxhook.event_number'); ROLLBACK");
    BOOST_TEST(s.add("7") == 6);
    BOOST_TEST(s.store().matching().undispatched(9).size() == 4U);  // a gap is waited for by nobody
    BOOST_TEST(s.recount() == "");
}

// -- Workers

BOOST_AUTO_TEST_CASE(lanes_and_concurrency_hold_across_workers) {
    Scene s;
    constexpr int lanes = 12, of_each = 20;
    for (int i = 0; i < of_each; ++i) {
        for (int lane = 0; lane < lanes; ++lane) s.put(std::to_string(lane));
    }
    std::mutex guard;
    std::map<std::string, bx::EventNumber> last;  // started, of each lane
    std::set<std::string> running;                // lanes
    std::string wrong;
    std::size_t most = 0;
    std::atomic<int> finished = 0;
    const auto work = [&] {
        const auto store = s.another();
        const auto room = [](const std::string&) { return std::size_t{5}; };
        while (finished < lanes * of_each) {
            const std::vector<bx::Claim> claims = store->runs().claim(3, room, s.now);
            store->runs().start(claims);
            std::vector<bx::Finish> runs;
            {
                const std::lock_guard lock(guard);
                for (const bx::Claim& claim : claims) {
                    const std::string& lane = claim.event.facts.id;
                    if (!running.insert(lane).second) wrong += "beside another: " + lane + "\n";
                    if (last[lane] >= claim.event.number) wrong += "out of order: " + lane + "\n";
                    last[lane] = claim.event.number;
                    bx::Finish run;
                    run.event = claim.event.number;
                    run.hook = claim.hook;
                    run.attempt = claim.attempt;
                    run.ended_at = s.now;
                    runs.push_back(run);
                }
                most = std::max(most, running.size());
            }
            std::this_thread::yield();
            {
                const std::lock_guard lock(guard);
                for (const bx::Claim& claim : claims) running.erase(claim.event.facts.id);
            }
            store->runs().finish(runs);
            finished += static_cast<int>(runs.size());
        }
    };
    std::vector<std::thread> workers;
    for (int i = 0; i < 3; ++i) workers.emplace_back(work);
    for (std::thread& worker : workers) worker.join();
    BOOST_TEST(wrong == "");
    BOOST_TEST(most <= 5U);
    BOOST_TEST(s.store().view().status(s.now).done == lanes * of_each);
    BOOST_TEST(s.recount() == "");
}

// Whoever is first at the end of a lane: what is matched is told of by the one before it, or begins.
BOOST_AUTO_TEST_CASE(lanes_go_on_while_all_change_them_at_once) {
    Scene s;
    constexpr int events = 400;
    std::atomic<bool> over = false;
    std::atomic<int> failures = 0;
    std::mutex guard;
    std::set<std::string> running;  // lanes
    std::string wrong;
    const auto note = [&](const std::string& what) {
        const std::lock_guard lock(guard);
        wrong += what + "\n";
    };
    const auto work = [&](unsigned seed) {
        const auto store = s.another();
        std::mt19937 random(seed);
        for (int idle = 0; idle < 50;) {
            const auto claims = store->runs().claim(4, plenty, s.now);
            store->runs().start(claims);
            idle = claims.empty() && over ? idle + 1 : 0;
            std::vector<bx::Finish> runs;
            for (const bx::Claim& claim : claims) {
                const std::string lane = claim.hook + claim.event.facts.id;
                {
                    const std::lock_guard lock(guard);
                    if (!running.insert(lane).second) wrong += "beside another: " + lane + "\n";
                }
                bx::Finish run;
                run.event = claim.event.number;
                run.hook = claim.hook;
                run.attempt = claim.attempt;
                run.ended_at = run.due_at = s.now;
                if (random() % 4 == 0) {
                    run.result = bx::AttemptResult::failed;
                    run.next = random() % 2 == 0 ? bx::DeliveryState::waiting : bx::DeliveryState::dead;
                    ++failures;
                }
                runs.push_back(run);
            }
            {
                const std::lock_guard lock(guard);
                for (const auto& claim : claims) running.erase(claim.hook + claim.event.facts.id);
            }
            store->runs().finish(runs);
        }
    };
    const auto ask = [&] {
        const auto store = s.another();
        std::mt19937 random(99);
        while (!over) {
            const bx::EventNumber event = 1 + static_cast<bx::EventNumber>(random() % events);
            const auto extra = [](const std::string&) { return 2; };
            if (random() % 2 == 0) store->operate().retry({event, ""}, extra, s.now);
            else store->operate().cancel({event, ""}, false, s.now);
        }
    };
    const auto guarded = [&](const std::function<void()>& part) {
        return [&note, part] {
            try {
                part();
            } catch (const std::exception& error) {
                note(error.what());
            }
        };
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i <= 3; ++i) threads.emplace_back(guarded([&work, i] { work(i); }));
    threads.emplace_back(guarded(ask));
    for (int i = 0; i < events; ++i) {
        bx::NewDelivery merging = s.delivery("b");
        merging.coalesce = i % 10 == 0;
        s.match(s.add(std::to_string(i % 5)), std::vector{s.delivery("a"), merging});
    }
    over = true;
    for (std::thread& thread : threads) thread.join();
    // Cancelled before its match, and put back behind it.
    for (const auto& event : s.store().matching().undispatched(events)) s.cancel(event.number);
    BOOST_TEST(wrong == "");
    BOOST_TEST(failures > 0);
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.waiting + status.running == 0);
    BOOST_TEST(status.unfinished == 0);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(two_who_match_the_same_events_match_them_once) {
    Scene s;
    s.add("1");
    s.add("2");
    const auto other = s.another();
    const std::vector<bx::Dispatch> verdicts = {{1, {s.delivery("a")}, {}, {}},
                                                {2, {}, {}, "none"}};
    s.store().matching().dispatch(verdicts, s.now);
    other->matching().dispatch(verdicts, s.now);
    BOOST_TEST(s.store().view().deliveries(1).size() == 1U);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_claim_waits_until_it_is_started) {
    Scene s;
    s.put("7");
    s.put("7");
    const auto claims = s.store().runs().claim(1, plenty, s.now);
    BOOST_TEST(s.state(1) == "waiting");
    BOOST_TEST(s.record(1).attempt == 0);
    BOOST_TEST(s.store().view().attempts(1, "crm").empty());
    BOOST_TEST(s.claim(9) == "");
    s.store().runs().start(claims);
    BOOST_TEST(s.state(1) == "running");
    BOOST_TEST(s.record(1).attempt == 1);
    BOOST_TEST(s.store().view().attempts(1, "crm").size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_a_worker_holds_is_an_orphan_only_after_its_lease) {
    Scene s;
    s.store().workers().register_worker(worker(1));
    s.put("1");
    s.put("2");
    s.claim(1);                           // started
    s.store().runs().claim(1, plenty, s.now);    // 2: not started
    const auto other = s.another();
    other->workers().register_worker(worker(2));
    BOOST_TEST(other->runs().orphans({}).empty());
    BOOST_TEST(s.store().view().status(s.now).workers.size() == 2U);
    server().query("UPDATE bxhook.worker SET lease_until = 0 WHERE pid = 1");
    const auto orphans = other->runs().orphans({});
    BOOST_TEST(orphans.size() == 1U);
    BOOST_TEST(orphans.at(0).event == 1);
    BOOST_TEST(s.state(2) == "waiting");
    BOOST_TEST(s.record(2).attempt == 0);
    BOOST_TEST(s.store().view().status(s.now).workers.size() == 1U);
    BOOST_TEST(other->runs().orphans({}).size() == 1U);  // its own now
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(who_comes_back_after_its_lease_starts_and_ends_no_run_of_others) {
    Scene s;
    s.store().workers().register_worker(worker(1));
    s.put("1");
    s.put("2");
    const auto claims = s.store().runs().claim(2, plenty, s.now);
    s.store().runs().start({&claims[1], 1});
    const auto other = s.another();
    other->workers().register_worker(worker(2));
    server().query("UPDATE bxhook.worker SET lease_until = 0 WHERE pid = 1");
    BOOST_TEST(other->runs().orphans({}).size() == 1U);  // 2, which runs; 1 had not begun
    other->runs().start(other->runs().claim(1, plenty, s.now));
    BOOST_TEST(s.state(1) == "running");
    BOOST_TEST((s.store().runs().start(claims) == std::vector{false, false}));
    s.claims["1/crm"] = claims.at(0);
    s.done("1/crm");
    BOOST_TEST(s.state(1) == "running");  // the other's run, of the same attempt
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_was_let_start_and_did_not_waits_again_and_costs_no_attempt) {
    Scene s;
    s.store().workers().register_worker(worker(1));
    s.put("1");
    s.put("2");
    const auto claims = s.store().runs().claim(2, plenty, s.now);
    BOOST_TEST((s.store().runs().start(claims) == std::vector{true, true}));
    BOOST_TEST(s.state(1) == "running");
    s.store().runs().unstart(claims.at(0));
    const std::vector<bx::DeliveryName> mine{{2, "crm"}};
    BOOST_TEST(s.store().runs().orphans(mine).size() == 1U, "2, which runs");
    BOOST_TEST(s.state(1) == "waiting");
    BOOST_TEST(s.record(1).attempt == 0);
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(s.claim(9) == "1/crm#1");
    BOOST_TEST(s.state(1) == "running");
    BOOST_TEST(s.store().runs().orphans(mine).size() == 2U, "it was given back once");
    BOOST_TEST(s.state(1) == "running");
}

BOOST_AUTO_TEST_CASE(a_run_that_another_took_over_is_ended_by_whoever_has_its_end) {
    Scene s;
    s.store().workers().register_worker(worker(1));
    s.put("1");
    s.claim(1);
    const auto other = s.another();
    other->workers().register_worker(worker(2));
    server().query("UPDATE bxhook.worker SET lease_until = 0 WHERE pid = 1");
    BOOST_TEST(other->runs().orphans({}).size() == 1U);
    s.done("1/crm");
    BOOST_TEST(s.state(1) == "done");
    BOOST_TEST(s.recount() == "");
}

// One statement locks the rows of all that it ends, in order, whether they wait again or not.
BOOST_AUTO_TEST_CASE(ends_wait_for_a_row_before_they_have_a_later_one) {
    Scene s;
    s.put("1");
    s.put("2");
    BOOST_TEST(s.claim(2) == "1/crm#1 2/crm#1");
    bx::Finish again = s.ending("1/crm", bx::AttemptResult::failed, bx::DeliveryState::waiting);
    again.due_at = s.now;
    const bx::Finish done = s.ending("2/crm", bx::AttemptResult::done, bx::DeliveryState::done);
    Rival rival("SELECT 1 FROM bxhook.open WHERE d >> 16 = 1 FOR UPDATE");
    auto ends = std::async(std::launch::async,
                           [&] { s.store().runs().finish(std::vector{again, done}); });
    const std::string held = failure<bx::Error>([&] {
        rival.want("SELECT 1 FROM bxhook.open WHERE d >> 16 = 2 FOR UPDATE NOWAIT");
    });
    server().query("ROLLBACK");
    ends.get();
    BOOST_TEST(held == "nothing was thrown");
    BOOST_TEST(s.state(1) == "waiting");
    BOOST_TEST(s.state(2) == "done");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_claimed_runs_also_when_a_further_round_fails) {
    Scene s;
    s.put("");  // so that the first round knows the hook
    bx::NewDelivery later = s.delivery("crm");
    for (int i = 1; i <= 1001; ++i) {
        later.due_at = s.now + i;
        s.put("", later);
    }
    s.now += 2 * bx::second;
    server().query("CREATE FUNCTION bxhook.fail() RETURNS trigger LANGUAGE plpgsql AS "
                   "'BEGIN RAISE EXCEPTION ''it fails''; END'; "
                   "CREATE TRIGGER failing BEFORE INSERT ON bxhook.ready FOR EACH ROW "
                   "WHEN (NEW.d >> 16 = 1002) "
                   "EXECUTE FUNCTION bxhook.fail()");
    const auto room = [](const std::string&) { return std::size_t{2000}; };
    const auto claims = s.store().runs().claim(2000, room, s.now);
    server().query("DROP TRIGGER failing ON bxhook.ready; DROP FUNCTION bxhook.fail()");
    BOOST_TEST(claims.size() == 1001U);
    BOOST_TEST(s.store().runs().next_due(s.now).value() <= s.now);
    BOOST_TEST(s.claim(2000, room) == "1002/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_step_of_the_servers_clock_ends_no_lease) {
    Scene s;
    s.store().workers().register_worker(worker(1));
    s.put("1");
    s.claim(1);
    const auto other = s.another();
    other->workers().register_worker(worker(2));
    BOOST_TEST(other->runs().orphans({}).empty());
    const std::string clock = server().query(
        "SELECT pg_get_functiondef('bxhook.now_ms()'::regprocedure)").at(0);
    for (const char* step : {"3600000", "-3600000"}) {
        std::string stepped = clock;
        stepped.replace(stepped.find("* 1000"), 6, std::string("* 1000 + ") + step);
        server().query(stepped);
        const bool none = other->runs().orphans({}).empty();
        BOOST_TEST(none, step);
        const auto ends = server().query("SELECT bool_and(lease_until - bxhook.now_ms() BETWEEN 1 "
                                         "AND 30000)::text FROM bxhook.worker");
        server().query(clock);
        BOOST_TEST(ends.at(0) == "true", step);
        BOOST_TEST(other->runs().orphans({}).empty());  // set right again, which is a step too
    }
    server().query("UPDATE bxhook.worker SET lease_until = 0 WHERE pid = 1");
    BOOST_TEST(other->runs().orphans({}).size() == 1U);
}

BOOST_AUTO_TEST_CASE(another_servers_clock_ends_no_lease) {
    Scene s;
    s.store().workers().register_worker(worker(1));
    s.put("1");
    s.claim(1);
    // As after a failover to a server whose clock is ahead.
    server().query("UPDATE bxhook.worker SET lease_until = 0, server = '2001-01-01'");
    const auto other = s.another();
    BOOST_TEST(other->runs().orphans({}).empty());
    BOOST_TEST(s.store().view().status(s.now).workers.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_worker_is_shown_with_its_last_sign_of_life) {
    Scene s;
    BOOST_TEST(!s.store().view().status(s.now).worker_runs);
    bx::WorkerRecord shown = worker(4711);
    shown.running = 2;
    shown.config_error = "unknown key";
    s.store().workers().register_worker(shown);
    const bx::StoreStatus status = s.store().view().status(s.now);
    BOOST_TEST(status.worker_runs);
    BOOST_TEST(status.workers.at(0).host == "web1");
    BOOST_TEST(status.workers.at(0).pid == 4711);
    BOOST_TEST(status.workers.at(0).running == 2);
    BOOST_TEST(status.workers.at(0).config_error == "unknown key");
    BOOST_TEST(std::abs(status.workers.at(0).seen_at.value() - bx::wall_now()) < bx::minute);
    s.store().workers().unregister_worker(shown);
    BOOST_TEST(s.store().view().status(s.now).workers.empty());
}

BOOST_AUTO_TEST_CASE(a_worker_is_woken_by_others) {
    Scene s;
    pollfd ear{s.store().workers().wake_fd(), POLLIN, 0};
    BOOST_TEST(::poll(&ear, 1, 0) == 0);
    const auto other = s.another();
    other->sink().add(std::vector{Scene::event("1")}, 100);
    BOOST_TEST(::poll(&ear, 1, 10'000) == 1);
    BOOST_TEST(s.store().workers().take_wakes());
    BOOST_TEST(!s.store().workers().take_wakes());
    s.add("2");  // its own
    BOOST_TEST(!s.store().workers().take_wakes());
}

// -- Rights

BOOST_AUTO_TEST_CASE(the_least_rights_are_enough) {
    Scene s;
    const std::string url = app_url();
    s.open_as(url);
    BOOST_TEST(s.store().sink().probe() == 0);
    s.store().workers().register_worker(worker(1));
    s.put("7");
    s.put("7");
    s.skip(s.add("8"), "none");
    BOOST_TEST(s.claim(9) == "1/crm#1");
    s.store().runs().save_output(1, "crm", 1, {"so", 2}, {});
    s.fails("1/crm", 0);
    BOOST_TEST(s.claim(9) == "1/crm#2");
    s.dead("1/crm");
    BOOST_TEST(s.retry(1).done());
    BOOST_TEST(s.cancel(1).done());
    BOOST_TEST(s.retry(3).done());
    s.store().runs().orphans({});
    s.store().upkeep().cap_due(s.now);
    s.store().runs().kill_requests();
    BOOST_TEST(s.list({}) == "3/- 2/crm 1/crm");
    s.now += bx::day;
    BOOST_TEST(s.store().upkeep().prune({.done_before = s.now}).deleted == 1U);
    s.store().workers().unregister_worker(worker(1));
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(says(failure<bx::StoreError>([&] { bx::postgresql_module(bx::StoreOwner::assumed()).upgrade(url); }),
                    "nothing was thrown"));  // there is nothing to upgrade
}

BOOST_AUTO_TEST_CASE(a_missing_right_is_named) {
    Scene s;
    const std::string url = app_url();
    s.open_as(url);
    server().query("REVOKE INSERT ON bxhook.secret FROM bxhook_app");
    const std::string text = failure<bx::StoreError>([&] { s.add("1"); });
    BOOST_TEST(says(text, "permission denied for table secret"), text);
    grant_least_rights();
    BOOST_TEST(s.add("1") > 0);
}

BOOST_AUTO_TEST_CASE(a_store_that_is_not_prepared_or_too_new_is_refused) {
    Scene s;
    server().query("ALTER TABLE bxhook.version RENAME TO other");
    const std::string text = failure<bx::StoreError>([&] { s.another(); });
    server().query("ALTER TABLE bxhook.other RENAME TO version");
    BOOST_TEST(says(text, "bxhook store init"), text);
    server().query("UPDATE bxhook.version SET major = major + 1");
    BOOST_CHECK_THROW(s.another(), bx::StoreVersionError);
    BOOST_CHECK_THROW(bx::postgresql_module(bx::StoreOwner::assumed()).upgrade(server().url()), bx::StoreVersionError);
    server().query("UPDATE bxhook.version SET major = major - 1");
    s.open();
}

// -- Trouble

BOOST_AUTO_TEST_CASE(a_server_that_is_away_is_said_at_once_without_the_password) {
    const Millis began = bx::steady_now();
    const std::string text = failure<bx::StoreAway>([] {
        store_tests::open_store("postgresql://u:s3cret@/b?host=/nonexistent,/nowhere&password=s3cret", {});
    });
    BOOST_TEST(says(text, "/nonexistent"), text);
    BOOST_TEST(says(text, "/nowhere"), text);
    BOOST_TEST(!says(text, "s3cret"), text);
    BOOST_TEST(bx::steady_now() - began < 5 * bx::second);
    BOOST_TEST(!says(failure<bx::StoreError>([] {
        store_tests::open_store("postgresql://u:s3%cret@h/b?nonsense=s3cret", {});
    }), "s3"));
}

BOOST_AUTO_TEST_CASE(the_host_that_takes_writes_is_found) {
    Scene s;
    const std::string url = s.place();
    s.open_as(url.substr(0, url.find("host=")) + "host=/nonexistent," +
              url.substr(url.find("host=") + 5));
    BOOST_TEST(s.add("1") == 1);
}

BOOST_AUTO_TEST_CASE(a_lost_connection_is_made_again) {
    Scene s;
    const auto cut = [] {
        server().query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                       "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
    };
    s.add("1");
    cut();
    BOOST_TEST(s.add("2") == 2);  // the gateway's caller must not notice
    cut();
    BOOST_CHECK_THROW(s.store().matching().undispatched(9), bx::StoreAway);
    BOOST_TEST(s.store().matching().undispatched(9).size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_lock_is_not_waited_for_longer_than_allowed) {
    Scene s;
    server().query("BEGIN; LOCK TABLE bxhook.event");
    const auto hasty = store_tests::open_store(s.place(), {});
    const Millis began = bx::steady_now();
    BOOST_CHECK_THROW(hasty->sink().add(std::vector{Scene::event("1")}, 100), bx::StoreError);
    BOOST_TEST(bx::steady_now() - began < 5 * bx::second);
    server().query("ROLLBACK");
    BOOST_TEST(hasty->sink().add(std::vector{Scene::event("1")}, 100).front().has_value());
}

BOOST_AUTO_TEST_CASE(a_transaction_that_a_deadlock_ended_is_done_again) {
    Scene s;
    s.put("7");
    s.add("7");
    // As the end of a run holds it, whose lane is told of the second.
    Rival rival("SELECT 1 FROM bxhook.open FOR UPDATE");
    s.open({.wait = bx::minute, .give_up = nullptr});
    const std::vector<bx::Dispatch> second = {{2, {s.delivery("crm")}, {}, {}}};
    auto worker = std::async(std::launch::async, [&] { s.store().matching().dispatch(second, s.now); });
    rival.want("SELECT bxhook.lock_matching()");
    worker.get();
    BOOST_TEST(s.claim(9) == "1/crm#1");
    s.done("1/crm");
    BOOST_TEST(s.claim(9) == "2/crm#1");
    BOOST_TEST(s.recount() == "");
}

// What a person asks for is decided on what was read before, and done by one statement.
BOOST_AUTO_TEST_CASE(a_request_that_comes_too_late_is_decided_anew) {
    Scene s;
    s.skip(s.add("1"), "no matching hook");
    s.add("2");
    const auto behind = [&](const std::string& other, const std::function<bx::Outcome()>& request) {
        server().query("BEGIN; " + other);
        std::future<bx::Outcome> outcome = std::async(std::launch::async, request);
        const std::string waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        while (server().query(waiting).front() == "0") std::this_thread::yield();
        server().query("COMMIT");
        return text_of(outcome.get());
    };
    BOOST_TEST(behind("SELECT bxhook.renew(1, 1, 1)", [&] { return s.retry(1); }) ==
               "1 is new, the worker takes it next");
    BOOST_TEST(behind("SELECT bxhook.cancel_new(1, 2, 0)", [&] { return s.cancel(2); }) ==
               "2 is skipped");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_delivery_that_another_retries_meanwhile_gets_no_more_attempts) {
    Scene s;
    const std::unique_ptr<bx::Store> other = s.another();
    s.put("7");
    const auto too_late = [&](const std::string& hook) {
        s.claim(1);
        s.dead("1/crm");
        const auto first = [](const std::string&) { return 1; };
        return s.store().operate().retry({1, hook}, [&](const std::string&) {
            other->operate().retry({1, hook}, first, s.now);
            return 2;
        }, s.now).done();
    };
    BOOST_TEST(too_late("crm"));
    BOOST_TEST(too_late(""));
    BOOST_TEST(s.record(1).max_attempts == 3);
    BOOST_TEST(s.recount() == "");
}

// As if there had been an older minor version.
BOOST_AUTO_TEST_CASE(an_upgrade_that_a_deadlock_ended_is_done_again) {
    Scene s;
    server().query("UPDATE bxhook.version SET minor = -1");
    {
        Rival rival("LOCK TABLE bxhook.version");
        auto upgrade = std::async(std::launch::async,
                                  [] { return bx::postgresql_module(bx::StoreOwner::assumed()).upgrade(server().url()); });
        rival.want("SELECT pg_advisory_xact_lock(1652058216, 3)");  // that of who upgrades
        BOOST_TEST(upgrade.get() == "upgraded schema 2.-1 to 2.0");
    }
    s.open();
    BOOST_TEST(s.put("7") == 1);
    BOOST_TEST(s.claim(9) == "1/crm#1");
}

BOOST_AUTO_TEST_CASE(a_store_of_version_1_0_is_refused_by_name) {
    Scene s;
    server().query("UPDATE bxhook.version SET major = 1, minor = 1");
    const auto& module = bx::postgresql_module(bx::StoreOwner::assumed());
    for (const std::string& text :
         {failure<bx::StoreVersionError>([&] { s.another(); }),
          failure<bx::StoreVersionError>([&] { module.upgrade(server().url()); }),
          failure<bx::StoreVersionError>([&] { module.init(server().url()); })}) {
        BOOST_TEST(says(text, "bxhook 1.0 made the store"), text);
    }
    server().query("UPDATE bxhook.version SET major = 2, minor = 0");
}

// Who calls a function names its parameters and columns as the files do that it was made from.
BOOST_AUTO_TEST_CASE(the_server_has_the_functions_that_are_called) {
    Scene s;
    std::map<std::string, std::string> there;
    for (const std::string& row :
         server().query("SELECT proname || ':' || pg_get_function_identity_arguments(p.oid) "
                        "FROM pg_proc AS p WHERE pronamespace = 'bxhook'::regnamespace")) {
        const std::size_t colon = row.find(':');
        BOOST_TEST(there.emplace(row.substr(0, colon), row.substr(colon + 1)).second, row);
    }
    for (const auto& head : bx::postgres::sql::function_heads) {
        BOOST_TEST(there[head.name] == head.arguments, head.name);
    }
    BOOST_TEST(there.size() == std::size(bx::postgres::sql::function_heads));
}

BOOST_AUTO_TEST_CASE(a_statement_that_takes_too_long_is_told_from_a_lock) {
    Scene s;
    bx::StoreOptions options;
    options.role = bx::Role::worker;
    const auto worker = store_tests::open_store(s.place(), options);
    s.add("1");
    server().query("CREATE FUNCTION bxhook.slow() RETURNS trigger LANGUAGE plpgsql AS "
                   "'BEGIN PERFORM pg_sleep(30); RETURN NEW; END'; CREATE TRIGGER slow BEFORE INSERT "
                   "ON bxhook.open FOR EACH ROW EXECUTE FUNCTION bxhook.slow()");
    const std::vector<bx::Dispatch> verdicts = {{1, {s.delivery("crm")}, {}, {}}};
    const std::string slow = failure<bx::StoreSlow>([&] { worker->matching().dispatch(verdicts, s.now); });
    server().query("DROP TRIGGER slow ON bxhook.open; DROP FUNCTION bxhook.slow()");
    BOOST_TEST(says(slow, "statement timeout"), slow);
    server().query("BEGIN; LOCK TABLE bxhook.event");
    const std::string held = failure<bx::StoreBusy>([&] { worker->matching().dispatch(verdicts, s.now); });
    server().query("ROLLBACK");
    BOOST_TEST(says(held, "lock timeout"), held);
    worker->matching().dispatch(verdicts, s.now);
    BOOST_TEST(s.claim(1) == "1/crm#1");
}

BOOST_AUTO_TEST_CASE(who_is_told_to_stop_waits_no_longer) {
    Scene s;
    server().query("BEGIN; LOCK TABLE bxhook.event");
    bx::StoreOptions options;
    std::atomic<bool> stop = false;
    options.wait = bx::hour;
    options.give_up = [&] { return stop.load(); };
    const auto store = store_tests::open_store(s.place(), options);
    stop = true;
    BOOST_CHECK_THROW(store->sink().add(std::vector{Scene::event("1")}, 100), bx::StoreAway);
    server().query("ROLLBACK");
}

BOOST_AUTO_TEST_CASE(a_server_that_takes_no_writes_is_no_store) {
    Scene s;
    server().query("ALTER ROLE bxhook_owner SET default_transaction_read_only = on");
    const std::string text = failure<bx::StoreAway>([&] { s.another(); });
    server().query("ALTER ROLE bxhook_owner RESET default_transaction_read_only");
    BOOST_TEST(says(text, "read-only"), text);
}

// -- Taking over a SQLite store

namespace {

bx::CopyCount copy_from(const std::string& file) {
    const auto into = bx::postgresql_module(bx::StoreOwner::assumed()).import(server().url());
    return bx::copy_store(file, *into, [](std::size_t) {});
}

// Everything there is about an event, as text.
std::string picture(bx::Store& store, bx::EventNumber number) {
    const bx::StoredEvent event = store.view().event(number).value();
    std::string text = std::string(name_of(event.state)) + event.reason + event.facts.code +
                       event.facts.id + event.body + event.secrets +
                       (event.secrets_erased ? " erased" : "") + std::to_string(event.received_at);
    for (const bx::Refusal& refusal : event.refused) text += " -" + refusal.hook + refusal.reason;
    for (const bx::DeliveryRecord& delivery : store.view().deliveries(number)) {
        text += "\n" + delivery.hook + ' ' + std::string(name_of(delivery.state)) + ' ' +
                std::to_string(delivery.attempt) + '/' + std::to_string(delivery.max_attempts) + ' ' +
                delivery.reason + std::to_string(delivery.due_at.value_or(0)) + ' ' +
                std::to_string(delivery.ended_at.value_or(0)) +
                std::to_string(delivery.blocked_by.value_or(0)) +
                std::to_string(delivery.merged_into.value_or(0));
        for (const bx::AttemptRecord& attempt : store.view().attempts(number, delivery.hook)) {
            text += " #" + std::to_string(attempt.attempt) + std::string(name_of(attempt.result)) +
                    attempt.run + attempt.out.kept + std::to_string(attempt.exit.value_or(-1));
        }
    }
    return text;
}

}  // namespace

// It would repeat them, as runs that were lost.
BOOST_AUTO_TEST_CASE(ends_that_a_killed_worker_could_not_record_come_before_a_copy) {
    Scene s;
    const store_tests::Scratch scratch;
    const std::string file = scratch / "queue.db";
    Scene old(file);
    old.put("7");
    old.claim(1);
    const auto write = [&](const std::string& run) {
        bx::SlotFile(file).write(3, bx::SlotFile::key_of(run),
                                 {.result = static_cast<int>(bx::AttemptResult::done),
                                  .exit = 0,
                                  .ended_at = old.now});
    };
    write(old.claims.at("1/crm").run);
    const std::string text = failure<bx::Error>([&] { copy_from(file); });
    BOOST_TEST(says(text, "before it recorded how 1 run ended: run 'bxhook work --once'"), text);
    BOOST_TEST(!s.store().view().event(1).has_value());
    write("1-crm-1-another");
    BOOST_TEST(copy_from(file).copied == 1U);
    BOOST_TEST(s.state(1) == "running");
}

BOOST_AUTO_TEST_CASE(a_sqlite_store_is_taken_over_as_it_is) {
    Scene s;
    const store_tests::Scratch scratch;
    const std::string file = scratch / "queue.db";
    Scene old(file);
    old.put("7");                            // 1: done
    old.claim(1);
    old.done("1/crm");
    old.put("7");                            // 2: fails, 3 behind it
    old.claim(1);
    old.fails("2/crm", 60'000);
    old.put("7");
    old.skip(old.add("8"), "no matching hook");
    old.match(old.add("9"), std::vector<std::string>{"a", "b"});
    old.claim(1, [](const std::string& hook) { return hook == "a" ? 9U : 0U; });
    old.dead("5/a");
    old.add("10");                           // 6: new
    const bx::CopyCount count = copy_from(file);
    BOOST_TEST(count.events == 6U);
    BOOST_TEST(count.copied == 6U);
    for (bx::EventNumber n = 1; n <= 6; ++n) {
        BOOST_TEST(picture(s.store(), n) == picture(old.store(), n));
    }
    BOOST_TEST(s.recount() == "");
    // The old one goes on for a while, then the rest is taken over.
    BOOST_TEST(old.add("11") == 7);
    BOOST_TEST(s.add("12") == 1'000'007);
    BOOST_TEST(copy_from(file).copied == 1U);
    BOOST_TEST(copy_from(file).copied == 0U);
    BOOST_TEST(s.store().matching().undispatched(9).size() == 3U);
    BOOST_TEST(s.claim(9) == "2/crm#2 5/b#1");  // by the real clock its time came long ago
    s.done("2/crm");
    BOOST_TEST(s.claim(9) == "3/crm#1");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(no_event_is_left_out_because_another_has_its_number) {
    Scene s;
    const store_tests::Scratch scratch;
    const std::string file = scratch / "queue.db";
    Scene old(file);
    old.add("7");
    old.add("8");
    s.add("a test");
    const std::string text = failure<bx::StoreError>([&] { copy_from(file); });
    BOOST_TEST(says(text, "cannot copy event 1"), text);
    BOOST_TEST(says(text, "bxhook store init"), text);
    BOOST_TEST(s.list({}) == "1/-");
    BOOST_TEST(s.add("9") == 2);  // nothing was changed, the numbers neither
    server().clear();
    s.open();
    BOOST_TEST(copy_from(file).copied == 2U);
    old.add("9");
    server().query("UPDATE bxhook.event SET body = 'another' WHERE n = 2");
    const std::string later = failure<bx::StoreError>([&] { copy_from(file); });
    BOOST_TEST(says(later, "cannot copy event 2"), later);
    BOOST_TEST(s.list({}) == "2/- 1/-");  // none of that step
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_store_that_a_worker_serves_is_not_taken_over) {
    Scene s;
    const store_tests::Scratch scratch;
    Scene old(scratch / "queue.db");
    const bx::WorkerLock lock(old.place(), 0);
    const std::string text = failure<bx::Error>([&] { copy_from(old.place()); });
    BOOST_TEST(says(text, "a worker runs"), text);
}

BOOST_AUTO_TEST_SUITE_END()
