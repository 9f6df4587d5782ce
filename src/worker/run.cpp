#include "worker/run.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "worker/run_processes.h"

namespace bx {

namespace {

// How often what a run left behind is looked for, while it is being ended: those are not always
// our children, so that no signal tells when they are gone.
constexpr Millis look_interval = 100;

std::string hint_of(int exit_status) {
    if (exit_status != 126 && exit_status != 127) return {};
    return "exit " + std::to_string(exit_status) + ": command not found in the hook";
}

}  // namespace

std::string signal_name(int signal) {
    constexpr std::array<std::pair<int, const char*>, 20> names{
        {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
         {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
         {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
         {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGVTALRM, "SIGVTALRM"},
         {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"},   {SIGPROF, "SIGPROF"}}};
    auto found = std::ranges::find(names, signal, &std::pair<int, const char*>::first);
    return found != names.end() ? found->second : "signal " + std::to_string(signal);
}

Run::Run(const Claim& claim, const Allowance& allowance, const HookSettings& settings,
         std::unique_ptr<Process> process, Millis now)
    : allowance_(allowance),
      name_(claim.run),
      settings_(settings),
      process_(std::move(process)),
      pid_(process_->pid()),
      session_(pid_),
      started_at_(claim.started_at),
      next_tick_(now + settings.timeout) {
    finish_.event = claim.event.number;
    finish_.hook = claim.hook;
    finish_.attempt = claim.attempt;
}

Run::Run(const Orphan& orphan, const Allowance& allowance, const HookSettings& settings,
         Millis now)
    : allowance_(allowance),
      name_(orphan.run),
      settings_(settings),
      started_at_(orphan.started_at),
      next_tick_(now) {
    finish_.event = orphan.event;
    finish_.hook = orphan.hook;
    finish_.attempt = orphan.attempt;
    finish_.result = AttemptResult::lost;
    finish_.reason = "the worker died during the run";
    finish_.out = orphan.out;
    finish_.err = orphan.err;
    begin_ending(now);
}

void Run::reaped(int status, Millis now) {
    pid_ = -1;
    if (WIFEXITED(status)) finish_.exit = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) finish_.signal = signal_name(WTERMSIG(status));
    if (phase_ != Phase::running) {
        look_for_rest(now);
    } else if (finish_.exit == 0) {
        finish_.result = AttemptResult::done;
        close();
    } else {
        finish_.result = AttemptResult::failed;
        if (finish_.exit) finish_.reason = hint_of(*finish_.exit);
        begin_ending(now);
    }
}

void Run::end(AttemptResult why, Millis now) {
    if (phase_ != Phase::running) return;
    finish_.result = why;
    if (why == AttemptResult::timeout) {
        finish_.reason = "timeout after " + duration_text(settings_.timeout);
    } else if (why == AttemptResult::interrupted) {
        finish_.reason = "the worker was shut down";
    }
    begin_ending(now);
}

void Run::begin_ending(Millis now) {
    phase_ = Phase::ending;
    kill_at_ = now + kill_delay;
    next_tick_ = now + look_interval;
    std::size_t left = signal_run(session_, name_, SIGTERM);
    if (left == 0 && pid_ < 0) return close();
    if (pid_ >= 0) next_tick_ = kill_at_;
}

void Run::tick(Millis now) {
    if (over() || now < next_tick_) return;
    if (phase_ == Phase::running) return end(AttemptResult::timeout, now);
    look_for_rest(now);
}

// The run is being ended: is it?  The main process is waited for, the others are looked for.
void Run::look_for_rest(Millis now) {
    next_tick_ = now + look_interval;
    if (now >= kill_at_) {
        phase_ = Phase::killing;
        std::size_t left = signal_run(session_, name_, SIGKILL);
        if (left == 0 && pid_ < 0) return close();
    } else if (pid_ < 0 && processes_of(session_, name_).empty()) {
        return close();
    }
    if (pid_ >= 0 && phase_ != Phase::killing) next_tick_ = kill_at_;
}

void Run::close() {
    if (process_) process_->drain();
    phase_ = Phase::over;
}

bool Run::take_unsaved() {
    std::int64_t bytes = process_ ? process_->out().bytes() + process_->err().bytes() : 0;
    return std::exchange(saved_bytes_, bytes) != bytes;
}

Finish Run::outcome() const {
    Finish finish = finish_;
    if (process_) {
        finish.out = process_->out().take();
        finish.err = process_->err().take();
    }
    return finish;
}

}  // namespace bx
