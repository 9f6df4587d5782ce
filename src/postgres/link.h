// A connection to a PostgreSQL server, as values: statements, rows, notifications.  For the
// PostgreSQL store alone; libpq's own types stay in link.cpp.
//
// Nothing here waits for longer than the patience it is given, whatever the network does; only a
// host's name is looked up by the system's resolver, in its own time.
//
// Every failure throws: StoreAway when the server does not answer or takes no writes, StoreBusy
// when somebody else held a lock for too long, StoreSlow when the server ended a statement that took
// too long, Conflict when it undid the transaction in favour of another, StoreDataError for what does
// not fit into a table, StoreError otherwise.  The texts never hold a password.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "store/errors.h"

struct pg_conn;
struct pg_result;

namespace bx::postgres {

// A deadlock, or a serialization failure: the same again may work.
class Conflict : public StoreBusy {
public:
    using StoreBusy::StoreBusy;
};

// A value for a `$1` of a statement: bigint, text, bytea, boolean or an array of them.
class Param {
public:
    static Param null();  // of whatever type
    static Param number(std::int64_t value);
    static Param number(std::optional<std::int64_t> value);
    static Param text(std::string_view value);
    static Param bytes(std::string_view value);
    static Param boolean(bool value);
    static Param numbers(const std::vector<std::optional<std::int64_t>>& values);
    static Param numbers(const std::vector<std::int64_t>& values);
    static Param texts(const std::vector<std::string>& values);
    static Param bytes(const std::vector<std::optional<std::string>>& values);

private:
    friend class Link;
    Param(unsigned type, std::optional<std::string> data) : type_(type), data_(std::move(data)) {}
    unsigned type_;
    std::optional<std::string> data_;  // as the server's binary format has it; none: NULL
};

using Params = std::vector<Param>;

// The rows that a statement gave; all of them are here already.
class Result {
public:
    int rows() const;
    bool is_null(int row, int column) const;
    std::int64_t number(int row, int column) const;  // any integer, or a boolean
    std::optional<std::int64_t> maybe_number(int row, int column) const;
    std::string text(int row, int column) const;     // text or bytea; empty for NULL
    std::string word(int row, int column) const;     // what a script gave, as text

private:
    friend class Link;
    struct Clear {
        void operator()(pg_result* result) const;
    };
    explicit Result(pg_result* result) : result_(result) {}
    std::unique_ptr<pg_result, Clear> result_;
};

class Link {
public:
    struct Patience {
        Millis limit = 1000;
        std::function<bool()> give_up;  // asked every few milliseconds
    };

    // Connects to a host of URL that takes writes: to each in turn, the last one that did first,
    // until UNTIL (steady).
    Link(const std::string& url, Patience patience, Millis until);
    ~Link();
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    // Statements are prepared once and kept by their text, so texts must be few and fixed.
    // Until UNTIL (steady); after StoreAway the link is of no more use.
    Result run(std::string_view sql, const Params& values, Millis until);
    // Several statements without values, in one transaction; gives the last one's rows, of which
    // `word` reads.
    Result script(const std::string& sql, Millis until);

    // False once the server is gone.
    bool lives() const;
    // The server said something while committing that casts doubt on it (a wait for a standby that
    // was cut short); asking makes it forget.
    bool take_warning();
    // Readable when there may be a notification; take_notices gives whether there was one of
    // another session.
    int fd() const;
    bool take_notices();
    std::string host() const;  // "db1:5432", for people

private:
    struct Close {
        void operator()(pg_conn* handle) const;
    };
    bool connect(const std::string& url, std::size_t host, Millis until, std::string& failure);
    void prepare(std::string_view sql, const Params& values, const std::string& name, Millis until);
    void flush(Millis until);
    Result fetch(Millis until);
    void wait(short events, Millis until);
    [[noreturn]] void fail(const pg_result* result);
    [[noreturn]] void lose(const std::string& why);

    Patience patience_;
    std::string place_;  // the URL without its password
    std::unique_ptr<pg_conn, Close> handle_;
    std::unordered_map<std::string, std::string> prepared_;
    bool warned_ = false;
    bool broken_ = false;
};

}  // namespace bx::postgres
