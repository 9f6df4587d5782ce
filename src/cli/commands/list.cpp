#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "base/escape.h"
#include "cli/command.h"
#include "cli/filter.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/terminal/colours.h"
#include "cli/terminal/table.h"
#include "report/json.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr std::size_t usual_limit = 50;
// --follow sees changes of the newest that many rows.
constexpr std::size_t follow_window = 1000;
constexpr std::chrono::milliseconds follow_pause{500};

// True when events can come from one portal only: it is not named in every row then.
bool has_one_portal(const Config& config) {
    if (config.portals.size() != 1) return false;
    const Portal& portal = config.portals.front();
    return !portal.member_id.empty() || !portal.domain.empty();
}

// Writes rows, as JSON lines or as one table.
class Printer {
public:
    Printer(bool json, bool with_portal)
        : json_(json),
          with_portal_(with_portal),
          screen_(Screen::of_stdout()),
          table_(columns(with_portal), screen_) {}

    void print(std::span<const ListRow> rows) {
        std::string text;
        Millis now = wall_now();
        for (const ListRow& row : rows) {
            if (json_) text += row_json(row);
            else table_.add(cells(row, now));
        }
        bx::print(text + table_.take());
    }

    // To a person nothing at all would look like a fault.
    void print_none(bool filtered) {
        if (json_ || !screen_.terminal) return;
        bx::print(screen_.filled(
            "", filtered ? "no delivery is like that; 'bxhook list' shows all"
                         : "no event has come yet: 'bxhook trigger ONCRMDEALUPDATE' makes one, "
                           "'bxhook check --url URL' tells whether Bitrix24's can come"));
    }

private:
    static std::vector<Column> columns(bool with_portal) {
        // What must be typed is cut last; which event it was the name often tells.
        std::vector<Column> columns{{"DELIVERY", false, 20},   {"STATE"},
                                    {"TRY", true, 0, 3},       {"RECEIVED"},
                                    {"EVENT", false, 15, 1},   {"ID", false, 6, 2}};
        if (with_portal) columns.push_back({"PORTAL", false, 12, 4});
        columns.push_back({"NOTE", false, 16});
        return columns;
    }

    std::vector<Cell> cells(const ListRow& row, Millis now) const {
        const EventFacts& facts = row.event.facts;
        std::vector<Cell> cells{name_of(row),
                                {row_state(row), colour_of(row)},
                                row.delivery ? tries(*row.delivery) : "-",
                                {relative_time(row.event.received_at, now), Colour::dim},
                                printable(facts.code),
                                printable(facts.id.empty() ? "-" : facts.id)};
        const std::string& portal = facts.portal();
        if (with_portal_) cells.emplace_back(printable(portal.empty() ? "-" : portal));
        cells.emplace_back(row_note(row, now));
        return cells;
    }

    bool json_;
    bool with_portal_;
    Screen screen_;
    Table table_;
};

// What of a row, when it changes, makes --follow show it again.
using Seen = std::map<std::string, std::pair<std::string, int>>;

std::pair<std::string, int> state_of(const ListRow& row) {
    return {row_state(row), row.delivery ? row.delivery->attempt : 0};
}

// Shows the newest LIMIT rows, oldest first, then each as it appears or changes.
[[noreturn]] void follow(Store& store, ListFilter filter, Printer& printer) {
    std::size_t limit = filter.limit;
    filter.limit = std::max(limit, follow_window);
    bool first = true;
    for (Seen seen;; std::this_thread::sleep_for(follow_pause)) {
        std::vector<ListRow> rows = store.view().list(filter);
        std::vector<ListRow> fresh;
        Seen now_seen;
        for (const ListRow& row : rows) {
            auto before = seen.find(name_of(row));
            bool changed = before == seen.end() || before->second != state_of(row);
            if (changed && (!first || fresh.size() < limit)) fresh.push_back(row);
            now_seen.emplace(name_of(row), state_of(row));
        }
        std::ranges::reverse(fresh);
        printer.print(fresh);
        seen = std::move(now_seen);
        first = false;
    }
}

int run(const Arguments& args) {
    ListFilter filter = filter_of(args);
    filter.limit = count_option(args, "--limit", usual_limit);
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    std::unique_ptr<Store> store = store_of(*config);
    Printer printer(args.has("--json"), !has_one_portal(*config));
    if (args.has("--follow")) follow(*store, filter, printer);
    std::vector<ListRow> rows = store->view().list(filter);
    printer.print(rows);
    if (rows.empty()) printer.print_none(has_filter(args));
    return 0;
}

}  // namespace

Command list_command() {
    Command command;
    command.name = "list";
    command.summary = "deliveries, newest first";
    command.help = R"(
Shows deliveries, and the events that are new or were skipped (hook '-'), newest
first.  TRY is the attempts begun, of those given; NOTE says why a delivery failed,
waits or was merged.  The name in the first column is what 'show', 'logs', 'retry'
and 'cancel' take.  A narrow terminal shows fewer columns.

With --follow the oldest comes first, and each is shown again when its state
changes, until Ctrl-C.
)";
    command.options = filter_options();
    command.options.push_back({"--limit", "N", "at most N of them (50)"});
    command.options.push_back({"--follow", "", "go on, showing what comes and changes"});
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
