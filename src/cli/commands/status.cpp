#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/escape.h"
#include "cli/check/findings.h"
#include "cli/command.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/problem_lines.h"
#include "cli/terminal/table.h"
#include "config/config_file.h"
#include "report/health.h"
#include "report/json.h"
#include "report/portals.h"
#include "report/status.h"
#include "report/wording.h"

namespace bx {

namespace {

// The problems of FOUND whose level is an error.
std::vector<Problem> errors_of(const Findings& found) {
    std::vector<Problem> errors;
    std::ranges::copy_if(found.list(), std::back_inserter(errors),
                         [](const Problem& problem) { return problem.level == Level::error; });
    return errors;
}

// Where nothing is configured events are refused or skipped, as a new installation does: attention,
// whatever `check` calls it.
void report_what_is_missing(const Config& config, const Hooks& hooks, Findings& found) {
    Findings portals("status", found.commands());
    check_portals(config, portals);
    for (const Problem& problem : errors_of(portals)) {
        found.warning(problem.place, problem.message, problem.fix);
    }
    if (!hooks.any_enabled) found.add(no_hook_enabled(config));
}

// Gives the installations, where a person may have to look at one.
std::vector<Installation> read_store(StatusReport& report, Millis now, Findings& found) {
    const Config& config = *report.config;
    try {
        const std::unique_ptr<Store> store = store_of(config);
        const InstallationCounts& counts = report.installations = store->installations().counts();
        report.store = store->view().status(now);
        const bool any = counts.pending + counts.broken + counts.held > 0;
        return any ? store->installations().list() : std::vector<Installation>();
    } catch (const Error& error) {
        found.error(config.store.for_people(), error.what(), "");
    }
    return {};
}

// A line for those of ALL that IS_ONE is true of, which names the oldest; WHAT says how many.
template <typename IsOne, typename What>
void report_those(const std::vector<Installation>& all, IsOne is_one, What what, Findings& found) {
    std::vector<Installation> those;
    std::ranges::copy_if(all, std::back_inserter(those), is_one);
    if (those.empty()) return;
    const auto count = static_cast<std::int64_t>(those.size());
    found.warning("portals", what(count) + ": " + oldest_of(std::move(those)),
                  found.commands().line("portals"));
}

// Installations that do not work.
void report_installations(const StatusReport& report, const std::vector<Installation>& all,
                          Findings& found) {
    using State = InstallationState;
    report_those(
        all, [](const Installation& one) { return one.state == State::broken; },
        [](std::int64_t count) {
            return count == 1
                       ? std::string("1 installation is broken, its tokens cannot be renewed")
                       : std::to_string(count) +
                             " installations are broken, their tokens cannot be renewed";
        },
        found);
    report_those(
        all,
        [](const Installation& one) {
            return one.state == State::pending && one.problem != moved_problem;
        },
        [&](std::int64_t count) {
            return counted(count, "installation waits", "installations wait") +
                   " to be verified, with " +
                   counted(report.installations.held, "held post", "held posts");
        },
        found);
    report_those(
        all,
        [](const Installation& one) {
            return one.state == State::active && !one.has_application_token && one.held > 0;
        },
        [](std::int64_t count) {
            return counted(count, "active installation has", "active installations have") +
                   " no application_token yet, and posts that are held until one is proven";
        },
        found);
}

// The gateway's part of a config that is wrong elsewhere still says where the store is.
void look(StatusReport& report, Millis now, Findings& found) {
    const Loaded loaded = check_config(report.config_path, found);
    if (!found.list().empty()) report.config_error = to_string(found.list().front());
    report.config = loaded.config;
    if (!report.config || !become_owner(*report.config, found)) return;
    const Config& config = *report.config;
    Hooks hooks{.any_enabled = true};
    if (loaded.complete) {
        // What else may be odd about them is for `check` to say.
        Findings of_hooks("status", found.commands());
        hooks = check_hooks(config, of_hooks);
        found.add(errors_of(of_hooks));
        report.disabled = hooks.disabled;
    }
    const std::vector<Installation> installations = read_store(report, now, found);
    if (!report.store) return;
    report.gone = gone_hooks(*report.store, hooks);
    const Known known = known_from(found, hooks, config);
    found.add(judge_health(*report.store, config, now, found.commands(), known).problems);
    report_installations(report, installations, found);
    report_what_is_missing(config, hooks, found);
}

StatusReport make_report(const Arguments& args, Millis now) {
    StatusReport report;
    report.config_path = find_config(args.value("--config"));
    report.strict = args.has("--strict");
    Findings found("status", OwnCommands(args.has("--config") ? report.config_path : ""));
    look(report, now, found);
    report.problems = found.list();
    std::stable_partition(
        report.problems.begin(), report.problems.end(),
        [](const Problem& problem) { return problem.level == Level::error; });
    return report;
}

Colour colour_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok: return Colour::green;
        case Verdict::attention: return Colour::yellow;
        case Verdict::failing: return Colour::red;
    }
    return Colour::none;
}

class Page {
public:
    Page(const Screen& screen, Millis now) : screen_(screen), now_(now) {}

    std::string write(const StatusReport& report) {
        text_ += screen_.paint(name_of(report.verdict()), colour_of(report.verdict())) + "\n";
        for (const Problem& problem : report.problems) text_ += problem_lines(screen_, problem);
        line("config", printable(report.config_path, 4096));
        if (report.config) {
            const StorePlace& place = report.config->store;
            line("store", std::string(place.kind_name()) + " " +
                              printable(place.for_people(), 4096));
        }
        if (report.store) store(*report.store, report);
        return std::move(text_);
    }

private:
    // CONTENT is printable; in as many lines as it needs.
    void line(std::string label, std::string_view content) {
        constexpr std::size_t width = 11;
        label.resize(width, ' ');
        text_ += fill(label, content, screen_.width, width);
    }

