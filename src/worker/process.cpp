#include "worker/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace bx {

namespace {

constexpr std::size_t chunk_size = std::size_t{64} << 10;  // a pipe's capacity
constexpr int chunks_a_turn = 8;  // of one stream, so that one that never stops starves nobody

struct Pipe {
    Fd read, write;
};

Pipe make_pipe() {
    std::array<int, 2> fds;
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
    return {Fd(fds[0]), Fd(fds[1])};
}

// The two things posix_spawn wants to be told in objects of its own.
struct Actions {
    Actions() { ::posix_spawn_file_actions_init(&raw); }
    ~Actions() { ::posix_spawn_file_actions_destroy(&raw); }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
    posix_spawn_file_actions_t raw;
};

struct Attributes {
    Attributes() { ::posix_spawnattr_init(&raw); }
    ~Attributes() { ::posix_spawnattr_destroy(&raw); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    posix_spawnattr_t raw;
};

void require(int error) {
    if (error != 0) throw system_error("cannot prepare the start", error);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

// Why the kernel did not start PROGRAM, in the contract's words.
Error start_error(int code, const Launch& launch) {
    struct stat info {};
    if (::stat(launch.dir.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
        ::access(launch.dir.c_str(), X_OK) != 0) {
        return Error("cannot enter the working directory '" + launch.dir + "'");
    }
    switch (code) {
        case ENOENT:
            return Error(::access(launch.program.c_str(), F_OK) == 0 ? "bad interpreter"
                                                                     : "missing");
        case ENOEXEC:
            return Error("bad interpreter: neither a binary nor a script that begins with #!");
        case EACCES: return Error("not executable");
        case E2BIG: return Error("arguments and environment are too long (E2BIG)");
        default: return system_error("cannot start", code);
    }
}

}  // namespace

Process::Process(const Launch& launch, std::size_t output_limit)
    : pending_(launch.input),
      out_(output_limit, launch.secrets),
      err_(output_limit, launch.secrets) {
    Pipe in = make_pipe();
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    for (int ours : {in.write.get(), out.read.get(), err.read.get()}) set_nonblocking(ours, true);
    spawn(launch, {in.read.get(), out.write.get(), err.write.get()});
    input_ = std::move(in.write);
    output_ = std::move(out.read);
    error_ = std::move(err.read);
    feed();
}

void Process::spawn(const Launch& launch, const int (&fds)[3]) {
    Actions actions;
    for (int i = 0; i < 3; ++i) {
        require(::posix_spawn_file_actions_adddup2(&actions.raw, fds[i], i));
    }
    require(::posix_spawn_file_actions_addchdir_np(&actions.raw, launch.dir.c_str()));
    Attributes attributes;
    sigset_t none, all;
    sigemptyset(&none);
    // Not sigfillset: it leaves out 32 and 33, which glibc's posix_spawn would then set to ignored.
    std::memset(&all, 0xff, sizeof all);
    require(::posix_spawnattr_setsigmask(&attributes.raw, &none));
    require(::posix_spawnattr_setsigdefault(&attributes.raw, &all));
    require(::posix_spawnattr_setflags(
        &attributes.raw, static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF)));
    std::vector<char*> argv = pointers(launch.argv);
    std::vector<char*> env = pointers(launch.env);
    mode_t ours = ::umask(022);
    int code = ::posix_spawn(&pid_, launch.program.c_str(), &actions.raw, &attributes.raw,
                             argv.data(), env.data());
    ::umask(ours);
    if (code != 0) throw start_error(code, launch);
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
    read_from(output_, out_, chunks_a_turn * chunk_size);
    read_from(error_, err_, chunks_a_turn * chunk_size);
}

void Process::drain() {
    input_.reset();
    pending_ = std::string();
    take_rest(output_, out_);
    take_rest(error_, err_);
}

void leave_descriptors() {
    std::vector<int> open;
    if (DIR* dir = ::opendir("/proc/self/fd")) {
        while (const dirent* entry = ::readdir(dir)) {
            std::string_view name = entry->d_name;
            int fd = -1;
            std::from_chars(name.data(), name.data() + name.size(), fd);
            if (fd > STDERR_FILENO && fd != ::dirfd(dir)) open.push_back(fd);
        }
        ::closedir(dir);
    }
    for (int fd : open) ::close(fd);
    for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
        // open gives the lowest free number, which is FD.
        if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
    }
}

}  // namespace bx
