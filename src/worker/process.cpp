#include "worker/process.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "host/start_program.h"

namespace bx {

namespace {

constexpr std::size_t chunk_size = std::size_t{64} << 10;  // a pipe's capacity
constexpr int chunks_at_a_time = 8;  // of a stream: one that never stops must not starve others

// A new pipe's end: it has no other flags yet.
void make_nonblocking(int fd) {
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) < 0) throw_errno("cannot set the flags of a pipe");
}

// Why the kernel did not start the program of LAUNCH, in the contract's words.
Error start_error(int code, const Invocation& invocation) {
    struct stat info {};
    if (::stat(invocation.dir.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
        ::access(invocation.dir.c_str(), X_OK) != 0) {
        return Error("cannot enter the working directory '" + invocation.dir + "'");
    }
    switch (code) {
        case ENOENT:
            return Error(::access(invocation.program.c_str(), F_OK) == 0 ? "bad interpreter"
                                                                     : "missing");
        case ENOEXEC:
            return Error("bad interpreter: neither a binary nor a script that begins with #!");
        case EACCES: return Error("not executable");
        case E2BIG: return Error("arguments and environment are too long (E2BIG)");
        default: return system_error("cannot start", code);
    }
}

}  // namespace

Process::Process(Invocation invocation, std::size_t output_limit, OutputListener on_out,
                 OutputListener on_err)
    : pending_(std::move(invocation.input)),
      out_(output_limit, invocation.secrets, std::move(on_out)),
      err_(output_limit, std::move(invocation.secrets), std::move(on_err)) {
    Pipe in = make_pipe();
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    for (int ours : {in.write.get(), out.read.get(), err.read.get()}) make_nonblocking(ours);
    const Started hook = start_program({.program = invocation.program,
                                        .argv = invocation.argv,
                                        .env = invocation.env,
                                        .fds = {in.read.get(), out.write.get(), err.write.get()},
                                        .dir = invocation.dir,
                                        .umask = 022});
    if (hook.error != 0) throw start_error(hook.error, invocation);
    pid_ = hook.pid;
    input_ = std::move(in.write);
    output_ = std::move(out.read);
    error_ = std::move(err.read);
    feed();
}

void Process::feed() {
    while (input_ && written_ < pending_.size()) {
        ssize_t put = ::write(input_.get(), pending_.data() + written_, pending_.size() - written_);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return;
        if (put < 0) break;  // EPIPE: the hook does not want to read it
        written_ += static_cast<std::size_t>(put);
    }
    input_.reset();
    pending_ = std::string();
}

namespace {

// Reads up to MOST bytes that are there now; closes FD at its end.
void read_from(Fd& fd, OutputKeeper& keeper, std::size_t most) {
    std::array<char, chunk_size> chunk;
    while (fd && most > 0) {
        ssize_t got = ::read(fd.get(), chunk.data(), std::min(chunk.size(), most));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            fd.reset();
            return;
        }
        keeper.add({chunk.data(), static_cast<std::size_t>(got)});
        most -= static_cast<std::size_t>(got);
    }
}

void take_rest(Fd& fd, OutputKeeper& keeper) {
    // As much as is there now: a background child may be writing more all the time.
    int size = 0;
    if (fd && ::ioctl(fd.get(), FIONREAD, &size) == 0 && size > 0) {
        read_from(fd, keeper, static_cast<std::size_t>(size));
    }
    fd.reset();
    keeper.end();
}

}  // namespace

void Process::read_output() {
    read_from(output_, out_, chunks_at_a_time * chunk_size);
    read_from(error_, err_, chunks_at_a_time * chunk_size);
}

void Process::drain() {
    input_.reset();
    pending_ = std::string();
    take_rest(output_, out_);
    take_rest(error_, err_);
}

}  // namespace bx
