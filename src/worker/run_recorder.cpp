#include "worker/run_recorder.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "worker/retry_schedule.h"

namespace bx {

namespace {

constexpr std::size_t stderr_lines = 5;

std::vector<std::string_view> last_lines(std::string_view text, std::size_t most) {
    std::vector<std::string_view> lines = split(trim(text), '\n');
    if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<long>(most));
    if (lines.size() == 1 && lines.front().empty()) lines.clear();
    return lines;
}

void report_failure(const Finish& finish, const std::string& name, const std::string& attempt,
                    Millis duration, Log& log) {
    const std::string& reason = finish.delivery_reason;
    if (finish.next == DeliveryState::dead) {
        log.error("dead", {{"delivery", name},
                           {"attempt", attempt},
                           {"reason", reason},
                           {"ms", duration}});
    } else {
        log.warning(name_of(finish.result), {{"delivery", name},
                                             {"attempt", attempt},
                                             {"reason", reason},
                                             {"ms", duration},
                                             {"again_at", iso_time(finish.due_at)}});
    }
    for (std::string_view line : last_lines(finish.err.kept, stderr_lines)) {
        log.warning("stderr", {{"delivery", name}, {"line", line}});
    }
}

void report(const Finish& finish, int max_attempts, Millis duration, Log& log) {
    const std::string name = to_string(DeliveryName{finish.event, finish.hook});
    const std::string attempt =
        std::to_string(finish.attempt) + " of " + std::to_string(max_attempts);
    switch (finish.result) {
        case AttemptResult::done:
            log.info("done", {{"delivery", name}, {"attempt", attempt}, {"ms", duration}});
            return;
        case AttemptResult::interrupted:
        case AttemptResult::cancelled:
            log.info(name_of(finish.result), {{"delivery", name}, {"attempt", attempt}});
            return;
        default: report_failure(finish, name, attempt, duration, log);
    }
}

}  // namespace

void RunRecorder::add(const Run& run) {
    Finish finish = run.outcome();
    finish.ended_at = wall_now();
    decide(finish, run.allowance(), run.settings());
    keep(run.name(), std::move(finish), run.allowance().most, run.started_at());
}

void RunRecorder::add(const Orphan& orphan, const Allowance& allowance, const SlotEnd& end) {
    Finish finish;
    finish.event = orphan.event;
    finish.hook = orphan.hook;
    finish.attempt = orphan.attempt;
    finish.result = static_cast<AttemptResult>(end.result);
    finish.exit = end.exit;
    finish.signal = end.signal;
    finish.reason = end.reason;
    finish.ended_at = std::min(end.ended_at, wall_now());
    finish.out = orphan.out;
    finish.err = orphan.err;
    decide(finish, allowance, context_.live.settings_of(orphan.hook));
    context_.log.warning("a killed worker's run had ended: of its output the last is missing",
                         {{"delivery", to_string(DeliveryName{finish.event, finish.hook})},
                          {"attempt", finish.attempt}});
    keep(orphan.run, std::move(finish), allowance.most, orphan.started_at);
}

void RunRecorder::add(const Claim& claim, const Allowance& allowance,
                      const StartProblem& problem) {
    if (!problem.fix.empty()) {
        context_.log.warning("cannot start", {{"hook", claim.hook},
                                              {"reason", problem.reason},
                                              {"fix", problem.fix}});
    }
    Finish finish;
    finish.event = claim.event.number;
    finish.hook = claim.hook;
    finish.attempt = claim.attempt;
    // A hook that a person stopped since the claim waits for the person.
    finish.result =
        is_held(problem.fault) ? AttemptResult::interrupted : AttemptResult::failed;
    finish.reason = problem.reason;
    finish.ended_at = wall_now();
    const Allowance last{allowance.failures, claim.attempt, false};
    decide(finish, is_permanent(problem.fault) ? last : allowance,
           context_.live.settings_of(claim.hook));
    // What waits for such a hook is explained for as long as it does (cli/held.h), and no longer.
    if (problem.fault == StartFault::disabled) finish.delivery_reason.clear();
    keep(claim.run, std::move(finish), allowance.most, claim.started_at);
}

void RunRecorder::decide(Finish& finish, const Allowance& allowance,
                         const HookSettings& settings) {
    const double random = std::uniform_real_distribution<double>(0, 1)(random_);
    decide_next(finish, allowance, settings, finish.ended_at, random);
}

void RunRecorder::keep(const std::string& run, Finish finish, int most, Millis started_at) {
    report(finish, most, finish.ended_at - started_at, context_.log);
    slots_.end(run, finish);
    output_files_.write(finish, most);
    unrecorded_.push_back(std::move(finish));
    context_.progress = true;
}

std::vector<Claim> RunRecorder::record_and_claim(std::size_t slots, Millis wall) {
    const std::size_t count = std::min(unrecorded_.size(), finish_batch_.size());
    const Millis begun = steady_now();
    try {
        std::vector<Claim> claims = queue_.finish_and_claim(
            {unrecorded_.data(), count}, slots, capacity(), wall);
        recorded_({unrecorded_.data(), count});
        forget(count);
        failures_ = 0;
        finish_batch_.went(steady_now() - begun);
        claim_batch_.went(steady_now() - begun);
        return claims;
    } catch (const std::exception& error) {
        finish_batch_.failed();
        claim_batch_.failed();
        const bool doubtful = count == 1 && may_be_its_own_fault(error);
        if (doubtful && ++failures_ >= failures_at_most) record_alone();
        throw;
    }
}

std::vector<Claim> RunRecorder::dispatch_and_claim(std::span<const Dispatch> verdicts,
                                                   std::size_t slots, Millis wall) {
    return queue_.dispatch_and_claim(verdicts, slots, capacity(), wall);
}

HookCapacity RunRecorder::capacity() const {
    return [this](const std::string& hook) { return context_.live.concurrency_of(hook); };
}

// The first run could not be recorded, again and again, with nothing else.  At last it is recorded
// without what the hook wrote, and when that fails too, given up: its delivery stays `running`
// until it is taken for lost.
void RunRecorder::record_alone() {
    failures_ = 0;
    Finish& finish = unrecorded_.front();
    try {
        queue_.finish({&finish, 1});  // it may have been what was to be claimed
        recorded_({&finish, 1});
    } catch (const std::exception& error) {
        if (!may_be_its_own_fault(error)) throw;
        context_.log.error("a run's end cannot be recorded",
                           {{"delivery", to_string(DeliveryName{finish.event, finish.hook})},
                            {"cause", error.what()}});
        const bool silent = finish.out.kept.empty() && finish.err.kept.empty();
        finish.out.kept.clear();
        finish.err.kept.clear();
        if (!silent) return;
    }
    forget(1);
}

// The first COUNT need not be kept any longer.
void RunRecorder::forget(std::size_t count) {
    slots_.recorded({unrecorded_.data(), count});
    unrecorded_.erase(unrecorded_.begin(), unrecorded_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace bx
