// Rules that hold at the end of every transaction (change.h keeps them, the store's
// tests recount them):
//
//   event.open, event.dead    its deliveries waiting or running; its dead ones.  `dead` is 1 for a
//                             skipped event that is to be matched anew: it is kept as long as those
//                             with a dead delivery, and so are its secrets
//   event.ended_at            NULL while it is new or open > 0
//   delivery.turn             NULL  not waiting, or behind another of its lane
//                             1     claimable once due_at has come
//                             2     claimable
//   delivery.lane             kind and id of the entity, NULL without a lane.  Of a hook, portal and
//                             lane at most one delivery runs; while none does, the waiting one of
//                             the smallest event, and only it, has a turn.
//   tally                     how many there are: of events (hook '') by state, and `unfinished`;
//                             of deliveries by hook and state.  Also `erased`, `scrubbed`: erasures
//                             of secrets so far, and those that have left the log.
//   slot, free_slot           secrets, see secrets.h
//
// Numbers for states are those of the enums in records.h; they may not change.
// To change the schema: append to `migrations`, never edit an entry that was released.  Additions
// (a table, an index, a column with a default) raise the minor version, and older programs go on
// using the store; anything else raises the major one.
#include "sqlite/schema.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file_system.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr std::int64_t application = 0x6278686B;  // "bxhk", in SQLite's file header
constexpr std::int64_t major_step = 1000;         // version 1.2 is 1002

struct Migration {
    std::int64_t to;
    const char* script;
};

constexpr const char* version_1_0 = R"(
CREATE TABLE event (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    state INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2)),
    open INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER,
    slot INTEGER,
    erased INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,
    test INTEGER NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    domain TEXT NOT NULL,
    member_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    handler_id TEXT NOT NULL,
    ts TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX event_state ON event (state) WHERE state <> 1;
CREATE INDEX event_received ON event (received_at);
CREATE INDEX event_done ON event (ended_at) WHERE ended_at IS NOT NULL AND dead = 0;
CREATE INDEX event_dead ON event (ended_at) WHERE ended_at IS NOT NULL AND dead > 0;

CREATE TABLE body (event INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE slot (slot INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE free_slot (size INTEGER NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (size, slot))
    WITHOUT ROWID;
CREATE TABLE refusal (event INTEGER NOT NULL, hook TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (event, hook)) WITHOUT ROWID;

CREATE TABLE delivery (
    event INTEGER NOT NULL,
    hook TEXT NOT NULL,
    state INTEGER NOT NULL,
    turn INTEGER,
    portal TEXT NOT NULL,
    lane TEXT,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    due_at INTEGER,
    failed_at INTEGER,
    ended_at INTEGER,
    merged_into INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (event, hook)
) WITHOUT ROWID;
CREATE INDEX delivery_ready ON delivery (turn, hook, portal, event, due_at) WHERE turn = 2;
CREATE INDEX delivery_due ON delivery (turn, due_at) WHERE turn = 1;
CREATE INDEX delivery_lane ON delivery (hook, portal, lane, state DESC, event)
    WHERE lane IS NOT NULL AND state < 2;
CREATE INDEX delivery_state ON delivery (state, event) WHERE state <> 2;
CREATE INDEX delivery_failed ON delivery (event)
    WHERE failed_at IS NOT NULL AND state < 2 AND lane IS NOT NULL;

CREATE TABLE attempt (
    event INTEGER NOT NULL,
    hook TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    run TEXT NOT NULL,
    result INTEGER NOT NULL,
    exit INTEGER,
    signal TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    out_bytes INTEGER NOT NULL DEFAULT 0,
    err_bytes INTEGER NOT NULL DEFAULT 0,
    out BLOB,
    err BLOB,
    PRIMARY KEY (event, hook, attempt)
) WITHOUT ROWID;

CREATE TABLE tally (hook TEXT NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (hook, what)) WITHOUT ROWID;
CREATE TABLE rate (minute INTEGER NOT NULL, hook TEXT NOT NULL,
    done INTEGER NOT NULL, failed INTEGER NOT NULL, dead INTEGER NOT NULL,
    PRIMARY KEY (minute, hook)) WITHOUT ROWID;
CREATE TABLE kill_wish (event INTEGER NOT NULL, hook TEXT NOT NULL, PRIMARY KEY (event, hook))
    WITHOUT ROWID;
CREATE TABLE worker (host TEXT NOT NULL, pid INTEGER NOT NULL, version TEXT NOT NULL,
    since INTEGER NOT NULL, running INTEGER NOT NULL, config_error TEXT NOT NULL,
    PRIMARY KEY (host, pid)) WITHOUT ROWID;
)";

// `once`: one row at most, see OnceRecord.  `clock`: see store/clock_watch.h.  `hooks_seen`: see
// MatchQueue::fingerprint.  `refusal.rule` is a HookRule.  `delivery.granted`: attempts begun when a
// person last gave it attempts; until now the time of the first failure since then has to tell.
constexpr const char* version_1_1 = R"(
ALTER TABLE event ADD COLUMN refused_more INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN once INTEGER NOT NULL DEFAULT 0;
CREATE TABLE once (left_at INTEGER NOT NULL, host TEXT NOT NULL, trouble TEXT NOT NULL);
CREATE TABLE clock (boot TEXT PRIMARY KEY, up INTEGER NOT NULL, wall INTEGER NOT NULL,
    step INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE hooks_seen (host TEXT PRIMARY KEY, fingerprint TEXT NOT NULL,
    seen_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX event_retryable ON event (state) WHERE state = 2 AND dead > 0;
ALTER TABLE refusal ADD COLUMN rule INTEGER NOT NULL DEFAULT 5;
UPDATE refusal SET rule = 0 WHERE reason LIKE 'event %';
ALTER TABLE delivery ADD COLUMN granted INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET granted = CASE WHEN failed_at IS NULL THEN attempt - state
    ELSE (SELECT count(*) FROM attempt AS a WHERE a.event = delivery.event
        AND a.hook = delivery.hook AND a.ended_at < delivery.failed_at) END
    WHERE state < 2 AND attempt > 0;
)";

constexpr std::array migrations = {Migration{1000, version_1_0}, Migration{1001, version_1_1}};
constexpr std::int64_t newest = migrations.back().to;

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

void migrate(Database& database) {
    Transaction transaction(database, Transaction::Kind::write);
    // Again, now that nobody else can change it.
    const std::int64_t version = checked_version(database);
    for (const Migration& migration : migrations) {
        if (version < migration.to) database.script(migration.script);
    }
    if (version < newest) {
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
    if (options.role == Role::cgi) database.keep_log_at_close();
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
    const std::int64_t version = version_now(*database);
    if (version == 0 && !options.create) {
        throw StoreError("cannot open store '" + path + "': it is empty");
    }
    set_up(*database, options, journal);
    if (version < newest) migrate(*database);
    return database;
}

}  // namespace bx::sqlite
