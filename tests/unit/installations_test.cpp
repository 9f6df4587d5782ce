// Installations and held posts, whichever kind of store it is.
#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>

#include "base/sha256.h"
#include "store_scene.h"

using bx::Activation;
using bx::HeldKind;
using bx::HoldResult;
using bx::InstallationState;

namespace {

constexpr std::int64_t plenty = 1'000'000;

class Portals : public store_tests::Scene {
public:
    // A post of MEMBER with TOKEN, received now.
    bx::NewHeldPost post(const std::string& member, const std::string& token,
                         const std::string& id = "7") {
        bx::NewHeldPost post;
        post.event = event(id, member);
        post.event.facts.domain = "as.sent";
        post.event.received_at = now;
        post.token = bx::sha256(token);
        return post;
    }
    bx::NewHeldPost install(const std::string& member, const std::string& token,
                            const std::string& peer = "192.0.2.1",
                            HeldKind kind = HeldKind::install) {
        bx::NewHeldPost brought = post(member, token, "");
        brought.kind = kind;
        brought.event.facts.code = "ONAPPINSTALL";
        if (kind == HeldKind::install) {  // a page says neither
            brought.event.facts.user_id = "1";
            brought.event.facts.ts = "1700000000";
        }
        brought.tokens = {"access of " + token, "refresh of " + token, now + bx::hour};
        brought.server = "https://oauth.bitrix.info/rest/";
        brought.peer = peer;
        return brought;
    }
    HoldResult hold(const bx::NewHeldPost& post) {
        return store().sink().add({{}, {&post, 1}}, plenty).held.at(0);
    }
    std::vector<HoldResult> hold(const std::vector<bx::NewHeldPost>& posts) {
        return store().sink().add({{}, posts}, plenty).held;
    }
    bx::Proof proof(bx::InstallationId id, const std::string& client = "local.1") const {
        return {id, client, "Real.Example", "1", "https://real.example/rest/", "https://s", "crm",
                "L", {"access", "refresh", now + bx::hour}};
    }
    // As sync does: the renewal that proves it, then that.
    Activation activate(const bx::Proof& proof) {
        if (installations().take_lease(proof.id, "proves", bx::minute)) {
            const bx::Renewal renewal{proof.tokens, {}, {}, {}, {}};
            BOOST_TEST(installations().end_lease(proof.id, "proves", renewal, now));
        }
        return installations().activate(proof);
    }
    bool keep(bx::InstallationId id, const std::string& client = "local.1") {
        bx::Proof judged = proof(id, client);
        judged.tokens = installations().find(id).value().tokens;
        return installations().keep_unclaimed(judged) == bx::Keeping::kept;
    }
    // One that is active, by an old portal's page: its application_token has not come yet.
    bx::InstallationId tokenless(const std::string& member) {
        hold(install(member, "auth id", "192.0.2.1", HeldKind::page_key));
        const bx::InstallationId id = pending(member).id;
        activate(proof(id));
        return id;
    }
    // One that is active.
    bx::InstallationId active(const std::string& member, const std::string& token,
                              const std::string& client = "local.1") {
        BOOST_TEST((hold(install(member, token)) == HoldResult::held));
        const bx::Installation made = pending(member);
        const Activation done = activate(proof(made.id, client));
        BOOST_TEST((done.result == Activation::Result::done));
        return done.id;
    }
    bx::Installations& installations() { return store().installations(); }
    bx::Chores& chores() { return store().chores(); }
    std::optional<store_tests::Unverified> next_unverified(bx::Millis at) {
        return store_tests::next_unverified(store(), at);
    }
    // Those of that kind that are due at AT, and stay so.
    std::vector<bx::InstallationId> due(bx::Chore what, bx::Millis at) {
        std::vector<bx::InstallationId> ids;
        for (const bx::DueChore& one : chores().take_due(what, at, at, 99)) ids.push_back(one.id);
        return ids;
    }
    // As whoever did it does.
    void postpone(bx::InstallationId id, bx::Chore what, bx::Millis due_at,
                  const std::string& problem) {
        const bx::DueChore taken = chores().take(id, what, now + 3 * bx::minute).value();
        BOOST_TEST(chores().postpone(taken, due_at, problem));
    }
    void finish(bx::InstallationId id, bx::Chore what) {
        BOOST_TEST(chores().finish(chores().take(id, what, now + 3 * bx::minute).value()));
    }
    void break_down(bx::InstallationId id) { store_tests::break_down(store(), id, now); }
    // The last of MEMBER that is pending.
    bx::Installation pending(const std::string& member) {
        bx::Installation found;
        for (const bx::Installation& one : installations().list(member)) {
            if (one.state == InstallationState::pending) found = one;
        }
        BOOST_TEST(found.id > 0);
        return found;
    }
    bx::Installation shown(bx::InstallationId id) {
        for (const bx::Installation& one : installations().list()) {
            if (one.id == id) return one;
        }
        return {};
    }
    std::string state(bx::InstallationId id) {
        const bx::Installation one = shown(id);
        return one.id == 0 ? "none" : std::string(name_of(one.state));
    }
    std::vector<bx::KnownInstallation> look_up(const std::string& member) {
        return store().sink().look_up(std::vector{member}, {});
    }
    // What the gate would say of a post of MEMBER with TOKEN.
    bx::TokenRole role(const std::string& member, const std::string& token) {
        return bx::prove(member, bx::sha256(token), look_up(member)).role;
    }
    // The new events, as "code id domain" each.
    std::string events() {
        std::string text;
        for (const bx::StoredEvent& event : store().matching().undispatched(1000)) {
            text += event.facts.code + ' ' + event.facts.id + ' ' + event.facts.domain + '\n';
        }
        return text;
    }
    std::int64_t held() { return installations().counts().held; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(installations)

BOOST_AUTO_TEST_CASE(an_unknown_installation_is_held_with_what_it_brought) {
    Portals s;
    BOOST_TEST(!s.store().sink().has_installations());
    BOOST_TEST((s.hold(s.install("m1", "t1")) == HoldResult::held));
    BOOST_TEST(s.store().sink().has_installations());
    const store_tests::Unverified next = s.next_unverified(s.now).value();
    BOOST_TEST(next.tokens.access == "access of t1");
    BOOST_TEST(next.tokens.refresh == "refresh of t1");
    BOOST_TEST(next.tokens.expires_at == s.now + bx::hour);
    BOOST_TEST(next.tries == 0);
    const bx::Installation& one = next.installation;
    BOOST_TEST(one.member_id == "m1");
    BOOST_TEST(one.domain == "as.sent");
    BOOST_TEST(one.user_id == "1");
    BOOST_TEST(one.server == "https://oauth.bitrix.info/rest/");
    BOOST_TEST(one.peer == "192.0.2.1");
    BOOST_TEST(one.installed_at == s.now);
    BOOST_TEST((one.installed_ts == 1700000000));
    BOOST_TEST(one.has_application_token);
    BOOST_TEST(one.held == 1);
    BOOST_TEST((one.state == InstallationState::pending));
    BOOST_TEST(s.events() == "");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(later_posts_with_its_token_are_held_and_others_are_not) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    BOOST_TEST((s.hold(s.post("m1", "t1")) == HoldResult::held));
    BOOST_TEST((s.hold(s.post("m1", "t2")) == HoldResult::changed));
    BOOST_TEST((s.hold(s.post("m2", "t1")) == HoldResult::changed));
    BOOST_TEST(s.pending("m1").held == 2);
}

BOOST_AUTO_TEST_CASE(one_batch_holds_an_installation_and_what_follows_it) {
    Portals s;
    const std::vector<bx::NewHeldPost> posts{s.install("m1", "t1"), s.post("m1", "t1"),
                                             s.post("m1", "t2")};
    const std::vector<bx::NewEvent> events{s.event("9")};
    const bx::AddedBatch added = s.store().sink().add({events, posts}, plenty);
    BOOST_TEST((added.held == std::vector{HoldResult::held, HoldResult::held, HoldResult::changed}));
    BOOST_TEST(added.numbers.size() == 1U);
    BOOST_TEST(added.numbers[0].has_value());
    BOOST_TEST(s.held() == 2);
}

BOOST_AUTO_TEST_CASE(when_it_is_verified_its_posts_are_events_in_the_order_of_receipt) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    s.add("early");
    for (const char* id : {"3", "1", "2"}) s.hold(s.post("m1", "t1", id));
    const bx::InstallationId id = s.pending("m1").id;
    const Activation done = s.activate(s.proof(id));
    BOOST_TEST((done.result == Activation::Result::done));
    BOOST_TEST(done.id == id);
    BOOST_TEST(done.events == 4U);
    BOOST_TEST(s.events() ==
               "ONCRMDEALUPDATE early Some.Example\nONAPPINSTALL  real.example\n"
               "ONCRMDEALUPDATE 3 real.example\nONCRMDEALUPDATE 1 real.example\n"
               "ONCRMDEALUPDATE 2 real.example\n");
    const auto event = s.store().view().event(2).value();
    BOOST_TEST((event.installation == id));
    BOOST_TEST(event.secrets == "secret of ");
    BOOST_TEST(event.received_at == s.now);
    BOOST_TEST(s.store().view().list({.limit = 9}).front().event.installation.value_or(0) == id);
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(!s.next_unverified(s.now + bx::day).has_value());
    BOOST_TEST((s.activate(s.proof(id)).result ==
                Activation::Result::not_pending));
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(an_event_keeps_the_installation_its_token_proved) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    bx::NewEvent event = s.event("7", "m1");
    event.installation = id;
    const bx::EventNumber number = s.add(event);
    BOOST_TEST((s.store().view().event(number).value().installation == id));
    BOOST_TEST((s.store().matching().undispatched(9).back().installation == id));
    BOOST_TEST(!s.store().view().event(s.add("8")).value().installation.has_value());
}

BOOST_AUTO_TEST_CASE(a_queue_that_is_full_takes_held_posts_and_later_ones_overtake_none) {
    Portals s;
    constexpr std::int64_t queue = 1;
    const auto add = [&](bx::NewEvent event) {
        return s.store().sink().add(std::span(&event, 1), queue).front().has_value();
    };
    BOOST_TEST(add(s.post("m0", "", "0").event));
    s.hold(s.install("m1", "t1"));
    s.hold(s.post("m1", "t1", "1"));
    s.hold(s.post("m1", "t1", "2"));
    const bx::InstallationId id = s.pending("m1").id;
    BOOST_TEST(s.activate(s.proof(id)).events == 3U);
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(!add(s.post("m1", "t1", "3").event), "what comes now waits for room");
    BOOST_TEST(s.events() ==
               "ONCRMDEALUPDATE 0 as.sent\nONAPPINSTALL  real.example\n"
               "ONCRMDEALUPDATE 1 real.example\nONCRMDEALUPDATE 2 real.example\n");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_refused_leaves_nothing) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    s.hold(s.post("m1", "t1"));
    s.installations().erase(s.pending("m1").id);
    BOOST_TEST(s.installations().list().empty());
    BOOST_TEST(s.held() == 0);
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::none));
    BOOST_TEST(!s.next_unverified(s.now).has_value());
    BOOST_TEST(s.recount() == "");
}

