#include "hooks/invocation.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
#include <unordered_set>

#include "base/escape.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "event/catalog.h"
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
constexpr std::string_view data_prefix = "BX_DATA";

// The variables of one run.  A name set again keeps its place and takes the new value.
class Environment {
public:
    void set(std::string_view name, std::string_view value) {
        std::string prefix = std::string(name) + '=';
        auto same = std::ranges::find_if(
            variables_, [&](const std::string& variable) { return variable.starts_with(prefix); });
        if (same == variables_.end()) same = variables_.emplace(same);
        *same = prefix.append(value);
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

    // Every scalar below DATA that is not secret, as BX_DATA_...
    void set_data(Value data) {
        std::unordered_set<std::string> names;
        std::size_t used = 0;
        each_scalar(data, [&](KeyPath path, Value scalar) {
            if (is_secret_key(scalar.key())) return;
            // The name is not made before it is known to fit: a thousand fields may share a key of
            // the body's size.
            std::size_t name_size = data_name_size(path);
            std::size_t size = name_size + scalar.text().size() + 2;  // '=' and the final NUL
            bool fit = fits(scalar.text()) && name_size <= max_variable &&
                       used + size <= max_data_variables;
            std::string name = fit ? data_name(path) : std::string();
            if (!fit || !names.insert(name).second) {
                truncated_ = true;
                return;
            }
            used += size;
            variables_.push_back(name.append("=").append(scalar.text()));
        });
    }

    std::vector<std::string> take() {
        if (truncated_) variables_.emplace_back("BX_TRUNCATED=1");
        return std::move(variables_);
    }

private:
    static bool fits(std::string_view value) {
        return value.size() <= max_variable && value.find('\0') == std::string_view::npos;
    }

    static std::size_t data_name_size(KeyPath path) {
        std::size_t size = data_prefix.size();
        for (std::string_view key : path) size += 1 + key.size();
        return size;
    }

    static std::string data_name(KeyPath path) {
        std::string name(data_prefix);
        for (std::string_view key : path) {
            name += '_';
            for (char c : key) {
                c = upper(c);
                name += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
            }
        }
        return name;
    }

    std::vector<std::string> variables_;
    bool truncated_ = false;
};

// When the access token ends, or empty: auth.expires, or ts + auth.expires_in (seconds).
std::string token_expiry(const Tree& body, const EventFacts& facts) {
    constexpr std::int64_t year_10000 = 253402300800;  // seconds; ISO 8601 has four digits
    std::optional<std::int64_t> moment = parse_number(body.at("auth.expires").text());
    if (!moment) {
        std::optional<std::int64_t> ts = parse_number(facts.ts);
        std::optional<std::int64_t> in = parse_number(body.at("auth.expires_in").text());
        if (ts && in && *ts < year_10000 && *in < year_10000) moment = *ts + *in;
    }
    return moment && *moment < year_10000 ? iso_time(*moment * second) : std::string();
}

std::vector<std::string> environment_of(const Claim& claim, const Hook& hook, const Tree& body,
                                        const std::string& home) {
    const EventFacts& facts = claim.event.facts;
    Environment env;
    // First: who looks for a run's processes reads it in /proc.
    env.set("BX_RUN", claim.run);
    env.set("PATH", search_path);
    env.set("HOME", home);
    env.set("LANG", "C.UTF-8");
    if (const char* zone = std::getenv("TZ")) env.set("TZ", zone);
    for (const auto& [name, value] : hook.settings.env) {
        if (!name.starts_with("BX_")) env.set(name, value);
    }
    env.set("BX_EVENT", facts.code);
    env.set_from_event("BX_ID", facts.id);
    env.set_from_event("BX_PORTAL", facts.domain);
    env.set_from_event("BX_MEMBER_ID", facts.member_id);
    env.set_from_event("BX_USER_ID", facts.user_id);
    env.set_from_event("BX_EVENT_HANDLER_ID", facts.handler_id);
    env.set_from_event("BX_TS", facts.ts);
    env.set("BX_EVENT_NUMBER", std::to_string(claim.event.number));
    env.set("BX_HOOK", claim.hook);
    env.set("BX_ATTEMPT", std::to_string(claim.attempt));
    env.set("BX_MAX_ATTEMPTS", std::to_string(claim.max_attempts));
    env.set("BX_RECEIVED_AT", iso_time(claim.event.received_at));
    env.set_from_event("BX_TOKEN_EXPIRES_AT", token_expiry(body, facts));
    if (claim.event.test) env.set("BX_TEST", "1");
    env.set_data(body.at("data"));
    return env.take();
}

// The values to mask: every secret as it is, and as it stands in the JSON on stdin where that
// differs.
std::vector<std::string> secrets_of(const Tree& body) {
    std::vector<std::string> secrets;
    each_scalar(body.root(), [&](KeyPath, Value scalar) {
        if (!is_secret_key(scalar.key()) || scalar.text().size() < min_masked_secret) return;
        secrets.emplace_back(scalar.text());
        std::string quoted;
        append_json_string(quoted, scalar.text());
        secrets.push_back(quoted.substr(1, quoted.size() - 2));
    });
    std::ranges::sort(secrets);
    secrets.erase(std::unique(secrets.begin(), secrets.end()), secrets.end());
    return secrets;
}

// The value that {PATH} stands for; what makes it unusable goes into PROBLEM.
std::string_view argument_value(const Tree& body, std::string_view path,
                                std::string_view& problem) {
    Value value = body.at(path);
    if (!value) {
        problem = "is missing";
    } else if (value.is_array()) {
        problem = "is an array";
    } else if (is_secret_key(value.key())) {
        problem = "is secret";
    } else if (value.text().size() > max_argument) {
        problem = "is over 64 KB";
    } else if (value.text().find('\0') != std::string_view::npos) {
        problem = "holds NUL";
    } else {
        return value.text();
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

// None: REFUSAL says why the event cannot be read.
std::optional<Tree> body_of(const StoredEvent& event, std::string& refusal) {
    try {
        if (!event.damage.empty()) throw Error(event.damage);
        return decode_payload(event.body, event.secrets,
                              event.secrets_erased ? Secrets::omit : Secrets::keep);
    } catch (const Error& error) {
        refusal = std::string("the event cannot be read: ") + error.what();
        return std::nullopt;
    }
}

}  // namespace

std::string expand_argument(const std::string& text, const Tree& body, std::string& refusal) {
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

std::vector<Problem> argument_problems(const std::string& text) {
    std::vector<Problem> problems;
    auto add = [&problems](Level level, const std::string& message) {
        problems.push_back({level, "", message, ""});
    };
    const bool closed = split_argument(text, [](std::string_view) {}, [&](std::string_view path) {
        const std::string name = "argument {" + printable(path) + "}";
        const std::string_view top = path.substr(0, path.find('.'));
        if (is_secret_key(path.substr(path.rfind('.') + 1))) {
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

std::string own_home() {
    const std::optional<User> user = find_user(::geteuid());
    return user ? user->home : "/";
}

Invocation prepare_invocation(const Claim& claim, const Hook& hook, const std::string& home) {
    Invocation invocation;
    const std::optional<Tree> decoded = body_of(claim.event, invocation.refusal);
    if (!decoded) return invocation;
    const Tree& body = *decoded;
    invocation.program = hook.program;
    invocation.argv.push_back(hook.program);
    for (const std::string& arg : hook.args) {
        invocation.argv.push_back(expand_argument(arg, body, invocation.refusal));
        if (!invocation.refusal.empty()) return invocation;
    }
    invocation.env = environment_of(claim, hook, body, home);
    invocation.dir = hook.settings.dir.empty() ? directory_of(hook.program) : hook.settings.dir;
    append_tree_json(invocation.input, body);
    invocation.input += '\n';
    invocation.secrets = secrets_of(body);
    return invocation;
}

}  // namespace bx
