#include "cli/scrub.h"

#include <chrono>
#include <string>
#include <thread>

#include "cli/output.h"
#include "store/errors.h"

namespace bx {

namespace {

constexpr int tries = 20;
constexpr std::chrono::milliseconds between_tries{100};

}  // namespace

void scrub(Store& store) {
    std::string cause = "another program reads there";
    for (int i = 0; i < tries; ++i) {
        if (i > 0) std::this_thread::sleep_for(between_tries);
        try {
            if (store.upkeep().scrub()) return;
        } catch (const StoreError& error) {
            cause = error.what();
        }
    }
    remark("erased secrets stay in the store's files until a worker has run: " + cause);
}

}  // namespace bx
