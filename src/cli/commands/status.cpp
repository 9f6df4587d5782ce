#include <algorithm>

#include "base/text.h"
#include "cli/check/findings.h"
#include "cli/command.h"
#include "cli/health.h"
#include "cli/json_output.h"
#include "cli/terminal/table.h"

namespace bx {

namespace {

struct Report {
    std::string config_path;
    std::string config_error;  // why the file as it is cannot be used; empty: it can
    ConfigPtr config;          // null: nothing of it can be used
    std::optional<StoreStatus> store;
    bool ok = true;
    std::vector<std::string> problems;
};

// A problem that makes the exit status 1.
void fail(Report& report, const std::string& problem) {
    report.ok = false;
    report.problems.push_back(problem);
}

// The gateway's part of a config that is wrong elsewhere still tells where the store is.
void read_config(const Arguments& args, Report& report) {
    report.config_path = find_config(args.value("--config"));
    try {
        report.config = config_of(args, ConfigPart::all);
        return;
    } catch (const Error& error) {
        report.config_error = error.what();
        fail(report, "config: " + report.config_error);
    }
    try {
        report.config = config_of(args, ConfigPart::gateway);
    } catch (const Error&) {
        // It is told already.
    }
}

void read_store(Report& report, Millis now) {
    try {
        report.store = store_of(*report.config)->status(now);
    } catch (const Error& error) {
        fail(report, "store: " + std::string(error.what()));
    }
}

void judge(const Arguments& args, Report& report, Millis now) {
    Findings findings(args.has("--config") ? " --config " + shell_word(report.config_path) : "");
    check_health(*report.store, *report.config, now, findings);
    for (const Problem& problem : findings.list()) {
        std::string text = to_string(problem);
        const bool error = problem.level == Level::error;
        if (error && !problem.fix.empty()) text += " (" + problem.fix + ")";
        if (error) fail(report, text);
        else report.problems.push_back(text);
    }
}

Report make_report(const Arguments& args, Millis now) {
    Report report;
    read_config(args, report);
    if (report.config) read_store(report, now);
    if (report.store) judge(args, report, now);
    return report;
}

// -- As JSON

struct Count {
    std::string_view name;
    std::int64_t StoreStatus::*value;
};
constexpr Count event_counts[] = {{"new", &StoreStatus::events_new},
                                  {"matched", &StoreStatus::events_matched},
                                  {"skipped", &StoreStatus::events_skipped}};
constexpr Count delivery_counts[] = {
    {"waiting", &StoreStatus::waiting}, {"running", &StoreStatus::running},
    {"done", &StoreStatus::done},       {"dead", &StoreStatus::dead},
    {"merged", &StoreStatus::merged},   {"cancelled", &StoreStatus::cancelled}};

void write_counts(JsonWriter& json, std::string_view key, std::span<const Count> counts,
                  const std::optional<StoreStatus>& store) {
    json.key(key).begin_object();
    for (const Count& count : counts) {
        json.key(count.name).value(store ? std::optional((*store).*count.value) : std::nullopt);
    }
    json.end_object();
}

void write_workers(JsonWriter& json, const StoreStatus& store) {
    json.key("workers").begin_array();
    for (const WorkerRecord& worker : store.workers) {
        json.begin_object().field("host", worker.host).field("pid", worker.pid);
        json.field("version", worker.version);
        write_time(json, "since", worker.since);
        json.field("running", worker.running);
        json.key("config_error").value_or_null(worker.config_error);
        json.key("trouble").value_or_null(worker.trouble);
        json.field("once", worker.once);
        write_time(json, "seen_at", worker.seen_at);
        json.end_object();
    }
    json.end_array();
}

void write_blocked(JsonWriter& json, const StoreStatus& store) {
    json.key("blocked").begin_array();
    for (const BlockedLane& lane : store.blocked) {
        json.begin_object().field("delivery", to_string(DeliveryName{lane.event, lane.hook}));
        json.key("portal").value_or_null(lane.facts.domain);
        json.key("kind").value_or_null(lane.facts.kind);
        json.key("id").value_or_null(lane.facts.id);
        json.key("reason").value_or_null(lane.reason);
        write_time(json, "since", lane.since);
        json.field("behind", lane.behind).end_object();
    }
    json.end_array();
}

void write_hooks(JsonWriter& json, const StoreStatus& store) {
    json.key("hooks").begin_array();
    for (const HookCounts& hook : store.hooks) {
        json.begin_object().field("hook", hook.hook).field("waiting", hook.waiting);
        json.field("running", hook.running).field("done_1h", hook.done_1h);
        json.field("failed_1h", hook.failed_1h).field("dead_1h", hook.dead_1h).end_object();
    }
    json.end_array();
}

std::string_view kind_of_store(const Config& config) {
    return config.store.starts_with('/') ? "sqlite" : "postgresql";
}

std::string as_json(const Report& report) {
    const StoreStatus store = report.store.value_or(StoreStatus{});
    auto known = [&](std::int64_t number) {
        return report.store ? std::optional(number) : std::nullopt;
    };
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("ok", report.ok).key("problems").begin_array();
    for (const std::string& problem : report.problems) json.value(problem);
    json.end_array().key("store").begin_object();
    json.key("kind").value_or_null(report.config ? kind_of_store(*report.config) : "");
    json.key("place").value_or_null(report.config ? store_without_password(report.config->store)
                                                  : "");
    json.end_object().key("config").begin_object().field("path", report.config_path);
    json.key("error").value_or_null(report.config_error).end_object();
    write_workers(json, store);
    write_counts(json, "events", event_counts, report.store);
    write_counts(json, "deliveries", delivery_counts, report.store);
    json.field("due", known(store.due));
    write_time(json, "oldest_due_at", store.oldest_due_at);
    json.field("unfinished", known(store.unfinished));
    json.key("limit").value(report.config ? std::optional(report.config->limits.queue)
                                          : std::nullopt);
    write_blocked(json, store);
    write_hooks(json, store);
    json.end_object();
    return json_line(text);
}

// -- For people

class Page {
public:
    Page(const Screen& screen, Millis now) : screen_(screen), now_(now) {}

