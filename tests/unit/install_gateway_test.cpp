// Installations through the gateway, with a real store, whichever kind it is.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>

#include "base/sha256.h"
#include "base/text.h"
#include "event/payload.h"
#include "gateway/gateway.h"
#include "store_scene.h"

using bx::InstallationState;

namespace {

constexpr std::string_view form = "application/x-www-form-urlencoded";
const std::string access_of_it = "10c75569006e1354000000010000000100000700";
const std::string refresh_of_it = "00467d69006e1354000000010000000100000700";

class Site : public store_tests::Scene {
public:
    Site() { configure("app { client_id local.1  client_secret s3cret }"); }

    // MORE: blocks beside store and log.
    void configure(const std::string& more) {
        std::ofstream(dir_ / "new.conf") << "store \"" << place() << "\"\nlog { file \"" << log_file()
                                         << "\" }\nlimits { queue 100 }\n" << more << "\n";
        std::filesystem::rename(dir_ / "new.conf", dir_ / "bxhook.conf");
        if (gateway_) gateway_->refresh_config(true);
    }
    bx::Gateway& the_gateway() {
        if (gateway_) return *gateway_;
        bx::Gateway::Options options;
        options.become_owner = [](const bx::Config&) { return bx::StoreOwner::assumed(); };
        options.start = [](const std::string&) {};
        gateway_ = std::make_unique<bx::Gateway>(dir_ / "bxhook.conf", options, log_);
        return *gateway_;
    }
    std::vector<bx::Answer> ask_all(std::vector<bx::Request> requests) {
        std::vector<bx::Answer> answers(requests.size());
        the_gateway().handle(requests, [&](std::size_t i, const bx::Answer& a) { answers[i] = a; });
        return answers;
    }
    bx::Answer ask(const std::string& body, const std::string& peer = "192.0.2.1",
                   const std::string& query = "") {
        return ask_all({request(body, peer, query)})[0];
    }
    static bx::Request request(const std::string& body, const std::string& peer = "192.0.2.1",
                               const std::string& query = "") {
        bx::Request request;
        request.method = "POST";
        request.content_type = form;
        request.remote_addr = peer;
        request.query = query;
        request.body = body;
        return request;
    }
    // "200 event 1", "200 held", "403"; of a page "page", "finish".
    std::string said(const std::string& body, const std::string& peer = "192.0.2.1") {
        return word(ask(body, peer, "DOMAIN=P.Example&PROTOCOL=1&APP_SID=x"));
    }
    // It is said of BODY, sent again and again, within a few seconds.
    bool becomes(const std::string& wanted, const std::string& body) {
        for (const bx::Millis end = bx::steady_now() + 20 * bx::second; bx::steady_now() < end;) {
            if (said(body) == wanted) return true;
        }
        return false;
    }
    static std::string word(const bx::Answer& answer) {
        const std::string status = std::to_string(answer.status);
        if (answer.content_type.starts_with("text/html")) {
            return answer.body.find("installFinish") == std::string::npos ? "page" : "finish";
        }
        const std::size_t at = answer.body.find("\"event\":");
        if (at == std::string::npos) return status;
        const std::string number = answer.body.substr(at + 8, answer.body.find('}') - at - 8);
        return status + (number == "null" ? " held" : " event " + number);
    }
    bx::InstallationId activate(const std::string& member, const std::string& client = "local.1") {
        for (const bx::Installation& one : store().installations().list(member)) {
            if (one.state != InstallationState::pending) continue;
            const bx::Proof proof{one.id, client, "p.example", "1", "https://p.example/rest/",
                                  "https://s", "crm", "L", {access_of_it, refresh_of_it, 0}};
            const bx::Activation done = store().installations().activate(proof);
            BOOST_TEST((done.result == bx::Activation::Result::done));
            return done.id;
        }
        BOOST_FAIL("nothing is pending of " << member);
        return 0;
    }
    // As a renewal that is refused does.
    void break_down(bx::InstallationId id) {
        bx::Installations& all = store().installations();
        BOOST_TEST(all.take_lease(id, "breaks", bx::minute).has_value());
        all.note_refused(id, "breaks", "invalid_grant", std::nullopt);
        BOOST_TEST(all.end_lease(id, "breaks", std::nullopt, bx::wall_now()));
    }
    std::string json(bx::EventNumber number) {
        const bx::StoredEvent event = store().view().event(number).value();
        std::string text;
        append_tree_json(text, decode_payload(event.body, event.secrets, bx::Secrets::keep));
        return text;
    }
    std::int64_t held() { return store().installations().counts().held; }
    std::string log_text() const {
        std::ostringstream text;
        text << std::ifstream(log_file()).rdbuf();
        return text.str();
    }
    bool logged(const std::string& what) const {
        return log_text().find(what) != std::string::npos;
    }

private:
    std::string log_file() const { return dir_ / "gateway.log"; }

