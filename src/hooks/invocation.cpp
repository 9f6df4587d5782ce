#include "hooks/invocation.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/escape.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "config/secrets.h"
#include "event/catalog.h"
#include "event/kinds.h"
#include "event/payload.h"
#include "event/secrets.h"
#include "hooks/mask.h"
#include "host/accounts.h"

namespace bx {

namespace {

constexpr std::size_t max_argument = std::size_t{64} << 10;  // of one {path}
// The kernel takes 128 KB a string (MAX_ARG_STRLEN) and about 2 MB in all.
constexpr std::size_t max_variable = std::size_t{32} << 10;
constexpr std::size_t max_data_variables = std::size_t{128} << 10;

std::string variable(std::string_view name, std::string_view value) {
    std::string text;
    text.reserve(name.size() + 1 + value.size());
    return std::move(text.append(name).append(1, '=').append(value));
}

// The variables of one run, AT_MOST of them.
class Environment {
public:
    explicit Environment(std::size_t at_most) { variables_.reserve(at_most); }

    // NAME was not set before.
    void set(std::string_view name, std::string_view value) {
        variables_.push_back(variable(name, value));
    }

    // A value that came with the event: not set when it is empty or cannot be a variable's.
    void set_from_event(std::string_view name, std::string_view value) {
        if (value.empty()) return;
        if (fits(value)) {
            set(name, value);
        } else {
            truncated_ = true;
        }
    }

    // Every scalar of VALUES, what is below a field at the top, that is not secret, as PREFIX_...
    void set_data(std::string_view prefix, PayloadValues values) {
        std::string name(prefix);  // of the array that is open, in front of it those around it
        std::vector<std::size_t> ends{name.size()};  // of their names
        for (const PayloadValue& value : values) {
            ends.resize(value.depth - 1);
            name.resize(ends.back());
            if (!value.is_text()) {
                append_to_name(name, value.key);
                ends.push_back(name.size());
            } else if (!value.secret) {
                set_scalar(name, value);
            }
        }
    }

    std::vector<std::string> take() {
        if (truncated_) variables_.emplace_back("BX_TRUNCATED=1");
        return std::move(variables_);
    }

private:
    static bool fits(std::string_view value) {
        return value.size() <= max_variable && value.find('\0') == std::string_view::npos;
    }

    static void append_to_name(std::string& name, std::string_view key) {
        name += '_';
        for (char c : key) {
            c = upper(c);
            name += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
        }
    }

    // In an array of that NAME, which is used and left longer.  A name is not made before it is
    // known to fit: a thousand fields may share an array's name of the body's size.
    void set_scalar(std::string& name, const PayloadValue& scalar) {
        const std::size_t name_size = name.size() + 1 + scalar.key.size();
        const std::size_t size = name_size + scalar.text.size() + 2;  // '=' and the final NUL
        if (!fits(scalar.text) || name_size > max_variable || used_ + size > max_data_variables) {
            truncated_ = true;
            return;
        }
        append_to_name(name, scalar.key);
        if (names_.contains(name)) {
            truncated_ = true;
            return;
        }
        used_ += size;
        set(name, scalar.text);
        names_.insert(std::string_view(variables_.back()).substr(0, name_size));
    }

