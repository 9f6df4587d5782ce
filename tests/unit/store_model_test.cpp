// The store against a model: random histories of adding, matching, claiming, finishing, retrying
// and cancelling, and the same rules in memory without a thought for speed.
#include <boost/test/unit_test.hpp>

#include <random>
#include <set>

#include "store_scene.h"

using store_tests::Scene;
using bx::AttemptResult;
using bx::DeliveryState;

BOOST_AUTO_TEST_SUITE(store_model)

namespace {

// The rules of lanes, retries and merging (bxhook(1), bxhook-hooks(7)) without a thought for speed.
struct Model {
    struct Delivery {
        DeliveryState state = DeliveryState::waiting;
        int attempt = 0;
        int max_attempts = 3;
        bx::Millis due = 0;
        std::string lane;  // hook and id; empty: none
        std::string code;
        bool held = false; // and waits
    };
    std::map<bx::EventNumber, std::map<std::string, Delivery>> deliveries;
    std::map<bx::EventNumber, std::string> events;  // new, matched, skipped
    std::set<bx::EventNumber> erased;

    bool unfinished(const Delivery& d) const {
        return d.state == DeliveryState::waiting || d.state == DeliveryState::running;
    }
    bool claimable(bx::EventNumber event, const std::string& hook, bx::Millis now) const {
        const Delivery& me = deliveries.at(event).at(hook);
        if (me.state != DeliveryState::waiting || me.held || me.due > now) return false;
        if (me.lane.empty()) return true;
        for (const auto& [other, hooks] : deliveries) {
            auto found = hooks.find(hook);
            if (other == event || found == hooks.end() || found->second.lane != me.lane) continue;
            if (found->second.state == DeliveryState::running || found->second.held) return false;
            if (other < event && unfinished(found->second)) return false;
        }
        return true;
    }
    void ended(bx::EventNumber event) {
        for (const auto& [hook, d] : deliveries.at(event)) {
            if (unfinished(d) || d.state == DeliveryState::dead) return;
        }
        erased.insert(event);
    }
    void merge_older(bx::EventNumber into, const std::string& hook, Delivery& heir) {
        for (auto& [event, hooks] : deliveries) {
            auto found = hooks.find(hook);
            if (event >= into || found == hooks.end()) continue;
            Delivery& d = found->second;
            if (d.state != DeliveryState::waiting || d.held || d.lane != heir.lane ||
                d.code != heir.code) {
                continue;
            }
            d.state = DeliveryState::merged;
            heir.due = heir.attempt < 0 ? d.due : std::min(heir.due, d.due);
            heir.attempt = std::max(heir.attempt, d.attempt);
            heir.max_attempts = std::max(heir.max_attempts, d.max_attempts);
            ended(event);
        }
    }
    template <typename D>  // Delivery, or the store's record of one
    static std::string line(const std::string& hook, const D& d) {
        return ' ' + hook + '=' + std::string(name_of(d.state)) + std::to_string(d.attempt) + '/' +
               std::to_string(d.max_attempts);
    }
    std::string picture() const {
        std::string text;
        for (const auto& [event, state] : events) {
            text +=
                std::to_string(event) + ' ' + state + (erased.count(event) ? " erased" : "") + ';';
            if (deliveries.count(event)) {
                for (const auto& [hook, d] : deliveries.at(event)) text += line(hook, d);
            }
            text += '\n';
        }
        return text;
    }
};

std::string picture_of(bx::Store& store, const Model& model) {
    std::string text;
    for (const auto& entry : model.events) {
        const bx::StoredEvent event = store.view().event(entry.first).value();
        text += std::to_string(event.number) + ' ' + std::string(name_of(event.state)) +
                (event.secrets_erased ? " erased" : "") + ';';
        for (const bx::DeliveryRecord& d : store.view().deliveries(entry.first)) {
            text += Model::line(d.hook, d);
        }
        text += '\n';
    }
    return text;
}

class Player {
public:
    explicit Player(unsigned seed) : random_(seed) {}

