// The state of a whole installation, as `status` shows it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "config/config.h"
#include "store/installation.h"
#include "store/records.h"

namespace bx {

// failing: events or deliveries are not handled.  attention: they are, but a person should look.
enum class Verdict { ok, attention, failing };

// "ok", "attention", "failing"
std::string_view name_of(Verdict verdict);

struct StatusReport {
    std::string config_path;
    std::string config_error;  // why the file as it is cannot be used; empty: it can
    ConfigPtr config;          // null: nothing of it can be used
    std::optional<StoreStatus> store;  // none: it cannot be read
    std::map<std::string, std::string> disabled;  // hooks, with the reason
    std::vector<HookCounts> gone;      // hooks that something waits for, and that are gone
    InstallationCounts installations;  // of that store
    std::vector<Problem> problems;     // each once, errors first
    bool strict = false;               // attention is not good enough

    // `failing` with an error among the problems, `attention` with a warning.
    Verdict verdict() const;
    // The exit status is 0.
    bool is_ok() const;
};

struct Count {
    std::string_view name;  // a state
    std::int64_t value;
};
std::vector<Count> event_counts(const StoreStatus& store);
std::vector<Count> delivery_counts(const StoreStatus& store);
std::vector<Count> installation_counts(const InstallationCounts& counts);
// "3 new, 7 matched"
std::string counts_text(const std::vector<Count>& counts);

// What there is to say of the worker where none is registered; empty: one is.
std::string text_without_worker(const StoreStatus& store, const Config& config);

// "5, the oldest 3s ago"
std::string due_text(const StoreStatus& store, Millis now);

// "PLACE: MESSAGE (fix: FIX)", without a fix "PLACE: MESSAGE"; as it is, not made printable.
std::string problem_text(const Problem& problem);

}  // namespace bx
