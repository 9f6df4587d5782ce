// What a worker does with installations: it ends those that are uninstalled, or old.
#include "base/sha256.h"
#include "worker_scene.h"

using namespace worker_tests;
using bx::InstallationState;

namespace {

class Installed : public Fixture {
public:
    // An active one of MEMBER.
    bx::InstallationId install(const std::string& member, bx::Millis at = bx::wall_now()) {
        const std::unique_ptr<bx::Store> open = store();
        bx::NewHeldPost post{.kind = bx::HeldKind::install, .event = {}, .token = bx::sha256(member)};
        post.event.facts.code = "ONAPPINSTALL";
        post.event.facts.member_id = member;
        post.event.facts.ts = "1767225600";
        post.event.received_at = at;
        post.event.body = body_of("event=ONAPPINSTALL");
        post.tokens = {"access of " + member, "refresh of " + member, 0};
        open->sink().add({{}, {&post, 1}}, 1000);
        const bx::InstallationId id = open->installations().list(member).at(0).id;
        open->installations().activate(
            {id, "local.1", "some.example", "1", "", "", "", "", post.tokens});
        return id;
    }
    // An event that INSTALLATION proved.
    bx::EventNumber add_of(bx::InstallationId installation, const std::string& body) {
        const bx::Tree tree = bx::decode_urlencoded(body, {});
        const bx::Payload payload = bx::encode_payload(tree);
        const bx::NewEvent event{bx::read_event(tree), bx::Origin::post, bx::wall_now(), payload.body,
                                 payload.secrets, installation};
        return store()->sink().add(std::span(&event, 1), 1000).front().value();
    }
    std::string state_of(const std::string& member) {
        const auto found = store()->installations().list(member);
        return found.empty() ? "none" : std::string(name_of(found.at(0).state));
    }

private:
    static std::string body_of(const std::string& text) {
        return bx::encode_payload(bx::decode_urlencoded(text, {})).body;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(worker_uninstall, Installed)

BOOST_AUTO_TEST_CASE(an_uninstallation_ends_what_proved_it_at_its_match_and_reaches_its_hook) {
    hook("ONAPPUNINSTALL", "echo gone >>../out");
    const bx::InstallationId id = install("m1");
    install("m2");
    const bx::EventNumber number = add_of(id, "event=ONAPPUNINSTALL&ts=1767225600");
    BOOST_TEST(state_of("m1") == "active");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state_of("m1") == "gone");
    BOOST_TEST(state_of("m2") == "active");
    BOOST_TEST(state(number) == "done");
    BOOST_TEST(read(dir + "/out") == "gone\n");
    BOOST_TEST(log().find("uninstalled") != std::string::npos);
    BOOST_TEST(!store()->installations().take_lease(id, "a", bx::minute).has_value());
    for (const char* suffix : {"", "-wal"}) {  // its tokens have left the files
        BOOST_TEST(read(store_path + suffix).find("refresh of m1") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(one_that_nothing_proved_or_that_is_older_than_the_installation_ends_nothing) {
    const bx::InstallationId id = install("m1");
    add("event=ONAPPUNINSTALL&ts=1767225600&auth[member_id]=m1");  // the configuration's token
    add_of(id, "event=ONAPPUNINSTALL&ts=1767225599");
    add_of(id, "event=ONAPPUPDATE&ts=1767225600");
    BOOST_TEST(once() == 0);
    BOOST_TEST(state_of("m1") == "active");
    add_of(id, "event=ONAPPUNINSTALL&ts=1767225601");
    add_of(id, "event=ONAPPUNINSTALL&ts=1767225602");  // twice, and late
    BOOST_TEST(once() == 0);
    BOOST_TEST(state_of("m1") == "gone");
}

BOOST_AUTO_TEST_SUITE_END()
