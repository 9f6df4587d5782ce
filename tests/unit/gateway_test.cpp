#include "gateway/gateway.h"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <chrono>

#include "base/sha256.h"
#include "event/payload.h"

using namespace std::literals;

namespace {

// What the tests see of the store, and how they make it fail.
struct FakeState {
    std::vector<bx::NewEvent> added;
    std::vector<std::size_t> batches;
    std::vector<bx::NewHeldPost> held;
    bx::HoldResult hold_result = bx::HoldResult::held;
    std::function<void()> changes;  // when a post was not held since something did
    std::vector<bx::KnownInstallation> installations;
    std::vector<std::string> asked;  // of the last look-up
    std::vector<bx::InstallationId> retired;
    std::vector<bx::Offer> offers;
    int looked_up = 0, asked_for_any = 0, asked_for_chores = 0;
    std::optional<bx::Millis> next_chore{};
    std::int64_t unfinished = 0;
    int opened = 0, probed = 0, added_calls = 0;
    bool cannot_open = false, busy = false, full = false;
    std::string place;
};

class FakeSink : public bx::EventSink {
public:
    explicit FakeSink(FakeState& state) : state_(state) {}

    bx::AddedBatch add(const bx::NewBatch& batch, std::int64_t limit) override {
        ++state_.added_calls;
        fail_if_told();
        state_.batches.push_back(batch.events.size());
        bx::AddedBatch added;
        for (const bx::NewHeldPost& post : batch.held) {
            state_.held.push_back(post);
            added.held.push_back(state_.hold_result);
            if (state_.hold_result == bx::HoldResult::changed && state_.changes) state_.changes();
        }
        for (const bx::NewEvent& event : batch.events) {
            if (state_.unfinished >= limit) {
                added.numbers.emplace_back();
                continue;
            }
            ++state_.unfinished;
            state_.added.push_back(event);
            added.numbers.emplace_back(static_cast<bx::EventNumber>(state_.added.size()));
        }
        return added;
    }
    std::vector<bx::KnownInstallation> look_up(std::span<const std::string> member_ids,
                                               std::span<const std::string> domains) override {
        ++state_.looked_up;
        state_.asked.assign(member_ids.begin(), member_ids.end());
        state_.asked.insert(state_.asked.end(), domains.begin(), domains.end());
        fail_if_told();
        return state_.installations;
    }
    bool has_installations() override {
        ++state_.asked_for_any;
        return !state_.installations.empty();
    }
    void retire_tokens(std::span<const bx::SeenToken> seen) override {
        for (const bx::SeenToken& one : seen) state_.retired.push_back(one.id);
    }
    void heal(std::span<const bx::Offer> offers) override {
        state_.offers.assign(offers.begin(), offers.end());
    }
    std::int64_t probe() override {
        ++state_.probed;
        fail_if_told();
        return state_.unfinished;
    }
    std::optional<bx::Millis> next_chore() override {
        ++state_.asked_for_chores;
        fail_if_told();
        return state_.next_chore;
    }
    std::int64_t unfinished() override { return state_.unfinished; }

private:
    void fail_if_told() const {
        if (state_.busy) throw bx::StoreBusy("store is busy");
        if (state_.full) throw bx::StoreError("disk full");
    }
    FakeState& state_;
};

class FakeStore : public bx::Store {
public:
    explicit FakeStore(FakeState& state) : sink_(state) {}

