#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "cli/check/findings.h"
#include "cli/command.h"
#include "cli/curl.h"
#include "cli/output.h"
#include "cli/terminal/colours.h"
#include "cli/terminal/screen.h"
#include "config/config_file.h"
#include "config/print.h"
#include "config/secrets.h"
#include "host/accounts.h"
#include "host/advice.h"
#include "host/own_commands.h"
#include "host/store_owner.h"
#include "report/json.h"

namespace bx {

namespace {

struct Loaded {
    ConfigPtr config;       // null: nothing of it can be used
    bool complete = false;  // else only what the gateway uses
};

// PROBLEM of the config at PATH: one of a line names its file itself, one of a key does not.
Problem placed_in_file(const Problem& problem, const std::string& path) {
    if (!problem.fix.empty()) return problem;
    return {problem.level, path, to_string(problem), edit_command(path)};
}

// `init` makes a config of that name only, and as root it must be told the user.
std::string fix_of_unreadable(const std::string& path) {
    std::string dir = directory_of(path);
    bool missing = ::access(path.c_str(), F_OK) != 0 && errno == ENOENT;
    if (!missing || !path.ends_with("/bxhook.conf")) {
        return "ls -la " + shell_word(missing || errno == EACCES ? dir : path);
    }
    std::string user;
    if (::geteuid() == 0) user = find_user("bxhook") ? " --user bxhook" : " --user USER";
    return typed_program() + " init " + shell_word(dir) + user;
}

Loaded load(const std::string& path, Findings& findings) {
    try {
        return {load_config(path, ConfigPart::all), true};
    } catch (const UnsafeFile& error) {
        findings.error(error.path(), error.problem(), error.fix());
        return {};
    } catch (const ConfigError& error) {
        for (const Problem& problem : error.problems()) {
            findings.add(placed_in_file(problem, path));
        }
    } catch (const Error& error) {
        findings.error(path, error.what(), fix_of_unreadable(path));
        return {};
    }
    try {
        return {load_config(path, ConfigPart::gateway), false};
    } catch (const Error&) {
        return {};  // told already
    }
}

// sudo(8) wants a `#` before a number.
std::string sudo_user(uid_t uid) {
    return find_user(uid) ? user_name(uid) : shell_word("#" + user_argument(uid));
}

// The file may be root's, and stays it: its group is let in, as the Debian package has it.
std::string let_read_command(const std::string& path) {
    for (std::string dir = directory_of(path); dir != "/"; dir = directory_of(dir)) {
        if (::access(dir.c_str(), X_OK) != 0) return "ls -ld " + shell_word(dir);
    }
    // Others may have that group as well.
    if (::getegid() == no_group) {
        return "chown " + user_argument(::geteuid()) + " " + shell_word(path);
    }
    return "chgrp " + std::to_string(::getegid()) + " " + shell_word(path) + " && chmod g+r " +
           shell_word(path);
}

// Why this process cannot be the store's owner, and what to do.
void report_owner_problem(const Config& config, const std::string& problem, Findings& findings) {
    std::string dir = directory_of(config.store.worker_files);
    struct stat info {};
    std::string fix;
    if (::stat(dir.c_str(), &info) != 0) {
        fix = make_store_directory_command(dir);
    } else if (info.st_uid == 0) {
        fix = give_directory_command(config.store.worker_files);
    } else if (::geteuid() == 0) {
        fix = "ls -ld " + shell_word(dir);
    } else {
        fix = "sudo -u " + sudo_user(info.st_uid) + " " + findings.commands().line("check");
    }
    findings.error(config.store.for_people(), problem, fix);
}

// Becomes the user that gateway and worker run as: what follows is checked with its rights.  False
// when it cannot: the rights of another user do not matter.
bool become_owner(const Config& config, Findings& findings) {
    try {
        become_store_owner(config.store.worker_files, config.writers, Missing::leave);
    } catch (const UnsafeFile& error) {
        findings.error(error.path(), error.problem(), error.fix());
        return false;
    } catch (const Error& error) {
        report_owner_problem(config, error.what(), findings);
        return false;
    }
    if (::access(config.path.c_str(), R_OK) != 0) {
        findings.error(config.path,
                       user_name(::geteuid()) + ", who owns the store, cannot read it",
                       let_read_command(config.path));
    }
    return true;
}

struct Examined {
    Findings findings;
    std::optional<Millis> answered_in;  // by the gateway at --url
};

Examined examine(const Arguments& args, const Loaded& loaded, Findings findings) {
    if (!loaded.config) return {std::move(findings), {}};
    const Config& config = *loaded.config;
    check_gateways(config, findings);
    if (!become_owner(config, findings)) return {std::move(findings), {}};
    check_portals(config, findings);
    check_files(config, findings);
    if (loaded.complete) check_hooks(config, findings);
    check_store(config, findings);
    check_host(findings);
    std::optional<Millis> answered_in;
    if (args.has("--url")) answered_in = check_web(args.value("--url"), config, findings);
    return {std::move(findings), answered_in};
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

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string as_text(const std::string& path, const Examined& examined) {
    Screen screen = Screen::of_stdout();
    const Findings& findings = examined.findings;
    std::string text;
    for (const Problem& problem : findings.list()) {
        text += screen.filled(screen.paint(name_of(problem.level), colour_of(problem.level)) + ": ",
                              printable(problem.place, 1000) + ": " +
                                  printable(problem.message, 4000));
        // To be copied: never broken by us.
        if (!problem.fix.empty()) text += "    fix: " + visible(problem.fix) + "\n";
    }
    std::size_t errors = findings.errors();
    std::size_t warnings = findings.list().size() - errors;
    std::string verdict = errors > 0 ? "not usable: " + counted(errors, "error") : "ok";
    if (warnings > 0) verdict += ", " + counted(warnings, "warning");
    if (examined.answered_in) {
        verdict += ", answered in " + std::to_string(*examined.answered_in) + " ms";
    }
    return text + printable(path, 1000) + ": " + verdict + "\n";
}

int run(const Arguments& args) {
    if (args.has("--url")) check_url(args.value("--url"));
    std::string path = find_config(args.value("--config"));
    Findings findings(OwnCommands(args.has("--config") ? path : ""));
    Loaded loaded = load(path, findings);
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
Looks at everything that could keep an event from its hook: configuration, hooks,
permissions, store, worker, machine; tells all problems, each with its place and
the command that mends it.  Exit status 1 for errors, not for warnings.  It changes
nothing, and needs neither root nor a store.  Before an edit goes live:

  cp -p bxhook.conf new.conf; vi new.conf
  bxhook check --config new.conf && mv new.conf bxhook.conf

--print shows the configuration with every value in force, secrets as ***.  --url
also asks the gateway at that URL as Bitrix24 would: that it answers a GET, in less
than a second, and a wrong token with 403; that the certificate is trusted, its
chain complete; and that config, store and hooks cannot be fetched there.
)";
    command.options = {{"--print", "", "show the configuration in force"},
                       {"--url", "URL", "also check from outside, by curl"}};
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