// -- What the gate is given

BOOST_AUTO_TEST_CASE(only_what_was_judged_is_refused) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const bx::InstallationId id = s.pending("m1").id;
    const auto seen = [&] { return s.installations().find(id).value(); };
    // Other tokens came with its post, again.
    bx::InstallationWithTokens judged = seen();
    bx::NewHeldPost again = s.install("m1", "t1");
    again.tokens.access = "another access";
    s.hold(again);
    BOOST_TEST(!s.installations().refuse(judged));
    // Another renews it, and did.
    judged = seen();
    BOOST_TEST(s.installations().take_lease(id, "another", bx::minute).has_value());
    BOOST_TEST(!s.installations().refuse(judged));
    const bx::Renewal renewal{{"renewed access", "renewed refresh", s.now + bx::hour}, {}, {}, {}, {}};
    BOOST_TEST(s.installations().end_lease(id, "another", renewal, s.now));
    BOOST_TEST(!s.installations().refuse(judged));
    // Its post, again, says another user.
    judged = seen();
    again.event.facts.user_id = "2";
    again.tokens = judged.tokens;
    s.hold(again);
    BOOST_TEST(!s.installations().refuse(judged));
    BOOST_TEST(s.state(id) == "pending");
    BOOST_TEST(s.held() == 3);
    BOOST_TEST(s.installations().refuse(seen()));
    BOOST_TEST(s.state(id) == "none");
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(!s.next_unverified(s.now));
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_is_verified_is_not_refused) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const bx::InstallationWithTokens judged =
        s.installations().find(s.pending("m1").id).value();
    // Of what was judged its state alone is another.
    bx::Proof proof = s.proof(judged.installation.id);
    proof.user_id = judged.installation.user_id;
    proof.server = judged.installation.server;
    proof.tokens = judged.tokens;
    BOOST_TEST((s.activate(proof).result == Activation::Result::done));
    BOOST_TEST(!s.installations().refuse(judged));
    BOOST_TEST(s.state(judged.installation.id) == "active");
}

BOOST_AUTO_TEST_CASE(the_gate_knows_whose_a_token_is) {
    Portals s;
    s.active("m1", "t1");
    s.hold(s.install("m1", "t2"));
    s.hold(s.install("m2", "t3"));
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST((s.role("m1", "t2") == bx::TokenRole::pending));
    BOOST_TEST((s.role("m1", "t3") == bx::TokenRole::none));
    BOOST_TEST((s.role("m2", "t3") == bx::TokenRole::pending));
    BOOST_TEST((s.role("m2", "t1") == bx::TokenRole::none));
    BOOST_TEST((s.role("m9", "t1") == bx::TokenRole::none));
    const std::vector<std::string> both{"m2", "m1", "m9"};
    const auto known = s.store().sink().look_up(both, std::vector<std::string>{"real.example"});
    BOOST_TEST(known.size() == 3U);
    BOOST_TEST(known[0].member_id == "m1");
    BOOST_TEST(known[2].member_id == "m2");
    BOOST_TEST(known[0].domain == "real.example");
    BOOST_TEST(known[0].client_id == "local.1");
    // A domain that is only said to be somebody's is not.
    BOOST_TEST(s.store().sink().look_up({}, std::vector<std::string>{"as.sent"}).empty());
    BOOST_TEST(s.store().sink().look_up({}, std::vector<std::string>{"real.example"}).size() == 1U);
}

BOOST_AUTO_TEST_CASE(of_two_applications_on_a_portal_each_has_its_token) {
    Portals s;
    const auto first = s.active("m1", "t1", "local.1");
    const auto second = s.active("m1", "t2", "local.2");
    const auto known = s.look_up("m1");
    BOOST_TEST(bx::prove("m1", bx::sha256("t1"), known).owner->id == first);
    BOOST_TEST(bx::prove("m1", bx::sha256("t2"), known).owner->id == second);
}

// -- Bounds

BOOST_AUTO_TEST_CASE(an_installation_holds_a_hundred_posts_beside_its_own) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const std::vector<bx::NewHeldPost> many(100, s.post("m1", "t1"));
    for (const HoldResult result : s.hold(many)) BOOST_TEST((result == HoldResult::held));
    BOOST_TEST((s.hold(s.post("m1", "t1")) == HoldResult::full_of_installation));
    s.hold(s.install("m2", "t2"));
    BOOST_TEST((s.hold(s.post("m2", "t2")) == HoldResult::held));
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(all_together_hold_a_thousand_posts) {
    Portals s;
    for (int i = 0; i <= 10; ++i) {
        const std::string name = std::to_string(i);
        s.hold(s.install("m" + name, "t" + name));
        if (i < 10) s.hold(std::vector<bx::NewHeldPost>(100, s.post("m" + name, "t" + name)));
    }
    BOOST_TEST((s.hold(s.post("m10", "t10")) == HoldResult::full));
    // One that brings an installation does not count against them.
    BOOST_TEST((s.hold(s.install("m11", "t11")) == HoldResult::held));
    s.installations().erase(s.pending("m3").id);
    BOOST_TEST((s.hold(s.post("m10", "t10")) == HoldResult::held));
}

BOOST_AUTO_TEST_CASE(all_together_hold_sixteen_megabytes) {
    Portals s;
    bx::NewHeldPost large = s.post("m1", "t1");
    large.event.body = std::string(bx::held_post_bytes - large.event.secrets.size(), 'x');
    for (const char* name : {"1", "2", "3"}) {
        s.hold(s.install(std::string("m") + name, std::string("t") + name));
        large.event.facts.member_id = std::string("m") + name;
        large.token = bx::sha256(std::string("t") + name);
        const int most = *name == '3' ? 56 : 100;  // 256 of 64 KB in all
        for (const HoldResult result : s.hold(std::vector<bx::NewHeldPost>(most, large))) {
            BOOST_TEST((result == HoldResult::held));
        }
    }
    BOOST_TEST((s.hold(large) == HoldResult::full));
    BOOST_TEST((s.hold(s.post("m3", "t3")) == HoldResult::full));
}

BOOST_AUTO_TEST_CASE(those_of_applications_in_no_block_hold_at_most_half) {
    Portals s;
    for (int i = 0; i <= 5; ++i) {
        const std::string name = std::to_string(i);
        s.hold(s.install("m" + name, "t" + name));
        BOOST_TEST(s.keep(s.pending("m" + name).id, "local.x"));
        if (i < 5) s.hold(std::vector<bx::NewHeldPost>(100, s.post("m" + name, "t" + name)));
    }
    BOOST_TEST((s.hold(s.post("m5", "t5")) == HoldResult::full_of_unclaimed));
    s.hold(s.install("m6", "t6"));
    BOOST_TEST((s.hold(s.post("m6", "t6")) == HoldResult::held));
}

BOOST_AUTO_TEST_CASE(twenty_of_applications_in_no_block_are_kept) {
    Portals s;
    for (int i = 0; i < 21; ++i) {
        const std::string name = std::to_string(i);
        s.hold(s.install("m" + name, "t" + name));
        BOOST_TEST(s.keep(s.pending("m" + name).id, "local.x") ==
                   (i < 20));
    }
    // They wait for a person, and the one that found no room for sync.
    BOOST_TEST(s.next_unverified(s.now).value().installation.member_id == "m20");
    BOOST_TEST(s.pending("m0").client_id == "local.x");
    // When its block is there, it becomes active as others do.
    s.hold(s.post("m0", "t0"));
    BOOST_TEST(s.activate(s.proof(s.pending("m0").id, "local.x")).events ==
               2U);
}

