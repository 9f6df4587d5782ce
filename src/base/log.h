// The log: one line a message, as text for people or as JSON for machines.
//
//   text:  2026-11-21T01:36:28.123Z info gateway: accepted event=1042 code=ONCRMDEALADD
//   json:  {"time":"...","level":"info","part":"gateway","message":"accepted","event":1042}
//
// Field values are escaped here (base/text.h, printable), so bytes from outside may be passed as
// they are.  Secrets may not: nothing here can know them.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace bx {

enum class LogLevel { debug, info, warning, error };

// One name=value of a line: text, or a whole number.
struct LogField {
    LogField(std::string_view field, std::string_view value) : name(field), text(value) {}
    LogField(std::string_view field, const std::string& value) : name(field), text(value) {}
    LogField(std::string_view field, const char* value) : name(field), text(value) {}
    LogField(std::string_view field, std::integral auto value)
        : name(field), number(static_cast<std::int64_t>(value)), is_number(true) {}

    std::string_view name;
    std::string_view text;
    std::int64_t number = 0;
    bool is_number = false;
};

using LogFields = std::initializer_list<LogField>;

struct LogSettings {
    LogLevel level = LogLevel::info;
    bool json = false;
    std::string file;           // absolute; empty: stderr
    std::int64_t rotate_at = 0; // bytes; the file is renamed to FILE.1 beyond them; 0: never
};

class Log {
public:
    // PART names the process in every line: "gateway", "worker", "cli".  Logs to stderr, level
    // info, until configured.
    explicit Log(std::string part) : part_(std::move(part)) {}

    // Takes new settings and opens the file (0600, appended to).  A file that cannot be opened is
    // reported on stderr, and stderr is used: a log must not stop a service.
    void configure(const LogSettings& settings);
    void reopen();  // after the file was renamed away (SIGUSR1)

    // While one lives, lines are collected: a write for many, at the latest at its end.  One at a
    // time.
    class Batch {
    public:
        explicit Batch(Log& log) : log_(log) { log_.collecting_ = true; }
        ~Batch();
        Batch(const Batch&) = delete;
        Batch& operator=(const Batch&) = delete;

    private:
        Log& log_;
    };

    void debug(std::string_view message, LogFields fields = {}) {
        write(LogLevel::debug, message, fields);
    }
    void info(std::string_view message, LogFields fields = {}) {
        write(LogLevel::info, message, fields);
    }
    void warning(std::string_view message, LogFields fields = {}) {
        write(LogLevel::warning, message, fields);
    }
    void error(std::string_view message, LogFields fields = {}) {
        write(LogLevel::error, message, fields);
    }

private:
    void write(LogLevel level, std::string_view message, LogFields fields);
    void put(std::string_view lines);
    void rotate_if_large();

    std::string part_;
    LogSettings settings_;
    Fd file_;
    std::int64_t written_ = 0;  // bytes in the file, as far as this process knows
    bool collecting_ = false;
    std::string collected_;     // whole lines: one, or at most PIPE_BUF bytes
};

}  // namespace bx
