// The words behind a command's name, checked against the options it takes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "store/store.h"

namespace bx {

struct Command;

// One option: "--limit N" takes a value, "--json" none.  `value` names it for the help, empty:
// none.
struct Option {
    std::string_view name;   // "--limit"
    std::string_view value;  // "N"
    std::string_view help;   // one line; empty: for our own processes, not in any help
};

class Arguments {
public:
    bool has(std::string_view option) const;
    // The last value given; empty when the option was not.
    std::string value(std::string_view option) const;
    std::vector<std::string> values(std::string_view option) const;
    const std::vector<std::string>& words() const { return words_; }

private:
    friend Arguments parse_arguments(const Command&, std::span<const std::string>);
    std::vector<std::pair<std::string, std::string>> options_;
    std::vector<std::string> words_;
};

// Options may stand anywhere, as "--limit 5" or "--limit=5"; "--" ends them.  Throws UsageError for
// an unknown one (with the nearest known), a missing value, too few or too many words.
Arguments parse_arguments(const Command& command, std::span<const std::string> args);

// The value of an option, checked.  Throw UsageError naming the option.  When it was not given:
// FALLBACK.
Millis duration_option(const Arguments& args, std::string_view option, Millis fallback);
std::size_t count_option(const Arguments& args, std::string_view option, std::size_t fallback);

// "1042", "1042/crm-sync"; also "1042/-", as `list` names an event without delivery.  Throws
// UsageError.
DeliveryName parse_delivery_name(std::string_view text);

}  // namespace bx
