// The HTTPS server of https_server.py, gone with this process.
#pragma once

#include <string>

#include "base/fd.h"

namespace rest_tests {

class HttpsServer {
public:
    // Started with the first call.
    static HttpsServer& instance();

    ~HttpsServer();
    HttpsServer(const HttpsServer&) = delete;
    HttpsServer& operator=(const HttpsServer&) = delete;

    std::string origin() const { return "https://localhost:" + std::to_string(port_); }
    std::string url(const std::string& path) const { return origin() + path; }
    std::string cacert() const { return dir_ + "/ca.pem"; }

private:
    HttpsServer();

    std::string dir_;
    int pid_ = -1;
    int port_ = 0;
    bx::Fd input_;
};

}  // namespace rest_tests
