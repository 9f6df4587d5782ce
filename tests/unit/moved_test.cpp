// Installations that move from a SQLite store into the PostgreSQL store.
#include <boost/test/unit_test.hpp>

#include <stdexcept>

#include "base/fd.h"
#include "base/sha256.h"
#include "postgres_server.h"
#include "store_scene.h"
#include "stores/copy.h"
#include "stores/module.h"

using bx::HeldKind;
using bx::HoldResult;
using bx::Installation;
using bx::InstallationId;
using bx::InstallationState;
using store_tests::PostgresServer;
using store_tests::Scene;

namespace {

constexpr std::int64_t plenty = 1'000'000;

std::unique_ptr<bx::StoreImport> import() {
    const bx::StoreModule& module = bx::postgresql_module(bx::StoreOwner::assumed());
    return module.import(PostgresServer::instance().url());
}

bx::CopyCount copy_from(const Scene& old) {
    return bx::copy_store(old.place(), *import(), [](std::size_t) {});
}

// Its process dies when the other store has committed.
class Dying final : public bx::StoreImport {
public:
    void give_numbers_after(bx::EventNumber last) override { into_->give_numbers_after(last); }
    bx::EventNumber first_up_to(bx::EventNumber last) override { return into_->first_up_to(last); }
    void require_same(std::span<const bx::MovedEvent> events) override {
        into_->require_same(events);
    }
    std::size_t take(std::span<const bx::MovedEvent> events) override {
        return into_->take(events);
    }
    std::vector<InstallationId> take(std::span<const bx::MovedInstallation> moved) override {
        into_->take(moved);
        throw std::runtime_error("died");
    }

private:
    std::unique_ptr<bx::StoreImport> into_ = import();
};

void die_copying(const Scene& old) {
    Dying into;
    BOOST_CHECK_THROW(bx::copy_store(old.place(), into, [](std::size_t) {}), std::runtime_error);
}

bx::NewHeldPost post(const std::string& member, const std::string& id = "7") {
    bx::NewHeldPost post;
    post.event = Scene::event(id, member);
    post.event.received_at = bx::wall_now();
    post.token = bx::sha256("token of " + member);
    return post;
}

bx::NewHeldPost install(const std::string& member) {
    bx::NewHeldPost brought = post(member, "");
    brought.kind = HeldKind::install;
    brought.event.facts.code = "ONAPPINSTALL";
    brought.event.facts.user_id = "1";
    brought.event.facts.ts = "1700000000";
    brought.tokens = {"access-of-" + member, "refresh-of-" + member, bx::wall_now() + bx::hour};
    brought.peer = "192.0.2.1";
    return brought;
}

bool hold(Scene& s, const bx::NewHeldPost& post) {
    return s.store().sink().add({{}, {&post, 1}}, plenty).held.at(0) == HoldResult::held;
}

Installation of(Scene& s, const std::string& member) {
    const std::vector<Installation> found = s.store().installations().list(member);
    BOOST_TEST(found.size() == 1U);
    return found.empty() ? Installation() : found.front();
}

bx::Activation activate(Scene& s, const std::string& member) {
    bx::Proof proof;
    proof.id = of(s, member).id;
    proof.client_id = "local." + member;
    proof.domain = member + ".example";
    proof.user_id = "1";
    proof.client_endpoint = "https://real.example/rest/";
    proof.tokens = {"access-of-" + member, "refresh-of-" + member, bx::wall_now() + bx::hour};
    return s.store().installations().activate(proof);
}

void make_active(Scene& s, const std::string& member) {
    BOOST_TEST(hold(s, install(member)));
    BOOST_TEST((activate(s, member).result == bx::Activation::Result::done));
}

std::string state(Scene& s, const std::string& member) {
    const Installation one = of(s, member);
    return std::string(name_of(one.state)) + (one.problem.empty() ? "" : ": " + one.problem);
}

// What the gate would say of a post of MEMBER.
bx::TokenRole role(Scene& s, const std::string& member) {
    const auto known = s.store().sink().look_up(std::vector{member}, {});
    return bx::prove(member, bx::sha256("token of " + member), known).role;
}

std::string refresh_token(Scene& s, const std::string& member) {
    const InstallationId id = of(s, member).id;
    const auto lease = s.store().installations().take_lease(id, "test", bx::minute);
    if (!lease) return "no lease";
    s.store().installations().end_lease(id, "test", {}, bx::wall_now());
    return lease->tokens.refresh;
}

// Gives OLD's owner newer tokens, as a renewal does.
void renew(Scene& s, const std::string& member, const std::string& refresh) {
    bx::Installations& installations = s.store().installations();
    const InstallationId id = of(s, member).id;
    BOOST_TEST(installations.take_lease(id, "me", bx::minute).has_value());
    bx::Renewal renewal;
    renewal.tokens = {"access-new", refresh, bx::wall_now() + bx::hour};
    BOOST_TEST(installations.end_lease(id, "me", renewal, bx::wall_now() + 1000));
}

bx::EventNumber add_proven(Scene& s, const std::string& member) {
    bx::NewEvent event = Scene::event("5", member);
    event.installation = of(s, member).id;
    return s.add(event);
}

bool in_files(const Scene& s, const std::string& text) {
    for (const char* suffix : {"", "-wal"}) {
        const std::string file = bx::first_bytes(s.place() + suffix, 64U << 20);
        if (file.find(text) != std::string::npos) return true;
    }
    return false;
}

struct Two {
    Scene s;  // the PostgreSQL store
    store_tests::Scratch scratch;
    Scene old{scratch / "queue.db"};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(moved, *boost::unit_test::precondition(store_tests::on_postgresql))

BOOST_AUTO_TEST_CASE(installations_move_with_their_tokens_and_held_posts) {
    Two two;
    auto& [s, scratch, old] = two;
    make_active(old, "m1");
    make_active(old, "m2");
    store_tests::break_down(old.store(), of(old, "m2").id, old.now);
    const bx::OwnBinding bound{.event = "ONCRMDEALADD", .handler = "https://a/", .by_hand = true,
                               .bound_at = old.now};
    old.store().bindings().add(of(old, "m1").id, {&bound, 1});
    BOOST_TEST(hold(old, install("m3")));
    BOOST_TEST(hold(old, post("m3")));
    const bx::EventNumber event = add_proven(old, "m1");
    const bx::CopyCount count = copy_from(old);
    BOOST_TEST(count.installations == 3U);
    BOOST_TEST(count.held == 2U);
    BOOST_TEST(state(s, "m1") == "active");
    BOOST_TEST(state(s, "m2") == "broken: invalid_grant");
    BOOST_TEST(state(s, "m3") == "pending");
    const std::vector<bx::OwnBinding> moved = s.store().bindings().of(of(s, "m1").id);
    BOOST_TEST(moved.size() == 1U);
    BOOST_TEST(moved.at(0).event == "ONCRMDEALADD");
    BOOST_TEST(moved.at(0).handler == "https://a/");
    BOOST_TEST(moved.at(0).by_hand);
    BOOST_TEST(s.store().bindings().of(of(s, "m2").id).empty());
    BOOST_TEST(refresh_token(s, "m1") == "refresh-of-m1");
    BOOST_TEST(refresh_token(s, "m3") == "refresh-of-m3");
    BOOST_TEST(of(s, "m1").domain == "m1.example");
    BOOST_TEST(of(s, "m1").client_endpoint == "https://real.example/rest/");
    BOOST_TEST(of(s, "m3").held == 2);
    BOOST_TEST((role(s, "m1") == bx::TokenRole::verified));
    BOOST_TEST((role(s, "m3") == bx::TokenRole::pending));
    BOOST_TEST((s.store().view().event(event)->installation == of(s, "m1").id));
    BOOST_TEST(s.recount() == "");
    // The pending one can be verified there.
    BOOST_TEST(activate(s, "m3").events == 2U);
}

BOOST_AUTO_TEST_CASE(their_tokens_are_in_one_store_alone) {
    Two two;
    auto& [s, scratch, old] = two;
    make_active(old, "m1");
    BOOST_TEST(hold(old, install("m3")));
    BOOST_TEST(in_files(old, "refresh-of-m1"));
    copy_from(old);
    BOOST_TEST(!in_files(old, "refresh-of-m1"));
    BOOST_TEST(!in_files(old, "refresh-of-m3"));
    BOOST_TEST(state(old, "m1") == "gone: moved");
    BOOST_TEST(state(old, "m3") == "pending: moved");
    BOOST_TEST(old.store().installations().counts().pending == 0, "it waits where it is now");
    BOOST_TEST(refresh_token(old, "m1") == "no lease");
    BOOST_TEST(of(old, "m3").held == 0);
    BOOST_TEST(old.recount() == "");
}

BOOST_AUTO_TEST_CASE(gateways_of_the_old_store_lose_nothing_until_they_change_over) {
    Two two;
    auto& [s, scratch, old] = two;
    make_active(old, "m1");
    BOOST_TEST(hold(old, install("m3")));
    copy_from(old);
    BOOST_TEST((role(old, "m1") == bx::TokenRole::verified));
    BOOST_TEST((role(old, "m3") == bx::TokenRole::pending));
    const bx::EventNumber event = add_proven(old, "m1");
    BOOST_TEST(hold(old, post("m3")));
    const bx::CopyCount count = copy_from(old);
    BOOST_TEST(count.copied == 1U);
    BOOST_TEST(count.installations == 0U);
    BOOST_TEST(count.held == 1U);
    BOOST_TEST((s.store().view().event(event)->installation == of(s, "m1").id));
    BOOST_TEST(of(s, "m3").held == 2);
    BOOST_TEST(refresh_token(s, "m3") == "refresh-of-m3");
    BOOST_TEST(copy_from(old).held == 0U);
    BOOST_TEST(of(s, "m3").held == 2);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(posts_of_one_that_is_verified_there_meanwhile_become_events) {
    Two two;
    auto& [s, scratch, old] = two;
    BOOST_TEST(hold(old, install("m3")));
    copy_from(old);
    BOOST_TEST(activate(s, "m3").events == 1U);
    BOOST_TEST(hold(old, post("m3", "late")));
    copy_from(old);
    BOOST_TEST(of(s, "m3").held == 0);
    const auto events = s.store().matching().undispatched(9);
    BOOST_TEST(events.size() == 2U);
    BOOST_TEST(events.back().facts.id == "late");
    BOOST_TEST((events.back().installation == of(s, "m3").id));
    BOOST_TEST(state(s, "m3") == "active");
}

BOOST_AUTO_TEST_CASE(a_copy_that_dies_between_the_stores_is_made_up_for) {
    Two two;
    auto& [s, scratch, old] = two;
    make_active(old, "m1");
    BOOST_TEST(hold(old, install("m3")));
    BOOST_TEST(hold(old, post("m3")));
    die_copying(old);
    BOOST_TEST(state(old, "m1") == "active");
    const bx::CopyCount count = copy_from(old);
    BOOST_TEST(count.installations == 2U);
    BOOST_TEST(s.store().installations().list().size() == 2U);
    BOOST_TEST(of(s, "m3").held == 2);
    BOOST_TEST(state(old, "m1") == "gone: moved");
}

BOOST_AUTO_TEST_CASE(the_newer_tokens_of_two_are_kept) {
    Two two;
    auto& [s, scratch, old] = two;
    for (const char* member : {"m1", "m2"}) make_active(old, member);
    die_copying(old);
    renew(s, "m1", "renewed-there");
    renew(old, "m2", "renewed-here");
    copy_from(old);
    BOOST_TEST(refresh_token(s, "m1") == "renewed-there");
    BOOST_TEST(refresh_token(s, "m2") == "renewed-here");
}

BOOST_AUTO_TEST_CASE(while_tokens_are_renewed_nothing_moves) {
    Two two;
    auto& [s, scratch, old] = two;
    make_active(old, "m1");
    bx::Installations& installations = old.store().installations();
    BOOST_TEST(installations.take_lease(of(old, "m1").id, "me", bx::minute).has_value());
    BOOST_CHECK_THROW(copy_from(old), bx::Error);
    BOOST_TEST(state(old, "m1") == "active");
    BOOST_TEST(s.store().installations().list().empty());
}

BOOST_AUTO_TEST_CASE(a_renewal_that_died_is_in_doubt_there_too) {
    Two two;
    auto& [s, scratch, old] = two;
    make_active(old, "m1");
    BOOST_TEST(old.store().installations().take_lease(of(old, "m1").id, "me", 0).has_value());
    copy_from(old);
    const auto lease = s.store().installations().take_lease(of(s, "m1").id, "you", bx::minute);
    BOOST_TEST(lease.has_value());
    BOOST_TEST(lease->in_doubt);
}

BOOST_AUTO_TEST_CASE(an_uninstallation_that_came_to_the_old_store_ends_it_there) {
    Two two;
    auto& [s, scratch, old] = two;
    make_active(old, "m1");
    copy_from(old);
    const bx::EventNumber event = add_proven(old, "m1");
    copy_from(old);
    const InstallationId id = s.store().view().event(event)->installation.value_or(0);
    BOOST_TEST(s.store().installations().uninstalled(id, "1700000001", s.now));
    BOOST_TEST(state(s, "m1") == "gone");
    copy_from(old);
    BOOST_TEST(state(s, "m1") == "gone");
}

BOOST_AUTO_TEST_CASE(many_installations_move_in_steps) {
    Two two;
    auto& [s, scratch, old] = two;
    for (int i = 0; i < 120; ++i) make_active(old, "m" + std::to_string(i));
    BOOST_TEST(copy_from(old).installations == 120U);
    BOOST_TEST(s.store().installations().counts().active == 120);
    BOOST_TEST(old.store().installations().counts().gone == 120);
    BOOST_TEST(copy_from(old).installations == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
