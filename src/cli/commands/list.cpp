#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <thread>

#include "base/escape.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/filter.h"
#include "cli/held.h"
#include "cli/no_match.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/terminal/colours.h"
#include "cli/terminal/table.h"
#include "report/json.h"
#include "report/wording.h"

namespace bx {

namespace {

// What --follow begins with where no page says otherwise.
constexpr std::size_t follow_begin = 50;
// --follow sees changes of the newest that many rows.
constexpr std::size_t follow_window = 1000;
constexpr std::chrono::milliseconds follow_pause{500};
constexpr std::size_t counted_at_most = 1000;  // of the rows that are not shown

// True when events can come from one portal only: it is not named in every row then.
bool has_one_portal(const Config& config) {
    if (config.portals.size() != 1 || !config.apps.empty()) return false;
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

    // Rows that View::add_causes has seen.
    void print(std::span<const ListRow> rows) {
        std::string text;
        Millis now = wall_now();
        for (const ListRow& row : rows) {
            if (json_) text += row_json(row);
            else table_.add(cells(row, now));
        }
        bx::print(text + table_.take());
    }

private:
    static std::vector<Column> columns(bool with_portal) {
        // What must be typed is never cut; the event, which the name often has in it, goes first.
        std::vector<Column> columns{{"DELIVERY", false, 32, 0, true}, {"STATE"},
                                    {"TRY", true, 0, 2},               {"RECEIVED", false, 0, 1},
                                    {"EVENT", false, 15, 5},           {"ID", false, 6, 3}};
        if (with_portal) columns.push_back({"PORTAL", false, 12, 4});
        columns.push_back({"NOTE", false, 12});
        return columns;
    }

    std::vector<Cell> cells(const ListRow& row, Millis now) const {
        const EventFacts& facts = row.event.facts;
        std::vector<Cell> cells{name_of(row),
                                {row_state(row), colour_of(row)},
                                row.delivery ? tries(*row.delivery) : "-",
                                {received_text(row.event.received_at, now), Colour::dim},
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

std::pair<std::string, int> seen_state(const ListRow& row) {
    return {row_state(row), row.delivery ? row.delivery->attempt : 0};
}

// Shows the newest LIMIT rows, oldest first, then each as it appears or changes.
[[noreturn]] void follow(Store& store, const Config& config, ListFilter filter,
                         Printer& printer) {
    HeldReasons held(config.path);
    std::size_t limit = filter.limit;
    filter.limit = std::max(limit, follow_window);
    bool first = true;
    for (Seen seen;; std::this_thread::sleep_for(follow_pause)) {
        std::vector<ListRow> rows = store.view().list(filter);
        std::vector<ListRow> fresh;
        Seen now_seen;
        for (const ListRow& row : rows) {
            auto before = seen.find(name_of(row));
            bool changed = before == seen.end() || before->second != seen_state(row);
            if (changed && (!first || fresh.size() < limit)) fresh.push_back(row);
            now_seen.emplace(name_of(row), seen_state(row));
        }
        std::ranges::reverse(fresh);
        store.view().add_causes(fresh);
        held.explain(fresh);
        printer.print(fresh);
        seen = std::move(now_seen);
        first = false;
    }
}

// The rows that a terminal has room for, beside the titles, the line about those that are not shown
// (two where it is narrow) and the prompt.
std::size_t page_of(const Screen& screen) {
    const std::size_t others = screen.width < 80 ? 4 : 3;
    return screen.height > others ? screen.height - others : 1;
}

// On stderr, where there are rows beyond those of FILTER that were shown, LAST at the end.
void tell_left_out(View& view, ListFilter filter, const ListRow& last, bool limit_given) {
    const std::size_t shown = filter.limit;
    filter.beyond = place_of(last);
    filter.limit = counted_at_most;
    const std::size_t more = view.list(filter).size();
    if (more == 0) return;
    std::string text = "the newest " + std::to_string(shown);
    if (more < counted_at_most) text += " of " + std::to_string(shown + more) + " are shown";
    else text += " are shown, and at least " + std::to_string(more) + " more match";
    if (!limit_given) text += " ('--limit N' for more, '| less' for all)";
    // What cannot be told there has no other place.
    (void)write_all(STDERR_FILENO, Screen::of_stdout().filled("bxhook: ", text));
}

// Shows the rows of FILTER, as many as its limit, and says what there is beside them.
void show(const Arguments& args, Store& store, const Config& config, const ListFilter& filter,
          Printer& printer) {
    View& view = store.view();
    HeldReasons held(config.path);
    std::size_t shown = 0;
    std::optional<ListRow> last;
    for_rows(view, filter, [&](std::span<ListRow> rows) {
        if (!args.has("--json")) view.add_causes(rows);
        held.explain(rows);
        printer.print(rows);
        shown += rows.size();
        last = rows.back();
    });
    if (last && shown == filter.limit) {
        tell_left_out(view, filter, *last, args.has("--limit"));
    }
    // For a program nothing at all is an answer.
    if (!last && !args.has("--json")) tell_no_match(args, view, filter);
}

int run(const Arguments& args) {
    const bool json = args.has("--json");
    const bool follows = args.has("--follow");
    const Screen screen = Screen::of_stdout();
    constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
    const std::size_t most = follows ? follow_begin : all;
    ListFilter filter = filter_of(args);
    filter.limit =
        count_option(args, "--limit", screen.terminal && !json ? page_of(screen) : most);
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    std::unique_ptr<Store> store = store_of(*config);
    Printer printer(json, !has_one_portal(*config));
    if (follows) follow(*store, *config, filter, printer);
    show(args, *store, *config, filter, printer);
    return 0;
}

}  // namespace

Command list_command() {
    Command command;
    command.name = "list";
    command.summary = "deliveries, newest first";
    command.help = R"(
Shows deliveries, and the events that are new or were skipped (hook '-'), newest
first.  TRY is the attempts begun, of those given.  NOTE says why a delivery failed,
with the last line of its stderr (the one above the stack of a PHP exception), what it
waits for, or which rule skipped an event.  The name in the first column is what
'show', 'logs', 'retry' and 'cancel' take.

The options choose: of several all must be true.  --state and --hook take several
values, as 'dead,waiting' or one option each.  Times are those of your time zone.
A terminal shows a page, and fewer columns where it is narrow; a pipe gets all.

With --follow the oldest comes first, and each is shown again when its state
changes, until Ctrl-C.

  bxhook list --state dead,waiting              what needs attention; once the
                                                hook works, 'retry' with these
                                                filters runs it now
  bxhook list --id 7303 --event 'ONCRMDEAL*'    what became of that deal
  bxhook list --from 03:00 --to 04:00           an hour of last night
)";
    command.options = filter_options();
    command.options.push_back(
        {"--limit", "N", "at most N (on a terminal a page, else all; --follow begins with 50)"});
    command.options.push_back({"--follow", "", "go on, showing what comes and changes"});
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
