#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/escape.h"
#include "base/json.h"

namespace bx {

namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};

std::string_view name_of(LogLevel level) {
    return level_names[static_cast<std::size_t>(level)];
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
    return escaped(line, {.style = EscapeStyle::json});
}

// A message of ours may quote a whole configuration's problems, with what to do about them at the
// end.
constexpr std::size_t longest_text = 2000;

// A value with spaces or quotes in it is quoted, so that name=value pairs stay readable by both.
void append_text_value(std::string& line, std::string_view text) {
    std::string shown = printable(text, longest_text);
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

// Without its time.
std::string text_line(std::string_view part, LogLevel level, std::string_view message,
                      LogFields fields) {
    std::string line(name_of(level));
    line.append(" ").append(part).append(": ").append(printable(message, longest_text));
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

// "<6>": LEVEL as syslog(3) counts it.
std::string_view priority_of(LogLevel level) {
    constexpr std::array<std::string_view, 4> priorities{"<7>", "<6>", "<4>", "<3>"};
    return priorities[static_cast<std::size_t>(level)];
}

}  // namespace

void Log::take_stderr() {
    if (!file_) break_off();
    stderr_ = LogOutput::of(STDERR_FILENO);
    stderr_is_journal_ = LogOutput::is_journal(STDERR_FILENO);
}

void Log::configure(const LogSettings& settings) {
    const bool same_file = settings.file == settings_.file && (file_ || settings.file.empty());
    settings_ = settings;
    if (same_file) return;
    break_off();
    file_ = LogOutput();
    reopen();
}

void Log::reopen() {
    complaint_.clear();
    if (settings_.file.empty()) return;
    look_at_ = steady_now() + second;
    open_file();
}

// -- The file at its place

// One renamed away by another process is left for the new one; looks once a second.
void Log::follow() {
    if (settings_.file.empty()) return;
    const Millis now = steady_now();
    if (now >= look_at_) {
        look_at_ = now + second;
        if (file_ && file_.is_at(settings_.file)) {
            written_ = file_.size();
        } else {
            open_file();
        }
    }
    rotate_if_large();
}

// When it cannot, what was open is used on, or stderr.
void Log::open_file() {
    LogOutput opened = LogOutput::open(settings_.file);
    if (!opened) {
        const std::string cause = std::strerror(errno);
        if (std::exchange(complaint_, cause) == cause) return;
        error(file_ ? "cannot reopen the log file, still using the old one"
                    : "cannot open the log file, logging to stderr",
              {{"file", settings_.file}, {"cause", cause}});
        return;
    }
    // The web server's script logs there too, as stderr: what is renamed away is to be left by all.
    if (file_ && file_.is_same(STDERR_FILENO)) ::dup2(opened.fd(), STDERR_FILENO);
    complaint_.clear();
    break_off();
    file_ = std::move(opened);
    written_ = file_.size();
}

// Processes that share the file rename it once: who has its lock, while it is in its place.
void Log::rotate_if_large() {
    if (!file_ || settings_.rotate_at <= 0 || written_ < settings_.rotate_at) return;
    written_ = 0;  // whatever becomes of it: not again before the next look
    if (!file_.lock()) return;
    if (file_.is_at(settings_.file) && file_.size() >= settings_.rotate_at) {
        ::rename(settings_.file.c_str(), (settings_.file + ".1").c_str());
    }
    open_file();
}

// -- Lines

void Log::write(LogLevel level, std::string_view message, LogFields fields) {
    if (level < settings_.level) return;
    const std::string line = line_of(level, message, fields);
    // Lines of several processes do not mix: they are written whole, and no more at a time than a
    // pipe takes at once.
    if (collected_.size() + line.size() > PIPE_BUF) put(std::exchange(collected_, {}));
    if (!collecting_) return put(line);
    collected_ += line;
}

std::string Log::line_of(LogLevel level, std::string_view message, LogFields fields) {
    const bool journal = goes_to_journal();
    std::string line(journal ? priority_of(level) : "");
    if (settings_.json) {
        line += json_line(part_, level, message, fields);
    } else {
        if (!journal) line += iso_time(wall_now()) + ' ';
        line += text_line(part_, level, message, fields);
    }
    return line += '\n';
}

bool Log::goes_to_journal() {
    if (file_) return false;
    if (!stderr_) take_stderr();
    return stderr_is_journal_;
}

// That it failed shows only in the count of what was dropped.
void Log::put(std::string_view lines) {
    if (lines.empty()) return;
    follow();
    std::string_view left = lines;
    if (send_rest()) left.remove_prefix(send(lines));
    if (left.empty()) return;
    if (left.size() < lines.size() && lines[lines.size() - left.size() - 1] != '\n') {
        rest_ = left.substr(0, left.find('\n') + 1);
        left.remove_prefix(rest_.size());
    }
    dropped_.lines += std::ranges::count(left, '\n');
}

// Writes what earlier lines left to be written; false: that was not taken either.
bool Log::send_rest() {
    rest_.erase(0, send(rest_));
    if (!rest_.empty() || dropped_.lines == 0) return rest_.empty();
    const auto [lines, cause] = dropped_;
    const std::string line =
        line_of(LogLevel::warning, "log lines were lost: they could not be written",
                {{"lines", lines},
                 {"cause", cause == EAGAIN ? "nobody reads it" : std::strerror(cause)}});
    const std::size_t put = send(line);
    if (put == 0) return false;
    dropped_.lines = 0;
    rest_ = line.substr(put);
    return rest_.empty();
}

void Log::send_unsent() {
    if (!has_unsent()) return;
    follow();
    (void)send_rest();
}

// Gives the bytes that were taken.
std::size_t Log::send(std::string_view data) {
    const std::size_t put = output().write(data);
    if (put < data.size()) dropped_.cause = errno;
    written_ += static_cast<std::int64_t>(put);
    return put;
}

LogOutput& Log::output() {
    if (file_) return file_;
    if (!stderr_) take_stderr();
    return stderr_;
}

// The output is another from now on: the rest of a line has no place there.
void Log::break_off() {
    if (!rest_.empty()) ++dropped_.lines;
    rest_.clear();
}

Log::Batch::~Batch() {
    log_.collecting_ = false;
    // Not as it is: a log file that cannot be reopened is reported in a line of its own.
    log_.put(std::exchange(log_.collected_, {}));
}

}  // namespace bx
