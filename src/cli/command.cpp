#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/fd.h"
#include "base/text.h"
#include "cli/terminal/screen.h"
#include "stores/open.h"

namespace bx {

namespace {

// How long a person's command waits for a lock that the worker or a gateway holds.
constexpr Millis patience = 10 * second;

// COMMAND's own options and those it shares with others.
std::vector<Option> all_options(const Command& command) {
    std::vector<Option> options = command.options;
    if (command.json) options.push_back({"--json", "", "write JSON, for programs"});
    options.push_back({"--config", "FILE", "the configuration file"});
    options.push_back({"--help", "", "this text"});
    return options;
}

constexpr std::size_t help_width = 79;
constexpr std::size_t option_column = 24;

// Fills the paragraphs of a help text; lines that begin with a blank (examples) stay as they are.
std::string reflowed(std::string_view help) {
    std::string text;
    std::string paragraph;
    auto flush = [&] {
        if (!paragraph.empty()) text += fill("", paragraph, help_width, 0);
        paragraph.clear();
    };
    for (std::string_view line : split(help, '\n')) {
        if (line.empty() || line.front() == ' ') {
            flush();
            text += std::string(line) + "\n";
        } else {
            paragraph += (paragraph.empty() ? "" : " ") + std::string(line);
        }
    }
    flush();
    return text;
}

UsageError usage_error(const Command& command, const std::string& what) {
    std::string name(command.name);
    return UsageError(name + ": " + what + " (see 'bxhook help " + name + "')");
}

const Option& find_option(const Command& command, const std::vector<Option>& options,
                          const std::string& name) {
    auto found = std::ranges::find(options, name, &Option::name);
    if (found != options.end()) return *found;
    std::vector<std::string_view> names;
    for (const Option& option : options) {
        if (!option.help.empty()) names.push_back(option.name);
    }
    std::string_view near = nearest(name, names);
    std::string hint = near.empty() ? "" : ", did you mean '" + std::string(near) + "'?";
    throw usage_error(command, "unknown option '" + printable(name) + "'" + hint);
}

// Takes the option at the front of ARGS, and its value.
std::pair<std::string, std::string> take_option(const Command& command,
                                                const std::vector<Option>& options,
                                                std::span<const std::string>& args) {
    std::string arg = args.front() == "-h" ? "--help" : args.front();
    args = args.subspan(1);
    std::size_t equals = arg.find('=');
    const std::string given = arg.substr(0, equals);
    const Option& option = find_option(command, options, given);
    std::string name(option.name);
    if (option.value.empty()) {
        if (equals == std::string::npos) return {name, ""};
        throw usage_error(command, "option '" + name + "' takes no value");
    }
    if (equals != std::string::npos) return {name, arg.substr(equals + 1)};
    if (args.empty()) {
        throw usage_error(command,
                          "option '" + name + "' needs a value: " + std::string(option.value));
    }
    std::string value = args.front();
    args = args.subspan(1);
    return {name, std::move(value)};
}

void check_word_count(const Command& command, const std::vector<std::string>& words) {
    if (words.size() < command.min_words) {
        throw usage_error(command, "missing argument: " + std::string(command.synopsis));
    }
    if (words.size() > command.max_words) {
        throw usage_error(command,
                          "unexpected argument '" + printable(words[command.max_words]) + "'");
    }
}

// What the command NAME of other programs is called here; empty for most.
std::string_view meant_by(std::string_view name) {
    using Pair = std::pair<std::string_view, std::string_view>;
    constexpr std::array<Pair, 8> others{{{"tail", "logs --follow"},
                                          {"replay", "retry"},
                                          {"resend", "retry"},
                                          {"redeliver", "retry"},
                                          {"rerun", "retry"},
                                          {"ls", "list"},
                                          {"ps", "status"},
                                          {"send", "trigger"}}};
    auto found = std::ranges::find(others, name, &Pair::first);
    return found == others.end() ? std::string_view{} : found->second;
}

}  // namespace

bool Arguments::has(std::string_view option) const {
    return std::ranges::any_of(options_, [&](const auto& given) { return given.first == option; });
}

std::string Arguments::value(std::string_view option) const {
    std::vector<std::string> all = values(option);
    return all.empty() ? "" : all.back();
}

std::vector<std::string> Arguments::values(std::string_view option) const {
    std::vector<std::string> result;
    for (const auto& [name, text] : options_) {
        if (name == option) result.push_back(text);
    }
    return result;
}

Arguments parse_arguments(const Command& command, std::span<const std::string> args) {
    std::vector<Option> options = all_options(command);
    Arguments result;
    bool only_words = false;
    while (!args.empty()) {
        const std::string& arg = args.front();
        if (only_words || arg.size() < 2 || arg[0] != '-') {
            result.words_.push_back(arg);
            args = args.subspan(1);
        } else if (arg == "--") {
            only_words = true;
            args = args.subspan(1);
        } else {
            result.options_.push_back(take_option(command, options, args));
        }
    }
    if (!result.has("--help")) check_word_count(command, result.words_);
    return result;
}

const std::vector<Command>& commands() {
    static const std::vector<Command> table{
        serve_command(),   work_command(),   init_command(),    check_command(), events_command(),
        trigger_command(), decode_command(), list_command(),    show_command(),  logs_command(),
        retry_command(),   cancel_command(), status_command(),  prune_command(), store_command(),
        help_command(),    version_command()};
    return table;
}

const Command& command_named(std::string_view name) {
    auto found = std::ranges::find(commands(), name, &Command::name);
    if (found != commands().end()) return *found;
    std::vector<std::string_view> names;
    for (const Command& command : commands()) names.push_back(command.name);
    std::string_view near = meant_by(name);
    if (near.empty()) near = nearest(name, names);
    std::string hint =
        near.empty() ? " (see 'bxhook help')" : ", did you mean '" + std::string(near) + "'?";
    throw UsageError("unknown command '" + printable(name) + "'" + hint);
}

std::string help_text() {
    std::string text =
        "usage: bxhook COMMAND [ARGUMENTS]\n"
        "\n"
        "Receives Bitrix24 events, keeps them durably and runs your hooks.\n"
        "\n";
    for (const Command& command : commands()) {
        std::string name(command.name);
        name.resize(10, ' ');
        text += "  " + name + std::string(command.summary) + "\n";
    }
    return text +
           "\n'bxhook help COMMAND' tells more about one; every command takes --config FILE.\n";
}

std::string help_text(const Command& command) {
    std::string text = "usage: bxhook " + std::string(command.name);
    bool has_options = !command.options.empty() && command.synopsis.find("--") == std::string::npos;
    if (has_options) text += " [OPTIONS]";
    if (!command.synopsis.empty()) text += " " + std::string(command.synopsis);
    text += "\n\n" + reflowed(trim(command.help)) + "\nOptions:\n";
    for (const Option& option : all_options(command)) {
        if (option.help.empty()) continue;
        std::string line = "  " + std::string(option.name);
        if (!option.value.empty()) line += " " + std::string(option.value);
        line.resize(std::max(line.size() + 2, option_column), ' ');
        text += fill(line, option.help, help_width, option_column);
    }
    return text;
}

ConfigPtr config_of(const Arguments& args, ConfigPart part) {
    std::string path = find_config(args.value("--config"));
    try {
        return load_config(path, part);
    } catch (const ConfigError& error) {
        std::string text = error.what();
        if (text.find(path) == std::string::npos) text = "'" + path + "': " + text;
        std::size_t more =
            error.problems().size() - std::min<std::size_t>(1, error.problems().size());
        if (more > 0) text += " (and " + std::to_string(more) + " more: 'bxhook check' shows all)";
        throw Error(text);
    }
}

std::unique_ptr<Store> store_of(const Config& config, Missing missing) {
    become_store_owner(config, missing);
    StoreOptions options;
    options.wait = patience;
    return open_store(config.store, options);
}

DeliveryName parse_delivery_name(std::string_view text) {
    if (std::optional<DeliveryName> name = delivery_name(text)) return *std::move(name);
    throw UsageError("'" + printable(text) + "' is no event (1042) and no delivery (1042/HOOK)");
}

Millis duration_option(const Arguments& args, std::string_view option, Millis fallback) {
    if (!args.has(option)) return fallback;
    Millis duration = parse_duration(args.value(option));
    if (duration >= 0) return duration;
    throw UsageError(std::string(option) + ": '" + printable(args.value(option)) +
                     "' is no duration (500ms 30s 5m 6h 30d)");
}

std::size_t count_option(const Arguments& args, std::string_view option, std::size_t fallback) {
    if (!args.has(option)) return fallback;
    std::optional<std::int64_t> count = parse_number(args.value(option));
    if (count && *count > 0) return static_cast<std::size_t>(*count);
    throw UsageError(std::string(option) + ": '" + printable(args.value(option)) +
                     "' is no number above 0");
}

std::string typed_program() {
    std::string binary = own_binary();
    const char* path = std::getenv("PATH");
    std::string places = ":" + std::string(path == nullptr ? "" : path) + ":";
    bool found = places.find(":" + directory_of(binary) + ":") != std::string::npos;
    return found && binary.ends_with("/bxhook") ? "bxhook" : shell_word(binary);
}

void print(std::string_view text) {
    if (!write_all(STDOUT_FILENO, text)) throw_errno("cannot write to stdout");
}

bool stdout_is_terminal() {
    return ::isatty(STDOUT_FILENO) == 1;
}

}  // namespace bx
