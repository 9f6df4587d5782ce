#include "report/json.h"

#include "base/escape.h"
#include "event/payload.h"
#include "report/wording.h"

namespace bx {

namespace {

void write_text(JsonWriter& json, std::string_view key, std::string_view text) {
    json.key(key).value_or_null(text);
}

// The deliveries a delivery waits for, or was merged into, are of its own hook.
void write_sibling(JsonWriter& json, std::string_view key, std::optional<EventNumber> event,
                   const std::string& hook) {
    write_text(json, key, event ? to_string(DeliveryName{*event, hook}) : "");
}

void write_portal(JsonWriter& json, const StoredEvent& event) {
    write_text(json, "portal", event.facts.domain);
    write_text(json, "member_id", event.facts.member_id);
}

void write_entity(JsonWriter& json, const StoredEvent& event) {
    write_text(json, "kind", event.facts.kind);
    write_text(json, "id", event.facts.id);
    json.field("test", event.origin == Origin::test);
    json.field("origin", name_of(event.origin));
    write_time(json, "received_at", event.received_at);
}

void write_body(JsonWriter& json, const Tree& body) {
    std::string text = "null";
    if (body.root().first()) {
        text.clear();
        append_tree_json(text, body);
    }
    json.key("body").raw(text);
}

void write_refusals(JsonWriter& json, const StoredEvent& event) {
    json.key("refused").begin_array();
    for (const Refusal& refusal : event.refused) {
        json.begin_object().field("hook", refusal.hook);
        json.field("reason", refusal.reason).end_object();
    }
    json.end_array().field("refused_more", event.refused_more);
}

void write_deliveries(JsonWriter& json, const Story& story) {
    json.key("deliveries").begin_array();
    for (const DeliveryStory& delivery : story.deliveries) {
        json.begin_object();
        write_delivery(json, story.event, delivery.record);
        json.key("attempts").begin_array();
        for (const AttemptRecord& attempt : delivery.attempts) {
            json.begin_object();
            write_attempt(json, attempt);
            json.end_object();
        }
        json.end_array().end_object();
    }
    json.end_array();
}

}  // namespace

std::string json_line(std::string_view document) {
    return escaped(document, {.style = EscapeStyle::json}) + "\n";
}

void write_time(JsonWriter& json, std::string_view key, std::optional<Millis> moment) {
    write_text(json, key, moment ? iso_time(*moment) : "");
}

void write_delivery(JsonWriter& json, const StoredEvent& event,
                    const std::optional<DeliveryRecord>& delivery) {
    DeliveryRecord none;
    const DeliveryRecord& record = delivery ? *delivery : none;
    std::string name = delivery ? to_string(DeliveryName{event.number, record.hook}) : "";
    write_text(json, "delivery", name);
    json.field("event", event.number);
    write_text(json, "hook", record.hook);
    write_text(json, "code", event.facts.code);
    write_portal(json, event);
    write_entity(json, event);
    json.field("state", delivery ? name_of(record.state) : name_of(event.state));
    write_text(json, "reason", delivery ? record.reason : event.reason);
    json.key("retryable").value(delivery ? std::nullopt : std::optional(event.retryable));
    json.key("attempt").value(delivery ? std::optional(record.attempt) : std::nullopt);
    json.key("max_attempts").value(delivery ? std::optional(record.max_attempts) : std::nullopt);
    write_time(json, "due_at", record.due_at);
    write_sibling(json, "blocked_by", record.blocked_by, record.hook);
    write_sibling(json, "merged_into", record.merged_into, record.hook);
    write_time(json, "ended_at", record.ended_at);
}

void write_attempt(JsonWriter& json, const AttemptRecord& attempt) {
    json.field("attempt", attempt.attempt);
    write_text(json, "run", attempt.run);
    json.field("result", name_of(attempt.result));
    json.field("exit", attempt.exit);
    write_text(json, "signal", attempt.signal);
    write_text(json, "reason", attempt.reason);
    write_time(json, "started_at", attempt.started_at);
    write_time(json, "ended_at", attempt.ended_at);
    std::optional<Millis> duration;
    if (attempt.ended_at) duration = *attempt.ended_at - attempt.started_at;
    json.field("duration_ms", duration);
    json.field("stdout", attempt.out.kept);
    json.field("stderr", attempt.err.kept);
    json.field("stdout_bytes", attempt.out.bytes);
    json.field("stderr_bytes", attempt.err.bytes);
}

void write_problems(JsonWriter& json, std::string_view key, std::span<const Problem> problems) {
    json.key(key).begin_array();
    for (const Problem& problem : problems) {
        json.begin_object().field("level", name_of(problem.level));
        json.field("place", problem.place).field("message", problem.message);
        write_text(json, "fix", problem.fix);
        json.end_object();
    }
    json.end_array();
}

std::string row_json(const ListRow& row) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    write_delivery(json, row.event, row.delivery);
    json.end_object();
    return json_line(text);
}

std::string story_json(const Story& story) {
    const StoredEvent& event = story.event;
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("event", event.number);
    write_text(json, "code", event.facts.code);
    json.field("state", name_of(event.state));
    write_text(json, "reason", event.reason);
    json.field("retryable", event.retryable);
    write_portal(json, event);
    write_text(json, "user_id", event.facts.user_id);
    write_text(json, "handler_id", event.facts.handler_id);
    write_text(json, "ts", event.facts.ts);
    write_entity(json, event);
    write_body(json, story.body);
    write_text(json, "damage", event.damage);
    json.field("secrets", event.secrets_erased ? "erased" : "kept");
    write_refusals(json, event);
    write_deliveries(json, story);
    json.end_object();
    return json_line(text);
}

std::string attempt_json(const DeliveryName& name, const AttemptRecord& attempt) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("delivery", to_string(name));
    write_attempt(json, attempt);
    json.end_object();
    return json_line(text);
}

}  // namespace bx
