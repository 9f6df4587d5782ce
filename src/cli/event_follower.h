// An event's hooks at work, shown as they go: what they print and how they end.
#pragma once

#include <map>
#include <string>

#include "cli/output_follower.h"
#include "cli/terminal/screen.h"
#include "store/store.h"

namespace bx {

class EventFollower {
public:
    EventFollower(Store& store, EventNumber number);

    // Returns when the first attempt of each delivery has ended or cannot begin, or when no hook
    // matched.  True when every delivery is done or merged.  Throws Error.
    bool follow();

private:
    // What was shown of a delivery.
    struct Shown {
        OutputFollower out, err;
        bool started = false;  // that was said
        bool waits = false;    // the same
        bool over = false;
    };

    bool look();
    std::string why_silent() const;
    void say_skipped();
    void say_refusals(const StoredEvent& event);
    void look_at(const DeliveryRecord& record, Shown& shown);
    void say_waiting(const DeliveryRecord& record, Shown& shown);
    void say_end(const DeliveryRecord& record, const AttemptRecord* attempt);
    void say(const std::string& line);
    void say_output(const std::string& source, const std::string& text);

    Store& store_;
    EventNumber number_;
    Screen screen_ = Screen::of_stdout();
    std::map<std::string, Shown> shown_;  // by hook
    std::string source_;                  // of the last line of output
    bool open_line_ = false;              // that line has no end yet
    bool told_ = false;                   // of a delivery anything
    bool refusals_said_ = false;
    bool good_ = true;
};

}  // namespace bx
