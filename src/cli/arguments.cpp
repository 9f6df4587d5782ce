#include "cli/arguments.h"

#include <algorithm>
#include <optional>

#include "base/escape.h"
#include "base/text.h"
#include "cli/command.h"

namespace bx {

namespace {

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
    throw usage_error(command, "unknown option '" + printable(name) + "'" +
                                   did_you_mean(nearest(name, names)));
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

Millis duration_option(const Arguments& args, std::string_view option, Millis fallback) {
    if (!args.has(option)) return fallback;
    if (std::optional<Millis> duration = parse_duration(args.value(option))) return *duration;
    throw UsageError(std::string(option) + ": '" + printable(args.value(option)) +
                     "' is not a duration (" + std::string(duration_examples) + ")");
}

std::size_t count_option(const Arguments& args, std::string_view option, std::size_t fallback) {
    if (!args.has(option)) return fallback;
    std::optional<std::int64_t> count = parse_number(args.value(option));
    if (count && *count > 0) return static_cast<std::size_t>(*count);
    throw UsageError(std::string(option) + ": '" + printable(args.value(option)) +
                     "' is not a positive number");
}

DeliveryName parse_delivery_name(std::string_view text) {
    if (std::optional<DeliveryName> name = delivery_name(text)) return *std::move(name);
    throw UsageError("'" + printable(text) +
                     "' is not an event number (1042) or a delivery (1042/HOOK)");
}

}  // namespace bx
