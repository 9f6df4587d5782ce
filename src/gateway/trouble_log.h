// Trouble that may come with every request, logged at a bounded rate.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"

namespace bx {

class TroubleLog {
public:
    explicit TroubleLog(Log& log) : log_(log) {}

    // Logs TROUBLE ("cannot store events") and its CAUSE as an error; the same cause again only
    // after a minute.
    void report(std::string_view trouble, std::string_view cause);

    // Runs WORK.  What it throws is reported as TROUBLE; gives its text, none when WORK returned.
    template <class Work>
    std::optional<std::string> attempt(std::string_view trouble, const Work& work) {
        try {
            work();
        } catch (const std::exception& error) {
            report(trouble, error.what());
            return error.what();
        }
        return std::nullopt;
    }

private:
    Log& log_;
    std::string last_cause_;
    Timer next_report_;  // of that cause
};

}  // namespace bx