    std::vector<std::string> variables_;  // never moved: names_ are pieces of them
    std::unordered_set<std::string_view> names_;  // of the event's data
    std::size_t used_ = 0;                // bytes of these variables
    bool truncated_ = false;
};

// Empty for an array, and where there is nothing.
std::string_view text_at(PayloadValues body, std::string_view path) {
    const PayloadValue* value = find_value(body, path);
    return value == nullptr ? std::string_view() : value->text;
}

// When the access token ends, or empty: auth.expires, or ts + auth.expires_in (seconds).
std::string token_expiry(PayloadValues body, const EventFacts& facts) {
    constexpr std::int64_t year_10000 = 253402300800;  // seconds; ISO 8601 has four digits
    std::optional<std::int64_t> moment = parse_number(text_at(body, "auth.expires"));
    if (!moment) {
        std::optional<std::int64_t> ts = parse_number(facts.ts);
        std::optional<std::int64_t> in = parse_number(text_at(body, "auth.expires_in"));
        if (ts && in && *ts < year_10000 && *in < year_10000) moment = *ts + *in;
    }
    return moment && *moment < year_10000 ? iso_time(*moment * second) : std::string();
}

auto find_name(const auto& variables, std::string_view name) {
    return std::ranges::find_if(variables, [name](const auto& each) { return each.first == name; });
}

// All but `env` and the data.
constexpr std::size_t own_variables = 27;

// What every program gets, each as OWN, the hook's `env`, has it if it does; then the rest of OWN.
void set_general(Environment& env, const std::vector<std::pair<std::string, std::string>>& own,
                 const Surroundings& surroundings) {
    std::vector<std::pair<std::string_view, std::string_view>> general{
        {"PATH", search_path},
        {"HOME", surroundings.home},
        {"LANG", "C.UTF-8"},
        {"BXHOOK", surroundings.binary},
        {"BXHOOK_CONFIG", surroundings.config}};
    if (const char* zone = std::getenv("TZ")) general.emplace_back("TZ", zone);
    for (const auto& [name, value] : general) {
        const auto same = find_name(own, name);
        env.set(name, same == own.end() ? value : same->second);
    }
    for (const auto& [name, value] : own) {
        if (name.starts_with("BX_") || find_name(general, name) != general.end()) continue;
        env.set(name, value);
    }
}

std::vector<std::string> environment_of(const Claim& claim, const Hook& hook, PayloadValues body,
                                        const Surroundings& surroundings, Millis now) {
    const EventFacts& facts = claim.event.facts;
    Environment env(own_variables + hook.settings.env.size() + body.size());
    // First: who looks for a run's processes reads it in /proc.
    env.set("BX_RUN", claim.run);
    set_general(env, hook.settings.env, surroundings);
    env.set("BX_EVENT", facts.code);
    env.set_from_event("BX_ID", facts.id);
    env.set_from_event("BX_PORTAL", facts.domain);
    env.set_from_event("BX_MEMBER_ID", facts.member_id);
    env.set_from_event("BX_USER_ID", facts.user_id);
    env.set_from_event("BX_EVENT_HANDLER_ID", facts.handler_id);
    env.set_from_event("BX_TS", facts.ts);
    env.set("BX_EVENT_NUMBER", std::to_string(claim.event.number));
    env.set("BX_ORIGIN", name_of(claim.event.origin));
    env.set("BX_HOOK", claim.hook);
    env.set("BX_ATTEMPT", std::to_string(claim.attempt));
    env.set("BX_MAX_ATTEMPTS", std::to_string(claim.max_attempts));
    env.set("BX_RECEIVED_AT", iso_time(claim.event.received_at));
    env.set("BX_DEADLINE", std::to_string((now + hook.settings.timeout) / second));
    env.set_from_event("BX_TOKEN_EXPIRES_AT", token_expiry(body, facts));
    if (claim.event.origin == Origin::test || claim.by_hand) env.set("BX_TEST", "1");
    const auto set_below = [&](std::string_view prefix, std::string_view field) {
        const PayloadValue* data = find_value(body, field);
        if (data != nullptr) env.set_data(prefix, values_below(body, data));
    };
    set_below("BX_DATA", "data");
    if (has_properties(facts.code)) set_below("BX_PROPERTY", "properties");
    return env.take();
}

// The values to mask: the secret that `forward` signs with, and every secret of the event as it is,
// and as it stands in the JSON on stdin where that differs.
std::vector<std::string> secrets_of(PayloadValues body, const HookSettings& settings) {
    std::vector<std::string> secrets = forward_secrets(settings.env);
    for (const PayloadValue& value : body) {
        if (value.text.size() < min_masked_secret || !value.secret) continue;
        secrets.emplace_back(value.text);
        std::string quoted;
        append_json_string(quoted, value.text);
        quoted = quoted.substr(1, quoted.size() - 2);
        if (quoted != value.text) secrets.push_back(std::move(quoted));
    }
    std::ranges::sort(secrets);
    secrets.erase(std::unique(secrets.begin(), secrets.end()), secrets.end());
    return secrets;
}

// The value that {PATH} stands for; what makes it unusable goes into PROBLEM.
std::string_view argument_value(PayloadValues body, std::string_view path,
                                std::string_view& problem) {
    const PayloadValue* value = find_value(body, path);
    if (value == nullptr) {
        problem = "is missing";
    } else if (!value->is_text()) {
        problem = "is an array";
    } else if (value->secret) {
        problem = "is secret";
    } else if (value->text.size() > max_argument) {
        problem = "is over 64 KB";
    } else if (value->text.find('\0') != std::string_view::npos) {
        problem = "holds NUL";
    } else {
        return value->text;
    }
    return {};
}

std::string unclosed_brace(const std::string& text) {
    return "argument '" + printable(text) + "' has a brace that is not closed ({{ is a brace)";
}

// The parts of an argument template in order: PLAIN takes text, PATH what stands in braces.  False:
// its last brace is not closed.
bool split_argument(std::string_view text, const std::function<void(std::string_view)>& plain,
                    const std::function<void(std::string_view)>& path) {
    for (;;) {
        const std::size_t brace = text.find('{');
        plain(text.substr(0, brace));
        if (brace == std::string_view::npos) return true;
        text.remove_prefix(brace + 1);
        if (text.starts_with('{')) {
            plain("{");
            text.remove_prefix(1);
            continue;
        }
        const std::size_t end = text.find('}');
        if (end == std::string_view::npos) return false;
        path(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
}

// One argument template: {path.in.event} replaced, {{ a brace.  REFUSAL is set when a path is
// missing, an array, secret, over 64 KB or holds NUL.
std::string expand_argument(const std::string& text, PayloadValues body, std::string& refusal) {
    std::string result;
    const bool closed = split_argument(
        text, [&](std::string_view plain) { result.append(plain); },
        [&](std::string_view path) {
            std::string_view problem;
            result.append(argument_value(body, path, problem));
            if (!problem.empty() && refusal.empty()) {
                refusal = "argument {" + std::string(path) + "} " + std::string(problem);
            }
        });
    if (!closed && refusal.empty()) refusal = unclosed_brace(text);
    return refusal.empty() ? result : std::string();
}

// None: REFUSAL says why the event cannot be read.
std::vector<PayloadValue> body_of(const StoredEvent& event, std::string& refusal) {
    try {
        if (!event.damage.empty()) throw Error(event.damage);
        return list_payload(event.body, event.secrets,
                            event.secrets_erased ? Secrets::omit : Secrets::keep);
    } catch (const Error& error) {
        refusal = std::string("the event cannot be read: ") + error.what();
        return {};
    }
}

}  // namespace

std::vector<Problem> argument_problems(const std::string& text) {
    std::vector<Problem> problems;
    auto add = [&problems](Level level, const std::string& message) {
        problems.push_back({level, "", message, ""});
    };
    const bool closed = split_argument(text, [](std::string_view) {}, [&](std::string_view path) {
        const std::string name = "argument {" + printable(path) + "}";
        const std::string_view top = path.substr(0, path.find('.'));
        if (is_secret_path(path)) {
            add(Level::error, name + " is secret, and never put into an argument: the hook gets "
                              "it on stdin");
        } else if (upper(top).starts_with("BX_")) {
            add(Level::error, name + " is a variable of the hook's environment, not a path in the "
                              "event: use $" + printable(path) + " in the hook, or a path as "
                              "{data.FIELDS.ID}");
        } else if (!is_top_field(top)) {
            add(Level::warning, name + " is in no event: a path begins at the top, as "
                                "data.FIELDS.ID or auth.user_id do");
        }
    });
    if (!closed) add(Level::error, unclosed_brace(text));
    return problems;
}

Surroundings own_surroundings(const std::string& config_path) {
    const std::optional<User> user = find_user(::geteuid());
    return {user ? user->home : "/", own_binary(), config_path};
}

Invocation prepare_invocation(const Claim& claim, const Hook& hook,
                              const Surroundings& surroundings, Millis now) {
    Invocation invocation;
    const std::vector<PayloadValue> body = body_of(claim.event, invocation.refusal);
    if (body.empty()) return invocation;
    invocation.program = hook.program;
    invocation.argv.push_back(hook.program);
    for (const std::string& arg : hook.args) {
        invocation.argv.push_back(expand_argument(arg, body, invocation.refusal));
        if (!invocation.refusal.empty()) return invocation;
    }
    invocation.env = environment_of(claim, hook, body, surroundings, now);
    invocation.dir = hook.settings.dir.empty() ? directory_of(hook.program) : hook.settings.dir;
    // Enough, unless much has to be escaped; else a large one would take twice the room it needs.
    invocation.input.reserve(claim.event.body.size() + claim.event.secrets.size() +
                             8 * body.size());
    append_list_json(invocation.input, body);
    invocation.input += '\n';
    invocation.secrets = secrets_of(body, hook.settings);
    return invocation;
}

}  // namespace bx
