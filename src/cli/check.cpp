#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/curl.h"
#include "cli/findings.h"
#include "cli/screen.h"
#include "store/owner.h"

namespace bx {

namespace {

struct Loaded {
    ConfigPtr config;       // null: nothing of it can be used
    bool complete = false;  // else only what the gateway uses
};

// A syntax error names file and line itself.
void report_config_problem(const std::string& path, const std::string& problem,
                           Findings& findings) {
    std::string fix = "edit " + shell_word(path);
    std::size_t end = problem.find(": ");
    if (problem.starts_with(path + ":") && end != std::string::npos) {
        findings.error(problem.substr(0, end), problem.substr(end + 2), fix);
    } else {
        findings.error(path, problem, fix);
    }
}

Loaded load(const std::string& path, Findings& findings) {
    try {
        return {load_config(path, ConfigPart::all), true};
    } catch (const ConfigError& error) {
        for (const std::string& problem : error.problems()) {
            report_config_problem(path, problem, findings);
        }
    } catch (const Error& error) {
        bool missing = ::access(path.c_str(), F_OK) != 0;
        findings.error(path, error.what(),
                       missing ? "bxhook init DIR" : "ls -l " + shell_word(path));
        return {};
    }
    try {
        return {load_config(path, ConfigPart::gateway), false};
    } catch (const Error&) {
        return {};  // told already
    }
}

// What follows is looked at with the eyes of the user that gateway and worker run as.
void become_owner(const Config& config, Findings& findings) {
    // It would be made now, and a check changes nothing.
    if (::access(directory_of(config.store).c_str(), F_OK) != 0) return;
    try {
        become_store_owner(config.store);
    } catch (const Error& error) {
        return findings.error(store_without_password(config.store), error.what(), "");
    }
    if (::access(config.path.c_str(), R_OK) != 0) {
        findings.error(config.path, "the user that owns the store cannot read it",
                       "chown that user and chmod 600 " + shell_word(config.path));
    }
}

Findings examine(const Arguments& args, const Loaded& loaded, Findings findings) {
    if (!loaded.config) return findings;
    const Config& config = *loaded.config;
    become_owner(config, findings);
    check_files(config, findings);
    if (loaded.complete) check_hooks(config, findings);
    check_store(config, findings);
    check_host(findings);
    if (args.has("--url")) check_web(args.value("--url"), config, findings);
    return findings;
}

std::string as_json(const Findings& findings, const std::string* config_text) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("ok", findings.errors() == 0).key("problems").begin_array();
    for (const Finding& finding : findings.list()) {
        json.begin_object().field("level", finding.error ? "error" : "warning");
        json.field("place", finding.place).field("message", finding.message);
        json.key("fix").value_or_null(finding.fix).end_object();
    }
    json.end_array();
    if (config_text != nullptr) json.field("config", *config_text);
    json.end_object();
    return text + "\n";
}

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string as_text(const std::string& path, const Findings& findings) {
    Screen screen = Screen::of_stdout();
    std::string text;
    for (const Finding& finding : findings.list()) {
        text += finding.error ? screen.paint("error", Colour::red)
                              : screen.paint("warning", Colour::yellow);
        text += ": " + printable(finding.place, 1000) + ": " + visible(finding.message) + "\n";
        if (!finding.fix.empty()) text += "    mend it: " + visible(finding.fix) + "\n";
    }
    std::size_t errors = findings.errors();
    std::size_t warnings = findings.list().size() - errors;
    std::string verdict = errors > 0 ? "not usable: " + counted(errors, "error") : "ok";
    if (warnings > 0) verdict += ", " + counted(warnings, "warning");
    return text + printable(path, 1000) + ": " + verdict + "\n";
}

int run(const Arguments& args) {
    if (args.has("--url")) check_url(args.value("--url"));
    std::string path = find_config(args.value("--config"));
    Findings findings;
    Loaded loaded = load(path, findings);
    findings = examine(args, loaded, std::move(findings));
    std::string config_text;
    if (args.has("--print") && loaded.complete) config_text = print_config(*loaded.config);
    bool shows_config = !config_text.empty();
    if (args.has("--json")) {
        print(as_json(findings, shows_config ? &config_text : nullptr));
    } else if (shows_config) {
        // As `nginx -T`: what was asked for alone on stdout.
        print(config_text);
        if (!write_all(STDERR_FILENO, as_text(path, findings))) return 1;
    } else {
        print(as_text(path, findings));
    }
    return findings.errors() == 0 ? 0 : 1;
}

}  // namespace

std::size_t Findings::errors() const {
    return static_cast<std::size_t>(std::ranges::count(list_, true, &Finding::error));
}

Command check_command() {
    Command command;
    command.name = "check";
    command.summary = "look for mistakes in config, hooks, permissions, store";
    command.help = R"(
Looks at everything that could keep an event from its hook: the configuration, the
hooks, permissions, the store, the worker; each problem with its place and what
mends it.  Exit status 1 for errors, not for warnings.  Before an edit goes live:

  cp bxhook.conf new.conf; vi new.conf
  bxhook check --config new.conf && mv new.conf bxhook.conf

--print shows the configuration with every value in force, secrets as ***.  --url
also asks the gateway at that URL as Bitrix24 would, and makes sure that config,
store and hooks cannot be fetched there.
)";
    command.options = {{"--print", "", "show the configuration in force"},
                       {"--url", "URL", "also check from outside, by curl"}};
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
