#include "report/wording.h"

#include <ctime>

#include "base/escape.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t rules_named = 3;  // in a note

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

// The last line of TEXT that has something in it.
std::string_view last_line(std::string_view text) {
    text = trim(text);
    return trim(text.substr(text.find_last_of("\r\n") + 1));
}

// The line that tells most of SAID, the end of what a failed hook said: the last.  After an uncaught
// exception PHP writes its stack, up to "  thrown in FILE on line 3": then the line above the stack.
std::string_view telling_line(std::string_view said) {
    const std::string_view last = last_line(said);
    if (!last.starts_with("thrown in ")) return last;
    const std::size_t fatal = said.rfind("Fatal error: ");
    if (fatal == std::string_view::npos) return last;  // cut off: a stack longer than what is shown
    const std::size_t end = said.find_first_of("\r\n", fatal);
    return last_line(said.substr(0, end));
}

// "crm-log: unless auth.user_id 17; ...", of the hooks that did not take it for a rule of theirs.
std::string rules_of(const StoredEvent& event) {
    std::string text;
    std::size_t named = 0;
    for (const Refusal& refusal : event.refused) {
        if (is_of_other_event(refusal)) continue;
        if (named++ == rules_named) return text + "; ...";
        append(text, "; ", printable(refusal.hook) + ": " + printable(refusal.reason));
    }
    return text;
}

}  // namespace

std::string row_state(const ListRow& row) {
    return std::string(row.delivery ? name_of(row.delivery->state) : name_of(row.event.state));
}

std::string row_note(const ListRow& row, Millis now) {
    std::string text = row.delivery ? note_of(*row.delivery, now) : printable(row.event.reason);
    append(text, ": ", printable(telling_line(row.stderr_end)));
    append(text, ": ", rules_of(row.event));
    return text;
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

std::string local_time(Millis moment) {
    const std::time_t seconds = moment / second;
    std::tm time{};
    std::string text(sizeof "2026-11-21 03:36", '\0');
    if (::localtime_r(&seconds, &time) == nullptr) return iso_time(moment);
    text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &time));
    return text;
}

std::string received_text(Millis moment, Millis now) {
    if (now - moment < hour) return relative_time(moment, now);
    const std::string text = local_time(moment);
    return now - moment < day ? text.substr(text.find(' ') + 1) : text;
}

}  // namespace bx