BOOST_AUTO_TEST_CASE(a_newcomer_replaces_the_newest_of_the_peer_that_has_most) {
    Portals s;
    s.hold(s.install("real", "t", "192.0.2.7"));
    std::vector<bx::NewHeldPost> forged;
    for (int i = 0; i < 99; ++i) forged.push_back(s.install("f" + std::to_string(i), "t"));
    s.hold(forged);
    const bx::NewHeldPost late = s.install("late", "t", "192.0.2.8");
    const bx::AddedBatch added = s.store().sink().add({{}, {&late, 1}}, plenty);
    BOOST_TEST((added.held.at(0) == HoldResult::held));
    BOOST_REQUIRE(added.replaced.size() == 1U);
    BOOST_TEST(added.replaced.at(0).portal == "as.sent");
    BOOST_TEST(added.replaced.at(0).peer == "192.0.2.1");
    BOOST_TEST(s.installations().list("f98").empty());
    BOOST_TEST(s.pending("f97").held == 1);
    // Its own too.
    const std::vector<bx::NewHeldPost> two{s.install("more", "t"), s.post("more", "t")};
    const bx::AddedBatch own = s.store().sink().add({{}, two}, plenty);
    BOOST_TEST((own.held.at(0) == HoldResult::held && own.held.at(1) == HoldResult::held));
    BOOST_TEST(own.replaced.size() == 1U);
    BOOST_TEST(s.installations().list("f97").empty());
    BOOST_TEST(s.pending("real").held == 1);
    BOOST_TEST(s.pending("late").held == 1);
    BOOST_TEST(s.installations().counts().pending == 100);
    BOOST_TEST(s.held() == 101);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(with_one_peer_alone_a_newcomer_is_refused) {
    Portals s;
    std::vector<bx::NewHeldPost> all;
    for (int i = 0; i < 101; ++i) all.push_back(s.install("m" + std::to_string(i), "t"));
    const auto results = s.hold(all);
    BOOST_TEST((results[99] == HoldResult::held));
    BOOST_TEST((results[100] == HoldResult::full_of_unverified));
    // Those that are verified do not count.
    s.activate(s.proof(s.pending("m5").id));
    BOOST_TEST((s.hold(all[100]) == HoldResult::held));
}

// -- Pages

BOOST_AUTO_TEST_CASE(a_page_that_comes_again_brings_fresher_tokens_alone) {
    Portals s;
    s.hold(s.install("m1", "t1", "192.0.2.1", HeldKind::page));
    bx::NewHeldPost again = s.install("m1", "t1", "192.0.2.1", HeldKind::page);
    again.tokens.access = "fresher";
    const auto access = [&] {
        return s.next_unverified(s.now + bx::hour).value().tokens.access;
    };
    // Of whatever user: those that are there are tried first.
    BOOST_TEST((s.hold(again) == HoldResult::held));
    BOOST_TEST(access() == "access of t1");
    s.postpone(s.pending("m1").id, bx::Chore::verify, s.now + bx::minute, "not an administrator's");
    BOOST_TEST((s.hold(again) == HoldResult::held));
    BOOST_TEST(access() == "fresher");
    BOOST_TEST(s.held() == 1);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_page_changes_nothing_of_what_an_installation_brought) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    bx::NewHeldPost page = s.install("m1", "t1", "192.0.2.9", HeldKind::page);
    page.event.facts.domain = "evil.example";
    page.tokens.access = "of another user";
    s.postpone(s.pending("m1").id, bx::Chore::verify, s.now, "no answer");
    BOOST_TEST((s.hold(page) == HoldResult::held));
    const store_tests::Unverified one = s.next_unverified(s.now).value();
    BOOST_TEST(one.tokens.access == "access of t1");
    BOOST_TEST(one.installation.user_id == "1");
    BOOST_TEST((one.installation.installed_ts == 1700000000));
    BOOST_TEST(one.installation.domain == "as.sent");
    // An ONAPPINSTALL does, and clears nothing that it does not say.
    bx::NewHeldPost again = s.install("m1", "t1");
    again.event.facts.user_id = again.event.facts.ts = "";
    again.tokens.access = "newer";
    BOOST_TEST((s.hold(again) == HoldResult::held));
    const store_tests::Unverified then = s.next_unverified(s.now).value();
    BOOST_TEST(then.tokens.access == "newer");
    BOOST_TEST(then.installation.user_id == "1");
    BOOST_TEST((then.installation.installed_ts == 1700000000));
}