    void step() {
        scene_.now += pick(3) * 10;
        switch (pick(12)) {
            case 0: case 1: case 2: add(); break;
            case 3: case 4: claim(); break;
            case 5: case 6: finish(); break;
            case 7: request(true); break;
            case 8: request(false); break;
            case 9: case 10: start_held(); break;
            default: if (pick(10) == 0) reopen(); break;
        }
    }
    void compare() {
        BOOST_REQUIRE_EQUAL(picture_of(scene_.store(), model_), model_.picture());
        std::map<DeliveryState, std::int64_t> states;
        std::map<std::string, std::int64_t> events;
        std::int64_t unfinished = 0;
        std::int64_t due = 0;
        for (const auto& [event, state] : model_.events) {
            ++events[state];
            bool open = state == "new";
            if (state == "matched") {
                for (const auto& [hook, d] : model_.deliveries.at(event)) {
                    ++states[d.state];
                    open = open || model_.unfinished(d);
                    due += d.held || model_.claimable(event, hook, scene_.now);
                }
            }
            unfinished += open;
        }
        const bx::StoreStatus status = scene_.store().view().status(scene_.now);
        BOOST_REQUIRE_EQUAL(status.events_new, events["new"]);
        BOOST_REQUIRE_EQUAL(status.events_matched, events["matched"]);
        BOOST_REQUIRE_EQUAL(status.events_skipped, events["skipped"]);
        BOOST_REQUIRE_EQUAL(status.waiting, states[DeliveryState::waiting]);
        BOOST_REQUIRE_EQUAL(status.running, states[DeliveryState::running]);
        BOOST_REQUIRE_EQUAL(status.done, states[DeliveryState::done]);
        BOOST_REQUIRE_EQUAL(status.dead, states[DeliveryState::dead]);
        BOOST_REQUIRE_EQUAL(status.merged, states[DeliveryState::merged]);
        BOOST_REQUIRE_EQUAL(status.cancelled, states[DeliveryState::cancelled]);
        BOOST_REQUIRE_EQUAL(status.unfinished, unfinished);
        BOOST_REQUIRE_EQUAL(status.due, due);
    }

    std::string recount() { return scene_.recount(); }

private:
    int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

