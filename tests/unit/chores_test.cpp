// Doing chores, whichever kind of store it is.  Those here ask nobody.
#include "sync/chores.h"

#include <boost/test/unit_test.hpp>

#include "base/sha256.h"
#include "store_scene.h"

using bx::Chore;
using bx::DueChore;
using bx::InstallationId;

namespace {

// COUNT active installations, each of which is to be bound.  Its block has no `url`: that is put
// off for a day.
class Portals : public store_tests::Scene {
public:
    explicit Portals(int count) {
        config.apps.emplace_back().client_id = "local.1";
        for (int i = 0; i < count; ++i) make("m" + std::to_string(i));
    }

    bx::SyncCount do_chores(const bx::SyncOptions& options) {
        return bx::do_chores(store(), config, options, [](const bx::SyncNews&) {});
    }
    // One after the other, none of which may wait behind another.
    bx::SyncOptions one_at_a_time() const {
        bx::SyncOptions options;
        options.width = 1;
        options.begun_within = 0;
        return options;
    }
    // Those that are due at AT, and are TAKER's then.
    static std::size_t take(bx::Store& taker, bx::Millis at) {
        return taker.chores().take_due(Chore::bind, at, at + bx::hour, 99).size();
    }

    bx::Config config;
    std::vector<InstallationId> ids;

private:
    void make(const std::string& member) {
        bx::NewHeldPost post{.kind = bx::HeldKind::install, .event = event("7", member),
                             .token = bx::sha256(member)};
        post.tokens = {"access", "refresh", 0};
        store().sink().add({{}, {&post, 1}}, 1000);
        const InstallationId id = store().installations().list(member).at(0).id;
        bx::Proof proof;
        proof.id = id;
        proof.client_id = "local.1";
        proof.tokens = post.tokens;
        ids.push_back(store().installations().activate(proof).id);
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(chores)

BOOST_AUTO_TEST_CASE(each_is_done_once) {
    Portals s(3);
    const bx::SyncCount count = s.do_chores({});
    BOOST_TEST(count.done == 3U);
    BOOST_TEST(count.in_vain == 0U, "put off, but nothing failed");
    BOOST_TEST(s.do_chores({}).done == 0U);
}

// It waited behind others for longer than it was taken for.
BOOST_AUTO_TEST_CASE(what_another_took_meanwhile_is_not_begun) {
    Portals s(3);
    const auto other = s.another();
    bx::SyncOptions options = s.one_at_a_time();
    bool taken = false;
    options.is_over = [&] {
        const bx::Millis after_all = bx::wall_now() + 90 * bx::minute;
        if (!taken) BOOST_TEST(Portals::take(*other, after_all) == 3U);
        taken = true;
        return false;
    };
    BOOST_TEST(s.do_chores(options).done == 1U);
}

BOOST_AUTO_TEST_CASE(what_waited_too_long_is_given_back_and_done_all_the_same) {
    Portals s(3);
    BOOST_TEST(s.do_chores(s.one_at_a_time()).done == 3U);
    BOOST_TEST(Portals::take(s.store(), bx::wall_now() + bx::hour) == 0U);
}

BOOST_AUTO_TEST_CASE(of_chosen_ones_too_all_are_done) {
    Portals s(3);
    bx::SyncOptions options = s.one_at_a_time();
    options.only = {s.ids.at(0), s.ids.at(2)};
    BOOST_TEST(s.do_chores(options).done == 2U);
    BOOST_TEST(Portals::take(s.store(), bx::wall_now()) == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
