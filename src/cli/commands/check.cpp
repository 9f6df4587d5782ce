#include <unistd.h>

#include <set>

#include "base/escape.h"
#include "base/fd.h"
#include "cli/check/findings.h"
#include "cli/command.h"
#include "cli/curl.h"
#include "cli/output.h"
#include "cli/problem_lines.h"
#include "config/config_file.h"
#include "config/print.h"
#include "report/json.h"
#include "report/wording.h"

namespace bx {

namespace {

struct Examined {
    Findings findings;
    bool complete = false;              // the configuration can be used
    std::optional<Millis> answered_in;  // by the gateway at --url
};

Examined examine(const Arguments& args, const Loaded& loaded, Findings findings) {
    if (!loaded.config) return {std::move(findings), false, {}};
    const Config& config = *loaded.config;
    const bool draft = is_draft(config);
    check_gateways(config, findings);
    if (!become_owner(config, findings)) return {std::move(findings), loaded.complete, {}};
    check_portals(config, findings);
    check_files(config, findings);
    Hooks hooks;
    if (loaded.complete) {
        hooks = check_hooks(config, findings);
        if (!hooks.any_enabled) findings.add(no_hook_enabled(config));
    }
    check_store(config, draft ? nullptr : &hooks, findings);
    check_host(findings);
    std::optional<Millis> answered_in;
    if (args.has("--url")) {
        answered_in = check_web(args.value("--url"), config, findings);
        check_app_urls(args.value("--url"), config, findings);
        check_outgoing(config, findings);
    }
    return {std::move(findings), loaded.complete, answered_in};
}

// The hooks that no event can use, where that is all that is wrong; none: something else is too.
std::size_t broken_hooks(const Examined& examined) {
    std::set<std::string> hooks;
    for (const Problem& problem : examined.findings.list()) {
        if (problem.level != Level::error) continue;
        if (!examined.complete || !problem.place.starts_with("hook ")) return 0;
        hooks.insert(problem.place);
    }
    return hooks.size();
}

// "not usable: 2 errors", "usable except for 1 hook: 1 error", "ok"
std::string verdict_of(const Examined& examined) {
    const auto errors = static_cast<std::int64_t>(examined.findings.errors());
    if (errors == 0) return "ok";
    const auto broken = static_cast<std::int64_t>(broken_hooks(examined));
    const std::string usable =
        broken == 0 ? "not usable" : "usable except for " + counted(broken, "hook", "hooks");
    return usable + ": " + counted(errors, "error", "errors");
}

std::string as_json(const Examined& examined, const std::string* config_text) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("ok", examined.findings.errors() == 0);
    write_problems(json, "problems", examined.findings.list());
    json.field("answer_ms", examined.answered_in);
    if (config_text != nullptr) json.field("config", *config_text);
    json.end_object();
    return json_line(text);
}

std::string as_text(const std::string& path, const Examined& examined) {
    Screen screen = Screen::of_stdout();
    const Findings& findings = examined.findings;
    std::string text;
    for (const Problem& problem : findings.list()) text += problem_lines(screen, problem);
    const auto warnings = static_cast<std::int64_t>(findings.list().size() - findings.errors());
    std::string verdict = verdict_of(examined);
    if (warnings > 0) verdict += ", " + counted(warnings, "warning", "warnings");
    if (examined.answered_in) {
        verdict += ", answered in " + std::to_string(*examined.answered_in) + " ms";
    }
    return text + printable(path, 1000) + ": " + verdict + "\n";
}

int run(const Arguments& args) {
    if (args.has("--url")) check_url(args.value("--url"));
    std::string path = find_config(args.value("--config"));
    Findings findings("check", OwnCommands(args.has("--config") ? path : ""));
    Loaded loaded = check_config(path, findings);
    Examined examined = examine(args, loaded, std::move(findings));
    std::string config_text;
    if (args.has("--print") && loaded.complete) config_text = print_config(*loaded.config);
    bool shows_config = !config_text.empty();
    if (args.has("--json")) {
        print(as_json(examined, shows_config ? &config_text : nullptr));
    } else if (shows_config) {
        // As `nginx -T`: what was asked for alone on stdout.
        print_foreign(config_text);
        if (!write_all(STDERR_FILENO, as_text(path, examined))) return 1;
    } else {
        print(as_text(path, examined));
    }
    return examined.findings.errors() == 0 ? 0 : 1;
}

}  // namespace

Command check_command() {
    Command command;
    command.name = "check";
    command.summary = "look for mistakes in config, hooks, permissions, store";
    command.help = R"(
Checks everything that could keep an event from its hook: configuration, hooks,
permissions, store, worker, machine.  It shows every problem with its place and
the command that fixes it, and changes nothing.  The exit status is 1 for errors,
not for warnings.  An error of a hook keeps only that hook from its events: the last
line then says 'usable except for 1 hook'.  Run it as the user that bxhook runs as, or
as root, which then checks with that user's rights.  Before an edit goes live:

  cp -p bxhook.conf new.conf; vi new.conf
  bxhook check --config new.conf && mv new.conf bxhook.conf

Of such a copy beside bxhook.conf only the copy is checked, not the workers and
deliveries of the configuration that is live.

--print shows the configuration with every value in force, secrets as ***.  --url
also asks the gateway at that URL as Bitrix24 would: it must answer a GET within a
second, and a wrong token with 403; the certificate must be trusted and its chain
complete; and config, store and hooks must not be served there.  Where applications
have another `url`, that is asked too; and Bitrix24's authorization server is, which also
tells whether this machine's clock is right.  It cannot see which configuration that
gateway uses: 'bxhook trigger ONAPPTEST --url URL' sends it an event with a token of this
one, and 'bxhook portals test P' has a portal send one.
)";
    command.options = {{"--print", "", "show the configuration in force"},
                       {"--url", "URL", "also check from outside, by curl"}};
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