    store_tests::Scratch dir_;
    bx::Log log_{"gateway"};
    std::unique_ptr<bx::Gateway> gateway_;
};

std::string auth(const std::string& member, const std::string& token) {
    return "&auth[domain]=p.example&auth[member_id]=" + member + "&auth[user_id]=1" +
           "&auth[application_token]=" + token;
}

std::string deal(const std::string& member, const std::string& token, const std::string& id = "7") {
    return "event=ONCRMDEALUPDATE&data[FIELDS][ID]=" + id + auth(member, token);
}

std::string install(const std::string& member, const std::string& token,
                    const std::string& access = access_of_it) {
    return "event=ONAPPINSTALL&data[VERSION]=1&ts=1767225600&auth[access_token]=" + access +
           "&auth[refresh_token]=" + refresh_of_it +
           "&auth[expires_in]=3600&auth[server_endpoint]=https://oauth.bitrix.info/rest/" +
           auth(member, token);
}

std::string page(const std::string& member, const std::string& more) {
    return "AUTH_ID=" + access_of_it + "&AUTH_EXPIRES=3600&REFRESH_ID=" + refresh_of_it +
           "&SERVER_ENDPOINT=https://oauth.bitrix.info/rest/&member_id=" + member + "&status=L" +
           more;
}

const std::string is_default = "&PLACEMENT=DEFAULT";

}  // namespace

BOOST_AUTO_TEST_SUITE(install_gateway)

BOOST_AUTO_TEST_CASE(an_installation_is_held_and_its_posts_are_events_once_it_is_active) {
    Site s;
    BOOST_TEST(s.said(deal("m1", "token-1")) == "403");
    BOOST_TEST(s.said(install("m1", "token-1")) == "200 held");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 held");
    BOOST_TEST(s.said(deal("m1", "another")) == "403");
    const bx::InstallationId id = s.activate("m1");
    BOOST_TEST(s.said(deal("m1", "token-1", "8")) == "200 event 3");
    BOOST_TEST(s.said(deal("m1", "another")) == "403");
    BOOST_TEST(s.said(deal("m2", "token-1")) == "403");
    const bx::StoredEvent event = s.store().view().event(3).value();
    BOOST_TEST((event.installation == id));
    BOOST_TEST(event.facts.member_id == "m1");
    BOOST_TEST(event.facts.domain == "p.example");
    BOOST_TEST(s.logged("held until its installation is verified code=ONAPPINSTALL member_id=m1 "
                        "domain=p.example peer=192.0.2.1"));
    BOOST_TEST(!s.logged("token-1"));
    BOOST_TEST(!s.logged(access_of_it));
}

BOOST_AUTO_TEST_CASE(what_it_brings_is_kept_for_verifying_it) {
    Site s;
    s.said(install("m1", "token-1"));
    const auto one = store_tests::next_unverified(s.store(), bx::wall_now()).value();
    BOOST_TEST(one.tokens.access == access_of_it);
    BOOST_TEST(one.tokens.refresh == refresh_of_it);
    BOOST_TEST(one.tokens.expires_at > bx::wall_now() + 3000 * bx::second);
    BOOST_TEST(one.tokens.expires_at <= bx::wall_now() + bx::hour);
    BOOST_TEST(one.installation.server == "https://oauth.bitrix.info/rest/");
    BOOST_TEST(one.installation.user_id == "1");
    BOOST_TEST((one.installation.installed_ts == 1767225600));
    BOOST_TEST(one.installation.peer == "192.0.2.1");
}

