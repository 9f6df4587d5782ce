#include "sqlite/schema.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file_system.h"
#include "base/random.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

// In SQLite's file header: "bxh1"; of stores of bxhook 1.0 "bxhk".
constexpr std::int64_t application = 0x62786831;
constexpr std::int64_t application_1_0 = 0x6278686B;
constexpr std::int64_t major_step = 1000;  // version 1.2 is 1002
// Of the schema.  What adds to it (a table, an index, a column with a default) will be a script for
// each minor version, and older programs go on using the store; anything else is a major one.
constexpr std::int64_t newest = 1000;

// Pages in the log before a commit moves them into the database.  The worker does it every 300
// hooks, so that those whose answer somebody waits for need not: they do it past 20 MB, when no
// worker runs, and hold it up for 5 ms (at 64 MB it was 20).  A process of one request reads the
// whole log before it writes (0.2 ms a MB), if nobody else has it open, and must keep it short.
int log_pages(Role role) {
    switch (role) {
        case Role::cgi: return 1000;
        case Role::worker: return 4000;
        case Role::gateway:
        case Role::person: break;
    }
    return 5000;
}

constexpr std::chrono::microseconds journal_step{500};  // between two tries to set its mode

// SQLite would wait for whoever writes into a FIFO, with the signals held back that end us.
void require_files(const std::string& path) {
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
        const std::string file = path + suffix;
        struct stat status {};
        if (::stat(file.c_str(), &status) != 0 || S_ISREG(status.st_mode)) continue;
        throw StoreVersionError("cannot open store '" + path + "': '" + file +
                                "' is not a regular file");
    }
}

// Makes the file so that SQLite does not choose its mode (the log takes over the database's).  It
// may not be opened when it exists: closing it again would drop the locks that this process holds
// on it through SQLite (sqlite.org/howtocorrupt.html, 2.2).
void make_file(const std::string& path, bool create) {
    require_files(path);
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return;
    const std::string what = "cannot open store '" + path + "'";
    if (errno != ENOENT) throw StoreError(system_error(what, errno).what());
    if (!create) throw StoreError(what + ": there is none");
    const Fd made(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!made && errno != EEXIST) {  // another process made it meanwhile
        throw StoreError(system_error("cannot make store '" + path + "'", errno).what());
    }
}

std::string version_text(std::int64_t version) {
    return std::to_string(version / major_step) + "." + std::to_string(version % major_step);
}

// The schema's version; 0 for a file that has none yet.  Inside a transaction: another process may
// be making the schema just now.
std::int64_t checked_version(Database& database) {
    const std::string what = "cannot open store '" + database.path() + "': ";
    const std::int64_t version = database.number("PRAGMA user_version");
    const std::int64_t owner = database.number("PRAGMA application_id");
    if (owner != application) {
        const bool empty = owner == 0 && version == 0 &&
                           database.number("SELECT count(*) FROM sqlite_master") == 0;
        if (empty) return 0;
        if (owner == application_1_0) {
            throw StoreVersionError(what + "bxhook 1.0 made it, whose stores this version does not "
                                           "read: let that finish its work, then move it away");
        }
        throw StoreVersionError(what + "it is the database of another program");
    }
    if (version / major_step > newest / major_step) {
        throw StoreVersionError(what + "a newer bxhook made it (schema " + version_text(version) +
                                ", this one reads " + version_text(newest) +
                                "); install that version");
    }
    return version;
}

std::int64_t version_now(Database& database) {
    Transaction snapshot(database, Transaction::Kind::read);
    const std::int64_t version = checked_version(database);
    snapshot.commit();
    return version;
}

void make_schema(Database& database) {
    Transaction transaction(database, Transaction::Kind::write);
    // Again, now that nobody else can change it.
    if (checked_version(database) == 0) {
        database.script(sql::schema);
        const auto random = [] { return static_cast<std::int64_t>(random_bits()); };
        database.run(sql::world_begin, random(), random());
        database.script("PRAGMA application_id = " + std::to_string(application));
        database.script("PRAGMA user_version = " + std::to_string(newest));
    }
    transaction.commit();
}

void set_journal(Database& database, const std::string& wanted) {
    Rows rows = database.rows("PRAGMA journal_mode = " + wanted);
    if (!rows.next() || rows.text(0) != wanted) {
        throw StoreError("cannot open store '" + database.path() + "': its journal cannot be '" +
                         wanted + "' here");
    }
}

// Two that change the mode of a new file at once are in each other's way, each with a lock that the
// other waits for: SQLite gives up there without asking how long we would wait.
void set_journal_patiently(Database& database, const StoreOptions& options, Journal journal) {
    const Millis end = steady_now() + options.wait;
    for (;;) {
        try {
            return set_journal(database, journal == Journal::ahead ? "wal" : "delete");
        } catch (const StoreBusy&) {
            if (steady_now() >= end || (options.give_up && options.give_up())) throw;
        }
        std::this_thread::sleep_for(journal_step);
    }
}

void set_up(Database& database, const StoreOptions& options, Journal journal) {
    database.script("PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;");
    set_journal_patiently(database, options, journal);
    if (journal == Journal::rollback) {
        // FULL does not sync the directory: the journal's end would not be durable.
        database.script("PRAGMA synchronous = EXTRA");
        return;
    }
    database.script("PRAGMA wal_autocheckpoint = " + std::to_string(log_pages(options.role)));
    database.script(options.role == Role::worker ? "PRAGMA synchronous = NORMAL"
                                                 : "PRAGMA synchronous = FULL");
}

}  // namespace

Journal journal_for(const std::string& dir) {
    return is_shared_file_system(dir) ? Journal::rollback : Journal::ahead;
}

std::unique_ptr<Database> open_database(const std::string& path, const StoreOptions& options,
                                        Journal journal) {
    make_file(path, options.create);
    auto database =
        std::make_unique<Database>(path, Database::Wait{options.wait, options.give_up});
    // What is refused is left as it is: closing it would move its log into it.
    database->keep_log_at_close(true);
    const std::int64_t version = version_now(*database);
    if (version == 0 && !options.create) {
        throw StoreError("cannot open store '" + path + "': it is empty");
    }
    database->keep_log_at_close(options.role == Role::cgi);
    set_up(*database, options, journal);
    if (version == 0) make_schema(*database);
    return database;
}

}  // namespace bx::sqlite
