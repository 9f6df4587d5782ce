#include "rest/text_program.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "host/signals.h"

namespace bx {

namespace {

constexpr Millis look_again = 5;  // at one that has closed its outputs, and runs

// Since Linux 5.3, where no filter forbids it.
Fd end_of([[maybe_unused]] pid_t pid) {
#ifdef SYS_pidfd_open
    return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
#else
    return Fd();
#endif
}

}  // namespace

TextProgram::TextProgram(Start start, std::vector<std::string> inputs, const Limits& limits) {
    std::vector<Fd> theirs;
    Pipe output = make_pipe(), errors = make_pipe();
    for (std::string& text : inputs) {
        Pipe pipe = make_pipe();
        set_nonblocking(pipe.write.get(), true);
        inputs_.push_back({std::move(pipe.write), std::move(text)});
        theirs.push_back(std::move(pipe.read));
    }
    set_nonblocking(output.read.get(), true);
    set_nonblocking(errors.read.get(), true);
    start.fds = {theirs.empty() ? null_device : theirs.front().get(), output.write.get(),
                 errors.write.get()};
    for (std::size_t i = 1; i < theirs.size(); ++i) start.fds.push_back(theirs[i].get());
    const Started started = start_program(start);
    start_error_ = started.error;
    ended_ = started.error != 0;
    pid_ = started.pid;
    if (!ended_) end_ = end_of(pid_);
    output_ = {std::move(output.read), limits.output};
    errors_ = {std::move(errors.read), limits.errors};
    if (ended_) inputs_.clear();
}

TextProgram::~TextProgram() {
    kill();
}

Millis TextProgram::watch(std::vector<pollfd>& set, Millis left) const {
    for (const Input& input : inputs_) {
        if (input.fd) set.push_back({input.fd.get(), POLLOUT, 0});
    }
    for (const Output* output : {&output_, &errors_}) {
        if (output->fd) set.push_back({output->fd.get(), POLLIN, 0});
    }
    const bool is_silent = !ended_ && !output_.fd && !errors_.fd;
    if (!is_silent) return left;
    if (!end_) return std::min(left, look_again);
    set.push_back({end_.get(), POLLIN, 0});
    return left;
}

bool TextProgram::step() {
    if (ended_) return false;
    {
        const NoSigpipe no_signal;  // one that ends before it read everything must not end us
        for (Input& input : inputs_) give(input);
    }
    take(output_);
    take(errors_);
    if (!output_.fd && !errors_.fd) reap(WNOHANG);
    return ended_;
}

void TextProgram::kill() {
    if (ended_) return;  // its pid may be another's by now
    ::kill(-pid_, SIGKILL);  // of a session of its own
    reap(0);
}

void TextProgram::give(Input& input) {
    while (input.fd && input.written < input.text.size()) {
        const ssize_t put = ::write(input.fd.get(), input.text.data() + input.written,
                                    input.text.size() - input.written);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return;
        if (put < 0) break;  // what it does not take it will report
        input.written += static_cast<std::size_t>(put);
    }
    input.fd.reset();
    input.text.clear();
}

void TextProgram::take(Output& output) {
    std::array<char, 65536> chunk;
    while (output.fd) {
        const ssize_t got = ::read(output.fd.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return output.fd.reset();
        output.text.append(chunk.data(), static_cast<std::size_t>(got));
        const std::size_t most = output.limit + tail;
        if (output.text.size() <= most) continue;
        output.cut = true;
        output.text.erase(output.limit, output.text.size() - most);
    }
}

void TextProgram::reap(int options) {
    pid_t ended = 0;
    while ((ended = ::waitpid(pid_, &wait_status_, options)) < 0) {
        if (errno != EINTR) throw_errno("cannot wait for a program");
    }
    if (ended == 0) return;
    ended_ = true;
    inputs_.clear();
}

}  // namespace bx