BOOST_AUTO_TEST_CASE(what_only_brings_an_installation_is_verified_beside_the_one_with_its_token) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    bx::NewHeldPost again = s.install("m1", "t1");
    BOOST_TEST((s.hold(again) == HoldResult::changed));  // its event is an event
    again.event.body.clear();
    again.event.facts.ts = "1700000005";
    BOOST_TEST((s.hold(again) == HoldResult::held));
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST(s.held() == 0);
    // Uninstalled before that: it is gone, and its posts wait.
    BOOST_TEST(s.installations().uninstalled(id, "1700000004", s.now));
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::pending));
    BOOST_TEST((s.hold(s.post("m1", "t1")) == HoldResult::held));
    const Activation done = s.activate(s.proof(s.pending("m1").id));
    BOOST_TEST(done.id == id);
    BOOST_TEST(done.events == 1U);
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST(!s.installations().uninstalled(id, "1700000004", s.now));
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(the_page_of_a_broken_one_brings_it_to_life) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    BOOST_TEST((s.hold(s.install("m1", "t1", "p", HeldKind::page)) == HoldResult::changed));
    s.break_down(id);
    BOOST_TEST((s.hold(s.install("m1", "t1", "p", HeldKind::page)) == HoldResult::held));
    BOOST_TEST(s.activate(s.proof(s.pending("m1").id)).id == id);
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(one_without_application_token_holds_posts_until_one_is_proven) {
    Portals s;
    s.hold(s.install("m1", "auth id", "192.0.2.1", HeldKind::page_key));
    BOOST_TEST((s.role("m1", "auth id") == bx::TokenRole::pending));
    BOOST_TEST((s.hold(s.post("m1", "t1")) == HoldResult::changed));
    const bx::InstallationId id = s.pending("m1").id;
    s.activate(s.proof(id));
    BOOST_TEST(!s.shown(id).has_application_token);
    BOOST_TEST((s.role("m1", "auth id") == bx::TokenRole::of_tokenless));
    BOOST_TEST((s.hold(s.post("m1", "t1", "1")) == HoldResult::held));
    BOOST_TEST((s.hold(s.post("m1", "forged", "2")) == HoldResult::held));
    BOOST_TEST((s.hold(s.post("m1", "t1", "3")) == HoldResult::held));
    const Activation adopted = s.installations().adopt_token(id, bx::sha256("t1"));
    BOOST_TEST(adopted.events == 2U);
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST((s.role("m1", "forged") == bx::TokenRole::none));
    BOOST_TEST(s.events() ==
               "ONAPPINSTALL  real.example\nONCRMDEALUPDATE 1 real.example\n"
               "ONCRMDEALUPDATE 3 real.example\n");
    BOOST_TEST(s.held() == 0);  // the other's is erased
    BOOST_TEST((s.installations().adopt_token(id, bx::sha256("t2")).result ==
                Activation::Result::not_pending));
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_token_that_is_refused_takes_its_posts_up_to_the_judged_one_with_it) {
    Portals s;
    const bx::InstallationId id = s.tokenless("m1");
    for (const char* token : {"forged", "t1", "forged"}) s.hold(s.post("m1", token));
    const bx::HeldPost judged = s.installations().held_posts(id).at(1);
    BOOST_TEST(judged.token == bx::sha256("forged"));
    s.hold(s.post("m1", "forged", "late"));
    BOOST_TEST(s.installations().refuse_token(id, judged) == 2U);
    BOOST_TEST(s.installations().refuse_token(id, judged) == 0U);
    BOOST_TEST(s.held() == 2);
    const bx::HeldPost late = s.installations().held_posts(id).at(1);
    BOOST_TEST(late.event.facts.id == "late");
    BOOST_TEST(s.installations().refuse_token(id, late) == 1U);
    BOOST_TEST(s.installations().adopt_token(id, bx::sha256("t1")).events == 1U);
    // Of one that has its token, and of one that is not verified, nothing is refused.
    s.hold(s.install("m2", "t2"));
    const bx::HeldPost any{late.id + 9, bx::sha256("t2"), {}};
    BOOST_TEST(s.installations().refuse_token(s.pending("m2").id, any) == 0U);
    BOOST_TEST(s.held() == 1);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(where_no_post_is_proven_the_oldest_makes_room) {
    Portals s;
    const bx::InstallationId id = s.tokenless("m1");
    for (int i = 0; i <= bx::hold_limits.of_installation; ++i) {
        const std::string number = std::to_string(i);
        BOOST_TEST((s.hold(s.post("m1", "t" + number, number)) == HoldResult::held));
    }
    BOOST_TEST(s.held() == bx::hold_limits.of_installation);
    const auto posts = s.installations().held_posts(id);
    BOOST_TEST(posts.front().event.facts.id == "1");
    BOOST_TEST(posts.back().event.facts.id == "100");
    BOOST_TEST(s.recount() == "");
    // Those of the new one's token were answered 200, and may be the right ones.
    for (const bx::HeldPost& post : posts) s.installations().refuse_token(id, post);
    for (int i = 0; i < bx::hold_limits.of_installation; ++i) {
        BOOST_TEST((s.hold(s.post("m1", "same", std::to_string(i))) == HoldResult::held));
    }
    BOOST_TEST((s.hold(s.post("m1", "same", "one more")) == HoldResult::full_of_installation));
    BOOST_TEST((s.hold(s.post("m1", "other", "8")) == HoldResult::held));
    BOOST_TEST(s.held() == bx::hold_limits.of_installation);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(posts_for_one_without_token_are_erased_when_they_are_old) {
    Portals s;
    s.tokenless("m1");
    s.hold(s.post("m1", "junk"));
    BOOST_TEST(s.installations().drop_old(s.now, s.now) == 0U);
    BOOST_TEST(s.installations().drop_old(s.now + 1, s.now) == 1U);
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(s.installations().counts().active == 1);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_post_that_brings_an_installation_makes_one_beside_one_without_token) {
    Portals s;
    const bx::InstallationId id = s.tokenless("m1");
    s.hold(s.post("m1", "t1", "1"));
    s.hold(s.post("m1", "other", "2"));
    BOOST_TEST((s.hold(s.install("m1", "t1")) == HoldResult::held));
    // It is the same application, whose token is known now: what was held for it comes first.
    const Activation done = s.activate(s.proof(s.pending("m1").id));
    BOOST_TEST(done.id == id);
    BOOST_TEST(done.events == 2U);
    BOOST_TEST(s.events() ==
               "ONAPPINSTALL  real.example\nONCRMDEALUPDATE 1 real.example\n"
               "ONAPPINSTALL  real.example\n");
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST(s.recount() == "");
}

// -- Of applications in no block

BOOST_AUTO_TEST_CASE(an_application_of_a_portal_waits_once_whatever_pages_it_sends) {
    Portals s;
    for (int i = 0; i < 30; ++i) {  // an old portal's: each has another AUTH_ID
        s.hold(s.install("m1", "auth id " + std::to_string(i), "p", HeldKind::page_key));
        const store_tests::Unverified next = s.next_unverified(s.now).value();
        BOOST_TEST(s.keep(next.installation.id, "local.x"));
    }
    BOOST_TEST(s.installations().list().size() == 1U);
    BOOST_TEST(s.held() == 1);
    s.hold(s.install("m2", "t2"));
    BOOST_TEST(s.keep(s.pending("m2").id, "local.x"));
    BOOST_TEST(s.recount() == "");
    const Activation done =
        s.activate(s.proof(s.pending("m1").id, "local.x"));
    BOOST_TEST(done.events == 1U);
}

BOOST_AUTO_TEST_CASE(those_of_an_application_that_wait_are_one_with_all_posts_and_tokens) {
    Portals s;
    for (const char* token : {"t1", "t2", "t3"}) {
        s.hold(s.install("m1", token));
        s.hold(s.post("m1", token, token));
        const store_tests::Unverified next = s.next_unverified(s.now).value();
        BOOST_TEST(s.keep(next.installation.id, "local.x"));
    }
    BOOST_TEST(s.installations().list().size() == 1U);
    const bx::InstallationId id = s.pending("m1").id;
    // A page of anybody brings no tokens in place of those.
    s.hold(s.install("m1", "auth id", "p", HeldKind::page_key));
    BOOST_TEST(s.keep(s.next_unverified(s.now).value().installation.id, "local.x"));
    BOOST_TEST(s.pending("m1").id == id);
    for (const char* token : {"t1", "t2", "t3"}) {
        BOOST_TEST((s.role("m1", token) == bx::TokenRole::pending));
        BOOST_TEST((s.hold(s.post("m1", token)) == HoldResult::held));
    }
    BOOST_TEST(s.recount() == "");
    BOOST_TEST(s.activate(s.proof(id, "local.x")).events == 9U);
    for (const char* token : {"t1", "t2", "t3"}) {
        BOOST_TEST((s.role("m1", token) == bx::TokenRole::verified));
    }
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(one_that_becomes_active_takes_those_that_wait_with_it) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    s.hold(s.install("m1", "t2"));
    s.hold(s.post("m1", "t2", "of t2"));
    BOOST_TEST(s.keep(s.pending("m1").id));
    s.hold(s.install("m1", "t3"));
    const Activation done = s.activate(
        s.proof(s.next_unverified(s.now).value().installation.id));
    BOOST_TEST(done.id == id);
    BOOST_TEST(done.events == 3U);
    BOOST_TEST(s.installations().list().size() == 1U);
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(s.held() == 0);
    for (const char* token : {"t1", "t2", "t3"}) {
        BOOST_TEST((s.role("m1", token) == bx::TokenRole::verified));
    }
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(an_unclaimed_one_that_is_installed_again_has_the_new_tokens_and_is_young) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const bx::InstallationId id = s.pending("m1").id;
    BOOST_TEST(s.keep(id, "local.x"));
    s.now += bx::day;
    bx::NewHeldPost again = s.install("m1", "t1");
    again.tokens.refresh = "newer";
    BOOST_TEST((s.hold(again) == HoldResult::held));
    BOOST_TEST(s.shown(id).installed_at == s.now);
    BOOST_TEST(s.installations().drop_old(s.now, s.now) == 0U);
    BOOST_TEST(s.installations().take_lease(id, "a", bx::minute).value().tokens.refresh == "newer");
}

// -- Of whom a person is told

BOOST_AUTO_TEST_CASE(who_is_to_be_told_of) {
    Portals s;
    bx::Chores& chores = s.store().chores();
    const auto to_tell = [&] {
        std::vector<bx::DueChore> due;
        const bx::Millis now = bx::wall_now() + bx::second;
        for (const bx::DueChore& one : chores.take_due(bx::Chore::tell, now, now + bx::hour, 10)) {
            due.push_back(one);
        }
        return due;
    };
    const auto keep = [&](const std::string& token) {
        s.hold(s.install("m1", token));
        const bx::InstallationId id = s.next_unverified(s.now).value().installation.id;
        BOOST_TEST(s.keep(id, "local.x"));
        return id;
    };
    BOOST_TEST(to_tell().empty());
    // Of an application that waits once, however often it comes.
    keep("t1");
    const bx::InstallationId second = keep("t2");
    std::vector<bx::DueChore> due = to_tell();
    BOOST_REQUIRE(due.size() == 1U);
    BOOST_TEST(due.front().id == second);  // which took the first over, before that was told of
    BOOST_TEST(chores.finish(due.front()));
    keep("t3");
    BOOST_TEST(to_tell().empty());
    // Of one that breaks, each time.
    const bx::InstallationId active = s.active("m2", "t1");
    for (int time = 0; time < 2; ++time) {
        s.break_down(active);
        due = to_tell();
        BOOST_REQUIRE(due.size() == 1U);
        BOOST_TEST(due.front().id == active);
        BOOST_TEST(chores.finish(due.front()));
        s.store().sink().heal(std::vector{bx::Offer{active, "1", {"a", "offered", s.now}}});
    }
    // Not of one whose tokens are refused for now.
    BOOST_TEST(s.installations().take_lease(active, "a", bx::minute).has_value());
    s.installations().note_refused(active, "a", "NOT_INSTALLED", s.now + bx::day);
    BOOST_TEST(to_tell().empty());
    BOOST_TEST(s.recount() == "");
}

// -- Verifying

BOOST_AUTO_TEST_CASE(those_never_tried_come_first_and_the_others_when_they_are_due) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    s.now += bx::second;
    s.hold(s.install("m2", "t2"));
    const auto next = [&] {
        const auto found = s.next_unverified(s.now);
        return found ? found->installation.member_id : "none";
    };
    BOOST_TEST(next() == "m1");
    s.postpone(s.pending("m1").id, bx::Chore::verify, s.now + bx::minute, "no answer");
    BOOST_TEST(next() == "m2");
    s.postpone(s.pending("m2").id, bx::Chore::verify, s.now + 2 * bx::minute, "no answer");
    BOOST_TEST(next() == "none");
    BOOST_TEST(s.pending("m2").problem == "no answer");
    s.now += 3 * bx::minute;
    BOOST_TEST(next() == "m1");
    BOOST_TEST(s.next_unverified(s.now).value().tries == 1);
    s.hold(s.install("m3", "t3"));
    BOOST_TEST(next() == "m3");
    // Its own post again hastens it.
    s.postpone(s.pending("m1").id, bx::Chore::verify, s.now + bx::hour, "no answer");
    s.installations().erase(s.pending("m3").id);
    s.installations().erase(s.pending("m2").id);
    BOOST_TEST(next() == "none");
    s.hold(s.install("m1", "t1"));
    BOOST_TEST(next() == "m1");
}

BOOST_AUTO_TEST_CASE(the_same_application_again_takes_over_and_both_tokens_are_right_for_a_while) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    s.hold(s.install("m1", "t2"));
    s.hold(s.post("m1", "t2"));
    bx::Proof again = s.proof(s.pending("m1").id);
    again.user_id = "9";
    again.tokens.refresh = "of the second";
    BOOST_TEST(s.activate(again).id == id);
    BOOST_TEST(s.installations().list().size() == 1U);
    BOOST_TEST(s.shown(id).user_id == "9");
    BOOST_TEST(s.installations().take_lease(id, "a", bx::minute).value().tokens.refresh ==
               "of the second");
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST((s.role("m1", "t2") == bx::TokenRole::verified));
    const auto known = s.look_up("m1");
    BOOST_TEST(bx::prove("m1", bx::sha256("t2"), known).replaces);
    BOOST_TEST(!bx::prove("m1", bx::sha256("t1"), known).replaces);
    s.store().sink().retire_tokens(std::vector{bx::SeenToken{id, bx::sha256("t2")}});
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::none));
    BOOST_TEST(!bx::prove("m1", bx::sha256("t2"), s.look_up("m1")).replaces);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_token_is_retired_by_a_post_with_the_one_that_is_new_still) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    const auto again = [&](const char* token) {
        s.hold(s.install("m1", token));
        s.activate(s.proof(s.pending("m1").id));
    };
    again("t2");
    again("t3");
    // No post with either has come: what is under way may have any.
    for (const char* token : {"t1", "t2", "t3"}) {
        BOOST_TEST((s.role("m1", token) == bx::TokenRole::verified));
    }
    const bx::SeenToken seen{id, bx::sha256("t3")};
    again("t4");  // while that post is settled
    s.store().sink().retire_tokens(std::vector{seen});
    BOOST_TEST((s.role("m1", "t3") == bx::TokenRole::verified));
    s.store().sink().retire_tokens(std::vector{bx::SeenToken{id, bx::sha256("t4")}});
    BOOST_TEST((s.role("m1", "t3") == bx::TokenRole::none));
    BOOST_TEST((s.role("m1", "t4") == bx::TokenRole::verified));
    for (const char* token : {"t5", "t6", "t7", "t8"}) again(token);
    BOOST_TEST((s.role("m1", "t4") == bx::TokenRole::none));  // so many are kept
    for (const char* token : {"t5", "t6", "t7", "t8"}) {
        BOOST_TEST((s.role("m1", token) == bx::TokenRole::verified));
    }
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(another_application_on_the_portal_is_one_of_its_own) {
    Portals s;
    const auto first = s.active("m1", "t1", "local.1");
    const auto second = s.active("m1", "t2", "local.2");
    BOOST_TEST(first != second);
    BOOST_TEST(s.state(first) == "active");
    BOOST_TEST(s.installations().list("M1").empty());  // a member_id is exact
    BOOST_TEST(s.installations().list("REAL.example").size() == 2U);
}