    void add() {
        const std::string id = pick(6) == 0 ? "" : std::to_string(pick(4));
        const std::string code = pick(2) == 0 ? "ONCRMDEALUPDATE" : "ONCRMDEALADD";
        const bx::EventNumber number = scene_.add(Scene::event(id, "p", code));
        model_.events[number] = "new";
        match(number, id, code);
    }
    void match(bx::EventNumber number, const std::string& id, const std::string& code) {
        if (pick(8) == 0) return;  // stays new
        std::vector<bx::NewDelivery> deliveries;
        for (const char* hook : {"a", "b"}) {
            if (pick(3) == 0) continue;
            bx::NewDelivery delivery = scene_.delivery(hook);
            delivery.ordered = pick(5) != 0;
            delivery.coalesce = pick(3) == 0;
            delivery.due_at = scene_.now + pick(3) * 20;
            Model::Delivery mine;
            mine.due = delivery.due_at;
            mine.code = code;
            if (delivery.ordered && !id.empty()) mine.lane = id;
            if (!mine.lane.empty() && delivery.coalesce) {
                mine.attempt = -1;
                model_.merge_older(number, hook, mine);
                mine.attempt = std::max(mine.attempt, 0);
            }
            model_.deliveries[number][hook] = mine;
            deliveries.push_back(delivery);
        }
        if (deliveries.empty()) {
            scene_.skip(number, "none");
            model_.events[number] = "skipped";
            model_.erased.insert(number);
            return;
        }
        scene_.match(number, deliveries);
        model_.events[number] = "matched";
    }
    void claim() {
        const auto slots = static_cast<std::size_t>(1 + pick(3));
        const std::vector<bx::Finish> ended =
            pick(2) == 0 ? end_one() : std::vector<bx::Finish>();
        std::size_t possible = 0;
        for (const auto& [event, hooks] : model_.deliveries) {
            for (const auto& [hook, d] : hooks)
                possible += model_.claimable(event, hook, scene_.now);
        }
        const auto plenty = [](const std::string&) { return std::size_t{99}; };
        const bx::ClaimRoom room(slots, static_cast<std::size_t>(pick(3)));
        const auto claims = scene_.store().runs().finish_and_claim(ended, room, plenty, scene_.now);
        BOOST_REQUIRE_EQUAL(claims.size(), std::min(room.all(), possible));
        for (std::size_t i = 0; i < claims.size(); ++i) {
            const bx::Claim& claim = claims[i];
            BOOST_REQUIRE(model_.claimable(claim.event.number, claim.hook, scene_.now));
            BOOST_REQUIRE_EQUAL(claim.held, i >= slots);
            Model::Delivery& mine = model_.deliveries[claim.event.number][claim.hook];
            std::erase_if(held_, [&](const bx::Claim& old) {  // it was taken back
                return old.event.number == claim.event.number && old.hook == claim.hook;
            });
            scene_.claims[store_tests::key_of(claim.event.number, claim.hook)] = claim;
            if (claim.held) {
                mine.held = true;
                held_.push_back(claim);
            } else {
                BOOST_REQUIRE(scene_.start(claim) == bx::MayStart::yes);
                begin(claim);
            }
        }
    }
    void begin(const bx::Claim& claim) {
        Model::Delivery& mine = model_.deliveries[claim.event.number][claim.hook];
        mine.state = DeliveryState::running;
        mine.held = false;
        BOOST_REQUIRE_EQUAL(++mine.attempt, claim.attempt);
        running_.push_back({claim.event.number, claim.hook});
    }
    // One that was held, and then it is recorded that it runs.
    void start_held() {
        if (held_.empty()) return;
        const bx::Claim claim = held_.front();
        held_.erase(held_.begin());
        const bool mine = model_.deliveries[claim.event.number][claim.hook].held;
        const bx::MayStart may = scene_.start(claim);
        BOOST_REQUIRE(may == (mine ? bx::MayStart::yes : bx::MayStart::no));
        if (!mine) return;
        begin(claim);
        const auto none = [](const std::string&) { return std::size_t{0}; };
        scene_.store().runs().finish_and_claim({}, 0, none, scene_.now);
    }
    // As after the death of a worker.  The next one looks first: then it may end what that ran, and what
    // that held waits again.
    void reopen() {
        scene_.open();
        held_.clear();
        std::vector<bx::DeliveryName> held;
        for (const bx::Orphan& orphan : scene_.store().runs().orphans({})) {
            if (orphan.held) held.push_back({orphan.event, orphan.hook});
        }
        scene_.store().runs().release(held, scene_.now);
        taken_back();
        scene_.now = std::max(scene_.now, bx::wall_now());  // PostgreSQL takes over at its server's time
    }
    // The worker learns it when it wants to start them.
    void taken_back() {
        for (auto& [event, hooks] : model_.deliveries) {
            for (auto& [hook, d] : hooks) d.held = false;
        }
    }
    void finish() { scene_.store().runs().finish(end_one()); }
    // A running one, ended in the model, is to be recorded so; none when nothing runs.
    std::vector<bx::Finish> end_one() {
        if (running_.empty()) return {};
        const auto at = running_.begin() + pick(static_cast<int>(running_.size()));
        const auto [event, hook] = *at;
        running_.erase(at);
        Model::Delivery& mine = model_.deliveries[event][hook];
        const std::string name = store_tests::key_of(event, hook);
        bx::Finish run = scene_.ending(name, AttemptResult::failed, DeliveryState::waiting);
        run.due_at = scene_.now + pick(3) * 20;
        switch (pick(4)) {
            case 0: run.counts = false; ++mine.max_attempts; break;
            case 1: break;
            case 2: run.next = DeliveryState::dead; break;
            default: run.next = DeliveryState::done; run.result = AttemptResult::done; break;
        }
        const bool killed = to_kill_.erase(name) > 0;
        mine.state =
            killed && run.next == DeliveryState::waiting ? DeliveryState::cancelled : run.next;
        mine.due = run.due_at;
        model_.ended(event);
        return {run};
    }
    void request(bool again) {
        if (model_.events.empty()) return;
        const bx::EventNumber event = 1 + pick(static_cast<int>(model_.events.size()));
        if (!again) return cancel(event);
        const std::string state = model_.events[event];
        const bx::Outcome outcome = scene_.retry(event);
        BOOST_REQUIRE_EQUAL(outcome.done(), state == "skipped" || any_retried(event));
        if (state == "matched" && outcome.count > 0) taken_back();
        if (state == "skipped") model_.events[event] = "new";
        if (state != "matched") return;
        for (auto& [hook, d] : model_.deliveries[event]) {
            if (d.state == DeliveryState::waiting) d.due = std::min(d.due, scene_.now);
            if (d.state != DeliveryState::dead && d.state != DeliveryState::cancelled) continue;
            d.state = DeliveryState::waiting;
            d.due = scene_.now;
            d.max_attempts = d.attempt + 2;
        }
    }
    bool any_retried(bx::EventNumber event) {
        const auto& hooks = model_.deliveries[event];
        return std::ranges::any_of(hooks, [](const auto& entry) {
            return entry.second.state == DeliveryState::dead ||
                   entry.second.state == DeliveryState::waiting ||
                   entry.second.state == DeliveryState::cancelled;
        });
    }
    void cancel(bx::EventNumber event) {
        const bool kill = pick(2) == 0;
        const std::string state = model_.events[event];
        const bx::Outcome outcome = scene_.cancel(event, "", kill);
        if (state == "matched" && outcome.count > 0) taken_back();
        if (model_.events[event] == "new") {
            model_.events[event] = "skipped";
            model_.erased.insert(event);
        }
        if (model_.events[event] != "matched") return;
        bool any = false;
        for (auto& [hook, d] : model_.deliveries[event]) {
            if (d.state == DeliveryState::running && kill) {
                to_kill_.insert(store_tests::key_of(event, hook));
            }
            if (d.state != DeliveryState::waiting) continue;
            d.state = DeliveryState::cancelled;
            any = true;
        }
        if (any) model_.ended(event);
    }

    std::mt19937 random_;
    Scene scene_;
    Model model_;
    std::vector<std::pair<bx::EventNumber, std::string>> running_;
    std::set<std::string> to_kill_;
    std::vector<bx::Claim> held_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(random_histories_agree_with_a_model) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            Player player(seed);
            for (int step = 0; step < 150; ++step) {
                BOOST_TEST_CONTEXT("step " << step) {
                    player.step();
                    player.compare();
                }
                if (step % 10 == 0) BOOST_REQUIRE_EQUAL(player.recount(), "");
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
