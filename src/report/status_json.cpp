#include "config/secrets.h"
#include "report/json.h"
#include "report/wording.h"

namespace bx {

namespace {

// Null where the store could not be read.
void write_counts(JsonWriter& json, std::string_view key, const std::vector<Count>& counts,
                  bool known) {
    json.key(key).begin_object();
    for (const Count& count : counts) {
        json.key(count.name).value(known ? std::optional(count.value) : std::nullopt);
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

void write_hooks(JsonWriter& json, const StoreStatus& store, const StatusReport& report) {
    json.key("hooks").begin_array();
    for (const HookCounts& hook : store.hooks) {
        json.begin_object().field("hook", hook.hook).field("waiting", hook.waiting);
        json.field("running", hook.running).field("done_1h", hook.done_1h);
        json.field("failed_1h", hook.failed_1h).field("dead_1h", hook.dead_1h);
        const auto disabled = report.disabled.find(hook.hook);
        json.key("disabled").value_or_null(disabled == report.disabled.end() ? ""
                                                                             : disabled->second);
        json.end_object();
    }
    json.end_array();
}

void write_places(JsonWriter& json, const StatusReport& report) {
    const Config* config = report.config.get();
    json.key("store").begin_object();
    json.key("kind").value_or_null(config ? config->store.kind_name() : "");
    json.key("place").value_or_null(config ? config->store.for_people() : "");
    json.end_object().key("config").begin_object().field("path", report.config_path);
    json.key("error").value_or_null(report.config_error).end_object();
}

}  // namespace

std::string status_json(const StatusReport& report) {
    const StoreStatus store = report.store.value_or(StoreStatus{});
    const bool known = report.store.has_value();
    auto number = [known](std::int64_t value) {
        return known ? std::optional(value) : std::nullopt;
    };
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("ok", report.is_ok());
    json.field("level", name_of(report.verdict())).key("problems").begin_array();
    for (const Problem& problem : report.problems) json.value(problem_text(problem));
    json.end_array();
    write_places(json, report);
    write_workers(json, store);
    write_counts(json, "events", event_counts(store), known);
    write_counts(json, "deliveries", delivery_counts(store), known);
    json.field("due", number(store.due));
    write_time(json, "oldest_due_at", store.oldest_due_at);
    json.field("unfinished", number(store.unfinished));
    json.key("limit").value(report.config ? std::optional(report.config->limits.queue)
                                          : std::nullopt);
    write_blocked(json, store);
    write_hooks(json, store, report);
    json.field("held", number(report.installations.held));
    write_counts(json, "portals", installation_counts(report.installations), known);
    json.end_object();
    return json_line(text);
}

}  // namespace bx
