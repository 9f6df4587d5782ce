#include "cli/no_match.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/names.h"
#include "cli/open.h"
#include "cli/terminal/screen.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr std::size_t names_shown = 5;      // where none is like the one meant
constexpr std::size_t sample_size = 1000;   // of the newest rows, which say what there is

using Names = std::vector<std::string>;

// The one of THERE that WORD can have meant; empty: none.
std::string_view meant(std::string_view word, std::span<const std::string> there) {
    const std::string wanted = lower(word);
    for (const std::string& name : there) {
        if (!wanted.empty() && lower(name).find(wanted) != std::string::npos) return name;
    }
    const std::vector<std::string_view> names(there.begin(), there.end());
    return nearest(word, names);
}

// The values of WHAT in ROWS, each once, without the empty one.
template <typename What>
Names values_in(std::span<const ListRow> rows, What what) {
    std::set<std::string> values;
    for (const ListRow& row : rows) values.insert(what(row));
    values.erase("");
    return {values.begin(), values.end()};
}

std::string joined(const Names& names, std::string_view separator) {
    std::string text;
    for (const std::string& name : names) text.append(text.empty() ? "" : separator).append(name);
    return text;
}

class Inquiry {
public:
    Inquiry(View& view, const ListFilter& filter, const ConfiguredNames& configured)
        : view_(view),
          filter_(filter),
          configured_(configured),
          sample_(view.list({.limit = sample_size})) {}

    std::vector<std::string> lines() {
        if (sample_.empty()) {
            return {"no event has come yet: 'bxhook trigger ONCRMDEALUPDATE' makes one, "
                    "'bxhook check --url URL' checks whether Bitrix24's can come"};
        }
        if (!ask_other_states()) ask_states();
        for (const std::string& hook : filter_.hooks) ask_hook(hook);
        ask_code();
        ask_portal();
        ask_id();
        ask_times();
        if (lines_.empty()) lines_.push_back("nothing meets all of these conditions at once");
        return std::move(lines_);
    }

private:
    bool meets_none(ListFilter condition) {
        condition.limit = 1;
        return view_.list(condition).empty();
    }

    // True where only the states keep rows from matching: FILTER may have them by default.
    bool ask_other_states() {
        if (filter_.states.empty()) return false;
        ListFilter others = filter_;
        others.states.clear();
        others.beyond.reset();
        others.limit = sample_size;
        const bool narrow = !filter_.hooks.empty() || !filter_.code_glob.empty() ||
                            !filter_.portal.empty() || !filter_.id.empty() || filter_.from > 0 ||
                            filter_.to;
        const std::vector<ListRow> rows = narrow ? view_.list(others) : std::vector<ListRow>();
        if (rows.empty()) return false;
        lines_.push_back("what matches is " +
                         joined(values_in(rows, [](const ListRow& row) { return row_state(row); }),
                                " or ") +
                         ", not " + wanted_states() + ": choose it with --state");
        return true;
    }

    // "dead or new"
    std::string wanted_states() const { return joined_names(filter_.states, " or "); }

    void ask_states() {
        if (filter_.states.empty() || !meets_none({.states = filter_.states})) return;
        const Names there = values_in(sample_, [](const ListRow& row) { return row_state(row); });
        lines_.push_back("nothing is " + wanted_states() + instead_of("", there));
    }
    void ask_hook(const std::string& hook) {
        if (!meets_none({.hooks = {hook}})) return;
        const Names& hooks = configured_.hooks;
        if (std::ranges::find(hooks, hook) != hooks.end()) {
            lines_.push_back("hook '" + printable(hook) + "' has no delivery yet");
            return;
        }
        Names there = values_in(sample_, [](const ListRow& row) {
            return row.delivery ? row.delivery->hook : std::string();
        });
        for (const std::string& known : hooks) {
            if (std::ranges::find(there, known) == there.end()) there.push_back(known);
        }
        lines_.push_back(no_hook(hook, there));
    }
    void ask_code() {
        const std::string& glob = filter_.code_glob;
        if (glob.empty() || !meets_none({.code_glob = glob})) return;
        const std::string line = "no event's code matches '" + printable(glob) + "'";
        const std::string wider = "*" + glob + "*";
        if (!meets_none({.code_glob = wider})) {
            lines_.push_back(line + ", did you mean '" + printable(wider) + "'?");
            return;
        }
        const Names there =
            values_in(sample_, [](const ListRow& row) { return row.event.facts.code; });
        lines_.push_back(line + instead_of(glob, there));
    }
    void ask_portal() {
        const std::string& portal = filter_.portal;
        if (portal.empty() || !meets_none({.portal = portal})) return;
        const Names& portals = configured_.portals;
        if (std::ranges::find(portals, lower(portal)) != portals.end()) {
            lines_.push_back("no event of the portal '" + printable(portal) +
                             "' was accepted yet; where Bitrix24 sends some, the lines with "
                             "'refused' in the gateway's log say why");
            return;
        }
        const Names there =
            values_in(sample_, [](const ListRow& row) { return row.event.facts.portal(); });
        lines_.push_back("no event is of the portal '" + printable(portal) + "'" +
                         instead_of(portal, there));
    }
    void ask_id() {
        if (filter_.id.empty() || !meets_none({.id = filter_.id})) return;
        const bool several = filter_.id.find(',') != std::string::npos;
        lines_.push_back("no event is about an entity with the id '" + printable(filter_.id) + "'" +
                         (several ? ": --id takes one id" : ""));
    }
    void ask_times() {
        const bool bounded = filter_.from > 0 || filter_.to;
        if (!bounded || !meets_none({.from = filter_.from, .to = filter_.to})) return;
        const auto by_time = [](const ListRow& row) { return row.event.received_at; };
        const Millis newest = std::ranges::max(sample_, {}, by_time).event.received_at;
        lines_.push_back("no event was received in that time; the newest was at " +
                         local_time(newest));
    }

    View& view_;
    const ListFilter& filter_;
    const ConfiguredNames& configured_;
    std::vector<ListRow> sample_;
    std::vector<std::string> lines_;
};

// None where the config cannot be read: another command says why.
ConfiguredNames configured_names(const Arguments& args) {
    try {
        const ConfigPtr config = config_of(args, ConfigPart::all);
        ConfiguredNames names{.hooks = names_of(HookSet::load(*config))};
        for (const Portal& portal : config->portals) {
            names.portals.push_back(portal.domain);
            names.portals.push_back(lower(portal.member_id));
        }
        return names;
    } catch (const Error&) {
        return {};
    }
}

}  // namespace

std::string instead_of(std::string_view word, std::span<const std::string> there) {
    const std::string_view near = meant(word, there);
    if (!near.empty()) return did_you_mean(printable(near));
    std::string text;
    for (std::size_t i = 0; i < there.size(); ++i) {
        if (i == names_shown) return text + ", ...";
        text += (i == 0 ? "; there are " : ", ") + printable(there[i]);
    }
    return text;
}

std::string no_hook(std::string_view name, std::span<const std::string> hooks) {
    return "there is no hook '" + printable(name) + "'" + instead_of(name, hooks);
}

std::vector<std::string> why_no_match(View& view, const ListFilter& filter,
                                      const ConfiguredNames& configured) {
    return Inquiry(view, filter, configured).lines();
}

void tell_no_match(const Arguments& args, View& view, const ListFilter& filter) {
    const Screen screen = Screen::of_stdout();
    const ConfiguredNames configured = configured_names(args);
    for (const std::string& line : why_no_match(view, filter, configured)) {
        if (!write_all(STDERR_FILENO, screen.filled("bxhook: ", line))) return;
    }
}

}  // namespace bx