    bx::EventSink& sink() override { return sink_; }
    // The gateway uses nothing else.
    bx::MatchQueue& matching() override { unused(); }
    bx::RunQueue& runs() override { unused(); }
    bx::WorkerRegistry& workers() override { unused(); }
    bx::Upkeep& upkeep() override { unused(); }
    bx::View& view() override { unused(); }
    bx::Operator& operate() override { unused(); }
    bx::Installations& installations() override { unused(); }
    bx::Transfer& transfer() override { unused(); }
    bx::Chores& chores() override { unused(); }
    bx::Bindings& bindings() override { unused(); }
    bx::Limiter& limiter() override { unused(); }

private:
    [[noreturn]] static void unused() { throw std::logic_error("not the gateway's"); }
    FakeSink sink_;
};

constexpr std::string_view one_portal =
    "store queue.db\n"
    "portal { member_id m1\n domain a.example\n token secret-token }\n"
    "limits { body 2K  fields 20  depth 4  queue 3 }\n"
    "log { file gateway.log }\n";

struct Fixture {
    Fixture() {
        std::string name = (std::filesystem::temp_directory_path() / "bxhook-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
        configure(one_portal);
    }
    ~Fixture() { std::filesystem::remove_all(dir); }

    void configure(std::string_view text) {
        std::ofstream(dir + "/new.conf") << text;
        std::filesystem::rename(dir + "/new.conf", dir + "/bxhook.conf");
        if (gateway) gateway->refresh_config(true);
    }
    bx::Gateway& the_gateway() {
        if (gateway) return *gateway;
        bx::Gateway::Options options;
        options.one_shot = one_shot;
        options.become_owner = [](const bx::Config&) { return bx::StoreOwner::assumed(); };
        options.start = [this](const std::string& config) { started.push_back(config); };
        options.open = [this](const bx::StorePlace& place, const bx::StoreOptions&,
                              const bx::StoreOwner&) {
            ++state.opened;
            if (state.cannot_open) throw bx::StoreError("cannot open the store");
            state.place = place.address;
            return std::make_unique<FakeStore>(state);
        };
        gateway = std::make_unique<bx::Gateway>(dir + "/bxhook.conf", options, log);
        return *gateway;
    }
    std::vector<bx::Answer> ask_all(std::vector<bx::Request> requests) {
        std::vector<bx::Answer> answers(requests.size());
        order.clear();
        the_gateway().handle(requests, [&](std::size_t i, const bx::Answer& answer) {
            answers[i] = answer;
            order.push_back(i);
        });
        return answers;
    }
    bx::Answer ask(bx::Request request) { return ask_all({std::move(request)})[0]; }
    // "STATUS WORD", the word out of the JSON body.
    std::string verdict(bx::Request request) {
        bx::Answer answer = ask(std::move(request));
        std::size_t at = answer.body.find("\"error\":\"");
        std::string text = std::to_string(answer.status);
        if (at == std::string::npos) return text;
        at += 9;
        return text + " " + answer.body.substr(at, answer.body.find('"', at) - at);
    }
    std::string line(bx::Request request) {
        bx::Answer answer = ask(std::move(request));
        return std::to_string(answer.status) + " " + answer.body;
    }
    std::string log_text() const {
        std::ostringstream text;
        text << std::ifstream(dir + "/gateway.log").rdbuf();
        return text.str();
    }
    std::size_t log_count(std::string_view what) const {
        std::string text = log_text();
        std::size_t count = 0;
        for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++count;
        return count;
    }

    std::string dir;
    bool one_shot = false;
    FakeState state;
    std::vector<std::string> started;
    std::vector<std::size_t> order;
    bx::Log log{"gateway"};
    std::unique_ptr<bx::Gateway> gateway;
};

constexpr std::string_view form = "application/x-www-form-urlencoded";
constexpr std::string_view good_auth =
    "&auth[application_token]=secret-token&auth[member_id]=m1&auth[domain]=a.example";

bx::Request post(std::string body, std::string_view type = form) {
    bx::Request request;
    request.method = "POST";
    request.content_type = type;
    request.remote_addr = "192.0.2.7";
    request.body = std::move(body);
    return request;
}

bx::Request event(const std::string& code = "ONCRMDEALADD") {
    return post("event=" + code + "&event_handler_id=655&data[FIELDS][ID]=7" +
                std::string(good_auth));
}

bx::Request method(const std::string& name) {
    bx::Request request;
    request.method = name;
    return request;
}

bx::Request with_length(bx::Request request, const std::string& length) {
    request.content_length = length;
    return request;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gateway, Fixture)

BOOST_AUTO_TEST_CASE(accepts_a_verified_event) {
    bx::Answer answer = ask(event());
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.body == "{\"status\":\"ok\",\"event\":1}\n");
    BOOST_REQUIRE(state.added.size() == 1u);
    const bx::NewEvent& added = state.added[0];
    BOOST_TEST(added.facts.code == "ONCRMDEALADD");
    BOOST_TEST(added.facts.id == "7");
    BOOST_TEST((added.origin == bx::Origin::post));
    BOOST_TEST(added.received_at > 1'700'000'000'000);
    BOOST_TEST(added.body.find("secret-token") == std::string::npos);
    BOOST_TEST(added.secrets.find("secret-token") != std::string::npos);
    BOOST_TEST(log_count("accepted event=1 code=ONCRMDEALADD id=7 portal=a.example "
                         "handler=655 peer=192.0.2.7") == 1u);
    BOOST_TEST(log_count("secret-token") == 0u);
}

BOOST_AUTO_TEST_CASE(answers_as_the_contract_says) {
    const std::string auth(good_auth);
    std::string many = "event=E&" + std::string(30, '&');
    const std::pair<bx::Request, std::string> cases[] = {
        {method("PUT"), "405 method_not_allowed"},
        {method("post"), "405 method_not_allowed"},
        {method(""), "405 method_not_allowed"},
        {post("event=E" + auth, ""), "415 unsupported_content_type"},
        {post("event=E" + auth, "text/plain"), "415 unsupported_content_type"},
        {post("event=E" + auth, "application/x-www-form-urlencodedX"),
         "415 unsupported_content_type"},
        {post("event=E" + auth, "Application/X-WWW-form-urlencoded; charset=utf-8"), "200"},
        {post("event=E&x=" + std::string(3000, 'x') + auth), "413 too_large"},
        {post(many + auth), "413 too_many_fields"},
        {post("event=E&a[b][c][d][e][f]=1" + auth), "400 malformed"},
        {post("{", "application/json"), "400 malformed"},
        {post("x", "multipart/form-data; boundary=b"), "400 malformed"},
        {post("data=1" + auth), "400 malformed"},
        {post("event=" + auth), "400 malformed"},
        {post("event[]=E" + auth), "400 malformed"},
        {post("event=a%20b" + auth), "400 malformed"},
        {post("event=" + std::string(256, 'E') + auth), "400 malformed"},
        {post("event=E&auth[domain][]=x"), "400 malformed"},
        {post("event=E&auth[domain]=a%0Ab&auth[application_token]=secret-token&auth[member_id]=m1"),
         "400 malformed"},
        {post("event=E&auth[application_token]=secret-token&auth[member_id]=" +
              std::string(256, 'm')),
         "400 malformed"},
        {post("event=E"), "403 invalid_application_token"},
        {post("event=E&auth[application_token]=wrong&auth[member_id]=m1"),
         "403 invalid_application_token"},
        {post("event=E&auth[application_token]=wrong" + auth), "403 invalid_application_token"},
        {post("event=E&auth[application_token]=secret-token&auth[member_id]=m2"),
         "403 invalid_application_token"},
        {post("event=E&auth[application_token]=secret-token&auth[member_id]=m2"
              "&auth[domain]=a.example"),
         "403 invalid_application_token"},
        {post("event=E" + auth), "200"},
        {post(R"({"event":"E","auth":{"application_token":"secret-token","member_id":"m1"}})",
              "application/json"),
         "200"},
    };
    for (const auto& [request, expected] : cases) {
        BOOST_TEST_CONTEXT(request.body) { BOOST_TEST(verdict(request) == expected); }
    }
    BOOST_TEST(log_count("secret-token") == 0u);
    BOOST_TEST(log_count(" refused ") == 24u);
    BOOST_TEST(log_count("reason=\"wrong token, sent by portal 'm1'\"") == 1u);
    BOOST_TEST(log_count("reason=\"wrong token, unknown portal 'm2'\"") == 1u);
    BOOST_TEST(log_count("reason=\"wrong token, unknown portal 'a.example', member_id 'm2'\"") ==
               1u);
}

BOOST_AUTO_TEST_CASE(checks_in_the_order_of_the_table) {
    const std::string large(3000, 'x');
    const std::string many = std::string(30, '&');
    // Wrong in two ways: the one that stands first in the table is named.
    BOOST_TEST(verdict(post(large, "text/plain")) == "415 unsupported_content_type");
    BOOST_TEST(verdict(with_length(post(large), "1")) == "413 too_large");
    BOOST_TEST(verdict(with_length(post(many + "x=1"), "1")) == "413 too_many_fields");
    BOOST_TEST(verdict(with_length(post("event=E"), "1")) == "400 malformed");
    BOOST_TEST(verdict(post("event=")) == "400 malformed");
    state.cannot_open = true;
    BOOST_TEST(verdict(post("event=E")) == "403 invalid_application_token");
    BOOST_TEST(state.opened == 0);  // a refused request costs no store access
    BOOST_TEST(verdict(event()) == "503 unavailable");
}

BOOST_AUTO_TEST_CASE(content_length_must_agree_when_it_is_there) {
    bx::Request request = event();
    std::string size = std::to_string(request.body.size());
    BOOST_TEST(verdict(request) == "200");
    BOOST_TEST(verdict(with_length(request, size)) == "200");
    for (std::string length : {"0"s, "1"s, "99999999999999999999"s, "-1"s, "abc"s, " "s, size + "0",
                               "+" + size, size + " "}) {
        BOOST_TEST_CONTEXT(length) {
            BOOST_TEST(verdict(with_length(request, length)) == "400 malformed");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_body_that_broke_off_is_malformed) {
    bx::Request request = event();
    request.broken = true;
    BOOST_TEST(verdict(request) == "400 malformed");
}

BOOST_AUTO_TEST_CASE(status_405_names_the_methods_and_503_the_time) {
    BOOST_TEST(ask(method("DELETE")).extra_headers == "Allow: GET, HEAD, POST\r\n");
    state.busy = true;
    BOOST_TEST(ask(event()).extra_headers.starts_with("Retry-After: "));
}

BOOST_AUTO_TEST_CASE(a_batch_is_one_transaction_and_refusals_do_not_wait_for_it) {
    std::vector<bx::Answer> answers =
        ask_all({event("A"), post("event=E"), event("B"), method("GET")});
    BOOST_TEST(answers[0].body == "{\"status\":\"ok\",\"event\":1}\n");
    BOOST_TEST(answers[1].status == 403);
    BOOST_TEST(answers[2].body == "{\"status\":\"ok\",\"event\":2}\n");
    BOOST_TEST(answers[3].body == "bxhook: ready\n");
    BOOST_TEST(state.batches == std::vector<std::size_t>{2u}, boost::test_tools::per_element());
    const std::vector<std::size_t> expected{1, 3, 0, 2};
    BOOST_TEST(order == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_what_is_beyond_the_queue_limit_is_refused) {
    std::vector<bx::Answer> answers = ask_all({event(), event(), event(), event()});
    for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(answers[i].status == 200);
    BOOST_TEST(answers[3].status == 503);
    BOOST_TEST(state.added.size() == 3u);
    BOOST_TEST(line(method("GET")) == "200 bxhook: not ready, see its log\n");
}

BOOST_AUTO_TEST_CASE(a_queue_nearly_full_is_told_once_a_minute) {
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(log_count("the queue is nearly full") == 0u);
    BOOST_TEST(verdict(event()) == "200");
    state.unfinished = 2;
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(log_count("the queue is nearly full") == 1u);
}

BOOST_AUTO_TEST_CASE(a_busy_store_is_tried_again_at_once) {
    state.busy = true;
    BOOST_TEST(verdict(event()) == "503 unavailable");
    state.busy = false;
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(state.opened == 1);
}

BOOST_AUTO_TEST_CASE(a_store_that_cannot_be_opened_is_tried_once_a_second) {
    state.cannot_open = true;
    for (int i = 0; i < 5; ++i) BOOST_TEST(verdict(event()) == "503 unavailable");
    BOOST_TEST(state.opened == 1);
    BOOST_TEST(log_count(" error gateway: cannot store events") == 1u);
    state.cannot_open = false;
    bx::Millis begin = bx::steady_now();
    while (verdict(event()) != "200") BOOST_REQUIRE(bx::steady_now() - begin < 5000);
    BOOST_TEST(bx::steady_now() - begin < 1500);
}

BOOST_AUTO_TEST_CASE(a_failed_store_is_opened_anew) {
    BOOST_TEST(verdict(event()) == "200");
    state.full = true;
    BOOST_TEST(verdict(event()) == "503 unavailable");
    BOOST_TEST(verdict(event()) == "503 unavailable");
    BOOST_TEST(state.added_calls == 2);  // the third within a second was not tried
    BOOST_TEST(state.opened == 1);
}

BOOST_AUTO_TEST_CASE(tells_the_sender_nothing_of_its_insides) {
    state.full = true;
    bx::Answer answer = ask(event());
    BOOST_TEST(answer.body.find("disk full") == std::string::npos);
    BOOST_TEST(log_count("disk full") >= 1u);
}

BOOST_AUTO_TEST_CASE(get_tells_whether_a_post_would_be_accepted) {
    BOOST_TEST(line(method("GET")) == "200 bxhook: ready\n");
    BOOST_TEST(ask(method("HEAD")).head);
    BOOST_TEST(bx::cgi_response(ask(method("HEAD"))).ends_with("\r\n\r\n"));
    for (int i = 0; i < 10; ++i) ask(method("GET"));
    BOOST_TEST(state.probed == 1);  // kept for a second
}

BOOST_AUTO_TEST_CASE(get_is_not_ready_with_a_store_in_trouble) {
    state.busy = true;
    BOOST_TEST(line(method("GET")) == "200 bxhook: not ready, see its log\n");
    BOOST_TEST(log_count("store is busy") == 1u);
}

BOOST_AUTO_TEST_CASE(without_a_portal_nothing_is_accepted) {
    configure("store queue.db\nlog { file gateway.log }\n");
    BOOST_TEST(line(method("GET")) == "200 bxhook: not ready, see its log\n");
    BOOST_TEST(verdict(event()) == "403 invalid_application_token");
    BOOST_TEST(state.opened == 1);  // there might be installations
    BOOST_TEST(verdict(event()) == "403 invalid_application_token");
    BOOST_TEST(state.asked_for_any == 1);
    BOOST_TEST(state.added_calls == 0);
}

// A wrong token may be an installation's, whose block was taken away: that is asked now and then.
BOOST_AUTO_TEST_CASE(without_installations_nothing_is_looked_up) {
    const bx::Request wrong = post("event=E&auth[application_token]=x&auth[member_id]=m1");
    for (int i = 0; i < 3; ++i) BOOST_TEST(verdict(wrong) == "403 invalid_application_token");
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(state.asked_for_any == 1);
    BOOST_TEST(state.looked_up == 0);
    BOOST_TEST(!state.added.front().installation.has_value());
}

// Whose `app` block may have been taken away.
BOOST_AUTO_TEST_CASE(until_the_store_says_that_it_has_none_a_token_may_be_an_installations) {
    const bx::Request other = post("event=E&auth[application_token]=x&auth[member_id]=m1");
    state.cannot_open = true;
    BOOST_TEST(verdict(other).starts_with("503"));
}

constexpr std::string_view an_app =
    "store queue.db\nportal { member_id m1\n domain a.example\n token secret-token }\n"
    "app { client_id local.1  client_secret s3cret }\nlog { file gateway.log }\n";

BOOST_AUTO_TEST_CASE(installations_of_a_batch_are_looked_up_at_once) {
    configure(an_app);
    const auto wrong = [](const std::string& member) {
        return post("event=E&auth[application_token]=x&auth[member_id]=" + member);
    };
    ask_all({wrong("m7"), event(), wrong("m5"), wrong("m7")});
    BOOST_TEST(state.looked_up == 1);
    BOOST_TEST(state.asked == (std::vector<std::string>{"m1", "m5", "m7"}),
               boost::test_tools::per_element());
    ask(post("event=E"));
    BOOST_TEST(state.looked_up == 1);
}

BOOST_AUTO_TEST_CASE(a_token_that_was_proven_is_believed_for_a_moment) {
    configure(an_app);
    bx::KnownInstallation one;
    one.id = 3;
    one.member_id = "m7";
    one.token = bx::sha256("token-7");
    one.verified = true;
    state.installations = {one};
    const auto send = [&](const std::string& token, const std::string& code = "E") {
        return verdict(post("event=" + code + "&auth[application_token]=" + token +
                            "&auth[member_id]=m7"));
    };
    BOOST_TEST(send("token-7") == "200");
    BOOST_TEST(send("token-7") == "200");
    BOOST_TEST(state.looked_up == 1);
    // What it does not prove is asked: it may have changed.
    BOOST_TEST(send("token-8") == "403 invalid_application_token");
    BOOST_TEST(send("token-7", "ONAPPINSTALL") == "200");
    BOOST_TEST(state.looked_up == 3);
    state.installations[0].token = bx::sha256("token-8");
    BOOST_TEST(send("token-8") == "200");
    // In one batch with a token that is believed, what was asked is newer.
    state.installations[0].token = bx::sha256("token-9");
    const auto request = [](const std::string& token) {
        return post("event=E&auth[application_token]=" + token + "&auth[member_id]=m7");
    };
    const auto answers = ask_all({request("token-8"), request("token-9")});
    BOOST_TEST(answers[0].status == 403);
    BOOST_TEST(answers[1].status == 200);
    const int asked = state.looked_up;
    for (const bx::Millis end = bx::steady_now() + 20 * bx::second;
         state.looked_up == asked && bx::steady_now() < end;) {
        BOOST_TEST(send("token-9") == "200");
        state.unfinished = 0;
    }
    BOOST_TEST(state.looked_up == asked + 1);
    // One of which there is more to do is never believed.
    for (int i = 0; i < 2; ++i) {
        state.installations[0].broken = i == 0;
        state.installations[0].token_before = i == 1 ? bx::sha256("old") : "";
        configure(an_app);
        const int before = state.looked_up;
        state.unfinished = 0;
        BOOST_TEST(send("token-9") == "200");
        BOOST_TEST(send("token-9") == "200");
        BOOST_TEST(state.looked_up == before + 2);
    }
}

BOOST_AUTO_TEST_CASE(while_the_store_cannot_be_asked_only_the_configurations_tokens_are_known) {
    configure(an_app);
    state.busy = true;
    BOOST_TEST(verdict(post("event=E&auth[application_token]=x&auth[member_id]=m7")) ==
               "503 unavailable");
    BOOST_TEST(log_count("cannot look up installations") == 1u);
    BOOST_TEST(verdict(post("event=E&auth[member_id]=m7")) == "403 invalid_application_token");
    BOOST_TEST(state.added_calls == 0);
    BOOST_TEST(verdict(event()) == "503 unavailable");
    BOOST_TEST(state.added_calls == 1);
}

BOOST_AUTO_TEST_CASE(a_post_whose_installation_changes_meanwhile_is_looked_up_again) {
    configure(an_app);
    bx::KnownInstallation one{.id = 3,
                              .member_id = "m7",
                              .client_id = {},
                              .domain = "b.example",
                              .user_id = {},
                              .token = bx::sha256("token-7"),
                              .token_before = {},
                              .page_key = {}};
    state.installations = {one};
    state.hold_result = bx::HoldResult::changed;
    const bx::Request sent = post("event=E&auth[application_token]=token-7&auth[member_id]=m7");
    state.changes = [&] { state.installations[0].verified = true; };
    BOOST_TEST(line(sent) == "200 {\"status\":\"ok\",\"event\":1}\n");
    BOOST_TEST((state.added.at(0).installation == 3));
    BOOST_TEST(state.added.at(0).facts.domain == "b.example");
    configure(an_app);  // nothing is believed any more
    state.installations = {one};
    state.changes = [&] { state.installations.clear(); };
    BOOST_TEST(verdict(sent) == "403 invalid_application_token");
    state.changes = nullptr;  // for ever
    state.installations = {one};
    BOOST_TEST(verdict(sent) == "503 unavailable");
    BOOST_TEST(log_count("its installation changes") == 1u);
}

BOOST_AUTO_TEST_CASE(with_an_invalid_config_the_early_checks_still_answer) {
    configure("portal {");
    BOOST_TEST(verdict(method("PUT")) == "405 method_not_allowed");
    BOOST_TEST(verdict(post("x", "text/plain")) == "415 unsupported_content_type");
    BOOST_TEST(verdict(event()) == "503 unavailable");
    BOOST_TEST(line(method("GET")) == "200 bxhook: not ready, see its log\n");
    configure(one_portal);
    BOOST_TEST(verdict(event()) == "200");
}

BOOST_AUTO_TEST_CASE(an_invalid_new_config_is_refused_and_the_old_one_stays) {
    BOOST_TEST(verdict(event()) == "200");
    configure("portal {");
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(log_count("config refused, still using the old one") == 1u);
    // Who looks at the page reads it among the last lines of the log, not once for each request.
    for (int i = 0; i < 3; ++i) BOOST_TEST(line(method("GET")) == "200 bxhook: ready\n");
    BOOST_TEST(log_count("config refused, still using the old one") == 2u);
}

BOOST_AUTO_TEST_CASE(a_new_config_applies_without_a_restart) {
    BOOST_TEST(verdict(event()) == "200");
    std::string text(one_portal);
    text.replace(text.find("secret-token"), 12, "other-token!");
    text.replace(text.find("queue.db"), 8, "moved.db");
    configure(text);
    BOOST_TEST(verdict(event()) == "403 invalid_application_token");
    BOOST_TEST(verdict(post("event=E&auth[member_id]=m1&auth[application_token]=other-token!")) ==
               "200");
    BOOST_TEST(state.opened == 2);
    BOOST_TEST(state.place.ends_with("/moved.db"));
}

BOOST_AUTO_TEST_CASE(a_changed_config_is_seen_within_seconds) {
    BOOST_TEST(verdict(event()) == "200");
    std::string text(one_portal);
    text.replace(text.find("secret-token"), 12, "other-token!");
    std::ofstream(dir + "/bxhook.conf") << text;
    bx::Millis begin = bx::steady_now();
    while (verdict(event()) != "403 invalid_application_token") {
        BOOST_REQUIRE(bx::steady_now() - begin < 5000);
    }
}

// Bitrix24 does not resend what was refused.
BOOST_AUTO_TEST_CASE(a_token_that_was_just_configured_is_right_at_once) {
    BOOST_TEST(verdict(event()) == "200");
    std::string text(one_portal);
    text.replace(text.find("secret-token"), 12, "other-token!");
    std::ofstream(dir + "/bxhook.conf") << text;
    BOOST_TEST(verdict(post("event=E&auth[member_id]=m1&auth[application_token]=other-token!")) ==
               "200");
    BOOST_TEST(verdict(event()) == "403 invalid_application_token");
}

BOOST_AUTO_TEST_CASE(a_key_that_was_just_configured_is_right_at_once) {
    const auto asked = [this] {
        bx::Request request = post("a=1");
        request.query = "key=0123456789abcdef";
        return verdict(std::move(request));
    };
    BOOST_TEST(asked() == "403 invalid_application_token");
    std::ofstream(dir + "/bxhook.conf", std::ios::app)
        << "post p { key 0123456789abcdef portal a.example }\n";
    BOOST_TEST(asked() == "200");
}

BOOST_AUTO_TEST_CASE(wrong_tokens_make_it_read_no_file_that_is_as_it_was) {
    const std::string wrong = "event=E&auth[member_id]=m1&auth[application_token]=wrong";
    BOOST_TEST(verdict(event()) == "200");
    const std::size_t loaded = log_count("config loaded");
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST(verdict(post(wrong)) == "403 invalid_application_token");
    }
    BOOST_TEST(log_count("config loaded") == loaded);
    std::ofstream(dir + "/bxhook.conf") << one_portal << "portal {";
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST(verdict(post(wrong)) == "403 invalid_application_token");
    }
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(log_count("config refused, still using the old one") == 1u);
}

// What is written in place is empty first, which is valid, and any refused token has it looked at.
BOOST_AUTO_TEST_CASE(a_file_that_is_being_written_refuses_no_right_token) {
    const std::string wrong = "event=E&auth[member_id]=m1&auth[application_token]=wrong";
    BOOST_TEST(verdict(event()) == "200");
    std::ofstream(dir + "/bxhook.conf").flush();
    BOOST_TEST(verdict(post(wrong)) == "403 invalid_application_token");
    BOOST_TEST(verdict(event()) == "200");
    state.unfinished = 0;
    const bx::Millis begin = bx::steady_now();
    while (log_count("config refused, still using the old one") == 0) {
        BOOST_REQUIRE(verdict(event()) == "200");
        state.unfinished = 0;
        BOOST_REQUIRE(bx::steady_now() - begin < 10000);
    }
    BOOST_TEST(verdict(event()) == "200");
}

BOOST_AUTO_TEST_CASE(a_token_decides_before_a_key_and_a_key_before_the_kind) {
    configure("portal { member_id m1 domain a.example token secret-token }\n"
           "post p { key 0123456789abcdef portal a.example }\n");
    const auto asked = [this](const std::string& body, const std::string& query) {
        bx::Request request = post(body);
        request.query = query;
        return verdict(std::move(request));
    };
    const std::string right(good_auth);
    const std::string wrong = "&auth[application_token]=other&auth[member_id]=m1";
    const std::string key = "key=0123456789abcdef", other = "key=0123456789abcdee";
    const std::string pay = "BX_PAYSYSTEM_ID=17", none = "a=1";
    BOOST_TEST(asked("event=X" + right, other) == "200");
    BOOST_TEST(asked("event=X" + wrong, key) == "403 invalid_application_token");
    BOOST_TEST(asked("event=X&auth[application_token][]=secret-token", key) ==
               "403 invalid_application_token");
    BOOST_TEST(asked("event=X", key) == "200");
    BOOST_TEST(asked(pay, key) == "200");
    BOOST_TEST(asked(none, key) == "200");
    BOOST_TEST(asked(pay, other) == "400 malformed");
    BOOST_TEST(asked(none, other) == "403 invalid_application_token");
    BOOST_TEST(asked("event=X", other) == "403 invalid_application_token");
    BOOST_TEST(asked(none, "") == "400 malformed");
    BOOST_TEST(asked("event=X", "") == "403 invalid_application_token");
    BOOST_TEST(asked(pay, "") == "400 malformed");
    BOOST_TEST(asked(pay + right, "") == "400 malformed");
    BOOST_TEST(asked(pay + wrong, "") == "403 invalid_application_token");
    BOOST_TEST(asked("document_id[2]=DEAL_7", "") == "403 invalid_application_token");
    BOOST_TEST(state.added.back().facts.code == "POST.P");
    BOOST_TEST(state.added.back().facts.member_id == "m1");
    BOOST_TEST(log_text().find("0123456789abcde") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_post_by_key_has_the_portal_of_a_portals_file_by_cgi_too) {
    std::ofstream(dir + "/portals.list") << "m9 b.example the-token-of-that-one\n";
    configure("portals portals.list\npost p { key 0123456789abcdef portal B.example }\n");
    for (const bool by_cgi : {false, true, true}) {
        one_shot = by_cgi;
        bx::Request request = post("a=1");
        request.query = "key=0123456789abcdef";
        BOOST_TEST(ask(std::move(request)).status == 200);
        BOOST_TEST(state.added.back().facts.member_id == "m9");
        gateway.reset();
    }
}

BOOST_AUTO_TEST_CASE(a_renamed_portal_is_logged_and_accepted) {
    BOOST_TEST(verdict(post("event=E&auth[application_token]=secret-token&auth[member_id]=m1"
                            "&auth[domain]=new.example")) == "200");
    BOOST_TEST(log_count("domain differs from its block's") == 1u);
    BOOST_TEST(log_count("member_id=m1 domain=new.example configured=a.example") == 1u);
    // What was proven, not what was sent.
    BOOST_TEST(log_count("accepted event=1 code=E id=\"\" portal=a.example") == 1u);
}

BOOST_AUTO_TEST_CASE(a_sender_that_names_another_portal_stays_itself) {
    configure("portal {\n member_id m1\n token token-of-one\n}\n"
              "portal {\n domain b.example\n token token-of-two\n}\n"
              "portal {\n token token-of-any\n}\n"
              "log { file gateway.log }\n");
    auto send = [&](const std::string& token, const std::string& names) {
        return verdict(post("event=E&auth[application_token]=" + token + names));
    };
    BOOST_TEST(send("token-of-one", "&auth[member_id]=m1&auth[domain]=b.example") == "200");
    BOOST_TEST(log_count("accepted event=1 code=E id=\"\" portal=m1 ") == 1u);
    BOOST_TEST(send("token-of-two", "&auth[member_id]=m2&auth[domain]=B.example") == "200");
    BOOST_TEST(log_count("accepted event=2 code=E id=\"\" portal=b.example ") == 1u);
    for (const char* names : {"&auth[member_id]=m1", "&auth[domain]=b.example",
                              "&auth[member_id]=b.example", "&auth[domain]=m1"}) {
        BOOST_TEST(send("token-of-any", names) == "403 invalid_application_token", names);
    }
    BOOST_TEST(send("token-of-any", "&auth[member_id]=m3&auth[domain]=c.example") == "200");
    BOOST_TEST(log_count("accepted event=3 code=E id=\"\" portal=c.example ") == 1u);
}

BOOST_AUTO_TEST_CASE(bytes_from_outside_stay_on_their_log_line) {
    bx::Request request = post("event=E%0Aforged: accepted&auth[domain]=x%0Ay");
    request.remote_addr = "1.2.3.4\nforged";
    ask(std::move(request));
    ask(post("event=E&event_handler_id=%0Aforged&auth[member_id]=m1"
             "&auth[application_token]=secret-token"));
    BOOST_TEST(log_count("\nforged") == 0u);
    BOOST_TEST(log_count("forged") == 2u);
}

BOOST_AUTO_TEST_CASE(starts_a_worker_when_none_runs_at_most_once_a_second) {
    for (int i = 0; i < 3; ++i) ask(event());
    BOOST_REQUIRE(started.size() == 1u);
    BOOST_TEST(started[0] == dir + "/bxhook.conf");
    BOOST_TEST(gateway->worker_is_due());  // none runs: the loop will ask again
    bx::Millis end = bx::steady_now() + 10 * bx::second;
    while (gateway->worker_is_due() && bx::steady_now() < end) gateway->summon_worker();
    BOOST_TEST(started.size() == 2u);
}

BOOST_AUTO_TEST_CASE(events_whose_answers_failed_get_their_worker) {
    std::vector<bx::Request> requests(2);
    for (bx::Request& request : requests) request = event();
    const auto out_of_memory = [](std::size_t, const bx::Answer&) { throw std::bad_alloc(); };
    BOOST_CHECK_THROW(the_gateway().handle(requests, out_of_memory), std::bad_alloc);
    BOOST_TEST(state.added.size() == 2u);
    BOOST_TEST(started.empty());
    BOOST_REQUIRE(gateway->worker_is_due());
    gateway->summon_worker();  // the loop does it
    BOOST_TEST(started.size() == 1u);
}

BOOST_AUTO_TEST_CASE(starts_no_worker_for_what_it_refused) {
    ask(post("event=E"));
    ask(method("GET"));
    state.busy = true;
    ask(event());
    BOOST_TEST(started.empty());
}

BOOST_AUTO_TEST_CASE(starts_no_worker_when_told_so) {
    configure(std::string(one_portal) + "worker { start manual }\n");
    ask(event());
    BOOST_TEST(started.empty());
}

BOOST_AUTO_TEST_CASE(at_its_start_it_looks_for_work_left_behind) {
    the_gateway().wake_at_start();
    BOOST_TEST(started.empty());
    state.unfinished = 1;
    the_gateway().wake_at_start();
    BOOST_TEST(started.size() == 1u);
}

BOOST_AUTO_TEST_CASE(when_it_gets_a_config_it_looks_for_work_left_behind) {
    configure("portal {");
    state.unfinished = 1;
    the_gateway().wake_at_start();
    ask(method("GET"));
    BOOST_TEST(started.empty());
    configure(one_portal);
    BOOST_TEST(started.size() == 1u);
}

BOOST_AUTO_TEST_CASE(any_request_starts_a_worker_when_a_chore_is_overdue) {
    const std::string app = std::string(one_portal) + "app { client_id local.1  client_secret s }\n";
    configure(app);
    state.next_chore = bx::wall_now() + bx::hour;
    ask(method("GET"));
    BOOST_TEST(state.asked_for_chores == 1);
    BOOST_TEST(started.empty());
    state.next_chore = bx::wall_now() - bx::second;
    ask(method("GET"));  // looked for once a minute
    BOOST_TEST(state.asked_for_chores == 1);
    gateway.reset();
    ask(method("GET"));
    BOOST_TEST(started.size() == 1u);
    gateway.reset();
    ask(method("PUT"));
    BOOST_TEST(started.size() == 2u);
    gateway.reset();
    configure(app + "worker { start manual }\n");
    ask(method("GET"));
    BOOST_TEST(started.size() == 2u);
    gateway.reset();
    configure(one_portal);
    ask(method("GET"));
    BOOST_TEST(started.size() == 2u);
    BOOST_TEST(state.asked_for_chores == 3);
}

BOOST_AUTO_TEST_CASE(a_worker_that_cannot_be_started_is_a_log_line) {
    bx::Gateway::Options options;
    options.become_owner = [](const bx::Config&) { return bx::StoreOwner::assumed(); };
    options.start = [](const std::string&) { throw bx::Error("no more processes"); };
    options.open = [this](const bx::StorePlace&, const bx::StoreOptions&, const bx::StoreOwner&) {
        return std::make_unique<FakeStore>(state);
    };
    gateway = std::make_unique<bx::Gateway>(dir + "/bxhook.conf", options, log);
    BOOST_TEST(verdict(event()) == "200");
    BOOST_TEST(log_count("cannot start the worker cause=\"no more processes\"") == 1u);
    BOOST_TEST(!gateway->worker_is_due());  // it will be in ten seconds
}

BOOST_AUTO_TEST_CASE(a_worker_that_could_not_be_started_is_tried_again_by_itself) {
    bx::LogSettings to_file;
    to_file.file = dir + "/gateway.log";
    log.configure(to_file);
    bx::Config config;
    config.store.worker_files = dir + "/q";
    config.worker.auto_start = true;
    int tries = 0;
    bool fails = true;
    bx::WorkerSummoner summoner(
        [&](const std::string&) {
            ++tries;
            if (fails) throw bx::Error("bxhook.conf: '}' is missing");
        },
        log);
    const bx::Millis end = bx::steady_now() + 60 * bx::second;
    const auto try_until = [&](int count) {
        while (tries < count && bx::steady_now() < end) {
            if (summoner.is_due()) summoner.summon(config);
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return tries == count;
    };
    summoner.set_due();
    BOOST_REQUIRE(try_until(1));
    BOOST_REQUIRE(try_until(2));
    BOOST_TEST(log_count("cannot start the worker") == 1u);  // the same once a minute
    fails = false;
    // Whoever adds an event does not wait for the next of these.
    while (tries < 3 && bx::steady_now() < end) summoner.summon(config);
    BOOST_TEST(tries == 3);
    BOOST_TEST(!summoner.is_due());
}

BOOST_AUTO_TEST_CASE(the_body_limit_leaves_room_to_see_one_that_is_too_large) {
    BOOST_TEST(the_gateway().body_limit() == 2049u);
}

BOOST_AUTO_TEST_SUITE_END()
