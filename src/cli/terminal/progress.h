// How far long work is, for a person who waits at a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.h"

namespace bx {

// One line on stderr, rewritten as the work goes on and removed at the end.  Nothing is shown where
// stderr is not a terminal, or for work that takes less than half a second.
class Progress {
public:
    explicit Progress(std::string what);  // "deleting events"
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // So many are done, of TOTAL (0: not known).
    void at(std::size_t done, std::size_t total = 0);
    // Takes the line away, before something else is written; a later at() shows it again.
    void clear();

private:
    std::string what_;
    bool terminal_;
    bool shown_ = false;
    Millis next_;  // when to write again
};

}  // namespace bx
