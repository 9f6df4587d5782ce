// SQLite as values: a database, rows, a transaction.  For the SQLite store alone; sqlite3's own
// types and codes stay in database.cpp.
//
// Every failure throws: StoreBusy when another process held the database for longer than the wait,
// StoreVersionError when the file is no database, StoreDataError for values that a table does not
// take, StoreDamaged for pages that are no pages, StoreError otherwise.  The texts name the file.
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
#include <variant>
#include <vector>

#include "base/clock.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bx::sqlite {

// A value for a `?` of a statement.  Views must live until the call returns.
struct Blob {
    std::string_view bytes;
};

class Bound {
public:
    Bound(std::nullptr_t) {}
    Bound(std::integral auto number) : value_(static_cast<std::int64_t>(number)) {}
    Bound(std::optional<std::int64_t> number) {
        if (number) value_ = *number;
    }
    Bound(std::optional<int> number) {
        if (number) value_ = std::int64_t{*number};
    }
    Bound(std::string_view text) : value_(text) {}
    Bound(const std::string& text) : value_(std::string_view(text)) {}
    Bound(const char* text) : value_(std::string_view(text)) {}
    Bound(Blob blob) : value_(blob) {}

private:
    friend class Rows;
    std::variant<std::nullptr_t, std::int64_t, std::string_view, Blob> value_ = nullptr;
};

using BoundList = std::initializer_list<Bound>;

// A statement that is known when the program is compiled (statements.h), with so many parameters.
template <int parameters>
struct Statement {
    int id;
    const char* name;
    const char* text;
};

// The result of a statement, row by row.  One statement text has one result at a time: end the
// first (leave its scope) before the same text runs again.
class Rows {
public:
    Rows(Rows&& other) noexcept;
    Rows& operator=(Rows&&) = delete;
    ~Rows();

    // On to the next (at first: the first) row; false when there is none.
    bool next();

    // Of the current row.
    std::int64_t number(int column) const;
    std::optional<std::int64_t> maybe_number(int column) const;  // none for NULL
    std::string text(int column) const;
    std::string_view view(int column) const;  // until the next row
    bool is_null(int column) const;

private:
    friend class Database;
    // COPY: the values need not live as long as the rows.
    Rows(class Database& database, sqlite3_stmt* statement, BoundList values, bool copy);
    int bind(int index, const Bound& bound, bool copy) const;  // SQLite's result code

    Database* database_;
    sqlite3_stmt* statement_;  // null: moved from
};

// Compiled statements, by id or by text, each at a place of its own.
class StatementCache {
public:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    using Place = std::unique_ptr<sqlite3_stmt, Finalize>;

    // Null: it was not compiled yet.  The place of an id moves when a greater one comes.
    Place& of(int id);
    Place& of(std::string_view text);
    std::vector<std::string> texts() const;  // of what was compiled

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };
    std::vector<Place> known_;  // by id
    std::unordered_map<std::string, Place, Hash, std::equal_to<>> others_;
};

class Database {
public:
    // How long, and how patiently, to wait for another process's lock.
    struct Wait {
        Millis limit = 1000;
        std::function<bool()> give_up;  // asked before each step of a millisecond at most
    };

    // Opens a file that exists, for reading and writing.
    Database(const std::string& path, Wait wait);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    const std::string& path() const { return path_; }

    // Statements are compiled once and kept.
    template <int parameters, typename... Values>
    Rows rows(const Statement<parameters>& statement, const Values&... values) {
        static_assert(sizeof...(Values) == parameters);
        return Rows(*this, compiled(statements_.of(statement.id), statement.text),
                    {Bound(values)...}, true);
    }
    // Runs it to its end; gives how many rows it changed.
    template <int parameters, typename... Values>
    std::int64_t run(const Statement<parameters>& statement, const Values&... values) {
        static_assert(sizeof...(Values) == parameters);
        return run_all(Rows(*this, compiled(statements_.of(statement.id), statement.text),
                            {Bound(values)...}, false));
    }
    // The first column of its first row, 0 without one; maybe_number: none for NULL too.
    template <int parameters, typename... Values>
    std::int64_t number(const Statement<parameters>& statement, const Values&... values) {
        return maybe_number(statement, values...).value_or(0);
    }
    template <int parameters, typename... Values>
    std::optional<std::int64_t> maybe_number(const Statement<parameters>& statement,
                                             const Values&... values) {
        Rows result = rows(statement, values...);
        return result.next() ? result.maybe_number(0) : std::nullopt;
    }

    // The same of others, by their text: they must be few and fixed.
    Rows rows(std::string_view sql, BoundList values = {});
    std::int64_t run(std::string_view sql, BoundList values = {});
    std::int64_t number(std::string_view sql, BoundList values = {});
    // Several statements without values, not kept.
    void script(const std::string& sql);

    std::int64_t last_inserted() const;
    const StatementCache& statements() const { return statements_; }
    // Transactions that were undone so far: what was made in one is not there.
    std::int64_t undone() const { return undone_; }

    // Whether it leaves the write-ahead log to other processes when closed; at first it does not.
    void keep_log_at_close(bool keep);
    // Writes what the transaction changed so far to the disk, uncommitted.
    void flush();
    // Moves the write-ahead log into the database and empties it, waiting at most LIMIT for
    // readers; writers are not held up for longer than that.  False: not all of it yet.
    bool empty_log(Millis limit);

private:
    friend class Rows;
    friend class Transaction;
    struct Close {
        void operator()(sqlite3* handle) const;
    };

    bool wait_longer(int tries);
    sqlite3_stmt* compiled(StatementCache::Place& place, std::string_view text);
    std::int64_t run_all(Rows rows);  // to their end; gives how many were changed
    [[noreturn]] void fail(int code);

    std::string path_;
    Wait wait_;
    Millis limit_;           // of the wait in force
    Millis wait_began_ = 0;  // steady
    bool gave_up_ = false;
    std::int64_t undone_ = 0;
    std::unique_ptr<sqlite3, Close> handle_;
    StatementCache statements_;
};

// Rolled back unless committed.
class Transaction {
public:
    enum class Kind {
        read,   // what is read in it is of one moment
        write,  // holds the write lock from the start: a lock taken later could not be waited for
    };
    Transaction(Database& database, Kind kind);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit();

private:
    Database& database_;
    const Kind kind_;
    bool open_ = true;
};

}  // namespace bx::sqlite
