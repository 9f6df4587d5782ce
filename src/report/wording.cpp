#include "report/wording.h"

#include "base/escape.h"

namespace bx {

namespace {

void append(std::string& text, std::string_view separator, std::string_view more) {
    if (more.empty()) return;
    if (!text.empty()) text += separator;
    text += more;
}

std::string waits_for(const DeliveryRecord& delivery, Millis now) {
    if (delivery.blocked_by) return "after " + to_string({*delivery.blocked_by, delivery.hook});
    if (!delivery.due_at) return "";
    return *delivery.due_at > now ? relative_time(*delivery.due_at, now) : "due";
}

}  // namespace

std::string row_state(const ListRow& row) {
    return std::string(row.delivery ? name_of(row.delivery->state) : name_of(row.event.state));
}

std::string row_note(const ListRow& row, Millis now) {
    return row.delivery ? note_of(*row.delivery, now) : printable(row.event.reason);
}

std::string tries(const DeliveryRecord& delivery) {
    return std::to_string(delivery.attempt) + "/" + std::to_string(delivery.max_attempts);
}

std::string note_of(const DeliveryRecord& delivery, Millis now) {
    std::string text;
    if (delivery.state == DeliveryState::waiting) text = waits_for(delivery, now);
    if (delivery.merged_into) text = "into " + to_string({*delivery.merged_into, delivery.hook});
    append(text, ": ", printable(delivery.reason));
    return text;
}

std::string progress_of(const DeliveryRecord& delivery, Millis now) {
    std::string text = "attempt " + std::to_string(delivery.attempt) + " of " +
                       std::to_string(delivery.max_attempts);
    append(text, ", ", note_of(delivery, now));
    return text;
}

std::string outcome_of(const AttemptRecord& attempt) {
    std::string text;
    if (attempt.exit && *attempt.exit != 0) text = "exit " + std::to_string(*attempt.exit);
    append(text, ", ", attempt.signal);
    // A reason often begins with the exit or signal itself: "exit 127: command not found".
    std::string reason = printable(attempt.reason);
    if (!text.empty() && reason.starts_with(text)) return reason;
    append(text, ": ", reason);
    return text;
}

std::string course_of(const AttemptRecord& attempt, Millis now) {
    std::string text = outcome_of(attempt);
    append(text, ", ", relative_time(attempt.started_at, now));
    if (attempt.ended_at) {
        text += ", took " + std::to_string(*attempt.ended_at - attempt.started_at) + "ms";
    }
    return text;
}

std::string size_of(const Output& output) {
    std::string text = std::to_string(output.bytes) + " bytes";
    if (output.bytes > static_cast<std::int64_t>(output.kept.size())) {
        text += ", " + std::to_string(output.kept.size()) + " kept";
    }
    return text;
}

std::string summary_of(const WorkerRecord& worker, Millis now) {
    std::string text = "pid " + std::to_string(worker.pid) + " on " + worker.host + ", version " +
                       worker.version + ", started " + relative_time(worker.since, now) +
                       ", running " + std::to_string(worker.running);
    if (!worker.trouble.empty()) text += ", in trouble";
    if (worker.seen_at) text += ", seen " + relative_time(*worker.seen_at, now);
    return printable(text, 500);
}

std::string counted(std::int64_t count, std::string_view one, std::string_view many) {
    return std::to_string(count).append(" ").append(count == 1 ? one : many);
}

std::string moment_text(Millis moment, Millis now) {
    return iso_time(moment) + " (" + relative_time(moment, now) + ")";
}

}  // namespace bx
