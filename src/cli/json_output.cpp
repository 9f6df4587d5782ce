#include "cli/json_output.h"

#include <string>

#include "base/escape.h"
#include "cli/command.h"

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

void write_facts(JsonWriter& json, const StoredEvent& event) {
    write_text(json, "code", event.facts.code);
    write_text(json, "portal", event.facts.domain);
    write_text(json, "member_id", event.facts.member_id);
    write_text(json, "kind", event.facts.kind);
    write_text(json, "id", event.facts.id);
    json.field("test", event.test);
    write_time(json, "received_at", event.received_at);
}

}  // namespace

std::string json_line(std::string_view document) {
    return escape_unsafe(document, EscapeStyle::json) + "\n";
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
    write_facts(json, event);
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

}  // namespace bx