// bxhook keeps that chain: who else spends the token breaks it.
BOOST_AUTO_TEST_CASE(an_installation_reaches_hooks_without_its_refresh_token) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1");
    BOOST_TEST(s.said(install("m1", "token-1")) == "200 event 2");
    for (const bx::EventNumber number : {1, 2}) {
        BOOST_TEST(s.json(number).find("refresh_token") == std::string::npos);
        BOOST_TEST(s.json(number).find(refresh_of_it) == std::string::npos);
        BOOST_TEST(s.json(number).find(access_of_it) != std::string::npos);
        BOOST_TEST(s.json(number).find("\"VERSION\":\"1\"") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(without_an_app_block_it_is_refused_and_the_log_names_the_block) {
    Site s;
    s.configure("portal { member_id m9  token token-9 }");
    BOOST_TEST(s.said(install("m1", "token-1")) == "403");
    BOOST_TEST(s.logged("add to the configuration: app { client_id"));
    BOOST_TEST(s.said(page("m1", is_default)) == "403");
    BOOST_TEST(s.said(deal("m9", "token-9")) == "200 event 1");
    BOOST_TEST(s.held() == 0);
}

BOOST_AUTO_TEST_CASE(an_app_block_alone_is_a_configuration) {
    Site s;
    bx::Request get;
    get.method = "GET";
    BOOST_TEST(s.ask_all({get})[0].body == "bxhook: ready\n");
    s.said(deal("m1", "token-1"));
    BOOST_TEST(s.logged("wrong token, unknown portal 'p.example', member_id 'm1'"));
}

BOOST_AUTO_TEST_CASE(when_its_block_is_taken_away_events_go_on) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1");
    s.configure("portal { member_id m9  token token-9 }");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 2");
}

BOOST_AUTO_TEST_CASE(a_forged_one_with_another_token_does_not_touch_what_is_active) {
    Site s;
    s.said(install("m1", "token-1"));
    const bx::InstallationId id = s.activate("m1");
    BOOST_TEST(s.said(install("m1", "forged")) == "200 held");
    BOOST_TEST(s.said(deal("m1", "forged")) == "200 held");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 2");
    const auto lease = s.store().installations().take_lease(id, "a", bx::minute);
    BOOST_TEST(lease.value().tokens.refresh == refresh_of_it);
    BOOST_TEST(!s.store().view().event(3).has_value());
}

BOOST_AUTO_TEST_CASE(one_whose_tokens_are_none_is_refused) {
    Site s;
    for (const std::string& access :
         {std::string(), std::string("short"), std::string("with%0Aoutput = /etc/x"),
          std::string(3000, 'a'), std::string("with blank in it")}) {
        BOOST_TEST(s.said(install("m1", "token-1", access)) == "403");
    }
    BOOST_TEST(s.said("event=ONAPPINSTALL" + auth("m1", "token-1")) == "403");
    BOOST_TEST(s.said("event=ONAPPINSTALL&auth[access_token]=" + access_of_it +
                      "&auth[refresh_token]=" + refresh_of_it) == "403");
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(s.store().installations().list().empty());
}

BOOST_AUTO_TEST_CASE(one_without_member_id_is_refused) {
    Site s;
    BOOST_TEST(s.said(install("", "token-1")) == "403");
    BOOST_TEST(s.said(page("", is_default)) == "finish");  // answered, and forgotten
    BOOST_TEST(s.store().installations().list().empty());
}

BOOST_AUTO_TEST_CASE(a_held_post_has_64_kilobytes_at_most) {
    Site s;
    s.said(install("m1", "token-1"));
    const std::string large = "&x=" + std::string(std::size_t{64} << 10, 'x');
    BOOST_TEST(s.said(deal("m1", "token-1") + large) == "503");
    BOOST_TEST(s.said(install("m2", "token-2") + large) == "503");
    s.activate("m1");
    BOOST_TEST(s.said(deal("m1", "token-1") + large) == "200 event 2");
}

BOOST_AUTO_TEST_CASE(beyond_the_bounds_it_is_503_and_the_log_says_which) {
    Site s;
    s.said(install("m1", "token-1"));
    std::vector<bx::Request> many(101, Site::request(deal("m1", "token-1")));
    const std::vector<bx::Answer> answers = s.ask_all(many);
    BOOST_TEST(Site::word(answers[99]) == "200 held");
    BOOST_TEST(answers[100].status == 503);
    BOOST_TEST(answers[100].extra_headers == "Retry-After: 5\r\n");
    BOOST_TEST(s.logged("100 posts of this installation are held already"));
    std::vector<bx::Request> forged;
    for (int i = 0; i < 100; ++i) {
        forged.push_back(Site::request(install("f" + std::to_string(i), "token-f")));
    }
    BOOST_TEST(s.ask_all(forged)[99].status == 503);
    BOOST_TEST(s.logged("100 installations wait to be verified already"));
    BOOST_TEST(s.said(install("real", "token-r"), "192.0.2.99") == "200 held");
}

BOOST_AUTO_TEST_CASE(events_and_held_posts_of_a_batch_have_one_answer_each) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1");
    const auto answers = s.ask_all({Site::request(deal("m1", "token-1", "1")),
                                    Site::request(install("m2", "token-2")),
                                    Site::request(deal("m1", "wrong")),
                                    Site::request(deal("m1", "token-1", "2")),
                                    Site::request(page("m3", is_default))});
    std::string said;
    for (const bx::Answer& answer : answers) said += Site::word(answer) + ", ";
    BOOST_TEST(said == "200 event 2, 200 held, 403, 200 event 3, finish, ");
}

