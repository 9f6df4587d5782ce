#include <chrono>
#include <thread>

#include "cli/command.h"
#include "cli/open.h"
#include "cli/output.h"
#include "report/json.h"
#include "report/story.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr std::chrono::milliseconds follow_pause{250};

// What a stream that still grows has not shown yet.
class Follower {
public:
    std::string news(const Output& output) {
        std::int64_t fresh = output.bytes - shown_;
        shown_ = output.bytes;
        if (fresh <= 0) return "";
        std::string_view kept = output.kept;
        auto wanted = static_cast<std::size_t>(fresh);
        // Of an output that was cut, only the second half is sure to be the stream's end.
        bool cut = output.bytes > static_cast<std::int64_t>(kept.size());
        std::size_t at_hand = cut ? kept.size() / 2 : kept.size();
        if (wanted <= at_hand) return std::string(kept.substr(kept.size() - wanted));
        if (shown_ == fresh) return std::string(kept);  // the first look: its mark tells of the cut
        return "\n[" + std::to_string(wanted - at_hand) + " bytes were not kept]\n" +
               std::string(kept.substr(kept.size() - at_hand));
    }

private:
    std::int64_t shown_ = 0;  // bytes of the stream
};

// NAME with its hook: an event of one delivery needs none.
DeliveryName complete(Store& store, const DeliveryName& name) {
    const StoredEvent event = stored_event(store.view(), name.event);
    std::string known;
    std::size_t count = 0;
    for (const DeliveryRecord& record : store.view().deliveries(name.event)) {
        if (record.hook == name.hook) return name;
        known += " " + to_string({name.event, record.hook});
        ++count;
    }
    if (!name.hook.empty() || count == 0) {
        throw Error(no_delivery(name.event, name.hook, event.state));
    }
    std::string only = known.substr(1);
    if (count == 1) return parse_delivery_name(only);
    throw Error("event " + to_string(name) + " has several deliveries, name one:" + known);
}

std::optional<AttemptRecord> last_attempt(Store& store, const DeliveryName& name) {
    std::vector<AttemptRecord> attempts = store.view().attempts(name.event, name.hook);
    if (attempts.empty()) return std::nullopt;
    return std::move(attempts.back());
}

bool is_waiting(Store& store, const DeliveryName& name) {
    for (const DeliveryRecord& record : store.view().deliveries(name.event)) {
        if (record.hook == name.hook) return record.state == DeliveryState::waiting;
    }
    return false;
}

void wait_until_matched(Store& store, EventNumber number) {
    for (;; std::this_thread::sleep_for(follow_pause)) {
        std::optional<StoredEvent> event = store.view().event(number);
        if (!event || event->state != EventState::fresh) return;
    }
}

Error not_run(const DeliveryName& name) {
    return Error(to_string(name) + " has not run yet");
}

// Until the attempt ends; waits for the first one to begin.
void follow(Store& store, const DeliveryName& name) {
    Follower out;
    Follower err;
    for (std::optional<int> number;; std::this_thread::sleep_for(follow_pause)) {
        std::optional<AttemptRecord> attempt = last_attempt(store, name);
        if (!attempt) {
            if (is_waiting(store, name)) continue;
            throw not_run(name);
        }
        // A retry has begun another attempt.
        if (number && *number != attempt->attempt) return;
        number = attempt->attempt;
        print_foreign(out.news(attempt->out));
        print_foreign(err.news(attempt->err));
        if (attempt->result != AttemptResult::running) return;
    }
}

void show(const AttemptRecord& attempt) {
    bool both = attempt.out.bytes > 0 && attempt.err.bytes > 0;
    print_foreign(attempt.out.kept);
    if (both) {
        print(attempt.out.kept.ends_with('\n') ? "--- stderr ---\n" : "\n--- stderr ---\n");
    }
    print_foreign(attempt.err.kept);
}

int run(const Arguments& args) {
    bool json = args.has("--json");
    if (json && args.has("--follow")) throw UsageError("logs: --follow writes no JSON");
    DeliveryName name = parse_delivery_name(args.words().front());
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    std::unique_ptr<Store> store = store_of(*config);
    if (args.has("--follow")) {
        wait_until_matched(*store, name.event);
        follow(*store, complete(*store, name));
        return 0;
    }
    name = complete(*store, name);
    std::optional<AttemptRecord> attempt = last_attempt(*store, name);
    if (!attempt) throw not_run(name);
    if (json) print(attempt_json(name, *attempt));
    else show(*attempt);
    return 0;
}

}  // namespace

Command logs_command() {
    Command command;
    command.name = "logs";
    command.synopsis = "N/HOOK";
    command.summary = "the output of a delivery's last attempt";
    command.help = R"(
Writes what the hook printed in its last attempt, the running one too: stdout first,
then, below a line '--- stderr ---' when there are both, stderr.  Of a long output
the head and the tail are kept ('limits.output').  Earlier attempts: 'bxhook show'.

With --follow the output is written as it comes, until the attempt ends; it waits
for an attempt to begin.
)";
    command.options = {{"--follow", "", "wait for more until the attempt ends"}};
    command.json = true;
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
