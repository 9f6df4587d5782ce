#include "postgres_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "stores/module.h"

#ifndef BXHOOK_NO_MODULE
#include <libpq-fe.h>
#endif

namespace store_tests {

namespace {

std::string newest_bindir() {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql")) {
        const std::string bin = entry.path().string() + "/bin";
        if (bin > newest && std::filesystem::exists(bin + "/postgres")) newest = bin;
    }
    if (newest.empty()) throw bx::Error("no PostgreSQL server is installed: make deps");
    return newest;
}

// A server refuses to run as root; it goes when this process does.
std::vector<std::string> as_postgres(std::vector<std::string> words) {
    std::vector<std::string> all{"setpriv", "--pdeathsig", "QUIT"};
    if (::geteuid() == 0) {
        all.insert(all.end(), {"--reuid", "postgres", "--regid", "postgres", "--clear-groups"});
    }
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

int spawn(const std::vector<std::string>& words, const std::string& log) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child < 0) bx::throw_errno("cannot fork");
    if (child == 0) {
        const int out = ::open(log.c_str(), O_WRONLY);
        if (::dup2(out, 1) == 1 && ::dup2(out, 2) == 2 && ::chdir("/") == 0) ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    return child;
}

}  // namespace

bool PostgresServer::wanted() {
    const char* kind = std::getenv("BXHOOK_TEST_STORE");
    return kind != nullptr && std::string(kind) == "postgresql";
}

PostgresServer& PostgresServer::instance() {
    static PostgresServer server;
    return server;
}

std::string PostgresServer::url(const std::string& role) const {
    return "postgresql://" + role + "@/postgres?host=" + dir_;
}

#ifndef BXHOOK_NO_MODULE

PostgresServer::PostgresServer() {
    std::string pattern = "/tmp/bxhook-pg-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) bx::throw_errno("cannot make a directory");
    dir_ = pattern;
    start();
    query("CREATE ROLE bxhook_owner LOGIN");
    query("GRANT CREATE ON DATABASE postgres TO bxhook_owner");
    bx::postgresql_module(bx::StoreOwner::assumed()).init(url());
}

void PostgresServer::start() {
    const std::string bin = newest_bindir();
    if (::geteuid() == 0 && std::system(("chown postgres " + dir_).c_str()) != 0) {
        throw bx::Error("cannot give '" + dir_ + "' to postgres");
    }
    const std::string log = "/dev/null";
    int status = 0;
    const int made = spawn(as_postgres({bin + "/initdb", "-D", dir_ + "/data", "-A", "trust", "-E",
                                        "UTF8", "-U", "postgres", "--locale=C", "--no-sync"}), log);
    if (::waitpid(made, &status, 0) != made || status != 0) throw bx::Error("initdb failed");
    pid_ = spawn(as_postgres({bin + "/postgres", "-D", dir_ + "/data", "-k", dir_, "-c",
                              "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
                              "-c", "synchronous_commit=off", "-c", "max_connections=50"}), log);
    for (int tries = 0; PQping(url("postgres").c_str()) != PQPING_OK; ++tries) {
        if (tries == 3000) throw bx::Error("the PostgreSQL server does not start");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    connection_ = PQconnectdb(url("postgres").c_str());
}

PostgresServer::~PostgresServer() {
    PQfinish(static_cast<PGconn*>(connection_));
    if (pid_ > 0) {
        ::kill(pid_, SIGQUIT);
        ::waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(dir_);
}

std::vector<std::string> PostgresServer::query(const std::string& sql) {
    PGresult* const result = PQexec(static_cast<PGconn*>(connection_), sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        const std::string why = PQresultErrorMessage(result);
        PQclear(result);
        throw bx::Error(why + " in: " + sql);
    }
    std::vector<std::string> column;
    for (int row = 0; row < PQntuples(result); ++row) column.emplace_back(PQgetvalue(result, row, 0));
    PQclear(result);
    return column;
}

#else

PostgresServer::PostgresServer() { throw bx::Error("built without libpq: make deps"); }
PostgresServer::~PostgresServer() = default;
std::vector<std::string> PostgresServer::query(const std::string&) { return {}; }

#endif

void PostgresServer::clear() {
    std::string tables;
    for (const std::string& name : query("SELECT tablename FROM pg_tables WHERE schemaname = 'bxhook' "
                                         "AND tablename NOT IN ('version', 'world')")) {
        tables += (tables.empty() ? "bxhook." : ", bxhook.") + name;
    }
    query("TRUNCATE " + tables + " RESTART IDENTITY; UPDATE bxhook.world SET matched = 0; "
          "ALTER SEQUENCE bxhook.event_number RESTART");
}

}  // namespace store_tests
