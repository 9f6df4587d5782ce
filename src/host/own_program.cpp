#include "host/own_program.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string_view>

#include "base/fault.h"
#include "base/fd.h"

namespace bx {

namespace {

std::atomic<bool> is_refused = false;

}  // namespace

void set_own_program_refused(bool refused) { is_refused = refused; }

std::string own_program() {
    std::string path = own_binary();
    return !is_refused && ::access(path.c_str(), X_OK) == 0 ? path : "/proc/self/exe";
}

std::vector<std::string> own_environment() {
    constexpr std::array<std::string_view, 3> names{"PATH", "HOME", "TZ"};
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text(*variable);
        const std::string_view name = text.substr(0, text.find('='));
        // What curl looks at: the way out of this machine, and whom to believe there.  A CGI
        // process has headers of its request as HTTP_...
        const bool is_proxy = (name.ends_with("_proxy") || name.ends_with("_PROXY")) &&
                              !name.starts_with("HTTP_");
        const bool is_curls =
            is_proxy || name.starts_with("SSL_CERT_") || name.starts_with("CURL_");
        const bool wanted = is_curls || is_fault_variable(name) ||
                            std::ranges::find(names, name) != names.end();
        if (wanted) variables.emplace_back(text);
    }
    return variables;
}

std::string renewal_mark(const std::string& config_path) {
    return "BXHOOK_RENEWAL=" + config_path;
}

}  // namespace bx
