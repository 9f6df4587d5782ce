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

// The precondition of a test of that store alone.
inline boost::test_tools::assertion_result on_postgresql(boost::unit_test::test_unit_id) {
    return PostgresServer::wanted();
}


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

// The installation that is to be verified next at NOW; it is due still.
struct Unverified {
    bx::Installation installation;
    bx::Tokens tokens;
    int tries = 0;
};
inline std::optional<Unverified> next_unverified(bx::Store& store, bx::Millis now) {
    const auto due = store.chores().take_due(bx::Chore::verify, now, now, 1);
    if (due.empty()) return std::nullopt;
    const auto found = store.installations().find(due.front().id).value();
    return Unverified{found.installation, found.tokens, due.front().tries};
}

// As a renewal that is refused does.
inline void break_down(bx::Store& store, bx::InstallationId id, bx::Millis now) {
    bx::Installations& all = store.installations();
    BOOST_REQUIRE(all.take_lease(id, "breaks", bx::minute).has_value());
    all.note_refused(id, "breaks", "invalid_grant", std::nullopt);
    BOOST_REQUIRE(all.end_lease(id, "breaks", std::nullopt, now));
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
    void open_as_worker() { open({.role = bx::Role::worker}); }
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
        store().runs().start(claimed);
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

// One line a rule of the store's schema (src/sqlite/sql/schema.sql, src/postgres/sql/tables.sql),
// as the rows that break it.
using Rules = std::vector<std::pair<std::string, std::string>>;

// `now_new`: events that are new; `claimed`: deliveries that are; `turn`: those that have their
// turn.
inline const std::string views_of_postgresql =
    "WITH now_new (n) AS (SELECT n FROM event WHERE (n > (SELECT matched FROM world) OR "
    "n IN (SELECT n FROM unmatched)) AND n NOT IN (SELECT n FROM skipped)), "
    "claimed (d) AS (SELECT unnest(held || running) FROM holder), "
    "turn (d) AS (SELECT d FROM ready UNION ALL SELECT d FROM due UNION ALL SELECT d FROM claimed) ";

inline Rules of_both() {
    return {
        {"unmatched",
         "SELECT n FROM unmatched WHERE n > (SELECT matched FROM world) OR n IN (SELECT n FROM "
         "skipped) OR n NOT IN (SELECT n FROM event)"},
        {"a new one has none",
         "SELECT d FROM open WHERE d >> 16 IN (SELECT n FROM now_new) OR d >> 16 IN "
         "(SELECT n FROM skipped)"},
        {"one of an application on a portal",
         "SELECT max(id) FROM installation WHERE client_id <> '' AND state < 3 "
         "GROUP BY member_id, client_id, state > 0 HAVING count(*) > 1"},
        {"held for one that has a token",
         "SELECT h.id FROM held_post AS h JOIN installation AS i ON i.id = h.installation "
         "WHERE i.state > 0 AND i.application_token IS NOT NULL"},
    };
}

inline Rules events_of_postgresql() {
    return {
        {"unfinished",
         "SELECT unfinished() WHERE unfinished() <> (SELECT count(*) FROM now_new) + "
         "(SELECT count(DISTINCT d >> 16) FROM open) + (SELECT last_number() - w.matched - "
         "(SELECT count(*) FROM event WHERE n > w.matched) FROM world AS w)"},
        {"matched",
         "SELECT sum(matched) FROM event_tally HAVING coalesce(sum(matched), 0) <> "
         "(SELECT count(*) FROM event WHERE n NOT IN (SELECT n FROM now_new) AND "
         "n NOT IN (SELECT n FROM skipped))"},
        {"skipped",
         "SELECT sum(skipped) FROM event_tally HAVING coalesce(sum(skipped), 0) <> "
         "(SELECT count(*) FROM skipped)"},
        {"erasure",
         "SELECT n FROM secret WHERE n NOT IN (SELECT n FROM now_new) AND n NOT IN "
         "(SELECT d >> 16 FROM open) AND n NOT IN (SELECT d >> 16 FROM ended WHERE state = 3) AND "
         "n NOT IN (SELECT n FROM skipped WHERE retryable)"},
        {"whose",
         "SELECT id FROM held_post WHERE installation NOT IN (SELECT id FROM installation) UNION "
         "SELECT installation FROM token WHERE installation NOT IN (SELECT id FROM installation "
         "WHERE state < 3) UNION SELECT installation FROM chore WHERE installation NOT IN "
         "(SELECT id FROM installation)"},
        {"received",
         "SELECT n FROM event AS e WHERE n <= (SELECT matched FROM world) AND NOT EXISTS "
         "(SELECT 1 FROM received AS r WHERE r.minute = e.received_at / 60000 AND "
         "e.n BETWEEN r.first AND r.last)"},
    };
}

inline Rules deliveries_of_postgresql() {
    return {
        {"one runs",
         "SELECT lane FROM claimed JOIN open USING (d) WHERE lane IS NOT NULL GROUP BY lane "
         "HAVING count(*) > 1"},
        {"turn",
         "SELECT (d >> 16) || '/' || (d & 65535) FROM open AS o WHERE "
         "(SELECT count(*) FROM turn AS t WHERE t.d = o.d) <> "
         "(lane IS NULL OR d IN (SELECT d FROM claimed) OR NOT EXISTS (SELECT 1 FROM open AS p "
         "WHERE p.lane = o.lane AND p.d <> o.d AND (p.d < o.d OR p.d IN (SELECT d FROM claimed)))"
         ")::integer"},
        {"turns of none", "SELECT d FROM turn WHERE d NOT IN (SELECT d FROM open)"},
        {"at", "SELECT t.d FROM (SELECT d, at FROM ready UNION ALL SELECT d, at FROM due) AS t "
         "JOIN open AS o ON o.d = t.d AND o.due_at <> t.at"},
        {"next",
         "SELECT o.d FROM open AS o WHERE next IS DISTINCT FROM (SELECT min(p.d) FROM open AS p "
         "WHERE p.lane = o.lane AND p.d <> o.d AND p.d NOT IN (SELECT d FROM claimed) AND "
         "(p.d > o.d OR o.d IN (SELECT d FROM claimed)))"},
        {"open and ended", "SELECT d FROM open WHERE d IN (SELECT d FROM ended)"},
        {"fellows",
         "SELECT d FROM open AS o WHERE fellows = 1 AND (EXISTS (SELECT 1 FROM open AS p WHERE "
         "p.d >> 16 = o.d >> 16 AND p.d <> o.d) OR EXISTS (SELECT 1 FROM ended AS p WHERE "
         "p.d >> 16 = o.d >> 16))"},
        {"output", "SELECT d FROM output WHERE d NOT IN (SELECT d FROM claimed)"},
        {"holder",
         "SELECT owner FROM holder WHERE cardinality(running) <> cardinality(started) OR "
         "cardinality(running) <> cardinality(seeds)"},
        {"counters",
         "SELECT name FROM hook AS h LEFT JOIN hook_tally AS t ON t.hook = h.id GROUP BY h.id, name "
         "HAVING coalesce(sum(open), 0) <> (SELECT count(*) FROM open WHERE d & 65535 = h.id) "
         "OR coalesce(sum(done), 0) <> (SELECT count(*) FROM ended WHERE d & 65535 = h.id AND "
         "state = 2) OR coalesce(sum(dead), 0) <> (SELECT count(*) FROM ended WHERE d & 65535 = h.id "
         "AND state = 3) OR coalesce(sum(merged), 0) <> (SELECT count(*) FROM ended WHERE "
         "d & 65535 = h.id AND state = 4) OR coalesce(sum(cancelled), 0) <> (SELECT count(*) FROM "
         "ended WHERE d & 65535 = h.id AND state = 5)"},
    };
}

// `now_new`: events that are new; `owner`: the event whose secrets lie in a slot, 0 for nobody's;
// `other`: the slots of installations and held posts, by the last byte of their negative owner.
inline const std::string views_of_sqlite =
    "WITH now_new (n) AS (SELECT n FROM event WHERE (n > (SELECT matched FROM world) OR "
    "n IN (SELECT n FROM unmatched)) AND n NOT IN (SELECT n FROM skipped)), "
    "owner (slot, n) AS (SELECT id, instr('0123456789ABCDEF', substr(hex(data), 1, 1)) * 16 - 17 "
    "+ instr('0123456789ABCDEF', substr(hex(data), 2, 1)) "
    "+ instr('0123456789ABCDEF', substr(hex(data), 3, 1)) * 4096 "
    "+ instr('0123456789ABCDEF', substr(hex(data), 4, 1)) * 256 - 4352 FROM slot "
    "WHERE substr(hex(data), 15, 2) NOT IN ('FF', 'BF')), "
    "other (slot, last) AS (SELECT id, substr(hex(data), 15, 2) FROM slot "
    "WHERE substr(hex(data), 15, 2) IN ('FF', 'BF')) ";

inline Rules events_of_sqlite() {
    return {
        {"unfinished",
         "SELECT finished FROM world WHERE max(matched, last, (SELECT coalesce(max(n), 0) FROM "
         "event)) - finished <> (SELECT count(*) FROM now_new) + "
         "(SELECT count(DISTINCT d >> 16) FROM open)"},
        {"skipped", "SELECT skipped FROM world WHERE skipped <> (SELECT count(*) FROM skipped)"},
        {"pruned",
         "SELECT pruned FROM world WHERE max(matched, last, (SELECT coalesce(max(n), 0) FROM "
         "event)) - pruned <> (SELECT count(*) FROM event)"},
        {"erasure",
         "SELECT e.n FROM event AS e JOIN owner ON owner.slot = e.slot AND owner.n = e.n WHERE "
         "e.n NOT IN (SELECT n FROM now_new) AND e.n NOT IN (SELECT d >> 16 FROM open) AND "
         "e.n NOT IN (SELECT d >> 16 FROM ended WHERE state = 3) AND "
         "e.n NOT IN (SELECT n FROM skipped WHERE retryable)"},
        {"slots",
         "SELECT slot FROM owner WHERE n <> 0 AND NOT EXISTS (SELECT 1 FROM event AS e WHERE "
         "e.n = owner.n AND e.slot = owner.slot)"},
        {"tokens",
         "SELECT slot FROM other WHERE last = 'FF' AND slot NOT IN (SELECT token FROM installation "
         "WHERE token IS NOT NULL) UNION SELECT token FROM installation WHERE token IS NOT NULL AND "
         "token NOT IN (SELECT slot FROM other WHERE last = 'FF')"},
        {"held posts",
         "SELECT slot FROM held_post WHERE slot NOT IN (SELECT slot FROM other WHERE last = 'BF')"},
        {"pieces of held posts",
         "SELECT count(*) FROM held_post HAVING count(*) <> (SELECT count(DISTINCT "
         "substr(data, 1, 8)) FROM slot WHERE id IN (SELECT slot FROM other WHERE last = 'BF'))"},
        {"whose", "SELECT id FROM held_post WHERE installation NOT IN (SELECT id FROM installation) "
         "UNION SELECT installation FROM chore WHERE installation NOT IN (SELECT id FROM "
         "installation)"},
        {"free slots",
         "SELECT id FROM slot JOIN owner ON slot = id WHERE n = 0 AND data <> zeroblob(length(data))"},
        {"integrity",
         "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
    };
}

inline Rules deliveries_of_sqlite() {
    return {
        {"one runs",
         "SELECT lane FROM running JOIN open USING (d) WHERE lane IS NOT NULL GROUP BY lane "
         "HAVING count(*) > 1"},
        {"turn",
         "SELECT (d >> 16) || '/' || (d & 65535) FROM open AS o WHERE "
         "(SELECT count(*) FROM running AS r WHERE r.d = o.d) + "
         "(SELECT count(*) FROM ready AS r WHERE r.d = o.d AND r.portal = o.portal AND "
         "r.at = o.due_at) + (SELECT count(*) FROM due AS r WHERE r.d = o.d AND r.at = o.due_at) "
         "<> (lane IS NULL OR d IN (SELECT d FROM running) OR NOT EXISTS (SELECT 1 FROM open AS p "
         "WHERE p.lane = o.lane AND p.d <> o.d AND (p.d < o.d OR p.d IN (SELECT d FROM running))))"},
        {"turns of none",
         "SELECT d FROM (SELECT d FROM ready UNION ALL SELECT d FROM due UNION ALL "
         "SELECT d FROM running) WHERE d NOT IN (SELECT d FROM open)"},
        {"open and ended", "SELECT d FROM open WHERE d IN (SELECT d FROM ended)"},
        {"fellows",
         "SELECT d FROM open AS o WHERE fellows = 1 AND (EXISTS (SELECT 1 FROM open AS p WHERE "
         "p.d >> 16 = o.d >> 16 AND p.d <> o.d) OR EXISTS (SELECT 1 FROM ended AS p WHERE "
         "p.d >> 16 = o.d >> 16))"},
        {"attempts",
         "SELECT d FROM running AS r JOIN open AS o USING (d) WHERE r.attempt <> o.attempt + 1"},
        {"output", "SELECT d FROM output WHERE d NOT IN (SELECT d FROM running)"},
        {"counters",
         "SELECT name FROM hook AS h WHERE open <> (SELECT count(*) FROM open WHERE d & 65535 = "
         "h.id) OR done <> (SELECT count(*) FROM ended WHERE d & 65535 = h.id AND state = 2) "
         "OR dead <> (SELECT count(*) FROM ended WHERE d & 65535 = h.id AND state = 3) "
         "OR merged <> (SELECT count(*) FROM ended WHERE d & 65535 = h.id AND state = 4) "
         "OR cancelled <> (SELECT count(*) FROM ended WHERE d & 65535 = h.id AND state = 5)"},
    };
}

inline std::string Scene::recount() const {
    const bool server = PostgresServer::wanted();
    const std::string& views = server ? views_of_postgresql : views_of_sqlite;
    std::string broken;
    for (const Rules& rules :
         {of_both(), server ? events_of_postgresql() : events_of_sqlite(),
          server ? deliveries_of_postgresql() : deliveries_of_sqlite()}) {
        for (const auto& [rule, query] : rules) broken += broken_rows(rule, views + query);
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
