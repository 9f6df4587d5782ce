#include "host/start_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "host/umask.h"

namespace bx {

namespace {

void require(int error) {
    if (error != 0) throw system_error("cannot prepare the start of a program", error);
}

// The descriptors of the new process, and its working directory.
class FileActions {
public:
    explicit FileActions(const Start& start) {
        require(::posix_spawn_file_actions_init(&actions_));
        try {
            add(start);
        } catch (...) {
            ::posix_spawn_file_actions_destroy(&actions_);
            throw;
        }
    }
    ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;

    const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    void add(const Start& start) {
        const int count = static_cast<int>(start.fds.size());
        for (int target = 0; target < count; ++target) {
            const int fd = start.fds[static_cast<std::size_t>(target)];
            if (fd == null_device) {
                require(::posix_spawn_file_actions_addopen(
                    &actions_, target, "/dev/null", target == 0 ? O_RDONLY : O_WRONLY, 0));
            } else {
                const int source = fd < target ? duplicate_above(fd, count) : fd;
                require(::posix_spawn_file_actions_adddup2(&actions_, source, target));
            }
        }
        require(::posix_spawn_file_actions_addclosefrom_np(&actions_, count));
        if (!start.dir.empty()) {
            require(::posix_spawn_file_actions_addchdir_np(&actions_, start.dir.c_str()));
        }
    }

    // Of an FD whose number another has taken by the time it is its turn.
    int duplicate_above(int fd, int count) {
        Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, count));
        if (!copy) throw_errno("cannot duplicate a descriptor");
        return copies_.emplace_back(std::move(copy)).get();
    }

    posix_spawn_file_actions_t actions_;
    std::vector<Fd> copies_;
};

// Its session and signals.
class Attributes {
public:
    explicit Attributes(bool keep_ignored) {
        require(::posix_spawnattr_init(&attributes_));
        sigset_t none, all;
        ::sigemptyset(&none);
        // Not sigfillset: it leaves out 32 and 33, which glibc's posix_spawn would set to ignored.
        std::memset(&all, 0xff, sizeof all);
        int flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK;
        if (!keep_ignored) flags |= POSIX_SPAWN_SETSIGDEF;
        // These fail for flags that do not exist only.
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }
    ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;

    const posix_spawnattr_t* get() const { return &attributes_; }

private:
    posix_spawnattr_t attributes_;
};

// execve takes them as char*, and changes nothing.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
}

}  // namespace

Pipe make_pipe() {
    std::array<int, 2> fds;
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
    return {Fd(fds[0]), Fd(fds[1])};
}

Started start_program(const Start& start) {
    const FileActions files(start);
    const Attributes attributes(start.keep_ignored);
    const std::vector<char*> argv = pointers(start.argv);
    const std::vector<char*> env = pointers(start.env);
    const char* program = start.program.c_str();
    // posix_spawn has no action for it.
    std::optional<Umask> umask;
    if (start.umask) umask.emplace(*start.umask);
    Started started;
    if (start.program.find('/') != std::string::npos) {
        started.error = ::posix_spawn(&started.pid, program, files.get(), attributes.get(),
                                      argv.data(), env.data());
    } else {
        started.error = ::posix_spawnp(&started.pid, program, files.get(), attributes.get(),
                                       argv.data(), env.data());
    }
    return started;
}

}  // namespace bx
