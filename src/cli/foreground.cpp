#include "cli/foreground.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <vector>

#include "base/error.h"
#include "cli/output.h"
#include "worker/run_processes.h"
#include "worker/run_table.h"
#include "worker/signals.h"

namespace bx {

namespace {

constexpr int timed_out = 124;        // as timeout(1) has it
constexpr int ended_by_signal = 128;  // and its number, as shells have it

// Of output that nobody takes yet; then the hook has to wait, as for any reader.
constexpr std::size_t pending_at_most = 65536;
// For those who read, when the run was ended: what they do not take in this time is dropped.
constexpr Millis last_wait = second;

// The signals that are blocked at its birth are those that are blocked after its death.
class SignalMask {
public:
    SignalMask() { ::pthread_sigmask(SIG_BLOCK, nullptr, &before_); }
    ~SignalMask() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalMask(const SignalMask&) = delete;
    SignalMask& operator=(const SignalMask&) = delete;

private:
    sigset_t before_{};
};

class Foreground {
public:
    Foreground(const Claim& claim, const HookSettings& settings, const Invocation& invocation);

    void wait_for_end();
    ForegroundEnd end() const;

private:
    OutputListener listener(ForeignStream& stream);
    bool has_room() const;
    bool was_ended() const;
    bool step(Millis most);
    void write_to(ForeignStream& stream);
    void take_signals();
    void stop(int signal);
    void reap(Millis now);
    void end_streams();

    SignalMask mask_;
    WorkerSignals signals_;
    ForeignStream out_{STDOUT_FILENO};
    ForeignStream err_{STDERR_FILENO};
    RunTable runs_;
    Run* run_ = nullptr;  // the one in runs_
    int wait_status_ = 0;
    int stopped_by_ = 0;   // ForegroundEnd::stopped_by
    int write_error_ = 0;  // errno
};

Foreground::Foreground(const Claim& claim, const HookSettings& settings,
                       const Invocation& invocation) {
    // What the hook leaves behind becomes our child, so that its end is seen.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    auto process = std::make_unique<Process>(invocation, 0, listener(out_), listener(err_));
    const Allowance allowance{.most = claim.max_attempts};
    auto run =
        std::make_unique<Run>(claim, allowance, settings, std::move(process), steady_now());
    run_ = run.get();
    runs_.add(std::move(run));
}

OutputListener Foreground::listener(ForeignStream& stream) {
    return [this, &stream](std::string_view piece) {
        if (write_error_ == 0) stream.add(piece);
    };
}

bool Foreground::has_room() const {
    return std::max(out_.pending(), err_.pending()) < pending_at_most;
}

// By a person, or by the time limit.
bool Foreground::was_ended() const {
    return stopped_by_ != 0 || run_->outcome().result == AttemptResult::timeout;
}

// Waits up to MOST for signals, the hook's pipes and those who read what it prints, and takes what
// there is.  False: there was nothing.
bool Foreground::step(Millis most) {
    const auto wanted = [](const ForeignStream& stream) {
        return pollfd{stream.pending() > 0 ? stream.fd() : -1, POLLOUT, 0};
    };
    std::vector<pollfd> set{{signals_.fd(), POLLIN, 0}, wanted(out_), wanted(err_)};
    const std::size_t first_of_runs = set.size();
    const bool reads = has_room() && !run_->over();
    if (reads) runs_.append_to(set);
    if (::poll(set.data(), set.size(), static_cast<int>(most)) <= 0) return false;
    if (set[0].revents != 0) take_signals();
    // One of them: both may be one pipe, which has room for one.
    if (set[1].revents != 0) write_to(out_);
    else if (set[2].revents != 0) write_to(err_);
    if (reads) runs_.handle(set.data() + first_of_runs);
    return true;
}

void Foreground::write_to(ForeignStream& stream) {
    if (write_error_ == 0 && !stream.write_some()) write_error_ = errno;
}

void Foreground::wait_for_end() {
    while (!run_->over()) {
        step(std::clamp(run_->next_tick() - steady_now(), Millis{0}, second));
        if (write_error_ != 0 && stopped_by_ == 0) stop(SIGPIPE);
        reap(steady_now());
        runs_.tick(steady_now());
    }
    end_streams();
}

void Foreground::take_signals() {
    while (int signal = signals_.next()) {
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) stop(signal);
    }
}

void Foreground::stop(int signal) {
    if (stopped_by_ != 0) {
        signal_run(0, run_->name(), SIGKILL);
        return;
    }
    stopped_by_ = signal;
    runs_.end_all(AttemptResult::cancelled, steady_now());
}

// Not the table's: it would keep the status to itself.
void Foreground::reap(Millis now) {
    int status = 0;
    for (;;) {
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        if (pid != run_->pid()) continue;
        wait_status_ = status;
        run_->reaped(status, now);
    }
}

// Who reads slowly is waited for, unless the run was ended.
void Foreground::end_streams() {
    out_.add_end();
    err_.add_end();
    while (write_error_ == 0 && out_.pending() + err_.pending() > 0) {
        const bool dropping = was_ended();
        if (!step(dropping ? last_wait : second) && dropping) return;
    }
}

ForegroundEnd Foreground::end() const {
    if (write_error_ != 0 && write_error_ != EPIPE) {
        throw system_error("cannot write the hook's output", write_error_);
    }
    ForegroundEnd end{run_->outcome(), stopped_by_};
    if (stopped_by_ != 0) {
        end.status = ended_by_signal + stopped_by_;
    } else if (end.finish.result == AttemptResult::timeout) {
        end.status = timed_out;
    } else if (WIFSIGNALED(wait_status_)) {
        end.status = ended_by_signal + WTERMSIG(wait_status_);
    } else {
        end.status = WEXITSTATUS(wait_status_);
    }
    return end;
}

}  // namespace

ForegroundEnd run_in_foreground(const Claim& claim, const HookSettings& settings,
                                const Invocation& invocation) {
    Foreground foreground(claim, settings, invocation);
    foreground.wait_for_end();
    return foreground.end();
}

}  // namespace bx
