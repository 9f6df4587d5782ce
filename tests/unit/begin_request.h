// What opens a FastCGI request.
#pragma once

#include <string>

// The content of BEGIN_REQUEST for a responder, on a connection to KEEP (FastCGI 1.0, 5.1).
inline std::string begin_request_content(bool keep) {
    return {0, 1, static_cast<char>(keep ? 1 : 0), 0, 0, 0, 0, 0};
}
