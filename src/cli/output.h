// What a command writes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bx {

// Writes TEXT to stdout; throws Error when it cannot (a full disk must not look like success).
void print(std::string_view text);
// The same for what a program printed: on a terminal made harmless, anywhere else as it is.
void print_foreign(const std::string& text);
bool stdout_is_terminal();
// "bxhook: TEXT" on stderr, of a command that goes on.  Not being able to show it is not a failure.
void remark(const std::string& text);
// The same, where stderr takes it at once; else it is dropped.
void remark_if_read(const std::string& text);

// What a program prints, passed on to FD piece by piece; made harmless where FD is a terminal.
class ForeignStream {
public:
    explicit ForeignStream(int fd);

    // Waits until FD has taken it.  False, with errno: it does not take it.
    bool write(std::string_view piece);
    // Writes what was held back: the beginning of a character.
    bool end();

    // The same for who must not wait: adds to what is to be written,
    void add(std::string_view piece);
    void add_end();
    std::size_t pending() const { return pending_.size(); }  // bytes
    // and writes some of it, which FD takes at once: only when it polls as writable.  False, with
    // errno: it does not take it.
    bool write_some();
    int fd() const { return fd_; }

private:
    std::string shown(std::string_view piece);

    int fd_;
    bool terminal_;
    std::string held_;
    std::string pending_;
};

}  // namespace bx
