#include "cli/wording.h"

#include "base/text.h"
#include "cli/command.h"

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

Colour colour_of(DeliveryState state) {
    switch (state) {
        case DeliveryState::waiting: return Colour::yellow;
        case DeliveryState::running: return Colour::bold;
        case DeliveryState::done: return Colour::green;
        case DeliveryState::dead: return Colour::red;
        case DeliveryState::merged:
        case DeliveryState::cancelled: return Colour::dim;
    }
    return Colour::none;
}

Colour colour_of(AttemptResult result) {
    switch (result) {
        case AttemptResult::running: return Colour::bold;
        case AttemptResult::done: return Colour::green;
        case AttemptResult::failed:
        case AttemptResult::timeout:
        case AttemptResult::lost: return Colour::red;
        case AttemptResult::interrupted:
        case AttemptResult::cancelled: return Colour::dim;
    }
    return Colour::none;
}

std::string row_state(const ListRow& row) {
    return std::string(row.delivery ? name_of(row.delivery->state) : name_of(row.event.state));
}

Colour row_colour(const ListRow& row) {
    if (row.delivery) return colour_of(row.delivery->state);
    return row.event.state == EventState::skipped ? Colour::dim : Colour::none;
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

}  // namespace bx