    std::string write(const Report& report) {
        problems(report);
        line("config", report.config_path);
        if (report.config) {
            line("store", std::string(kind_of_store(*report.config)) + " " +
                              store_without_password(report.config->store));
        }
        if (!report.store) return std::move(text_);
        const StoreStatus& store = *report.store;
        workers(report);
        line("events", counts(event_counts, store));
        line("deliveries", counts(delivery_counts, store));
        line("unfinished", std::to_string(store.unfinished) + " of at most " +
                               std::to_string(report.config->limits.queue) + " events");
        line("due now", due(store));
        blocked(store);
        hooks(store);
        return std::move(text_);
    }

private:
    void line(std::string label, std::string_view content) {
        label.resize(11, ' ');
        text_ += screen_.fit(label + printable(content, 500)) + "\n";
    }

    void problems(const Report& report) {
        if (report.ok) text_ += screen_.paint("ok", Colour::green) + "\n";
        Colour colour = report.ok ? Colour::yellow : Colour::red;
        for (const std::string& problem : report.problems) {
            text_ += screen_.filled(screen_.paint("problem:", colour) + " ",
                                    printable(problem, 1000));
        }
    }

    void workers(const Report& report) {
        if (!report.store->worker_runs) {
            bool by_itself = report.config->worker.auto_start;
            line("worker", by_itself ? "none (the next event starts one)"
                                     : "none ('bxhook work' is one, by systemd or cron)");
        }
        if (report.store->worker_runs && report.store->workers.empty()) line("worker", "starting");
        for (const WorkerRecord& worker : report.store->workers) {
            std::string text = "pid " + std::to_string(worker.pid) + " on " + worker.host +
                               ", version " + worker.version + ", started " +
                               relative_time(worker.since, now_) + ", running " +
                               std::to_string(worker.running);
            if (!worker.trouble.empty()) text += ", in trouble";
            if (worker.seen_at) text += ", seen " + relative_time(*worker.seen_at, now_);
            line("worker", text);
        }
    }

    static std::string counts(std::span<const Count> counts, const StoreStatus& store) {
        std::string text;
        for (const Count& count : counts) {
            text += (text.empty() ? "" : ", ") + std::to_string(store.*count.value) + " " +
                    std::string(count.name);
        }
        return text;
    }

    std::string due(const StoreStatus& store) const {
        std::string text = std::to_string(store.due);
        if (store.oldest_due_at) {
            text += ", the oldest " + relative_time(*store.oldest_due_at, now_);
        }
        return text;
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
    Report report = make_report(args, now);
    bool json = args.has("--json");
    print(json ? as_json(report) : Page(Screen::of_stdout(), now).write(report));
    if (!report.ok) throw Error(report.problems.front());
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