BOOST_AUTO_TEST_CASE(a_full_queue_refuses_events_and_holds_posts) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1");
    std::vector<bx::Request> many(99, Site::request(deal("m1", "token-1")));
    s.ask_all(many);
    BOOST_TEST(s.said(deal("m1", "token-1")) == "503");
    BOOST_TEST(s.said(install("m2", "token-2")) == "200 held");
}

// -- Beside the configuration

BOOST_AUTO_TEST_CASE(a_portal_in_the_configuration_and_installed_has_both_tokens) {
    Site s;
    s.said(install("m1", "token-1"));
    const bx::InstallationId id = s.activate("m1");
    s.configure("app { client_id local.1  client_secret s3cret }\n"
                "portal { member_id m1  domain conf.example  token of-a-webhook }");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 2");
    BOOST_TEST(s.said(deal("m1", "of-a-webhook")) == "200 event 3");
    BOOST_TEST(s.said(deal("m1", "neither")) == "403");
    BOOST_TEST((s.store().view().event(2).value().installation == id));
    BOOST_TEST(s.store().view().event(2).value().facts.domain == "p.example");
    BOOST_TEST(!s.store().view().event(3).value().installation.has_value());
    BOOST_TEST(s.store().view().event(3).value().facts.domain == "conf.example");
}

BOOST_AUTO_TEST_CASE(a_block_with_neither_never_takes_what_is_an_installations) {
    Site s;
    s.said(install("m1", "token-1"));
    s.configure("app { client_id local.1  client_secret s3cret }\nportal { token of-anyone }");
    // What nobody has verified is nobody's.
    BOOST_TEST(s.said(deal("m1", "of-anyone")) == "200 event 1");
    s.activate("m1");
    BOOST_TEST(s.said(deal("m1", "of-anyone")) == "403");
    BOOST_TEST(s.said(deal("m7", "of-anyone")) == "403");  // its domain is m1's
    BOOST_TEST(s.said("event=E&auth[domain]=other.example&auth[application_token]=of-anyone") ==
               "200 event 3");
    BOOST_TEST(s.said("event=E&auth[domain]=P.EXAMPLE&auth[application_token]=of-anyone") == "403");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 4");
}

