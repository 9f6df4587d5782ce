// Subscriptions of ours, whichever kind of store it is.
#include <boost/test/unit_test.hpp>

#include "base/sha256.h"
#include "store_scene.h"

using bx::InstallationId;
using bx::OwnBinding;

namespace {

class Portals : public store_tests::Scene {
public:
    InstallationId bring(const std::string& member) {
        return store().transfer().bring({member, "local.1", "refresh", bx::sha256(member)}, now).id;
    }
    bx::Bindings& bindings() { return store().bindings(); }
    std::string text(InstallationId id) {
        std::string all;
        for (const OwnBinding& one : bindings().of(id)) {
            all += (all.empty() ? "" : " ") + one.event + (one.by_hand ? "!" : "") +
                   (one.offline ? "~" : "") + "@" + one.handler;
        }
        return all;
    }
};

const OwnBinding deal{.event = "ONCRMDEALADD", .handler = "https://a/", .bound_at = 1'700'000'000'000};
const OwnBinding deal_elsewhere{.event = "ONCRMDEALADD", .handler = "https://b/"};
const OwnBinding task{.event = "ONTASKADD", .handler = "https://a/", .by_hand = true};
const OwnBinding offline{.event = "ONTASKADD", .handler = "", .offline = true};

}  // namespace

BOOST_AUTO_TEST_SUITE(bindings)

BOOST_AUTO_TEST_CASE(what_was_bound_is_known_until_it_is_unbound) {
    Portals s;
    const InstallationId id = s.bring("m1");
    const InstallationId other = s.bring("m2");
    BOOST_TEST(s.text(id) == "");
    s.bindings().add(id, std::vector{deal, task, offline, deal_elsewhere});
    s.bindings().add(other, std::vector{deal});
    BOOST_TEST(s.text(id) == "ONCRMDEALADD@https://a/ ONCRMDEALADD@https://b/ "
                             "ONTASKADD!@https://a/ ONTASKADD~@");
    BOOST_TEST(s.bindings().of(id).at(0).bound_at == deal.bound_at);
    s.bindings().remove(id, std::vector{deal, offline});
    BOOST_TEST(s.text(id) == "ONCRMDEALADD@https://b/ ONTASKADD!@https://a/");
    BOOST_TEST(s.text(other) == "ONCRMDEALADD@https://a/");
    s.bindings().remove(id, std::vector{deal});
    s.bindings().add(id, {});
    BOOST_TEST(s.text(id) == "ONCRMDEALADD@https://b/ ONTASKADD!@https://a/");
}

BOOST_AUTO_TEST_CASE(bound_again_it_is_there_once_as_it_was_bound_last) {
    Portals s;
    const InstallationId id = s.bring("m1");
    s.bindings().add(id, std::vector{deal});
    OwnBinding by_hand = deal;
    by_hand.by_hand = true;
    s.bindings().add(id, std::vector{by_hand});
    BOOST_TEST(s.text(id) == "ONCRMDEALADD!@https://a/");
}

BOOST_AUTO_TEST_CASE(of_an_installation_that_is_not_there_or_goes_there_are_none) {
    Portals s;
    const InstallationId id = s.bring("m1");
    s.bindings().add(id + 1, std::vector{deal});
    BOOST_TEST(s.text(id + 1) == "");
    s.bindings().add(id, std::vector{deal});
    s.store().installations().uninstalled(id, "", bx::wall_now() + bx::hour);
    BOOST_TEST(s.text(id) == "");
    const InstallationId other = s.bring("m2");
    s.bindings().add(other, std::vector{deal});
    s.store().installations().erase(other);
    BOOST_TEST(s.text(other) == "");
}

BOOST_AUTO_TEST_SUITE_END()
