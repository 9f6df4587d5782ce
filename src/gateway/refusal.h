// Why the gateway refuses a request: one table, from the reason to all that is said about it.
#pragma once

#include <string>
#include <string_view>

namespace bx {

enum class RefusalCode {
    method_not_allowed,
    unsupported_content_type,
    too_large,
    too_many_fields,
    malformed,
    invalid_application_token,
    unavailable,
};

struct RefusalSpec {
    RefusalCode code;
    int status;
    std::string_view phrase;   // of the status line
    std::string_view word;     // `error` in the answer and in the log
    std::string_view message;  // for the sender, who may be anybody; empty: the reason itself
    std::string_view headers;  // of the answer: complete lines
};

const RefusalSpec& spec_of(RefusalCode code);

// The refusal of one request.
struct RequestRefusal {
    RefusalCode code;
    std::string reason;  // for the log
    bool asked_for = false;  // by `check --url`: nothing to be warned of
};

}  // namespace bx
