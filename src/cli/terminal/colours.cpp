#include "cli/terminal/colours.h"

namespace bx {

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

Colour colour_of(const ListRow& row) {
    if (row.delivery) return colour_of(row.delivery->state);
    return row.event.state == EventState::skipped ? Colour::dim : Colour::none;
}

Colour colour_of(Level level) {
    return level == Level::error ? Colour::red : Colour::yellow;
}

}  // namespace bx
