// Starts the runs of claims: the hook as it is now, what it gets, its process.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "hooks/invocation.h"
#include "hooks/start_problem.h"
#include "store/records.h"
#include "worker/context.h"
#include "worker/membership.h"
#include "worker/retry_schedule.h"
#include "worker/run_recorder.h"

namespace bx {

// As HOOK is configured; none: it is not there.
std::optional<int> attempts_of(const LiveConfig& live, const std::string& hook);

class Launcher {
public:
    Launcher(WorkerContext& context, Membership& membership, RunRecorder& recorder);

    // How many hooks may be started now.
    std::size_t free_slots() const;
    // Starts CLAIM's run.  When it cannot be started the recorder has its end.
    void start(Claim& claim);

private:
    std::optional<StartProblem> launch(const Claim& claim, const Allowance& allowance);
    const std::vector<std::string>& configured_secrets();

    WorkerContext& context_;
    Membership& membership_;
    RunRecorder& recorder_;
    const Surroundings surroundings_;
    ConfigPtr hidden_of_;              // hidden_ was made with
    std::vector<std::string> hidden_;  // its secrets, which no run's output is to show
};

}  // namespace bx