// -- Tokens

BOOST_AUTO_TEST_CASE(a_lease_is_one_holders_at_a_time) {
    Portals s;
    const auto id = s.active("m1", "t1");
    bx::Installations& installations = s.installations();
    const auto lease = installations.take_lease(id, "a", bx::minute);
    BOOST_TEST(lease.value().tokens.access == "access");
    BOOST_TEST(lease.value().tokens.refresh == "refresh");
    BOOST_TEST(!lease.value().in_doubt);
    BOOST_TEST(!installations.take_lease(id, "b", bx::minute).has_value());
    BOOST_TEST(!installations.end_lease(id, "b", bx::Renewal{{"x", "y", 0}, "", "", "", ""}, s.now));
    bx::Renewal renewal{{"access 2", "refresh 2", s.now + 2 * bx::hour},
                        "https://new.example/rest/", "New.Example", "", ""};
    BOOST_TEST(installations.end_lease(id, "a", renewal, s.now));
    // The answer to that may be lost: it can be given again.
    BOOST_TEST(installations.end_lease(id, "a", renewal, s.now));
    BOOST_TEST(!installations.end_lease(id, "b", renewal, s.now));
    const auto next = installations.take_lease(id, "b", bx::minute);
    BOOST_TEST(next.value().tokens.refresh == "refresh 2");
    BOOST_TEST(next.value().tokens.expires_at == s.now + 2 * bx::hour);
    BOOST_TEST(!next.value().in_doubt);
    BOOST_TEST(s.shown(id).domain == "new.example");
    BOOST_TEST(s.shown(id).scope == "crm");
    renewal.tokens = {"access 3", "", 0};  // none came: the old one stays
    BOOST_TEST(installations.end_lease(id, "b", renewal, s.now));
    BOOST_TEST(installations.take_lease(id, "c", bx::minute).value().tokens.refresh ==
               "refresh 2");
    BOOST_TEST(installations.end_lease(id, "c", std::nullopt, s.now));
    BOOST_TEST(!installations.take_lease(99, "c", bx::minute).has_value());
    BOOST_TEST(s.recount() == "");
}

// Two that ask at the same time: the one that waits for the row must not judge the other's lease by
// the time at which it began to wait.
BOOST_AUTO_TEST_CASE(a_lease_taken_while_another_waits_for_it_holds,
                     *boost::unit_test::precondition(store_tests::on_postgresql)) {
    Portals s;
    const auto id = s.active("m1", "t1");
    auto& server = store_tests::PostgresServer::instance();
    server.query("BEGIN; SELECT 1 FROM bxhook.installation FOR UPDATE");
    auto second = std::async(std::launch::async,
                             [&] { return s.installations().take_lease(id, "b", bx::minute); });
    while (server.query("SELECT 1 FROM pg_locks WHERE NOT granted").empty()) std::this_thread::yield();
    server.query("SELECT bxhook.take_lease(" + std::to_string(id) + ", 'a', 60000)");
    server.query("COMMIT");
    BOOST_TEST(!second.get().has_value());
}

BOOST_AUTO_TEST_CASE(the_server_that_renewed_is_kept_with_what_it_gave) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    bx::Renewal renewal{{"access 2", "refresh 2", s.now + bx::hour}, {}, {}, {}, {}};
    for (const std::string server : {"https://oauth.bitrix24.tech", ""}) {
        renewal.server = server;
        BOOST_TEST(s.installations().take_lease(id, "A", bx::minute).has_value());
        BOOST_TEST(s.installations().end_lease(id, "A", renewal, s.now));
        BOOST_TEST(s.shown(id).server == "https://oauth.bitrix24.tech");
    }
}

BOOST_AUTO_TEST_CASE(a_lease_ends_when_other_tokens_come) {
    Portals s;
    const auto id = s.active("m1", "t1");
    bx::Installations& installations = s.installations();
    const auto refresh = [&] {
        const auto lease = installations.take_lease(id, "reader", bx::minute);
        installations.end_lease(id, "reader", std::nullopt, s.now);
        return lease ? lease->tokens.refresh : "held";
    };
    const bx::Renewal old{{"a", "of the old chain", 0}, "", "", "", ""};
    BOOST_TEST(installations.take_lease(id, "a", bx::minute).has_value());
    s.hold(s.install("m1", "t2"));
    bx::Proof again = s.proof(s.pending("m1").id);
    again.tokens.refresh = "of the new chain";
    s.activate(again);
    BOOST_TEST(!installations.end_lease(id, "a", old, s.now));
    installations.note_refused(id, "a", "invalid_grant", std::nullopt);
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(refresh() == "of the new chain");
    // And of one that its user heals.
    s.break_down(id);
    BOOST_TEST(installations.take_lease(id, "b", bx::minute).has_value());
    s.store().sink().heal(std::vector{bx::Offer{id, "1", {"a", "offered", s.now}}});
    BOOST_TEST(!installations.end_lease(id, "b", old, s.now));
    BOOST_TEST(refresh() == "offered");
    installations.note_refused(id, "reader", "invalid_grant", std::nullopt);  // it gave it back
    BOOST_TEST(s.state(id) == "active");
}

BOOST_AUTO_TEST_CASE(an_end_that_nobody_knows_is_none) {
    Portals s;
    bx::NewHeldPost post = s.install("m1", "t1");
    post.tokens.expires_at = 0;
    s.hold(post);
    BOOST_TEST(!s.pending("m1").token_expires_at.has_value());
    bx::Proof proof = s.proof(s.pending("m1").id);
    proof.tokens.expires_at = 0;
    const bx::InstallationId id = s.activate(proof).id;
    BOOST_TEST(!s.shown(id).token_expires_at.has_value());
    const auto lease = s.installations().take_lease(id, "a", bx::minute);
    BOOST_TEST(lease.value().tokens.expires_at == 0);
    s.installations().end_lease(id, "a", bx::Renewal{{"a", "r", 0}, "", "", "", ""}, s.now);
    BOOST_TEST(!s.shown(id).token_expires_at.has_value());
    s.break_down(id);
    s.store().sink().heal(std::vector{bx::Offer{id, "1", {"a", "b", 0}}});
    BOOST_TEST(!s.shown(id).token_expires_at.has_value());
}

BOOST_AUTO_TEST_CASE(that_there_was_a_lease_is_known_until_other_tokens_come) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const bx::InstallationId id = s.pending("m1").id;
    const auto was_leased = [&] {
        const bool found = s.installations().find(id).value().installation.was_leased;
        BOOST_TEST(s.shown(id).was_leased == found);
        return found;
    };
    BOOST_TEST(!was_leased());
    BOOST_TEST(s.installations().take_lease(id, "a", bx::minute).has_value());
    BOOST_TEST(was_leased());
    BOOST_TEST(s.installations().end_lease(id, "a", std::nullopt, s.now));
    BOOST_TEST(was_leased());
    bx::NewHeldPost again = s.install("m1", "t1");
    s.hold(again);  // the same once more
    BOOST_TEST(was_leased());
    again.tokens.refresh = "another";
    s.hold(again);
    BOOST_TEST(!was_leased());
    s.activate(s.proof(id));
    BOOST_TEST(!was_leased());
}

