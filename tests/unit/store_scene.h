// What tests of the store are told with: a scene has a place for a store, a clock of its own, and
// verbs that act and answer in a line of text.
//
//   Scene s;
//   s.match(s.add("7"), {"crm"});
//   BOOST_TEST(s.claim(5) == "1/crm#1");
//
// The kind of store is chosen here alone: a SQLite file, or with BXHOOK_TEST_STORE=postgresql a
// server's.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/worker_lock.h"
#include "postgres_server.h"
#include "sqlite/database.h"
#include "stores/open.h"

namespace store_tests {

// A directory of its own, gone afterwards; in memory where there is such a place: what is tested
// here does not depend on a disk's speed.
class Scratch {
public:
    Scratch() {
        const bool memory = ::access("/dev/shm", W_OK) == 0;
        std::string pattern = std::string(memory ? "/dev/shm" : "/tmp") + "/bxhook-test-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) bx::throw_errno("cannot make a directory");
        path_ = pattern;
    }
    ~Scratch() { std::filesystem::remove_all(path_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

inline std::unique_ptr<bx::Store> open_store(const std::string& place,
                                             const bx::StoreOptions& options = {}) {
    return bx::open_store(bx::StorePlace::of(place), options, bx::StoreOwner::assumed());
}

inline const std::string key_of(bx::EventNumber event, const std::string& hook) {
    return std::to_string(event) + '/' + hook;
}

inline std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

class Scene {
public:
    Scene() {
        if (PostgresServer::wanted()) {
            PostgresServer::instance().clear();
            place_ = PostgresServer::instance().url();
        }
        open();
    }
    // A SQLite file, whatever the others are.
    explicit Scene(const std::string& file) : place_(file) { open(); }

    bx::Store& store() { return *store_; }
    const std::string& place() const { return place_; }
    void open(const bx::StoreOptions& options = {}) {
        store_.reset();
        store_ = another(options);
    }
    // Of another place, or as another role, from now on.
    void open_as(const std::string& place) {
        place_ = place;
        open();
    }
    std::unique_ptr<bx::Store> another(bx::StoreOptions options = {}) const {
        // There the wait is for the work itself too, and some of these tests give a lot of it.
        if (PostgresServer::wanted()) options.wait = bx::minute;
        return open_store(place_, options);
    }

    bx::Millis now = 1'700'000'000'000;

    static bx::NewEvent event(const std::string& id, const std::string& portal = "p",
                              const std::string& code = "ONCRMDEALUPDATE") {
        bx::NewEvent event;
        event.facts.code = code;
        event.facts.kind = "ONCRMDEAL";
        event.facts.id = id;
        event.facts.member_id = portal;
        event.facts.domain = "Some.Example";
        event.body = "body of " + id;
        event.secrets = "secret of " + id;
        return event;
    }
    bx::EventNumber add(bx::NewEvent event) {
        event.received_at = now;
        return store().sink().add(std::vector{event}, 1'000'000).front().value();
    }
    bx::EventNumber add(const std::string& id, const std::string& portal = "p") {
        return add(event(id, portal));
    }

    bx::NewDelivery delivery(const std::string& hook) const {
        bx::NewDelivery delivery;
        delivery.hook = hook;
        delivery.max_attempts = 3;
        delivery.due_at = now;
        return delivery;
    }
    void match(bx::EventNumber event, const std::vector<std::string>& hooks) {
        std::vector<bx::NewDelivery> deliveries;
        for (const std::string& hook : hooks) deliveries.push_back(delivery(hook));
        match(event, deliveries);
    }
    void match(bx::EventNumber event, const std::vector<bx::NewDelivery>& deliveries) {
        store().matching().dispatch(std::vector{bx::Dispatch{event, deliveries, {}, {}}}, now);
    }
    void skip(bx::EventNumber event, const std::string& reason) {
        store().matching().dispatch(
            std::vector{bx::Dispatch{event, {}, {{"crm", "disabled", bx::HookRule::disabled}}, reason}},
            now);
    }
    // An event of that entity, matched to one hook.
    bx::EventNumber put(const std::string& id, const std::string& hook = "crm",
                        const std::string& portal = "p") {
        const bx::EventNumber number = add(id, portal);
        match(number, std::vector<std::string>{hook});
        return number;
    }
    bx::EventNumber put(const std::string& id, const bx::NewDelivery& delivery,
                        const std::string& code = "ONCRMDEALUPDATE") {
        const bx::EventNumber number = add(event(id, "p", code));
        match(number, std::vector{delivery});
        return number;
    }

    // "1/crm#1 2/crm#1": what was claimed, in order, with the attempt; ENDED is recorded first.
    std::string claim(std::size_t slots,
                      const std::function<std::size_t(const std::string&)>& room = nullptr,
                      const std::vector<bx::Finish>& ended = {}) {
        const auto plenty = [](const std::string&) { return std::size_t{1000}; };
        std::vector<std::string> names;
        const std::vector<bx::Claim> claimed =
            store().runs().finish_and_claim(ended, slots, room ? room : plenty, now);
        store().runs().started(claimed);
        for (const bx::Claim& claim : claimed) {
            claims[key_of(claim.event.number, claim.hook)] = claim;
            names.push_back(key_of(claim.event.number, claim.hook) + '#' +
                            std::to_string(claim.attempt));
        }
        return joined(names);
    }

    bx::Finish ending(const std::string& name, bx::AttemptResult result, bx::DeliveryState next) {
        const bx::Claim& claim = claims.at(name);
        bx::Finish finish;
        finish.event = claim.event.number;
        finish.hook = claim.hook;
        finish.attempt = claim.attempt;
        finish.result = result;
        finish.next = next;
        finish.ended_at = now;
        return finish;
    }
    void finish(const bx::Finish& run) { store().runs().finish(std::vector{run}); }
    void done(const std::string& name) {
        bx::Finish run = ending(name, bx::AttemptResult::done, bx::DeliveryState::done);
        run.exit = 0;
        finish(run);
    }
    void dead(const std::string& name) {
        bx::Finish run = ending(name, bx::AttemptResult::failed, bx::DeliveryState::dead);
        run.exit = 65;
        run.delivery_reason = "exit 65";
        finish(run);
    }
    void fails(const std::string& name, bx::Millis backoff) {
        bx::Finish run = ending(name, bx::AttemptResult::failed, bx::DeliveryState::waiting);
        run.exit = 1;
        run.delivery_reason = "exit 1";
        run.due_at = now + backoff;
        finish(run);
    }

    bx::Outcome retry(bx::EventNumber event, const std::string& hook = "") {
        return store().operate().retry({event, hook}, [](const std::string&) { return 2; }, now);
    }
    bx::Outcome cancel(bx::EventNumber event, const std::string& hook = "", bool kill = false) {
        return store().operate().cancel({event, hook}, kill, now);
    }

    bx::DeliveryRecord record(bx::EventNumber event, const std::string& hook = "crm") {
        for (const bx::DeliveryRecord& record : store().view().deliveries(event)) {
            if (record.hook == hook) return record;
        }
        throw bx::Error("no delivery " + key_of(event, hook));
    }
    // "waiting"
    std::string state(bx::EventNumber event, const std::string& hook = "crm") {
        return std::string(name_of(record(event, hook).state));
    }
    // "2/crm 1/-": a list, newest first.
    std::string list(const bx::ListFilter& filter) {
        std::vector<std::string> names;
        for (const bx::ListRow& row : store().view().list(filter)) {
            names.push_back(key_of(row.event.number, row.delivery ? row.delivery->hook : "-"));
        }
        return joined(names);
    }
    // The secrets as they are kept, "erased" when they were.
    std::string secrets(bx::EventNumber number) {
        const std::optional<bx::StoredEvent> event = store().view().event(number);
        return event->secrets_erased ? "erased" + event->secrets : event->secrets;
    }

    // Counts everything again, the slow way, and compares with what the store keeps.  Gives what
    // does not agree.
    std::string recount() const;

    std::map<std::string, bx::Claim> claims;  // the last of each delivery, by "1/crm"

private:
    std::string broken_rows(const std::string& rule, const std::string& query) const;

    Scratch scratch_;
    std::string place_ = scratch_ / "queue.db";
    std::unique_ptr<bx::Store> store_;
};

// One line a rule of the store's schema (src/sqlite/schema.cpp,
// src/postgres/tables_sql.cpp), as the rows that break it.
using Rules = std::vector<std::pair<std::string, std::string>>;

inline Rules rules_of_all() {
    return {
        {"event.open",
         "SELECT n FROM event WHERE open <> (SELECT count(*) FROM delivery "
         "WHERE event = n AND state < 2)"},
        {"event.dead",
         "SELECT n FROM event WHERE dead <> (SELECT count(*) FROM delivery "
         "WHERE event = n AND state = 3) AND NOT (state = 2 AND dead = 1)"},
        {"event.ended_at",
         "SELECT n FROM event WHERE (ended_at IS NULL) <> (state = 0 OR open > 0)"},
        {"erasure", "SELECT n FROM event WHERE ended_at IS NOT NULL AND dead = 0 AND NOT erased"},
        {"one runs",
         "SELECT hook FROM delivery WHERE state = 1 AND lane IS NOT NULL "
         "GROUP BY hook, portal, lane HAVING count(*) > 1"},
        {"turn",
         "SELECT event || '/' || hook FROM delivery AS d WHERE (turn IS NOT NULL) <> "
         "(state = 0 AND (lane IS NULL OR NOT EXISTS (SELECT 1 FROM delivery AS o WHERE "
         "o.hook = d.hook AND o.portal = d.portal AND o.lane = d.lane AND o.event <> d.event "
         "AND (o.state = 1 OR (o.state = 0 AND o.event < d.event)))))"},
        {"due_at", "SELECT event FROM delivery WHERE (due_at IS NOT NULL) <> (state = 0)"},
        {"delivery.ended_at", "SELECT event FROM delivery WHERE (ended_at IS NULL) <> (state < 2)"},
        {"attempts",
         "SELECT event FROM delivery AS d WHERE state = 1 AND (SELECT count(*) FROM attempt "
         "AS a WHERE a.event = d.event AND a.hook = d.hook AND a.result = 0) <> 1"},
        {"tally",
         "SELECT hook || what FROM tally AS t WHERE hook <> '' GROUP BY hook, what "
         "HAVING sum(n) <> (SELECT count(*) FROM "
         "delivery AS d WHERE d.hook = t.hook AND t.what = CASE d.state WHEN 0 THEN 'waiting' "
         "WHEN 1 THEN 'running' WHEN 2 THEN 'done' WHEN 3 THEN 'dead' WHEN 4 THEN 'merged' "
         "ELSE 'cancelled' END)"},
        {"events",
         "SELECT what FROM tally AS t WHERE hook = '' AND what IN ('new', 'matched', 'skipped') "
         "GROUP BY what HAVING sum(n) <> (SELECT count(*) FROM event AS e WHERE t.what = "
         "CASE e.state WHEN 0 THEN 'new' WHEN 1 THEN 'matched' ELSE 'skipped' END)"},
        {"unfinished",
         "SELECT sum(n) FROM tally WHERE hook = '' AND what = 'unfinished' HAVING sum(n) <> "
         "(SELECT count(*) FROM event WHERE ended_at IS NULL)"},
    };
}

inline Rules rules_of_sqlite() {
    return {
        {"event.erased", "SELECT n FROM event WHERE erased AND slot IS NOT NULL"},
        {"slots",
         "SELECT slot FROM slot WHERE (SELECT count(*) FROM event WHERE event.slot = slot.slot) "
         "+ (SELECT count(*) FROM free_slot AS f WHERE f.slot = slot.slot) <> 1"},
        {"free slots",
         "SELECT f.slot FROM free_slot AS f JOIN slot AS s ON s.slot = f.slot "
         "WHERE s.data <> zeroblob(f.size)"},
        {"integrity",
         "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
    };
}

inline Rules rules_of_postgresql() {
    return {
        {"event.erased", "SELECT n FROM event JOIN secret ON secret.event = n WHERE erased"},
        {"event.body", "SELECT n FROM event LEFT JOIN body ON body.event = n WHERE data IS NULL"},
        {"delivery.owner", "SELECT event FROM delivery WHERE (owner IS NOT NULL) <> (state = 1)"},
    };
}

inline std::string Scene::recount() const {
    std::string broken;
    for (const auto& [rule, query] : rules_of_all()) broken += broken_rows(rule, query);
    const bool server = PostgresServer::wanted();
    for (const auto& [rule, query] : server ? rules_of_postgresql() : rules_of_sqlite()) {
        broken += broken_rows(rule, query);
    }
    return broken;
}

inline std::string Scene::broken_rows(const std::string& rule, const std::string& query) const {
    std::string broken;
    if (PostgresServer::wanted()) {
        PostgresServer::instance().query("SET search_path = bxhook");
        for (const std::string& row : PostgresServer::instance().query(query)) {
            broken += rule + ": " + row + "\n";
        }
        return broken;
    }
    bx::sqlite::Database database(place_, {});
    bx::sqlite::Rows rows = database.rows(query);
    while (rows.next()) broken += rule + ": " + rows.text(0) + "\n";
    return broken;
}

}  // namespace store_tests
