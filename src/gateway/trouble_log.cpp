#include "gateway/trouble_log.h"

namespace bx {

void TroubleLog::report(std::string_view trouble, std::string_view cause) {
    const Millis now = steady_now();
    if (cause == last_cause_ && !next_report_.due(now)) return;
    last_cause_ = cause;
    next_report_.set(now + minute);
    log_.error(trouble, {{"cause", cause}});
}

}  // namespace bx
