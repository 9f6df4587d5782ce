#include "cli/output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"

namespace bx {

namespace {

// How many bytes at TEXT's end are the beginning of a character that goes on in what follows.
std::size_t unfinished(std::string_view text) {
    constexpr std::size_t longest = 4;  // of UTF-8
    const std::size_t most = std::min(longest - 1, text.size());
    for (std::size_t bytes = 1; bytes <= most; ++bytes) {
        const auto byte = static_cast<unsigned char>(text[text.size() - bytes]);
        if ((byte & 0xC0) == 0x80) continue;
        const std::size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return wanted > bytes ? bytes : 0;
    }
    return 0;
}

}  // namespace

void print(std::string_view text) {
    if (!write_all(STDOUT_FILENO, text)) throw_errno("cannot write to stdout");
}

void print_foreign(const std::string& text) {
    print(stdout_is_terminal() ? visible(text) : text);
}

bool stdout_is_terminal() {
    return ::isatty(STDOUT_FILENO) == 1;
}

void remark(const std::string& text) {
    [[maybe_unused]] bool shown = write_all(STDERR_FILENO, "bxhook: " + text + "\n");
}

void remark_if_read(const std::string& text) {
    pollfd err{STDERR_FILENO, POLLOUT, 0};
    const bool takes = ::poll(&err, 1, 0) == 1 && (err.revents & POLLOUT) != 0;
    if (takes) remark(text.substr(0, PIPE_BUF / 2));  // a pipe takes that much
}

ForeignStream::ForeignStream(int fd) : fd_(fd), terminal_(::isatty(fd) == 1) {}

// Of PIECE, with what was held back, what may be written now.
std::string ForeignStream::shown(std::string_view piece) {
    if (!terminal_) return std::string(piece);
    std::string text = std::exchange(held_, {}).append(piece);
    const std::size_t whole = text.size() - unfinished(text);
    held_ = text.substr(whole);
    text.resize(whole);
    return visible(text);
}

bool ForeignStream::write(std::string_view piece) { return write_all(fd_, shown(piece)); }

bool ForeignStream::end() { return write_all(fd_, visible(std::exchange(held_, {}))); }

void ForeignStream::add(std::string_view piece) { pending_ += shown(piece); }

void ForeignStream::add_end() { pending_ += visible(std::exchange(held_, {})); }

bool ForeignStream::write_some() {
    // What is writable takes so much without waiting: a pipe, a terminal.
    const std::size_t most = terminal_ ? 256 : PIPE_BUF;
    const ssize_t put = ::write(fd_, pending_.data(), std::min(most, pending_.size()));
    if (put < 0) return errno == EINTR || errno == EAGAIN;
    pending_.erase(0, static_cast<std::size_t>(put));
    return true;
}

}  // namespace bx
