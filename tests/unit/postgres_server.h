// A PostgreSQL server for the tests: a scratch cluster on a unix socket, gone with this process.
#pragma once

#include <string>
#include <vector>

namespace store_tests {

class PostgresServer {
public:
    // True when the store's tests are to run on PostgreSQL: BXHOOK_TEST_STORE=postgresql.
    static bool wanted();
    // Started with the first call, with the schema made.  Not durable: what is tested with it does
    // not depend on the disk.
    static PostgresServer& instance();

    ~PostgresServer();
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    // The store's URL, for ROLE.
    std::string url(const std::string& role = "bxhook_owner") const;
    // As the superuser; gives the first column of all rows.  Throws bx::Error.
    std::vector<std::string> query(const std::string& sql);
    // An empty store, numbers beginning with 1.
    void clear();

private:
    PostgresServer();
    void start();

    std::string dir_;
    int pid_ = -1;
    void* connection_ = nullptr;
};

}  // namespace store_tests
