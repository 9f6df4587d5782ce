#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/escape.h"
#include "base/fd.h"
#include "base/random.h"
#include "cli/command.h"
#include "cli/foreground.h"
#include "cli/names.h"
#include "cli/open.h"
#include "cli/output.h"
#include "event/payload.h"
#include "hooks/hooks.h"
#include "hooks/invocation.h"
#include "report/story.h"
#include "report/wording.h"
#include "worker/retry_schedule.h"
#include "worker/run.h"

namespace bx {

namespace {

// What is to be run, and on which event.
struct Plan {
    Hook hook;
    StoredEvent event;
    int attempt = 1;  // as the next one of the delivery, where there is one
    int max_attempts = 1;
    bool running = false;  // the worker runs that delivery now
};

Error cannot_run(const DeliveryName& name, const std::string& reason) {
    return Error("cannot run " + to_string(name) + ": " + reason);
}

// The delivery NAME, also one that its event does not have.
DeliveryName delivery_of(View& view, const DeliveryName& name) {
    if (!name.hook.empty()) return name;
    if (view.event(name.event) && view.deliveries(name.event).empty()) {
        throw Error("event " + to_string(name) + " has no delivery: name the hook, 'bxhook run " +
                    to_string(name) + "/HOOK'");
    }
    return complete(view, name);
}

// The hook that NAME means, with SCRIPT (empty: its own) as its program.  It keeps its directory
// and settings; one that is not there yet has the defaults.
Hook hook_to_run(const Config& config, const HookSet& hooks, const DeliveryName& name,
                 const std::string& script) {
    const Hook* found = hooks.find(name.hook);
    if (!found && script.empty()) throw cannot_run(name, no_hook(name.hook, hooks));
    Hook hook;
    if (found) {
        hook = *found;
    } else {
        remark(no_hook(name.hook, hooks) + ": it runs with the default settings");
        hook.name = name.hook;
        hook.settings = config.defaults;
    }
    if (script.empty()) return hook;
    if (hook.settings.dir.empty() && !hook.program.empty()) {
        hook.settings.dir = directory_of(hook.program);
    }
    hook.program = script;
    hook.from_dir = false;
    hook.problem.reset();
    hook.conflict.clear();
    return hook;
}

Plan make_plan(const Config& config, const HookSet& hooks, View& view, const DeliveryName& name,
               const std::string& script) {
    Plan plan;
    plan.event = stored_event(view, name.event);
    plan.hook = hook_to_run(config, hooks, name, script);
    plan.max_attempts = plan.hook.settings.attempts;
    for (const DeliveryRecord& record : view.deliveries(name.event)) {
        if (record.hook != name.hook) continue;
        plan.attempt = record.attempt + 1;
        plan.max_attempts = std::max(record.max_attempts, plan.attempt);
        plan.running = record.state == DeliveryState::running;
    }
    return plan;
}

void require_runnable(const DeliveryName& name, const Hook& hook, const Config& config) {
    if (!hook.conflict.empty()) throw cannot_run(name, printable(hook.conflict));
    std::optional<StartProblem> problem = start_problem(hook, config.hooks_dir);
    if (!problem) problem = hook.problem;
    if (!problem) return;
    std::string reason = problem->reason;
    if (!hook.program.empty()) reason += ": '" + printable(hook.program) + "'";
    if (!problem->fix.empty()) reason += " (fix: " + problem->fix + ")";
    throw cannot_run(name, reason);
}

// Why the worker would not give EVENT to HOOK; empty: it would, or cannot yet for other reasons.
std::string refusal_of(const HookSet& hooks, const Hook& hook, const StoredEvent& event) {
    if (!hooks.find(hook.name)) return "";
    const Tree body = decode_payload(event.body, event.secrets,
                                     event.secrets_erased ? Secrets::omit : Secrets::keep);
    const HookSet::Match match = hooks.match(event.facts, body);
    if (std::ranges::find(match.taken, hook.name, &Hook::name) != match.taken.end()) return "";
    const auto refused = std::ranges::find(match.refused, hook.name, &Refusal::hook);
    if (refused == match.refused.end()) return "it is for other events";
    return refused->rule == HookRule::unable ? "" : printable(refused->reason, 1000);
}

// What a person should know before it runs.
void remark_on(const DeliveryName& name, const Plan& plan, const HookSet& hooks) {
    const std::string refusal = refusal_of(hooks, plan.hook, plan.event);
    if (!refusal.empty()) {
        remark("the worker would not give this event to " + plan.hook.name + ": " + refusal);
    }
    if (plan.event.secrets_erased) {
        remark("the event's tokens were erased: the hook gets it without them");
    }
    if (plan.running) remark("the worker is running " + to_string(name) + " at the same time");
}

// What came of it, and what the worker would make of that.  Empty: there is nothing to say.
std::string verdict(const ForegroundEnd& end, const Plan& plan) {
    const Finish& finish = end.finish;
    if (finish.result == AttemptResult::done) return "";
    if (finish.result == AttemptResult::cancelled) {
        return end.stopped_by == SIGPIPE ? "" : "ended by " + signal_name(end.stopped_by);
    }
    AttemptRecord attempt;
    attempt.exit = finish.exit;
    attempt.signal = finish.signal;
    attempt.reason = finish.reason;
    const std::string text = outcome_of(attempt);
    if (finish.exit && is_permanent(*finish.exit)) {
        return text + ": the worker would give up (dead)";
    }
    return text + ": the worker would try again, " + std::to_string(plan.max_attempts) +
           " attempts in all";
}

int run_plan(const DeliveryName& name, const Plan& plan, const HookSet& hooks,
             const std::string& config_path) {
    const std::string run_name = std::to_string(name.event) + '-' + name.hook + "-by-hand-" +
                                 std::to_string(random_bits());
    const Claim claim{.event = plan.event,
                      .hook = plan.hook.name,
                      .attempt = plan.attempt,
                      .max_attempts = plan.max_attempts,
                      .run = run_name,
                      .by_hand = true};
    const Invocation invocation =
        prepare_invocation(claim, plan.hook, own_surroundings(config_path), wall_now());
    if (!invocation.refusal.empty()) throw cannot_run(name, printable(invocation.refusal, 1000));
    remark_on(name, plan, hooks);
    try {
        const ForegroundEnd end = run_in_foreground(claim, plan.hook.settings, invocation);
        const std::string text = verdict(end, plan);
        if (!text.empty()) {
            const std::string line = to_string(name) + ": " + text;
            end.was_cut_short() ? remark_if_read(line) : remark(line);
        }
        return end.status;
    } catch (const Error& error) {
        throw cannot_run(name, error.what());
    }
}

int run(const Arguments& args) {
    const DeliveryName given = parse_delivery_name(args.words().front());
    std::string script;
    if (args.has("--file")) {
        script = std::filesystem::absolute(args.value("--file")).lexically_normal().string();
    }
    const ConfigPtr config = config_of(args, ConfigPart::all);
    std::unique_ptr<Store> store = store_of(*config);
    const DeliveryName name = delivery_of(store->view(), given);
    const HookSet hooks = HookSet::load(*config);
    const Plan plan = make_plan(*config, hooks, store->view(), name, script);
    store.reset();  // nothing more is read of it, and the hook may take long
    require_runnable(name, plan.hook, *config);
    return run_plan(name, plan, hooks, config->path);
}

}  // namespace

Command run_command() {
    Command command;
    command.name = "run";
    command.synopsis = "N/HOOK";
    command.summary = "run a hook on an event now, in the foreground";
    command.help = R"(
Runs that hook on event N as the worker would: with the same environment, stdin,
directory, user and time limit.  You see its output, and its exit status is the
command's.  Nothing is recorded and no delivery changes.  N alone is enough when the
event has one delivery.

The hook does its real work: what it sends or writes elsewhere is sent and written.
It sees BX_TEST=1, and should look at that where a test must change nothing.

With --file, SCRIPT runs in the hook's place, for example a copy that you are editing:

  bxhook list --hook crm-sync --limit 1
  bxhook run 1042/crm-sync
  bxhook run 1042/crm-sync --file ./new-version.sh

The event may be of any age and in any state; the hook may be one that did not match
it or is disabled.  Tokens that were erased are missing.  Ctrl-C ends the hook.

The exit status is 124 after the time limit and 128+N after signal N; 1 when the hook
could not be started.  To record a repeat, use 'bxhook retry'.
)";
    command.options = {{"--file", "SCRIPT", "run this program in the hook's place"}};
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