BOOST_AUTO_TEST_CASE(what_a_renewal_brings_does_not_replace_what_came_meanwhile) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const bx::InstallationId id = s.pending("m1").id;
    bx::Installations& installations = s.installations();
    const auto refresh_token = [&] { return installations.find(id).value().tokens.refresh; };
    const bx::Renewal renewal{{"a", "of the renewal", s.now + bx::hour}, "", "", "", "2"};
    BOOST_TEST(installations.take_lease(id, "a", bx::minute).has_value());
    bx::NewHeldPost again = s.install("m1", "t1");
    again.tokens.refresh = "of the second post";
    again.event.facts.user_id = "9";
    s.hold(again);
    BOOST_TEST(!installations.end_lease(id, "a", renewal, s.now));
    BOOST_TEST(refresh_token() == "of the second post");
    BOOST_TEST(!s.pending("m1").renewed_at.has_value());
    BOOST_TEST(s.pending("m1").user_id == "9");
    // Of those there is no doubt.
    BOOST_TEST(!installations.take_lease(id, "b", bx::minute).value().in_doubt);
    // The same post once more is no other: the refresh token is spent.
    s.hold(again);
    BOOST_TEST(installations.end_lease(id, "b", renewal, s.now));
    BOOST_TEST(refresh_token() == "of the renewal");
    // What was sent before, and comes late, brings none that are newer.
    again.event.facts.ts = "1699999999";
    s.hold(again);
    BOOST_TEST(refresh_token() == "of the renewal");
    BOOST_TEST(s.held() == 4);
    again.event.facts.ts = "1700000001";
    s.hold(again);
    BOOST_TEST(refresh_token() == "of the second post");
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(what_was_proven_is_active_unless_other_tokens_came_meanwhile) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    bx::Proof proof = s.proof(s.pending("m1").id, "local.x");
    proof.tokens = s.installations().find(proof.id).value().tokens;
    bx::NewHeldPost again = s.install("m1", "t1");
    again.event.facts.user_id = "9";
    again.tokens.access = "another access";
    s.hold(again);
    BOOST_TEST((s.installations().keep_unclaimed(proof) == bx::Keeping::changed));
    BOOST_TEST((s.installations().activate(proof).result == Activation::Result::changed));
    BOOST_TEST(s.state(proof.id) == "pending");
    BOOST_TEST(s.pending("m1").user_id == "9");
    BOOST_TEST(s.pending("m1").client_id == "");
    BOOST_TEST(s.held() == 2);
    BOOST_TEST(s.next_unverified(s.now).has_value());
    proof.tokens.access = "another access";
    BOOST_TEST(s.installations().activate(proof).events == 2U);
    BOOST_TEST((s.installations().keep_unclaimed(proof) == bx::Keeping::changed));
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(a_lease_that_ran_out_leaves_a_doubt) {
    Portals s;
    const auto id = s.active("m1", "t1");
    BOOST_TEST(s.installations().take_lease(id, "a", 1).has_value());
    std::optional<bx::Lease> next;
    while (!next) next = s.installations().take_lease(id, "b", bx::minute);
    BOOST_TEST(next->in_doubt);
    BOOST_TEST(!s.installations().end_lease(id, "a", std::nullopt, s.now));
}

BOOST_AUTO_TEST_CASE(of_many_who_want_a_lease_one_gets_it) {
    Portals s;
    const auto id = s.active("m1", "t1");
    int got = 0;
    for (int i = 0; i < 10; ++i) {
        const auto store = s.another();
        got += store->installations().take_lease(id, std::to_string(i), bx::minute).has_value();
    }
    BOOST_TEST(got == 1);
}

BOOST_AUTO_TEST_CASE(long_tokens_take_the_place_of_short_ones_and_back) {
    Portals s;
    const auto id = s.active("m1", "t1");
    for (const std::size_t size : {2048U, 8U, 300U}) {
        const std::string refresh(size, 'r');
        s.installations().take_lease(id, "a", bx::minute);
        s.installations().end_lease(id, "a", bx::Renewal{{"a", refresh, 0}, "", "", "", ""}, s.now);
        const auto lease = s.installations().take_lease(id, "b", bx::minute);
        BOOST_TEST(lease.value().tokens.refresh == refresh);
        s.installations().end_lease(id, "b", std::nullopt, s.now);
        BOOST_TEST(s.recount() == "");
    }
}

BOOST_AUTO_TEST_CASE(a_broken_one_is_healed_by_its_own_user_alone) {
    Portals s;
    const auto id = s.active("m1", "t1");
    const auto offer = [&](const std::string& user) {
        s.store().sink().heal(std::vector{bx::Offer{id, user, {"a", "of " + user, s.now}}});
    };
    offer("1");  // it is not broken: what it has is as good
    BOOST_TEST(s.installations().take_lease(id, "a", bx::minute).value().tokens.refresh ==
               "refresh");
    s.installations().end_lease(id, "a", std::nullopt, s.now);
    s.break_down(id);
    BOOST_TEST(s.state(id) == "broken");
    BOOST_TEST(s.shown(id).problem == "invalid_grant");
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    offer("2");
    BOOST_TEST(s.state(id) == "broken");
    offer("1");
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(s.shown(id).problem == "");
    BOOST_TEST(s.installations().take_lease(id, "a", bx::minute).value().tokens.refresh == "of 1");
}

// -- Chores

BOOST_AUTO_TEST_CASE(what_is_active_is_to_be_bound_now_and_renewed_in_twenty_days) {
    Portals s;
    BOOST_TEST(!s.chores().next_chore().has_value());
    const auto first = s.active("m1", "t1");
    const bx::Millis begun = bx::wall_now();
    BOOST_TEST((s.due(bx::Chore::bind, begun) == std::vector{first}));
    BOOST_TEST(s.chores().next_chore().value() <= begun);
    s.finish(first, bx::Chore::bind);
    BOOST_TEST(s.due(bx::Chore::bind, begun + bx::day).empty());
    const bx::Millis renewal = s.chores().next_chore().value();
    BOOST_TEST(renewal <= begun + bx::idle_renewal);
    BOOST_TEST(renewal > begun + bx::idle_renewal - bx::minute);
    BOOST_TEST(s.due(bx::Chore::renew, renewal - 1).empty());
    BOOST_TEST((s.due(bx::Chore::renew, renewal) == std::vector{first}));
    // A renewal puts it off.
    const auto second = s.active("m2", "t2");
    s.installations().take_lease(first, "a", bx::minute);
    s.installations().end_lease(first, "a", bx::Renewal{{"a", "r", 0}, "", "", "", ""},
                                begun + bx::day);
    BOOST_TEST((s.due(bx::Chore::renew, begun + bx::idle_renewal + bx::minute) ==
                std::vector{second}));
    BOOST_TEST((s.due(bx::Chore::renew, begun + bx::idle_renewal + bx::day) ==
                std::vector{second, first}));
    BOOST_TEST(s.chores().take_due(bx::Chore::renew, begun + 30 * bx::day, begun, 1).size() == 1U);
    // What cannot be renewed is not tried.
    s.break_down(second);
    BOOST_TEST((s.due(bx::Chore::renew, begun + 30 * bx::day) == std::vector{first}));
    s.store().sink().heal(std::vector{bx::Offer{second, "1", {"a", "r", 0}}});
    BOOST_TEST(s.due(bx::Chore::renew, begun + 30 * bx::day).size() == 2U);
    s.installations().uninstalled(first, "", s.now);
    BOOST_TEST((s.due(bx::Chore::renew, begun + 30 * bx::day) == std::vector{second}));
}

BOOST_AUTO_TEST_CASE(tokens_that_are_refused_for_now_are_tried_again) {
    Portals s;
    const bx::InstallationId id = s.active("m1", "t1");
    const bx::Millis again_at = s.now + bx::day;
    const auto note = [&](const std::string& holder) {
        s.installations().note_refused(id, holder, "NOT_INSTALLED", again_at);
    };
    note("nobody");
    BOOST_TEST(s.shown(id).problem == "");
    BOOST_TEST(s.installations().take_lease(id, "A", bx::minute).has_value());
    note("another");
    BOOST_TEST(s.shown(id).problem == "");
    note("A");
    BOOST_TEST(s.installations().end_lease(id, "A", std::nullopt, s.now));
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(s.shown(id).problem == "NOT_INSTALLED");
    BOOST_TEST(s.due(bx::Chore::renew, again_at - 1).empty());
    BOOST_TEST((s.due(bx::Chore::renew, again_at) == std::vector{id}));
    // Others came.
    BOOST_TEST(s.installations().take_lease(id, "B", bx::minute).has_value());
    const bx::Renewal renewal{{"access 2", "refresh 2", s.now + bx::hour}, {}, {}, {}, {}};
    BOOST_TEST(s.installations().end_lease(id, "B", renewal, s.now));
    note("B");
    BOOST_TEST(s.shown(id).problem == "");
    BOOST_TEST(s.due(bx::Chore::renew, again_at).empty());
}

