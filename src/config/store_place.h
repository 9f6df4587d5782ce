// Where a store lies: in a SQLite file, or in a PostgreSQL database.
#pragma once

#include <string>
#include <string_view>

namespace bx {

struct StorePlace {
    enum class Kind { sqlite, postgresql };

    Kind kind = Kind::sqlite;
    std::string address;  // absolute path of the file, or "postgresql://..."
    // What this host's files of the store are named after (WORKER_FILES.lock, WORKER_FILES.wake,
    // and bxhook.log beside them): the SQLite file itself; with PostgreSQL "worker" in
    // $STATE_DIRECTORY, which the units of systemd have, else in state/ beside the config.
    std::string worker_files;

    // ADDRESS is either; worker_files is set for a file alone.
    static StorePlace of(const std::string& address);

    bool is_file() const { return kind == Kind::sqlite; }
    std::string_view kind_name() const { return is_file() ? "sqlite" : "postgresql"; }
    // The path, or the URL without its password: "postgresql://user:***@host/db".
    std::string for_people() const;

    bool operator==(const StorePlace&) const = default;
};

// True for "postgresql://..." (or "postgres://..."), false for a path.
bool is_store_url(std::string_view address);
// URL with *** for its passwords.
std::string without_password(const std::string& url);

}  // namespace bx
