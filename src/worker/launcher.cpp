#include "worker/launcher.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "base/fault.h"
#include "config/secrets.h"
#include "hooks/invocation.h"

namespace bx {

namespace {

// Why HOOK, whose delivery was claimed before this was known, must not run; none: it may.
std::optional<StartProblem> held_back(const Hook& hook) {
    if (!hook.conflict.empty()) return StartProblem{StartFault::ambiguous, hook.conflict, ""};
    if (hook.put_aside.empty()) return std::nullopt;
    return StartProblem{StartFault::disabled, disabled_reason(hook), ""};
}

// Of the delivery NAME, whose hook is gone.
StartProblem gone(const DeliveryName& name) {
    return {StartFault::missing,
            "missing: no file named " + name.hook + ", and no block with run: put it back, or " +
                "give the event up with 'bxhook cancel " + to_string(name) + "'",
            ""};
}

}  // namespace

std::optional<int> attempts_of(const LiveConfig& live, const std::string& hook) {
    const Hook* known = live.hooks().set().find(hook);
    if (!known) return std::nullopt;
    return known->settings.attempts;
}

Launcher::Launcher(WorkerContext& context, Membership& membership, RunRecorder& recorder)
    : context_(context),
      membership_(membership),
      recorder_(recorder),
      surroundings_(own_surroundings(context.live.path())) {}

std::size_t Launcher::free_slots() const {
    const ConfigPtr& config = context_.live.config();
    if (!config || context_.stopping || context_.draining) return 0;
    if (!membership_.may_start_runs()) return 0;
    const auto most = static_cast<std::size_t>(config->worker.concurrency);
    return most - std::min(most, context_.runs.size());
}

void Launcher::start(Claim& claim) {
    const Allowance allowance = allowance_of(claim.attempt, claim.max_attempts, claim.failures,
                                             attempts_of(context_.live, claim.hook));
    claim.max_attempts = allowance.most;  // what the hook is told
    std::optional<StartProblem> problem;
    try {
        problem = launch(claim, allowance);
    } catch (const std::exception& error) {
        problem = StartProblem{StartFault::failed, error.what(), ""};
    }
    if (!problem) return;
    // Its file may have been renamed since it was found: only now it is gone.
    const Hook* now = context_.live.find_hook(claim.hook, context_.now);
    if (now) problem = held_back(*now).value_or(*problem);
    membership_.forget(claim.run);
    recorder_.add(claim, allowance, *problem);
}

const std::vector<std::string>& Launcher::configured_secrets() {
    const ConfigPtr& config = context_.live.config();
    if (config != hidden_of_) hidden_ = secrets_beside_tokens(*config);
    hidden_of_ = config;
    return hidden_;
}

// Why CLAIM's run could not be started; none: it runs.  Throws std::exception too.
std::optional<StartProblem> Launcher::launch(const Claim& claim, const Allowance& allowance) {
    const Config& config = *context_.live.config();
    const Hook* hook = context_.live.find_hook(claim.hook, context_.now);
    if (!hook) return gone({claim.event.number, claim.hook});
    if (auto held = held_back(*hook)) return held;
    if (hook->problem) return hook->problem;
    if (auto problem = start_problem(*hook, config.hooks_dir)) return problem;
    Invocation what = prepare_invocation(claim, *hook, surroundings_, wall_now());
    const std::vector<std::string>& hidden = configured_secrets();
    what.secrets.insert(what.secrets.end(), hidden.begin(), hidden.end());
    if (!what.refusal.empty()) return StartProblem{StartFault::bad_argument, what.refusal, ""};
    fault_point("before-spawn");
    membership_.watch(claim.run);
    auto process = std::make_unique<Process>(std::move(what), config.limits.output);
    membership_.watch(claim.run, process->pid());
    fault_point("after-spawn");
    context_.runs.add(std::make_unique<Run>(claim, allowance, context_.live.settings_of(claim.hook),
                                            std::move(process), steady_now()));
    const DeliveryName name{claim.event.number, claim.hook};
    context_.log.debug("run started", {{"delivery", to_string(name)}, {"attempt", claim.attempt}});
    return std::nullopt;
}

}  // namespace bx
