#include "base/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};

std::string_view name_of(LogLevel level) {
    return level_names[static_cast<std::size_t>(level)];
}

// DEL and the C1 controls (U+0080..U+009F) may stand in JSON as they are, but move the cursor of a
// terminal that shows the log, and U+0085 ends a line for some programs.
std::string without_controls(std::string_view json) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    for (std::size_t i = 0; i < json.size(); ++i) {
        auto c = static_cast<unsigned char>(json[i]);
        bool c1 = c == 0xC2 && static_cast<unsigned char>(json[i + 1]) < 0xA0;  // valid UTF-8
        if (c1) c = static_cast<unsigned char>(json[++i]);
        if (c1 || c == 0x7F) {
            result.append("\\u00").append(1, digits[c >> 4]).append(1, digits[c & 15]);
        } else {
            result += json[i];
        }
    }
    return result;
}

std::string json_line(std::string_view part, LogLevel level, std::string_view message,
                      LogFields fields) {
    std::string line;
    JsonWriter json(line);
    json.begin_object().field("time", iso_time(wall_now())).field("level", name_of(level));
    json.field("part", part).field("message", message);
    for (const LogField& field : fields) {
        json.key(field.name);
        if (field.is_number) {
            json.value(field.number);
        } else {
            json.value(field.text);
        }
    }
    json.end_object();
    return without_controls(line);
}

// A value with blanks or quotes in it is quoted, so that name=value pairs stay readable by both.
void append_text_value(std::string& line, std::string_view text) {
    std::string shown = printable(text);
    if (!shown.empty() && shown.find_first_of(" \"=") == std::string::npos) {
        line += shown;
        return;
    }
    line += '"';
    for (char c : shown) {
        if (c == '"') line += '\\';
        line += c;
    }
    line += '"';
}

std::string text_line(std::string_view part, LogLevel level, std::string_view message,
                      LogFields fields) {
    std::string line = iso_time(wall_now());
    line.append(" ").append(name_of(level)).append(" ").append(part).append(": ");
    line += printable(message, 2000);
    for (const LogField& field : fields) {
        line.append(" ").append(field.name).append("=");
        if (field.is_number) {
            line += std::to_string(field.number);
        } else {
            append_text_value(line, field.text);
        }
    }
    return line;
}

}  // namespace

void Log::configure(const LogSettings& settings) {
    bool same_file = settings.file == settings_.file && (file_ || settings.file.empty());
    settings_ = settings;
    if (!same_file) reopen();
}

void Log::reopen() {
    file_.reset();
    if (settings_.file.empty()) return;
    file_ = Fd(::open(settings_.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file_) {
        int cause = errno;
        error("cannot open the log file, logging to stderr",
              {{"file", settings_.file}, {"cause", std::strerror(cause)}});
        return;
    }
    struct stat info {};
    written_ = ::fstat(file_.get(), &info) == 0 ? info.st_size : 0;
}

void Log::rotate_if_large() {
    if (!file_ || settings_.rotate_at <= 0 || written_ < settings_.rotate_at) return;
    ::rename(settings_.file.c_str(), (settings_.file + ".1").c_str());
    reopen();
}

void Log::write(LogLevel level, std::string_view message, LogFields fields) {
    if (level < settings_.level) return;
    std::string line = settings_.json ? json_line(part_, level, message, fields)
                                      : text_line(part_, level, message, fields);
    line += '\n';
    // Lines of several processes do not mix: they are written whole, and no more at a time than a
    // pipe takes at once.
    if (collected_.size() + line.size() > PIPE_BUF) put(std::exchange(collected_, {}));
    if (!collecting_) return put(line);
    collected_ += line;
}

void Log::put(std::string_view lines) {
    if (lines.empty()) return;
    rotate_if_large();
    // A log that cannot be written (disk full) must not stop the service: nobody looks at the
    // result.
    (void)write_all(file_ ? file_.get() : STDERR_FILENO, lines);
    written_ += static_cast<std::int64_t>(lines.size());
}

Log::Batch::~Batch() {
    log_.collecting_ = false;
    // Not as it is: a log file that cannot be opened anew is told in a line of its own.
    log_.put(std::exchange(log_.collected_, {}));
}

}  // namespace bx
