#include "cli/dry_run.h"

#include <algorithm>
#include <string_view>

#include "base/escape.h"
#include "base/text.h"
#include "cli/form_fields.h"
#include "config/secrets.h"
#include "event/secrets.h"
#include "hooks/hooks.h"
#include "hooks/invocation.h"
#include "report/story.h"

namespace bx {

namespace {

std::string rule_of(const Hook& hook, const std::string& code) {
    std::string rule = "event " + hook.code;
    for (const std::string& glob : hook.globs) {
        if (!glob_match(glob, code, true)) continue;
        rule += glob;
        break;
    }
    for (const Condition& condition : hook.when) {
        bool secret = is_secret_path(condition.path);
        rule += ", when " + condition.path + " " + (secret ? "***" : condition.glob);
    }
    return printable(rule, 1000);
}

// EVENT as a worker would get it from the store.
StoredEvent stored(const NewEvent& event) {
    StoredEvent result;
    result.facts = event.facts;
    result.origin = event.origin;
    result.received_at = event.received_at;
    result.body = event.body;
    result.secrets = event.secrets;
    return result;
}

std::string launch_text(const Hook& hook, const NewEvent& event, const std::string& config_path) {
    const Claim claim{.event = stored(event),
                      .hook = hook.name,
                      .attempt = 1,
                      .max_attempts = hook.settings.attempts,
                      .run = "dry-run",
                      .started_at = wall_now()};
    Invocation invocation =
        prepare_invocation(claim, hook, own_surroundings(config_path), wall_now());
    if (!invocation.refusal.empty()) {
        return hook.name + " would not run: " + printable(invocation.refusal, 1000) + "\n";
    }
    std::string text = hook.name + " would run:";
    for (const std::string& word : invocation.argv) text += " " + printable(word, 1000);
    text += "\n  in " + printable(invocation.dir, 1000) + ", with\n";
    for (const std::string& variable : invocation.env) {
        const std::size_t end = variable.find('=');
        const std::string name = variable.substr(0, end);
        const std::string value = variable.substr(end + 1);
        const bool hidden = !name.starts_with("BX_") && looks_secret(name, value);
        text += "  " + (hidden ? name + "=***" : printable(variable, 1000)) + "\n";
    }
    return text;
}

// True when some hook looks at who caused the event, as a guard against loops does.
bool looks_at_user(const HookSet& hooks) {
    auto names_user = [](const Condition& condition) { return condition.path == "auth.user_id"; };
    return std::ranges::any_of(hooks.hooks(), [&](const Hook& hook) {
        return std::ranges::any_of(hook.when, names_user) ||
               std::ranges::any_of(hook.unless, names_user);
    });
}

}  // namespace

std::string dry_run_text(const Tree& body, const NewEvent& event, const Config& config) {
    const EventFacts& facts = event.facts;
    std::string text = FormFields(body).encode(true) + "\n\n";
    text += "event " + facts.code + ", kind " + (facts.kind.empty() ? "none" : facts.kind) +
            ", id " + (facts.id.empty() ? "none" : printable(facts.id)) + "\n";
    const HookSet hooks = HookSet::load(config);
    const HookSet::Match match = hooks.match(facts, body);
    for (const Hook* hook : match.taken) {
        text += "  " + hook->name + " matches: " + rule_of(*hook, facts.code) +
                (hook->conflict.empty() ? "" : "; it waits: " + printable(hook->conflict)) + "\n";
    }
    for (const Refusal& refusal : match.refused) {
        text += "  " + refusal.hook + ": " + printable(refusal.reason, 1000) + "\n";
    }
    if (match.taken.empty()) text += "  no matching hook: the event would be skipped\n";
    if (looks_at_user(hooks) && body.at("auth.user_id")) {
        text += "  note: an outgoing webhook sends no auth.user_id, only an application does; to "
                "see what happens then, add --unset auth.user_id\n";
    }
    for (const Hook* hook : match.taken) text += "\n" + launch_text(*hook, event, config.path);
    return text;
}

}  // namespace bx
