// What the words and options of `call` ask for.
#pragma once

#include <vector>

#include "cli/arguments.h"
#include "rest/batch.h"
#include "rest/method_call.h"

namespace bx {

struct CallOrder {
    MethodCall call;               // with --batch its method alone, for messages
    std::vector<BatchCall> batch;  // of --batch
    bool all = false;
    bool raw = false;
};

// Reads the files that ARGS name.  Throws UsageError.
CallOrder call_order(const Arguments& args);

}  // namespace bx