// Who had put the application's token into a portal block can install it all the same.
BOOST_AUTO_TEST_CASE(an_installation_that_the_configuration_proves_is_an_event_and_taken) {
    Site s;
    s.configure("app { client_id local.1  client_secret s3cret }\n"
                "portal { member_id m1  token token-1 }");
    BOOST_TEST(s.said(install("m1", "token-1")) == "200 event 1");
    BOOST_TEST(s.json(1).find(refresh_of_it) == std::string::npos);
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(s.store().installations().list("m1").size() == 1U);
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 2");
    const bx::InstallationId id = s.activate("m1");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 3");
    BOOST_TEST((s.store().view().event(3).value().installation == id));
}

BOOST_AUTO_TEST_CASE(a_renamed_portal_enters_and_is_noticed) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1");
    BOOST_TEST(s.said("event=E&auth[domain]=new.example&auth[member_id]=m1"
                      "&auth[application_token]=token-1") == "200 event 2");
    BOOST_TEST(s.store().view().event(2).value().facts.domain == "p.example");
    BOOST_TEST(s.logged("the portal's domain differs from its installation's member_id=m1 "
                        "domain=new.example configured=p.example"));
}

// -- Again

BOOST_AUTO_TEST_CASE(the_old_token_is_right_until_a_post_with_the_new_one_has_come) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1");
    s.said(install("m1", "token-2"));
    s.activate("m1");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 3");
    BOOST_TEST(s.said(deal("m1", "token-2")) == "200 event 4");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "403");
    BOOST_TEST(s.said(deal("m1", "token-2")) == "200 event 5");
}

