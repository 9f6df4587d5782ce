#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "host/accounts.h"

namespace bx {

namespace {

constexpr int small_backlog = 1024;

// A user that all sites of a web server share.
void check_user(Findings& findings) {
    constexpr std::array<std::string_view, 6> shared{"www-data", "apache", "http",
                                                     "nginx",    "nobody", "wwwrun"};
    const std::string user = user_name(::geteuid());
    if (std::ranges::find(shared, user) == shared.end()) return;
    findings.warning("user " + user,
                     "every site the web server runs as this user can read tokens and events",
                     "give bxhook a user of its own: suEXEC, or 'bxhook serve' by systemd");
}

// How many connections may wait to be accepted.
void check_backlog(Findings& findings) {
    const std::string file = "/proc/sys/net/core/somaxconn";
    // A container need not show it.
    const std::optional<std::int64_t> backlog = parse_number(trim(read_file_or_nothing(file)));
    if (!backlog || *backlog >= small_backlog) return;
    findings.warning(file,
                     "only " + std::to_string(*backlog) +
                         " connections may wait to be accepted: more at once get a 502",
                     "sysctl -w net.core.somaxconn=4096");
}

}  // namespace

void check_host(Findings& findings) {
    check_user(findings);
    check_backlog(findings);
}

}  // namespace bx
