#include "store/records.h"

#include <array>

namespace bx {

namespace {

// In the order of the enums.
constexpr std::array<std::string_view, 3> event_states = {"new", "matched", "skipped"};
constexpr std::array<std::string_view, 6> delivery_states = {"waiting", "running", "done",
                                                             "dead",    "merged",  "cancelled"};
constexpr std::array<std::string_view, 7> attempt_results = {
    "running", "done", "failed", "timeout", "lost", "interrupted", "cancelled"};

}  // namespace

std::string_view name_of(EventState state) {
    return event_states.at(static_cast<std::size_t>(state));
}

std::string_view name_of(DeliveryState state) {
    return delivery_states.at(static_cast<std::size_t>(state));
}

std::string_view name_of(AttemptResult result) {
    return attempt_results.at(static_cast<std::size_t>(result));
}

std::optional<DeliveryState> delivery_state(std::string_view name) {
    for (std::size_t i = 0; i < delivery_states.size(); ++i) {
        if (delivery_states[i] == name) return static_cast<DeliveryState>(i);
    }
    return std::nullopt;
}

}  // namespace bx
