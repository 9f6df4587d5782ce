// The log: one line a message, as text for people or as JSON for machines.
//
//   text:  2026-11-21T01:36:28.123Z info gateway: accepted event=1042 code=ONCRMDEALADD
//   json:  {"time":"...","level":"info","part":"gateway","message":"accepted","event":1042}
//
// Into systemd's journal, which has a clock of its own, a line of text goes without its time; and
// there every line begins with its priority, as sd-daemon(3) has it: "<6>info gateway: ...".
//
// Field values are escaped here (base/escape.h, printable), so bytes from outside may be passed as
// they are, and a text is cut after 2,000 bytes.  Secrets may not: nothing here can know them.
//
// Logging waits for nobody: a line that is not taken at once is dropped and counted, and the count
// is logged when lines are taken again.  A file that was renamed away or removed is made anew within
// a second, so that several processes may log to one file and any of them, or logrotate, rotate it.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log_output.h"

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
    bool outputs = false;       // what hooks print is kept in files too (worker/output_files.h)
    std::string file;           // absolute; empty: stderr
    std::int64_t rotate_at = 0; // bytes; the file is renamed to FILE.1 beyond them; 0: never
};

// Of a log that nobody named, and so nobody else rotates.
constexpr std::int64_t default_rotate_at = std::int64_t{10} << 20;

class Log {
public:
    // PART names the process in every line: "gateway", "worker", "cli".  Logs to stderr, level
    // info, until configured.
    explicit Log(std::string part) : part_(std::move(part)) {}

    // Takes fd 2 as it is now.  Before root is given up (its pipe can be opened only then), and
    // again when fd 2 became another, so that the old one is let go.
    void take_stderr();
    // Takes new settings and opens the file (0600, appended to).  A file that cannot be opened is
    // reported on stderr, and stderr is used until it can: a log must not stop a service.  Not as
    // root: the file's place is another user's.
    void configure(const LogSettings& settings);
    void reopen();  // now, not within the second (SIGUSR1)

    // Lines were dropped and that is still to be told: call send_unsent() in a second.
    bool has_unsent() const { return dropped_.lines > 0 || !rest_.empty(); }
    void send_unsent();

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
    std::string line_of(LogLevel level, std::string_view message, LogFields fields);
    bool goes_to_journal();
    void put(std::string_view lines);
    bool send_rest();
    std::size_t send(std::string_view data);
    LogOutput& output();

    void follow();
    void open_file();
    void rotate_if_large();
    void break_off();

    std::string part_;
    LogSettings settings_;
    LogOutput stderr_;
    bool stderr_is_journal_ = false;
    LogOutput file_;
    Millis look_at_ = 0;        // at the file's place, steady time
    std::string complaint_;     // why the file cannot be opened, as it was told
    std::int64_t written_ = 0;  // bytes in the file, as far as this process knows
    std::string rest_;          // of a line that was written in part
    struct {
        std::int64_t lines = 0;  // since that was told
        int cause = 0;           // errno of that
    } dropped_;
    bool collecting_ = false;
    std::string collected_;     // whole lines: one, or at most PIPE_BUF bytes
};

}  // namespace bx
