// The output of a run that goes on, as the store has it from look to look.
#pragma once

#include <cstdint>
#include <string>

#include "store/records.h"

namespace bx {

// Of one stream: what it has not shown yet.
class OutputFollower {
public:
    // What OUTPUT has more than at the last call; where that was not all kept, a mark says so.
    std::string news(const Output& output);

private:
    // At the last call:
    std::int64_t bytes_ = 0;  // of the stream
    std::string kept_;
};

}  // namespace bx
