#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
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

ForeignStream::ForeignStream(int fd) : fd_(fd), terminal_(::isatty(fd) == 1) {}

bool ForeignStream::write(std::string_view piece) {
    if (!terminal_) return write_all(fd_, piece);
    std::string text = std::exchange(held_, {}).append(piece);
    const std::size_t whole = text.size() - unfinished(text);
    held_ = text.substr(whole);
    text.resize(whole);
    return write_all(fd_, visible(text));
}

bool ForeignStream::end() { return write_all(fd_, visible(std::exchange(held_, {}))); }

}  // namespace bx
