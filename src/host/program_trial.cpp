#include "host/program_trial.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "host/own_program.h"
#include "host/start_program.h"

namespace bx {

namespace {

constexpr Millis longest = 10 * second;
constexpr std::string_view good_answer = "bxhook ";

}  // namespace

void ProgramTrial::start(const std::string& path) {
    end();
    Pipe answer = make_pipe();
    set_nonblocking(answer.read.get(), true);
    const Started started = start_program({.program = path,
                                           .argv = {path, "version"},
                                           .env = own_environment(),
                                           .fds = {null_device, answer.write.get(), null_device},
                                           .dir = "/"});
    if (started.error != 0) {
        state_ = State::bad;
        return;
    }
    state_ = State::running;
    pid_ = started.pid;
    answer_ = std::move(answer.read);
    limit_.set(steady_now() + longest);
}

ProgramTrial::State ProgramTrial::look() {
    if (state_ != State::running) {
        // Not to be taken for another process that has its number later.
        if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
        return state_;
    }
    std::array<char, 64> text{};
    const ssize_t size = ::read(answer_.get(), text.data(), text.size());
    const bool silent = size < 0 && (errno == EAGAIN || errno == EINTR);
    if (silent && !limit_.due(steady_now())) return state_;
    const std::string_view said(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    state_ = said.starts_with(good_answer) ? State::good : State::bad;
    answer_.reset();
    if (silent) ::kill(pid_, SIGKILL);
    return state_;
}

void ProgramTrial::end() {
    if (state_ == State::running) ::kill(pid_, SIGKILL);
    if (pid_ > 0) (void)::waitpid(pid_, nullptr, WNOHANG);
    pid_ = -1;
    answer_.reset();
    state_ = State::none;
}

}  // namespace bx