    void store(const StoreStatus& store, const StatusReport& report) {
        const std::string without = text_without_worker(store, *report.config);
        if (!without.empty()) line("worker", without);
        for (const WorkerRecord& worker : store.workers) line("worker", summary_of(worker, now_));
        line("events", counts_text(event_counts(store)));
        line("deliveries", counts_text(delivery_counts(store)));
        line("unfinished", std::to_string(store.unfinished) + " of at most " +
                               std::to_string(report.config->limits.queue) + " events");
        line("due now", due_text(store, now_));
        disabled(store, report.disabled);
        gone(report.gone);
        installations(report.installations);
        blocked(store);
        hooks(store);
    }

    // What waits for a disabled hook.
    void disabled(const StoreStatus& store, const std::map<std::string, std::string>& reasons) {
        for (const HookCounts& hook : store.hooks) {
            const auto reason = reasons.find(hook.hook);
            if (hook.waiting == 0 || reason == reasons.end()) continue;
            line("disabled", printable(hook.hook) + ": " +
                             counted(hook.waiting, "delivery waits", "deliveries wait") + ", " +
                             printable(reason->second, 1000));
        }
    }

    void gone(const std::vector<HookCounts>& hooks) {
        for (const HookCounts& hook : hooks) {
            line("gone", printable(hook.hook) + ": " +
                             counted(hook.waiting, "delivery waits", "deliveries wait") +
                             ", no file and no block with run has this name (fix: put it back, or "
                             "'bxhook cancel --hook " + printable(hook.hook) + " --state waiting')");
        }
    }

    // Of those who have one alone.
    void installations(const InstallationCounts& counts) {
        if (counts.pending + counts.active + counts.broken + counts.gone == 0) return;
        std::string text = counts_text(installation_counts(counts));
        if (counts.held > 0) text += "; " + counted(counts.held, "post held", "posts held");
        line("installed", text);
    }

    void blocked(const StoreStatus& store) {
        Table table({{"BLOCKED LANE", false, 20}, {"ENTITY", false, 14, 1},
                     {"PORTAL", false, 12, 2}, {"SINCE"}, {"BEHIND", true}, {"REASON", false, 8}},
                    screen_);
        for (const BlockedLane& lane : store.blocked) {
            table.add({to_string(DeliveryName{lane.event, lane.hook}),
                       printable(lane.facts.kind + " " + lane.facts.id),
                       printable(lane.facts.portal()),
                       relative_time(lane.since, now_), std::to_string(lane.behind),
                       {printable(lane.reason), Colour::red}});
        }
        section(table);
    }

    void hooks(const StoreStatus& store) {
        Table table({{"HOOK", false, 12}, {"WAITING", true}, {"RUNNING", true},
                     {"DONE/1H", true}, {"FAILED/1H", true}, {"DEAD/1H", true}},
                    screen_);
        for (const HookCounts& hook : store.hooks) {
            auto bad = [](std::int64_t count) {
                return Cell(std::to_string(count), count > 0 ? Colour::red : Colour::none);
            };
            table.add({printable(hook.hook), std::to_string(hook.waiting),
                       std::to_string(hook.running), std::to_string(hook.done_1h),
                       bad(hook.failed_1h), bad(hook.dead_1h)});
        }
        section(table);
    }

    void section(Table& table) {
        std::string text = table.take();
        if (!text.empty()) text_ += "\n" + text;
    }

    Screen screen_;
    Millis now_;
    std::string text_;
};

// True when both lead to one terminal, file or pipe.
bool stderr_is_stdout() {
    struct stat out {};
    struct stat err {};
    return ::fstat(STDOUT_FILENO, &out) == 0 && ::fstat(STDERR_FILENO, &err) == 0 &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

int run(const Arguments& args) {
    Millis now = wall_now();
    StatusReport report = make_report(args, now);
    bool json = args.has("--json");
    print(json ? status_json(report) : Page(Screen::of_stdout(), now).write(report));
    if (report.is_ok()) return 0;
    if (stderr_is_stdout()) return 1;  // whoever reads it has seen the problems
    throw Error(problem_text(report.problems.front()));
}

}  // namespace

Command status_command() {
    Command command;
    command.name = "status";
    command.summary = "store, workers, counts, what is blocked and why";
    command.help = R"(
Shows the store and its workers, how many events and deliveries are in which state,
the deliveries that fail and hold up later ones of the same entity, and how each
hook did in the last hour.  The first line is the verdict, below it is every
problem with the command that fixes it:

  ok         nothing to do
  attention  events are handled, but look: deliveries died in the last hour,
             wait because enough others run (over 10 s, or 10 minutes where
             the hook's own 'concurrency' is below the worker's), or wait
             behind one that fails; a worker is in trouble with the store;
             no portal or no hook is configured; an installation is broken
             or waits to be verified; the clock was set; the queue is nearly
             full
  failing    an event has been new, or a delivery due, for over 10 s (90 s
             where only 'work --once' has run in the last 10 minutes), whether
             a worker runs or not; a hook is broken; store or configuration
             cannot be read

The exit status is 1 for failing, and with --strict for attention too.  For cron:

  bxhook status --strict >/dev/null

writes one line, which cron mails, when something is wrong.
)";
    command.options = {{"--strict", "", "exit status 1 for attention too"}};
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
