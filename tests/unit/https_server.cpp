#include "https_server.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "host/start_program.h"

namespace rest_tests {

HttpsServer& HttpsServer::instance() {
    static HttpsServer server;
    return server;
}

HttpsServer::HttpsServer() {
    std::string pattern = "/tmp/bxhook-https-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) bx::throw_errno("cannot make a directory");
    dir_ = pattern;
    const std::string script =
        std::filesystem::absolute(std::filesystem::path(__FILE__).parent_path()) / "https_server.py";
    bx::Pipe input = bx::make_pipe(), output = bx::make_pipe();
    const std::string python = "/usr/bin/python3";  // not one of some other place
    const bx::Started server = bx::start_program({.program = python,
                                                  .argv = {python, script, dir_},
                                                  .env = {"PATH=/usr/bin:/bin"},
                                                  .fds = {input.read.get(), output.write.get(), 2}});
    if (server.error != 0) throw bx::system_error("cannot run " + python, server.error);
    pid_ = server.pid;
    input_ = std::move(input.write);
    output.write.reset();
    std::string line(16, '\0');
    const ssize_t got = ::read(output.read.get(), line.data(), line.size());
    line.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    port_ = static_cast<int>(bx::parse_number(bx::trim(line)).value_or(0));
    if (port_ == 0) throw bx::Error("the HTTPS server of the tests did not start");
}

HttpsServer::~HttpsServer() {
    input_.reset();
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(dir_);
}

}  // namespace rest_tests
