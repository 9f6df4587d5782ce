#include "base/text.h"
#include "cli/command.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/terminal/colours.h"
#include "cli/terminal/table.h"
#include "config/config_file.h"
#include "config/secrets.h"
#include "host/own_commands.h"
#include "report/health.h"
#include "report/json.h"
#include "report/status.h"
#include "report/wording.h"

namespace bx {

namespace {

// The gateway's part of a config that is wrong elsewhere still tells where the store is.
void read_config(const Arguments& args, StatusReport& report) {
    report.config_path = find_config(args.value("--config"));
    try {
        report.config = config_of(args, ConfigPart::all);
        return;
    } catch (const Error& error) {
        report.config_error = error.what();
        report.problems.push_back({Level::error, "config", report.config_error, ""});
    }
    try {
        report.config = config_of(args, ConfigPart::gateway);
    } catch (const Error&) {
        // It is told already.
    }
}

void read_store(StatusReport& report, Millis now) {
    try {
        report.store = store_of(*report.config)->view().status(now);
    } catch (const Error& error) {
        report.problems.push_back({Level::error, "store", error.what(), ""});
    }
}

StatusReport make_report(const Arguments& args, Millis now) {
    StatusReport report;
    read_config(args, report);
    if (report.config) read_store(report, now);
    if (!report.store) return report;
    const OwnCommands commands(args.has("--config") ? report.config_path : "");
    const Health health = judge_health(*report.store, *report.config, now, commands);
    report.problems.insert(report.problems.end(), health.problems.begin(), health.problems.end());
    return report;
}

class Page {
public:
    Page(const Screen& screen, Millis now) : screen_(screen), now_(now) {}

    std::string write(const StatusReport& report) {
        problems(report);
        line("config", printable(report.config_path, 500));
        if (report.config) {
            const StorePlace& place = report.config->store;
            line("store", std::string(place.kind_name()) + " " +
                              printable(place.for_people(), 500));
        }
        if (report.store) store(*report.store, *report.config);
        return std::move(text_);
    }

private:
    // CONTENT is printable.
    void line(std::string label, std::string_view content) {
        label.resize(11, ' ');
        text_ += screen_.fit(label + std::string(content)) + "\n";
    }

    void problems(const StatusReport& report) {
        const bool ok = report.is_ok();
        if (ok) text_ += screen_.paint("ok", Colour::green) + "\n";
        const Colour colour = colour_of(ok ? Level::warning : Level::error);
        for (const Problem& problem : report.problems) {
            text_ += screen_.filled(screen_.paint("problem:", colour) + " ",
                                    printable(problem_text(problem), 1000));
        }
    }

    void store(const StoreStatus& store, const Config& config) {
        const std::string without = text_without_worker(store, config);
        if (!without.empty()) line("worker", without);
        for (const WorkerRecord& worker : store.workers) line("worker", summary_of(worker, now_));
        line("events", text_of(event_counts(store)));
        line("deliveries", text_of(delivery_counts(store)));
        line("unfinished", std::to_string(store.unfinished) + " of at most " +
                               std::to_string(config.limits.queue) + " events");
        line("due now", due_text(store, now_));
        blocked(store);
        hooks(store);
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

int run(const Arguments& args) {
    Millis now = wall_now();
    StatusReport report = make_report(args, now);
    bool json = args.has("--json");
    print(json ? status_json(report) : Page(Screen::of_stdout(), now).write(report));
    if (!report.is_ok()) throw Error(problem_text(report.problems.front()));
    return 0;
}

}  // namespace

Command status_command() {
    Command command;
    command.name = "status";
    command.summary = "store, workers, counts, what stands still and why";
    command.help = R"(
Shows the store and its workers, how many events and deliveries are in which state,
the lanes that stand still behind a failing delivery, and how each hook fared in the
last hour.

The exit status is 1 when an event has been new, or a delivery due with a slot free
for it, for over 10 s (90 s where only 'work --once' has run in the last 10 minutes),
whether a worker runs or not; when a worker has been in trouble with the store for
10 s, or cannot use configuration or hooks; and when store or configuration cannot
be read here.  Else it is 0.
)";
    command.json = true;
    command.run = run;
    return command;
}

}  // namespace bx