BOOST_AUTO_TEST_CASE(a_post_with_a_refresh_token_of_its_user_heals_it) {
    Site s;
    s.said(install("m1", "token-1"));
    const bx::InstallationId id = s.activate("m1");
    s.break_down(id);
    const std::string offered = "&auth[refresh_token]=a-fresh-refresh-token&auth[access_token]=" +
                                access_of_it + "&auth[expires_in]=3600";
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 2");
    BOOST_TEST(s.said("event=E&auth[user_id]=2&auth[member_id]=m1&auth[application_token]=token-1" +
                      offered) == "200 event 3");
    const auto state = [&] { return s.store().installations().list("m1").at(0).state; };
    BOOST_TEST((state() == InstallationState::broken));
    BOOST_TEST(s.said(deal("m1", "token-1") + offered) == "200 event 4");
    BOOST_TEST((state() == InstallationState::active));
    BOOST_TEST(s.store().installations().take_lease(id, "a", bx::minute).value().tokens.refresh ==
               "a-fresh-refresh-token");
    // To hooks it is what it was.
    BOOST_TEST(s.json(4).find("a-fresh-refresh-token") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(after_an_uninstallation_its_token_is_wrong) {
    Site s;
    s.said(install("m1", "token-1"));
    const bx::InstallationId id = s.activate("m1");
    BOOST_TEST(s.said("event=ONAPPUNINSTALL&ts=1767225601" + auth("m1", "token-1")) ==
               "200 event 2");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 3");  // until it is matched
    s.store().installations().uninstalled(id, "1767225601", bx::wall_now());
    BOOST_TEST(s.becomes("403", deal("m1", "token-1")));  // it is believed for a moment
    BOOST_TEST(s.said(install("m1", "token-1")) == "200 held");
}

// Bitrix24 keeps the token of an application that is installed again.
BOOST_AUTO_TEST_CASE(an_uninstallation_before_a_new_installation_leaves_that) {
    Site s;
    s.said(install("m1", "token-1"));
    const bx::InstallationId id = s.activate("m1");
    const std::string end = "event=ONAPPUNINSTALL&ts=1767225590" + auth("m1", "token-1");
    const auto state = [&] {
        return s.store().installations().list("m1").at(0).state;
    };
    // It is verified before the end of the old one is matched.
    BOOST_TEST(s.said(install("m1", "token-1")) == "200 event 2");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 3");
    BOOST_TEST(s.activate("m1") == id);
    BOOST_TEST(s.said(end) == "200 event 4");
    BOOST_TEST(!s.store().installations().uninstalled(id, "1767225590", bx::wall_now()));
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 5");
    // And behind it.
    BOOST_TEST(s.said(install("m1", "token-1")) == "200 event 6");
    BOOST_TEST(s.store().installations().uninstalled(id, "1767225600", bx::wall_now()));
    BOOST_TEST(s.becomes("200 held", deal("m1", "token-1")));
    BOOST_TEST(s.activate("m1") == id);
    BOOST_TEST((state() == InstallationState::active));
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(s.recount() == "");
}

BOOST_AUTO_TEST_CASE(an_event_in_a_batch_with_its_installation_is_held_with_it) {
    Site s;
    const auto answers = s.ask_all({Site::request(deal("m1", "token-1")),
                                    Site::request(install("m1", "token-1")),
                                    Site::request(install("m2", "token-2")),
                                    Site::request(deal("m1", "token-1")),
                                    Site::request(deal("m1", "token-2"))});
    std::string said;
    for (const bx::Answer& answer : answers) said += Site::word(answer) + ", ";
    BOOST_TEST(said == "403, 200 held, 200 held, 200 held, 403, ");
}

BOOST_AUTO_TEST_CASE(a_large_installation_that_the_configuration_proves_is_an_event) {
    Site s;
    s.configure("app { client_id local.1  client_secret s3cret }\n"
                "portal { member_id m1  token token-1 }");
    const std::string large = "&x=" + std::string(std::size_t{64} << 10, 'x');
    BOOST_TEST(s.said(install("m1", "token-1") + large) == "200 event 1");
    BOOST_TEST(s.store().installations().list("m1").size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_member_id_is_an_installations_in_any_case) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1");
    s.configure("app { client_id local.1  client_secret s3cret }\nportal { token of-anyone }");
    BOOST_TEST(s.said("event=E&auth[domain]=o.example&auth[member_id]=M1"
                      "&auth[application_token]=of-anyone") == "403");
}

// -- Pages

BOOST_AUTO_TEST_CASE(the_page_of_a_broken_installation_ends_it_and_brings_its_tokens) {
    Site s;
    s.said(install("m1", "token-1"));
    const bx::InstallationId id = s.activate("m1");
    BOOST_TEST(s.said(page("m1", is_default)) == "page");
    s.break_down(id);
    BOOST_TEST(s.said(page("m1", is_default)) == "finish");
    BOOST_TEST(s.said(page("m1", is_default + "&APPLICATION_TOKEN=token-1")) == "finish");
    BOOST_TEST(s.held() == 2);
    BOOST_TEST(s.activate("m1") == id);
    BOOST_TEST((s.store().installations().list("m1").at(0).state == InstallationState::active));
}

BOOST_AUTO_TEST_CASE(a_page_that_cannot_be_held_is_shown_and_does_not_end_the_installation) {
    Site s;
    BOOST_TEST(s.said(page("m1", is_default + "&x=" + std::string(std::size_t{64} << 10, 'x'))) ==
               "page");
    BOOST_TEST(s.logged("refused status=503"));
    std::vector<bx::Request> forged;
    for (int i = 0; i < 100; ++i) {
        forged.push_back(Site::request(install("f" + std::to_string(i), "token-f")));
    }
    s.ask_all(forged);
    BOOST_TEST(s.said(page("m1", is_default)) == "page");
    BOOST_TEST(s.logged("100 installations wait to be verified already"));
}

BOOST_AUTO_TEST_CASE(a_page_without_auth_id_ends_no_active_installation) {
    Site s;
    const std::string without = "AUTH_ID=&member_id=m1&PLACEMENT=DEFAULT";
    BOOST_TEST(s.said(without) == "finish");
    s.said(install("m1", "token-1"));
    s.activate("m1");
    BOOST_TEST(s.said(without) == "page");
    BOOST_TEST(s.store().installations().list("m1").size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_page_of_an_installation_ends_it_in_the_portal) {
    Site s;
    BOOST_TEST(s.said(page("m1", is_default + "&APPLICATION_TOKEN=token-1")) == "finish");
    BOOST_TEST(s.held() == 1);
    const auto one = store_tests::next_unverified(s.store(), bx::wall_now()).value();
    BOOST_TEST(one.tokens.refresh == refresh_of_it);
    BOOST_TEST(one.installation.domain == "p.example");
    BOOST_TEST(one.installation.server == "https://oauth.bitrix.info/rest/");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 held");
    BOOST_TEST(s.said(page("m1", is_default + "&APPLICATION_TOKEN=token-1")) == "finish");
    BOOST_TEST(s.held() == 2);
    s.activate("m1");
    BOOST_TEST(s.said(page("m1", is_default + "&APPLICATION_TOKEN=token-1")) == "page");
    BOOST_TEST(s.held() == 0);
    BOOST_TEST(s.store().view().event(1).value().facts.code == "ONAPPINSTALL");
    BOOST_TEST(s.json(1).find("\"PLACEMENT\":\"DEFAULT\"") != std::string::npos);
    BOOST_TEST(s.json(1).find(refresh_of_it) == std::string::npos);
    BOOST_TEST(s.store().view().event(2).value().facts.code == "ONCRMDEALUPDATE");
}

BOOST_AUTO_TEST_CASE(a_page_is_html_that_says_nothing_of_the_request) {
    Site s;
    const bx::Answer answer = s.ask(page("m1", is_default + "&x=<script>"), "192.0.2.1",
                                    "DOMAIN=<b>&LANG=en");
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.content_type == "text/html; charset=utf-8");
    BOOST_TEST(answer.extra_headers == "");
    BOOST_TEST(answer.body.find("BX24.installFinish()") != std::string::npos);
    for (const std::string& part : {access_of_it, refresh_of_it, std::string("m1"),
                                    std::string("<b>"), std::string("x=")}) {
        BOOST_TEST(answer.body.find(part) == std::string::npos);
    }
    BOOST_TEST(s.store().installations().list("m1").at(0).domain == "");
}

BOOST_AUTO_TEST_CASE(other_pages_are_answered_and_forgotten) {
    Site s;
    for (const std::string& more :
         {std::string("&PLACEMENT=CRM_DEAL_DETAIL_TAB"), std::string()}) {
        BOOST_TEST(s.said(page("m1", more)) == "page");
    }
    BOOST_TEST(s.said("AUTH_ID=&member_id=m1&PLACEMENT=DEFAULT") == "finish");
    BOOST_TEST(s.said("AUTH_ID=x%0Ay&REFRESH_ID=z&member_id=m1&PLACEMENT=DEFAULT") == "finish");
    BOOST_TEST(s.store().installations().list().empty());
    BOOST_TEST(s.said("AUTH_ID[]=1&member_id=m1") == "400");
    BOOST_TEST(s.said("AUTH_ID=1&AUTH_ID=2&member_id=m1") == "400");
    BOOST_TEST(s.said("AUTH_ID=1&member_id=a%20b") == "400");
    BOOST_TEST(s.said("AUTH_ID=1") == "400");
}

BOOST_AUTO_TEST_CASE(a_page_counts_while_a_block_has_no_installation_on_its_portal) {
    Site s;
    s.said(install("m1", "token-1"));
    s.activate("m1", "local.1");
    BOOST_TEST(s.said(page("m1", is_default)) == "page");  // an old portal's, of whatever user
    BOOST_TEST(s.held() == 0);
    s.configure("app { client_id local.1  client_secret s3cret }\n"
                "app { client_id local.2  client_secret s3cret }");
    BOOST_TEST(s.said(page("m1", is_default)) == "finish");
    BOOST_TEST(s.held() == 1);
}

BOOST_AUTO_TEST_CASE(an_application_shows_its_own_page) {
    Site s;
    store_tests::Scratch files;
    std::ofstream(files / "page.html") << "<p>Welcome</p>\n";
    const std::string app = "app { client_id local.1  client_secret s3cret  page \"";
    s.configure(app + files / "page.html" + "\" }");
    const bx::Answer answer = s.ask(page("m1", is_default));
    BOOST_TEST(answer.body.starts_with("<p>Welcome</p>\n"));
    BOOST_TEST(Site::word(answer) == "finish");
    s.configure(app + files / "none.html" + "\" }");
    BOOST_TEST(s.said(page("m1", is_default)) == "finish");
    BOOST_TEST(s.logged("cannot show the page of the application"));
}

BOOST_AUTO_TEST_CASE(of_a_page_without_application_token_posts_are_held_until_one_is_proven) {
    Site s;
    BOOST_TEST(s.said(page("m1", is_default)) == "finish");
    const bx::InstallationId id = s.activate("m1");
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 held");
    s.store().installations().adopt_token(id, bx::sha256("token-1"));
    BOOST_TEST(s.said(deal("m1", "token-1")) == "200 event 3");
    BOOST_TEST(s.said(deal("m1", "token-2")) == "403");
}

BOOST_FIXTURE_TEST_CASE(a_post_by_key_has_the_lanes_of_its_portals_installation, Site) {
    configure("app { client_id local.1 client_secret s3cret }\n"
              "post site-form { key 0123456789abcdef portal P.Example }\n");
    const auto posted = [this] {
        const bx::Answer answer = ask("document_id[0]=crm&document_id[2]=DEAL_7&auth[member_id]=m2",
                                      "192.0.2.1", "key=0123456789abcdef");
        BOOST_TEST(answer.status == 200);
        const bx::EventNumber number =
            *bx::parse_number(word(answer).substr(word(answer).rfind(' ') + 1));
        return store().view().event(number).value();
    };
    BOOST_TEST(posted().facts.member_id == "");
    BOOST_TEST(said(install("m1", "t1")) == "200 held");
    activate("m1");
    const bx::StoredEvent event = posted();
    BOOST_TEST(event.facts.code == "WEBHOOK.SITE-FORM");
    BOOST_TEST(event.facts.member_id == "m1");
    BOOST_TEST(event.facts.domain == "p.example");
    BOOST_TEST(!event.installation);
    BOOST_TEST(said("event=ONAPPUNINSTALL&auth[member_id]=m1") == "403");
}

BOOST_FIXTURE_TEST_CASE(whose_sender_waits_is_refused_with_an_installations_token_too, Site) {
    const std::string wizard = "event=OnAppSettingsInstall" + auth("m1", "t1");
    BOOST_TEST(said(wizard) == "403");
    BOOST_TEST(said(install("m1", "t1")) == "200 held");
    BOOST_TEST(said(wizard) == "400");
    activate("m1");
    BOOST_TEST(said(wizard) == "400");
    BOOST_TEST(said("data[k]=v&saveform=Y" + auth("m1", "t1")) == "400");
    BOOST_TEST(said("data[k]=v&saveform=Y" + auth("m1", "t2")) == "403");
    BOOST_TEST(held() == 0);
    BOOST_TEST(logged("a post of the settings wizard of an application: its sender reads the answer"));
}

BOOST_FIXTURE_TEST_CASE(a_robot_of_an_installation_is_an_event_and_held_before, Site) {
    const std::string robot = "workflow_id=w&code=r&event_token=t&document_id[0]=crm"
                              "&document_id[2]=DEAL_7" + auth("m1", "t1");
    BOOST_TEST(said(robot) == "403");
    BOOST_TEST(said(install("m1", "t1")) == "200 held");
    BOOST_TEST(said(robot) == "200 held");
    activate("m1");
    BOOST_TEST(said(robot).starts_with("200 event"));
}

BOOST_AUTO_TEST_SUITE_END()
