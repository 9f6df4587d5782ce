// File descriptors as values, and the few file operations everyone needs.
// Every descriptor this program opens is close-on-exec: a hook must inherit 0, 1 and 2 only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bx {

// Owns one descriptor and closes it.  -1 is "none".
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release();  // gives the descriptor away
    void reset();   // closes it now

private:
    int fd_ = -1;
};

// The whole file as bytes; at most MAX are read, more is an Error.  Throws Error when it cannot.
std::string read_file(const std::string& path, std::size_t max = std::size_t{64} << 20);

// The same; empty when it cannot be read: a file of /proc whose process has ended or is another's.
std::string read_file_or_nothing(const std::string& path);

// The same of what is open at FD; NAME tells what it is in the error.
std::string read_all(int fd, const std::string& name, std::size_t max);

// Writes all of DATA to FD, through short writes and EINTR.  False on an error, errno says which.
[[nodiscard]] bool write_all(int fd, std::string_view data);

// The first MAX bytes of the regular file at PATH; empty when it cannot be read, or is something that
// waits or acts when it is opened (a FIFO, a device).
std::string first_bytes(const std::string& path, std::size_t max);

// What was made or renamed in DIR stays so when the power goes.  A file system that cannot promise
// it is no error.
void sync_directory(const std::string& dir);

// Sets or clears O_NONBLOCK.  Throws Error.
void set_nonblocking(int fd, bool on);

// A path made absolute: PATH itself when it begins with '/', else below DIR.  No symlink is
// resolved and the file need not exist.
std::string absolute_path(const std::string& dir, const std::string& path);

// The directory part of PATH ("." without one).
std::string directory_of(const std::string& path);

// The absolute path of the running binary (/proc/self/exe), without " (deleted)".  Throws Error.
std::string own_binary();

}  // namespace bx
