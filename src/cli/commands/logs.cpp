#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "cli/command.h"
#include "cli/names.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/output_follower.h"
#include "report/json.h"
#include "report/wording.h"
#include "store/outcomes.h"

namespace bx {

namespace {

constexpr std::chrono::milliseconds follow_pause{250};

void pass_on(ForeignStream& stream, const std::string& text) {
    if (!stream.write(text)) throw_errno("cannot write to stdout");
}

std::optional<AttemptRecord> last_attempt(Store& store, const DeliveryName& name) {
    std::vector<AttemptRecord> attempts = store.view().attempts(name.event, name.hook);
    if (attempts.empty()) return std::nullopt;
    return std::move(attempts.back());
}

DeliveryRecord delivery_of(Store& store, const DeliveryName& name) {
    for (DeliveryRecord& record : store.view().deliveries(name.event)) {
        if (record.hook == name.hook) return std::move(record);
    }
    throw Error(no_delivery(name.event, name.hook, EventState::matched));  // pruned meanwhile
}

void wait_until_matched(Store& store, EventNumber number) {
    for (;; std::this_thread::sleep_for(follow_pause)) {
        std::optional<StoredEvent> event = store.view().event(number);
        if (!event || event->state != EventState::fresh) return;
    }
}

// Why DELIVERY, which has no attempt, has none.
Error not_run(const DeliveryRecord& delivery) {
    const std::string name = to_string({delivery.event, delivery.hook});
    const std::string note = note_of(delivery, wall_now());
    if (delivery.merged_into) {
        const std::string into = to_string({*delivery.merged_into, delivery.hook});
        return Error(name + " never ran: it was merged into a newer event (see 'bxhook logs " +
                     into + "')");
    }
    if (delivery.state == DeliveryState::waiting) {
        return Error(name + " has not run yet" + (note.empty() ? "" : ": it is waiting, " + note));
    }
    return Error(name + " never ran: it is " + std::string(name_of(delivery.state)) +
                 (note.empty() ? "" : ", " + note));
}

// Until the attempt ends; waits for the first one to begin.
void follow(Store& store, const DeliveryName& name) {
    OutputFollower out;
    OutputFollower err;
    ForeignStream shown(STDOUT_FILENO);
    for (std::optional<int> number;; std::this_thread::sleep_for(follow_pause)) {
        const DeliveryRecord delivery = delivery_of(store, name);
        std::optional<AttemptRecord> attempt = last_attempt(store, name);
        if (!attempt) {
            if (delivery.state == DeliveryState::waiting) continue;
            throw not_run(delivery);
        }
        // A retry has begun another attempt.
        if (number && *number != attempt->attempt) return;
        number = attempt->attempt;
        pass_on(shown, out.news(attempt->out));
        pass_on(shown, err.news(attempt->err));
        if (attempt->result != AttemptResult::running) break;
    }
    if (!shown.end()) throw_errno("cannot write to stdout");
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
    if (json && args.has("--follow")) throw UsageError("logs: --follow has no JSON output");
    DeliveryName name = parse_delivery_name(args.words().front());
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    std::unique_ptr<Store> store = store_of(*config);
    if (args.has("--follow")) {
        wait_until_matched(*store, name.event);
        follow(*store, complete(store->view(), name));
        return 0;
    }
    name = complete(store->view(), name);
    std::optional<AttemptRecord> attempt = last_attempt(*store, name);
    if (!attempt) throw not_run(delivery_of(*store, name));
    if (json) print(attempt_json(name, *attempt));
    else show(*attempt);
    return 0;
}

}  // namespace

Command logs_command() {
    Command command;
    command.name = "logs";
    command.synopsis = "N/HOOK";
    command.summary = "show the output of a delivery's last attempt";
    command.help = R"(
Shows what the hook printed in its last attempt, also while it runs: stdout first,
then stderr, below a line '--- stderr ---' when there are both.  Of a long output the
head and the tail are kept ('limits.output').  Earlier attempts: 'bxhook show'.

With --follow it shows the output as it comes until the attempt ends, and waits for
the attempt to begin if none has.

  bxhook logs 1042/crm-sync
  bxhook logs 1042/crm-sync --follow
)";
    command.options = {{"--follow", "", "show more as it comes, until the attempt ends"}};
    command.json = true;
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