BOOST_AUTO_TEST_CASE(a_chore_that_was_taken_is_nobody_elses_until_it_is_due_again) {
    Portals s;
    const auto id = s.active("m1", "t1");
    const bx::Millis now = bx::wall_now();
    BOOST_TEST(s.chores().take_due(bx::Chore::bind, now, now + bx::minute, 9).size() == 1U);
    BOOST_TEST(s.chores().take_due(bx::Chore::bind, now, now + bx::minute, 9).empty());
    const bx::Millis later = now + bx::minute;
    const bx::DueChore again = s.chores().take_due(bx::Chore::bind, later, later + 1, 9).at(0);
    BOOST_TEST(s.chores().postpone(again, now + bx::hour, "no answer"));
    BOOST_TEST(s.shown(id).problem == "no answer");
    BOOST_TEST(s.due(bx::Chore::bind, now + bx::minute).empty());
    s.chores().hasten(bx::Chore::bind, now);
    const bx::DueChore taken = s.chores().take_due(bx::Chore::bind, now, now + bx::hour, 9).at(0);
    BOOST_TEST(taken.tries == 1);
    BOOST_TEST(!s.chores().take(id, bx::Chore::bind, now + bx::hour).has_value());
    BOOST_TEST(s.due(bx::Chore::bind, now).empty());
    BOOST_TEST(!s.chores().take(id + 1, bx::Chore::bind, now).has_value());
    BOOST_TEST(!s.chores().take(id, bx::Chore::verify, now).has_value());
    BOOST_TEST(s.chores().finish(taken));
    BOOST_TEST(s.shown(id).problem == "");
    BOOST_TEST(s.due(bx::Chore::bind, now + bx::day).empty());
}

BOOST_AUTO_TEST_CASE(one_that_is_done_for_a_while_is_due_again_as_if_never_tried) {
    Portals s;
    const auto id = s.active("m1", "t1");
    const bx::Millis now = bx::wall_now();
    const bx::DueChore first = s.chores().take(id, bx::Chore::bind, now + bx::minute).value();
    BOOST_TEST(s.chores().postpone(first, now, "no answer"));
    const bx::DueChore second = s.chores().take(id, bx::Chore::bind, now + bx::minute).value();
    BOOST_TEST(second.tries == 1);
    BOOST_TEST(s.chores().finish_until(second, now + bx::day));
    BOOST_TEST(!s.chores().finish_until(second, now + bx::day));
    BOOST_TEST(s.shown(id).problem == "");
    BOOST_TEST(s.due(bx::Chore::bind, now + bx::day - bx::second).empty());
    BOOST_TEST((s.due(bx::Chore::bind, now + bx::day + bx::second) == std::vector{id}));
    s.chores().hasten(bx::Chore::bind, now);
    const bx::DueChore third = s.chores().take(id, bx::Chore::bind, now + bx::minute).value();
    BOOST_TEST(third.tries == 0);
    // Installed again meanwhile.
    s.active("m1", "t2");
    BOOST_TEST(!s.chores().finish_until(third, now + bx::day));
    BOOST_TEST((s.due(bx::Chore::bind, bx::wall_now()) == std::vector{id}));
}

BOOST_AUTO_TEST_CASE(what_happens_while_a_chore_is_under_way_makes_it_due_when_that_ends) {
    Portals s;
    s.now = bx::wall_now();
    const bx::Millis again = s.now + bx::hour;
    // A second activation.
    const auto id = s.active("m1", "t1");
    const bx::Millis now = bx::wall_now();
    const bx::DueChore bind = s.chores().take_due(bx::Chore::bind, now, again, 9).at(0);
    BOOST_TEST((bind.id == id && bind.what == bx::Chore::bind));
    BOOST_TEST(s.active("m1", "t2") == id);
    BOOST_TEST(s.due(bx::Chore::bind, bx::wall_now()).empty(), "it is under way");
    BOOST_TEST(!s.chores().take(id, bx::Chore::bind, again).has_value());
    BOOST_TEST(!s.chores().finish(bind));
    BOOST_TEST(!s.chores().postpone(bind, again, "no answer"));
    BOOST_TEST((s.due(bx::Chore::bind, bx::wall_now()) == std::vector{id}));
    BOOST_TEST(s.shown(id).problem == "");
    // Another who took it.
    const bx::DueChore first = s.chores().take(id, bx::Chore::bind, now).value();
    const bx::DueChore other = s.chores().take_due(bx::Chore::bind, now, again, 9).at(0);
    BOOST_TEST(!s.chores().finish(first));
    BOOST_TEST(s.chores().finish(other));
    BOOST_TEST(!s.chores().finish(other));
    BOOST_TEST(!s.chores().postpone(other, again, "no answer"));
    // The post of a pending one, again.
    s.hold(s.install("m2", "t1"));
    const bx::DueChore verify = s.chores().take_due(bx::Chore::verify, s.now, again, 9).at(0);
    s.hold(s.install("m2", "t1"));
    s.hold(s.install("m2", "t1"));
    BOOST_TEST(s.due(bx::Chore::verify, s.now).empty(), "it is under way");
    BOOST_TEST(!s.chores().postpone(verify, again, "no answer"));
    // Once, however often it was asked for.
    const bx::DueChore once = s.chores().take_due(bx::Chore::verify, s.now, again, 9).at(0);
    BOOST_TEST((once.id == verify.id && once.tries == 0));
    BOOST_TEST(s.chores().postpone(once, again, "no answer"));
    BOOST_TEST(s.due(bx::Chore::verify, s.now).empty());
}

BOOST_AUTO_TEST_CASE(what_happened_while_a_chore_was_under_way_that_never_ends_is_done_with_the_next) {
    Portals s;
    s.now = bx::wall_now();
    s.hold(s.install("m1", "t1"));
    const auto take = [&](bx::Millis at) {
        return s.chores().take_due(bx::Chore::verify, at, at + bx::minute, 9);
    };
    take(s.now);
    s.hold(s.install("m1", "t1"));
    const bx::Millis later = s.now + bx::minute;
    BOOST_TEST(take(later - 1).empty());
    const bx::DueChore next = take(later).at(0);
    BOOST_TEST(s.chores().postpone(next, later + bx::hour, "no answer"));
    // One that is given back too is due once.
    s.chores().hasten(bx::Chore::verify, s.now);
    const auto taken = take(s.now);
    s.hold(s.install("m1", "t1"));
    s.chores().give_back(taken);
    BOOST_TEST(s.chores().postpone(take(s.now).at(0), later + bx::hour, "no answer"));
}

BOOST_AUTO_TEST_CASE(a_post_for_one_without_application_token_has_it_looked_at_again) {
    Portals s;
    s.now = bx::wall_now();
    const bx::InstallationId id = s.tokenless("m1");
    s.hold(s.post("m1", "t1", "1"));
    const bx::Millis again = s.now + bx::hour;
    const bx::DueChore first = s.chores().take_due(bx::Chore::adopt, s.now, again, 9).at(0);
    s.hold(s.post("m1", "t2", "2"));  // which that one has not seen
    BOOST_TEST(s.due(bx::Chore::adopt, s.now).empty(), "it is under way");
    BOOST_TEST(!s.chores().finish(first));
    const bx::DueChore next = s.chores().take_due(bx::Chore::adopt, s.now, again, 9).at(0);
    BOOST_TEST(s.chores().postpone(next, again, "no answer"));
    BOOST_TEST(s.due(bx::Chore::adopt, s.now).empty());
    s.hold(s.post("m1", "t3", "3"));
    BOOST_TEST((s.due(bx::Chore::adopt, s.now) == std::vector{id}));
    // Other portals' posts are no reason.
    s.postpone(id, bx::Chore::adopt, again, "no answer");
    s.hold(s.install("m2", "t1"));
    s.hold(s.post("m2", "t1", "4"));
    BOOST_TEST(s.due(bx::Chore::adopt, s.now).empty());
}

BOOST_AUTO_TEST_CASE(a_chore_under_way_is_neither_taken_nor_hastened) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const bx::InstallationId id = s.pending("m1").id;
    const bx::Millis now = bx::wall_now();
    const auto take = [&] { return s.chores().take(id, bx::Chore::verify, now + bx::hour); };
    bx::DueChore taken = take().value();
    BOOST_TEST(!take().has_value());
    s.chores().hasten(bx::Chore::verify, now + bx::minute);
    BOOST_TEST(s.due(bx::Chore::verify, now + bx::minute).empty());
    // It was in vain: a person may have it tried at once.
    BOOST_TEST(s.chores().postpone(taken, now + bx::hour, "no answer"));
    s.chores().hasten(bx::Chore::verify, now);
    BOOST_TEST((s.due(bx::Chore::verify, now) == std::vector{id}));
    taken = take().value();
    BOOST_TEST(s.chores().postpone(taken, now + bx::hour, "no answer"));
    BOOST_TEST(s.chores().take(id, bx::Chore::verify, now - bx::minute).value().tries == 2);
    // Whoever took it has died.
    BOOST_TEST(take().has_value());
}

