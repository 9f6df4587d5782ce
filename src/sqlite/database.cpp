#include "sqlite/database.h"

#include <sqlite3.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "base/fault.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

// Waiting for a lock: at first often, since a transaction takes about as long, then each
// millisecond.
constexpr int quick_tries = 10;
constexpr std::chrono::microseconds quick_step{100};
constexpr std::chrono::microseconds slow_step{1000};

}  // namespace

// -- Rows

Rows::Rows(Database& database, sqlite3_stmt* statement, BoundList values, bool copy)
    : database_(&database), statement_(statement) {
    int index = 0;
    for (const Bound& bound : values) {
        const int code = bind(++index, bound, copy);
        if (code == SQLITE_OK) continue;
        sqlite3_reset(statement);
        database.fail(code);
    }
}

int Rows::bind(int index, const Bound& bound, bool copy) const {
    const sqlite3_destructor_type keeping = copy ? SQLITE_TRANSIENT : SQLITE_STATIC;
    // A null pointer would bind NULL.
    const auto bytes_of = [](std::string_view bytes) {
        return bytes.data() == nullptr ? "" : bytes.data();
    };
    if (const auto* number = std::get_if<std::int64_t>(&bound.value_)) {
        return sqlite3_bind_int64(statement_, index, *number);
    }
    if (const auto* text = std::get_if<std::string_view>(&bound.value_)) {
        return sqlite3_bind_text64(statement_, index, bytes_of(*text), text->size(), keeping,
                                   SQLITE_UTF8);
    }
    if (const auto* blob = std::get_if<Blob>(&bound.value_)) {
        return sqlite3_bind_blob64(statement_, index, bytes_of(blob->bytes), blob->bytes.size(),
                                   keeping);
    }
    return sqlite3_bind_null(statement_, index);
}

Rows::Rows(Rows&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Rows::~Rows() {
    if (statement_ == nullptr) return;
    sqlite3_reset(statement_);  // what is bound is bound anew before the next step
}

bool Rows::next() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) database_->fail(code);
    return code == SQLITE_ROW;
}

std::int64_t Rows::number(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::optional<std::int64_t> Rows::maybe_number(int column) const {
    if (is_null(column)) return std::nullopt;
    return number(column);
}

std::string_view Rows::view(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

std::string Rows::text(int column) const {
    return std::string(view(column));
}

bool Rows::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// -- StatementCache

void StatementCache::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

StatementCache::Place& StatementCache::of(int id) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= known_.size()) known_.resize(at + 1);
    return known_[at];
}

StatementCache::Place& StatementCache::of(std::string_view text) {
    const auto found = others_.find(text);
    return found != others_.end() ? found->second : others_[std::string(text)];
}

std::vector<std::string> StatementCache::texts() const {
    std::vector<std::string> texts;
    const auto add = [&texts](const Place& place) {
        if (place) texts.emplace_back(sqlite3_sql(place.get()));
    };
    for (const auto& entry : others_) add(entry.second);
    for (const Place& place : known_) add(place);
    return texts;
}

// -- Database

void Database::Close::operator()(sqlite3* handle) const {
    sqlite3_close(handle);
}

Database::Database(const std::string& path, Wait wait)
    : path_(path), wait_(std::move(wait)), limit_(wait_.limit) {
    // Its count of the memory it uses takes a mutex at each allocation.
    [[maybe_unused]] static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3* handle = nullptr;
    // NOMUTEX: one thread uses one Database.
    const int code = sqlite3_open_v2(path.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) fail(code);
    // Before anything else: even a pragma can meet a lock.
    const auto on_busy = [](void* self, int tries) {
        try {
            return static_cast<Database*>(self)->wait_longer(tries) ? 1 : 0;
        } catch (...) {  // SQLite is C: nothing may pass through it
            return 0;
        }
    };
    sqlite3_busy_handler(handle, on_busy, this);
    // SQLite falls back to reading alone when it may not write.
    if (sqlite3_db_readonly(handle, "main") == 1) {
        throw StoreError("cannot open store '" + path + "': it is not writable");
    }
}

Database::~Database() = default;

bool Database::wait_longer(int tries) {
    if (tries == 0) wait_began_ = steady_now();
    gave_up_ = wait_.give_up && wait_.give_up();
    if (gave_up_ || steady_now() - wait_began_ >= limit_) return false;
    std::this_thread::sleep_for(tries < quick_tries ? quick_step : slow_step);
    return true;
}

sqlite3_stmt* Database::compiled(StatementCache::Place& place, std::string_view text) {
    if (place) return place.get();
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_.get(), text.data(), static_cast<int>(text.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) fail(code);
    place.reset(statement);
    return statement;
}

void Database::fail(int code) {
    const std::string what = "cannot use store '" + path_ + "': ";
    // Out of memory may leave no handle at all.
    std::string cause = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
    switch (code & 0xff) {  // the rest says more of the same error
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            if (std::exchange(gave_up_, false)) {
                throw StoreBusy(what + "another process holds it, and this one is stopping");
            }
            throw StoreBusy(what + "another process has held it for over " + duration_text(limit_));
        case SQLITE_NOTADB:
            throw StoreVersionError(what + "it is not a SQLite database");
        case SQLITE_CONSTRAINT:
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
            throw StoreDataError(what + cause);
        case SQLITE_CORRUPT:
            throw StoreDamaged(what + cause);
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
            if (const int system = handle_ ? sqlite3_system_errno(handle_.get()) : 0; system != 0) {
                cause += std::string(" (") + std::strerror(system) + ")";
            }
            break;
        default:
            break;
    }
    throw StoreError(what + cause);
}

Rows Database::rows(std::string_view sql, BoundList values) {
    return Rows(*this, compiled(statements_.of(sql), sql), values, true);
}

std::int64_t Database::run(std::string_view sql, BoundList values) {
    return run_all(Rows(*this, compiled(statements_.of(sql), sql), values, false));
}

std::int64_t Database::run_all(Rows rows) {
    while (rows.next()) {
    }
    return sqlite3_changes(handle_.get());
}

std::int64_t Database::number(std::string_view sql, BoundList values) {
    Rows result = rows(sql, values);
    return result.next() ? result.number(0) : 0;
}

void Database::script(const std::string& sql) {
    const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) fail(code);
}

std::int64_t Database::last_inserted() const {
    return sqlite3_last_insert_rowid(handle_.get());
}

void Database::keep_log_at_close(bool keep) {
    int persist = keep ? 1 : 0;
    sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
    sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

void Database::flush() {
    const int code = sqlite3_db_cacheflush(handle_.get());
    if (code != SQLITE_OK) fail(code);
}

bool Database::empty_log(Millis limit) {
    // The long part, beside the writers; only what they add meanwhile is moved while they wait.
    int code = sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                         nullptr);
    if (code == SQLITE_OK) {
        limit_ = limit;
        code = sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                                         nullptr);
        limit_ = wait_.limit;
    }
    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) return false;
    if (code != SQLITE_OK) fail(code);
    return true;
}

// -- Transaction

Transaction::Transaction(Database& database, Kind kind) : database_(database), kind_(kind) {
    database_.run(kind == Kind::write ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
    if (!open_) return;
    if (kind_ == Kind::write) ++database_.undone_;
    try {
        database_.run("ROLLBACK");
    } catch (const StoreError&) {
        // After a full disk or an I/O error SQLite has rolled back by itself.
    }
}

void Transaction::commit() {
    fault_point("before-commit");
    database_.run("COMMIT");
    open_ = false;
    fault_point("after-commit");
}

}  // namespace bx::sqlite
