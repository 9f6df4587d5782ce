// php-cgi as an oracle: one persistent FastCGI process that tells what it made of a body.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace bx {

class Php {
public:
    // Starts php-cgi for SCRIPT on a unix socket in a directory of its own.
    explicit Php(const std::string& script);
    ~Php();
    Php(const Php&) = delete;
    Php& operator=(const Php&) = delete;

    // What SCRIPT printed for each of BODIES, posted one after the other.
    std::vector<std::string> post(const std::vector<std::string>& bodies,
                                  const std::string& content_type);

private:
    void connect();
    std::string read_answer();
    void read_exactly(char* out, std::size_t length);

    std::string script_;
    std::string directory_;
    std::string socket_;
    pid_t pid_ = -1;
    Fd connection_;
};

}  // namespace bx