BOOST_AUTO_TEST_CASE(chores_are_taken_in_the_order_of_their_due_times) {
    Portals s;
    std::vector<bx::InstallationId> made;
    for (int i = 0; i < 40; ++i) {
        made.push_back(s.active("m" + std::to_string(i), "t" + std::to_string(i)));
    }
    const bx::Millis now = bx::wall_now();
    std::vector<bx::InstallationId> wanted;
    for (int i = 0; i < 40; ++i) {  // 0, 7, 14 ...: in an order of its own
        const bx::InstallationId id = made[static_cast<std::size_t>(i * 7 % 40)];
        s.chores().take(id, bx::Chore::bind, now - 40 + i);
        wanted.push_back(id);
    }
    s.postpone(wanted[5], bx::Chore::bind, now, "no answer");
    wanted.push_back(wanted[5]);  // one that was tried comes last
    wanted.erase(wanted.begin() + 5);
    BOOST_TEST(s.due(bx::Chore::bind, now + bx::minute) == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_was_taken_and_not_begun_is_given_back_as_it_was) {
    Portals s;
    const auto first = s.active("m1", "t1"), second = s.active("m2", "t2");
    const auto third = s.active("m3", "t3"), fourth = s.active("m4", "t4");
    const bx::Millis now = bx::wall_now(), again = now + 3 * bx::minute;
    auto taken = s.chores().take_due(bx::Chore::bind, now, again, 9);
    BOOST_TEST(taken.size() == 4U);
    taken.push_back(s.chores().take(first, bx::Chore::renew, again).value());
    s.chores().finish(taken.at(2));
    s.chores().postpone(taken.at(3), now + bx::hour, "no answer");
    s.chores().give_back(taken);
    BOOST_TEST((s.due(bx::Chore::bind, now) == std::vector{first, second}));
    BOOST_TEST((s.due(bx::Chore::bind, now + bx::hour) == std::vector{first, second, fourth}));
    BOOST_TEST(s.chores().take(first, bx::Chore::bind, again).value().tries == 0);
    BOOST_TEST(s.due(bx::Chore::renew, now + bx::hour).empty());
    BOOST_TEST(!s.chores().take(third, bx::Chore::bind, again).has_value());
    // It is nobody's any more.
    BOOST_TEST(!s.chores().finish(taken.at(1)));
    s.chores().give_back({});
}

// Of a clock that was ahead.
BOOST_AUTO_TEST_CASE(what_is_due_later_than_its_longest_pause_is_due_now) {
    Portals s;
    const auto id = s.active("m1", "t1");
    const bx::Millis now = bx::wall_now();
    s.finish(id, bx::Chore::bind);
    BOOST_TEST(s.chores().next_chore().value() > now + 19 * bx::day);
    BOOST_TEST(s.due(bx::Chore::renew, now).empty());
    const auto renew = [&](bx::Millis at) {
        s.installations().take_lease(id, "a", bx::minute);
        s.installations().end_lease(id, "a", bx::Renewal{{"a", "r", 0}, "", "", "", ""}, at);
    };
    renew(now + bx::day);
    BOOST_TEST(s.chores().next_chore().value() > now + 20 * bx::day);
    BOOST_TEST(s.due(bx::Chore::renew, now).empty());
    renew(now + 30 * bx::day);
    const bx::Millis next = s.chores().next_chore().value();
    BOOST_TEST((next >= now && next <= bx::wall_now()));
    BOOST_TEST((s.due(bx::Chore::renew, now) == std::vector{id}));
    renew(now);
    // One that is due first stays the first, and what is due too late waits for nobody.
    s.chores().finish_pass(now, now + bx::hour);
    BOOST_TEST(s.chores().next_chore().value() == now + bx::hour);
    s.chores().finish_pass(now, now + 3 * bx::hour);
    BOOST_TEST(s.chores().next_chore().value() <= bx::wall_now());
    s.chores().finish_pass(now, now + bx::hour);
    s.hold(s.install("m2", "t1"));
    const auto pending = s.pending("m2").id;
    s.postpone(pending, bx::Chore::verify, s.now + bx::hour, "no answer");
    BOOST_TEST(s.due(bx::Chore::verify, s.now).empty());
    s.postpone(pending, bx::Chore::verify, s.now + 3 * bx::hour, "no answer");
    BOOST_TEST((s.due(bx::Chore::verify, s.now) == std::vector{pending}));
}

BOOST_AUTO_TEST_CASE(a_pass_is_of_no_installation) {
    Portals s;
    BOOST_TEST(!s.chores().last_pass().has_value());
    s.chores().finish_pass(s.now, s.now + bx::minute);
    BOOST_TEST(s.chores().last_pass().value() == s.now);
    BOOST_TEST(s.chores().next_chore().value() == s.now + bx::minute);
    BOOST_TEST((s.due(bx::Chore::pass, s.now + bx::minute) == std::vector<bx::InstallationId>{0}));
    BOOST_TEST(s.installations().list().empty());
}

BOOST_AUTO_TEST_CASE(one_in_no_block_is_tried_again_when_it_has_one) {
    Portals s;
    s.hold(s.install("m1", "t1"));
    const auto id = s.pending("m1").id;
    BOOST_TEST(s.keep(id, "local.x"));
    BOOST_TEST(s.due(bx::Chore::verify, s.now + bx::day).empty());
    s.chores().claim("local.y", s.now);
    BOOST_TEST(s.due(bx::Chore::verify, s.now).empty());
    s.chores().claim("local.x", s.now);
    BOOST_TEST((s.due(bx::Chore::verify, s.now) == std::vector{id}));
    BOOST_TEST(s.pending("m1").client_id == "local.x", "what app.info has said is not forgotten");
    // Each look at the blocks leaves its turn as it is.
    s.chores().take_due(bx::Chore::verify, s.now, s.now + bx::hour, 1);
    s.chores().claim("local.x", s.now);
    BOOST_TEST(s.due(bx::Chore::verify, s.now).empty());
}

BOOST_AUTO_TEST_CASE(the_posts_of_one_without_application_token_are_there_once_a_token) {
    Portals s;
    const bx::InstallationId id = s.tokenless("m1");
    BOOST_TEST(s.due(bx::Chore::adopt, s.now).empty());
    s.hold(s.post("m1", "t1", "1"));
    s.hold(s.post("m1", "t2", "2"));
    s.hold(s.post("m1", "t1", "3"));
    BOOST_TEST((s.due(bx::Chore::adopt, s.now) == std::vector{id}));
    const auto posts = s.installations().held_posts(id);
    BOOST_TEST(posts.size() == 2U);
    BOOST_TEST(posts.at(0).token == bx::sha256("t2"));
    BOOST_TEST(posts.at(1).event.facts.id == "3");
    s.installations().adopt_token(id, bx::sha256("t1"));
    BOOST_TEST(s.due(bx::Chore::adopt, s.now + bx::day).empty());
}

// -- The end

BOOST_AUTO_TEST_CASE(an_uninstallation_ends_it_unless_it_was_installed_since) {
    Portals s;
    const auto id = s.active("m1", "t1");
    BOOST_TEST(!s.installations().uninstalled(id, "1699999999", s.now));
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(s.installations().uninstalled(id, "1700000000", s.now));
    BOOST_TEST(s.state(id) == "gone");
    BOOST_TEST(!s.installations().uninstalled(id, "1700000001", s.now));
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::none));
    BOOST_TEST(!s.installations().take_lease(id, "a", bx::minute).has_value());
    BOOST_TEST(s.installations().counts().gone == 1);
    BOOST_TEST(s.recount() == "");
    // Again, with the same token: what it was before comes to life.
    BOOST_TEST(s.active("m1", "t1") == id);
    BOOST_TEST((s.role("m1", "t1") == bx::TokenRole::verified));
    BOOST_TEST(s.installations().list().size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_uninstallation_from_before_a_page_that_brought_it_ends_nothing) {
    Portals s;
    s.hold(s.install("m1", "t1", "p", HeldKind::page));
    const auto id = s.activate(s.proof(s.pending("m1").id)).id;
    BOOST_TEST(!s.installations().uninstalled(id, "1700000001", s.now - 1));  // matched again
    BOOST_TEST(s.state(id) == "active");
    BOOST_TEST(s.installations().uninstalled(id, "1700000001", s.now));
    BOOST_TEST(s.state(id) == "gone");
}

BOOST_AUTO_TEST_CASE(what_is_old_is_erased) {
    Portals s;
    const auto gone = s.active("m1", "t1");
    const auto stays = s.active("m2", "t2");
    s.hold(s.install("m3", "t3"));
    s.installations().uninstalled(gone, "", s.now);
    const bx::Millis later = bx::wall_now() + bx::hour;
    BOOST_TEST(s.installations().drop_old(s.now, 0) == 0U);
    BOOST_TEST(s.installations().drop_old(s.now + 1, 0) == 1U);
    BOOST_TEST(s.installations().list("m3").empty());
    BOOST_TEST(s.installations().drop_old(later, later) == 1U);
    BOOST_TEST(s.state(gone) == "none");
    BOOST_TEST(s.state(stays) == "active");
    s.hold(s.install("m4", "t4"));
    BOOST_TEST(s.pending("m4").id > stays);  // an id is never given again
}

BOOST_AUTO_TEST_CASE(counts_are_by_state) {
    Portals s;
    const auto broken = s.active("m1", "t1");
    s.active("m2", "t2");
    s.break_down(broken);
    s.hold(s.install("m3", "t3"));
    s.hold(s.post("m3", "t3"));
    const bx::InstallationCounts counts = s.installations().counts();
    BOOST_TEST(counts.pending == 1);
    BOOST_TEST(counts.active == 1);
    BOOST_TEST(counts.broken == 1);
    BOOST_TEST(counts.gone == 0);
    BOOST_TEST(counts.held == 2);
}

BOOST_AUTO_TEST_SUITE_END()
