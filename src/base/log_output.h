// Where the lines of a log go, without ever waiting for whoever reads them.
//
// stderr is often shared: with the shell or the web server that started us, with other processes of
// its kind.  O_NONBLOCK would be theirs too, so it is set only on a file description of our own.
// Where none can be had (a pipe of another user, no /proc) we ask before we write, and a timer ends
// a write that waits all the same.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"

namespace bx {

class LogOutput {
public:
    LogOutput() = default;  // nowhere

    // What is at FD (stderr) now.  FD stays the caller's.
    static LogOutput of(int fd);
    // True when FD is what systemd connected with the journal (JOURNAL_STREAM, systemd.exec(5)).
    static bool is_journal(int fd);
    // The file at PATH, appended to; made (0600) when missing.  Not open when it cannot be, or is a
    // FIFO that nobody reads; errno says which.
    static LogOutput open(const std::string& path);

    explicit operator bool() const { return fd_ >= 0; }
    // Writes what is taken at once, or within PATIENCE; gives the bytes.  When they are not all of
    // DATA, errno says why: EAGAIN: nobody reads.
    std::size_t write(std::string_view data, Millis patience = 0);

    off_t size() const;                          // of a regular file; 0 for others
    bool is_at(const std::string& path) const;   // the file at PATH is this one
    bool is_same(int fd) const;                  // the file at FD is this one
    // Takes the file's lock, if nobody has it; it is held until this is closed.
    bool lock() const;
    int fd() const { return fd_; }

private:
    enum class Way { write, send, timed };
    ssize_t write_some(std::string_view data) const;

    Way way_ = Way::write;
    Fd own_;
    int fd_ = -1;  // own_, or one of the caller's
};

// A log must not end a process: writing to a pipe without reader, or beyond the largest file that a
// process may write (ulimit -f), is an error from here on and no signal.
void ignore_write_signals();

}  // namespace bx
