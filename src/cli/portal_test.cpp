#include "cli/portal_test.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/random.h"
#include "cli/curl.h"
#include "cli/output.h"
#include "cli/portal_choice.h"
#include "cli/subscriber.h"
#include "cli/terminal/progress.h"
#include "event/payload.h"
#include "report/json.h"

namespace bx {

namespace {

constexpr int not_now = 75;  // exit status, EX_TEMPFAIL
constexpr Millis patience = minute;
constexpr Millis next_look = 200;
constexpr std::size_t looked_at = 100;  // of the newest

bool has(const StoredEvent& event, const std::string& nonce) {
    const auto values = list_payload(event.body, event.secrets, Secrets::hide);
    return std::ranges::any_of(
        values, [&](const PayloadValue& value) { return value.is_text() && value.text == nonce; });
}

// The event with NONCE among those after AFTER.
std::optional<EventNumber> find(Store& store, const Installation& one, EventNumber after,
                                const std::string& nonce) {
    ListFilter filter;
    filter.code_glob = test_event;
    filter.portal = one.member_id;
    filter.after = after;
    filter.limit = looked_at;
    for (const ListRow& row : store.view().list(filter)) {
        const std::optional<StoredEvent> event = store.view().event(row.event.number);
        if (event && event->installation == one.id && has(*event, nonce)) return event->number;
    }
    return std::nullopt;
}

class Test {
public:
    Test(const Arguments& args, Store& store, Subscriber& subscriber)
        : args_(args), store_(store), subscriber_(subscriber), one_(subscriber.installation()) {}

    int run() {
        const BindingChanges bound = subscriber_.subscriptions().bind_test();
        if (!bound.result.succeeded()) return fail(bound.result);
        if (!bound.problems.empty()) return fail(bound.problems.front().result);
        const int status = send_and_wait();
        if (!bound.bound.empty()) unbind();
        return status;
    }

private:
    int send_and_wait() {
        const std::string nonce = "bxhook-" + std::to_string(random_bits());
        const EventNumber before = store_.upkeep().newest();
        const Millis begun = steady_now();
        const RestAnswer answer = subscriber_.ask(test_call(nonce));
        if (!answer.succeeded()) {
            return fail({answer.cause, "event.test: " + answer.text, answer.may_have_run});
        }
        const Millis limit = duration_option(args_, "--wait", patience);
        Progress progress("waiting for the portal's post");
        for (Millis passed = 0; passed < limit; passed = steady_now() - begun) {
            if (const auto number = find(store_, one_, before, nonce)) {
                progress.clear();
                return arrived(*number, steady_now() - begun);
            }
            progress.at(static_cast<std::size_t>(passed / second),
                        static_cast<std::size_t>(limit / second));
            std::this_thread::sleep_for(std::chrono::milliseconds(next_look));
        }
        progress.clear();
        return lost(limit);
    }

    int arrived(EventNumber number, Millis took) const {
        if (args_.has("--json")) {
            print_json(number, took, "");
        } else {
            print(name() + ": what it posts arrives: event " + std::to_string(number) + " after " +
                  std::to_string(took) + " ms\n");
        }
        return 0;
    }

    // What came of it elsewhere nobody tells: neither the portal nor the web server.
    int lost(Millis limit) const {
        const std::string url = url_for_people(subscriber_.app().url);
        std::string why = "the portal took the call, but what it posts to " + printable(url) +
                          " did not arrive within " + std::to_string(limit / second) + " s: ";
        why += one_.has_application_token
                   ? "'bxhook check --url URL' looks at the way there, and the gateway's log says "
                     "what was refused"
                   : "the application_token of this installation has not come yet, so that its posts "
                     "are held ('bxhook portals' says what proves it)";
        return fail({RestCause::refused, why, false});
    }

    // The portal cannot be asked, or the answer is no.
    int fail(const RestResult& result) const {
        if (args_.has("--json")) print_json(std::nullopt, std::nullopt, result.text);
        const int status = fail_with(result, "portals test: " + name());
        return status == not_now ? not_now : 1;
    }

    void print_json(std::optional<EventNumber> number, std::optional<Millis> took,
                    const std::string& error) const {
        std::string text;
        JsonWriter json(text);
        json.begin_object();
        json.key("portal").value_or_null(one_.domain);
        json.field("member_id", one_.member_id);
        json.key("client_id").value_or_null(one_.client_id);
        json.field("arrived", number.has_value());
        json.field("event", number).field("took_ms", took);
        json.key("error").value_or_null(error);
        json.end_object();
        print(json_line(text));
    }

    void unbind() {
        const BindingChanges changes = subscriber_.subscriptions().unbind(
            {{.event = std::string(test_event), .handler = subscriber_.app().url}});
        if (changes.is_complete()) return;
        const RestResult& why = changes.result.succeeded() ? changes.problems.front().result
                                                           : changes.result;
        remark("portals test: " + name() + ": cannot unbind ONAPPTEST: " + why.text +
               "; it is tried again with the next look at its subscriptions");
    }

    std::string name() const { return printable(one_.domain.empty() ? one_.member_id : one_.domain); }

    const Arguments& args_;
    Store& store_;
    Subscriber& subscriber_;
    const Installation& one_;
};

}  // namespace

int test_portal(const Arguments& args, const Config& config, Store& store) {
    if (args.words().size() != 2) throw UsageError("test takes one portal: portals test P");
    const Installation one = one_installation(args, store, args.words()[1], "portals test");
    const std::optional<HookRun> no_hook;
    const int status = with_installation(
        args, {config, store, no_hook}, one, "portals test",
        [&](Subscriber& subscriber) { return Test(args, store, subscriber).run(); });
    return status == 0 || status == not_now ? status : 1;
}

}  // namespace bx
