#include "sync/renewal_process.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "host/own_program.h"
#include "host/start_program.h"

namespace bx {

namespace {

constexpr std::size_t longest_report = 4096;  // bytes

Start start_of(const std::string& config_path, const RenewalOrder& order, int report) {
    Start start{.program = own_program(),
                .argv = {own_binary(), "renew", std::to_string(order.id), "--seen",
                         std::to_string(order.seen), "--config", config_path},
                .env = own_environment(),
                .fds = {null_device, report, null_device}};
    start.env.push_back(renewal_mark(config_path));
    if (order.rejected) start.argv.emplace_back("--rejected");
    if (!order.client_id.empty()) {
        start.argv.insert(start.argv.end(), {"--app", order.client_id});
    }
    if (!order.server.empty()) start.argv.insert(start.argv.end(), {"--server", order.server});
    return start;
}

// Until it ends, or TIME is over.
std::string read_report(int fd, Millis time) {
    std::string report;
    std::array<char, 1024> part;
    const Millis end = steady_now() + time;
    while (report.size() < longest_report) {
        pollfd set{fd, POLLIN, 0};
        const Millis left = end - steady_now();
        if (left <= 0) break;
        const int ready = ::poll(&set, 1, static_cast<int>(left));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) break;
        const ssize_t got = ::read(fd, part.data(), part.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        report.append(part.data(), static_cast<std::size_t>(got));
    }
    return report;
}

}  // namespace

RestResult renew_apart(const std::string& config_path, const RenewalOrder& order, RenewalWait wait) {
    const Millis now = steady_now();
    if (wait.until > 0 && !wait.starts_anyway && now + renewal_takes > wait.until) {
        return {RestCause::lost, "the time that is left is too short for a renewal", false};
    }
    Pipe pipe = make_pipe();
    const Started process = start_program(start_of(config_path, order, pipe.write.get()));
    if (process.error != 0) throw system_error("cannot start a renewal", process.error);
    pipe.write.reset();
    const Millis patience =
        wait.until > 0 ? std::min(renewal_waits, wait.until - now) : renewal_waits;
    const std::string report = read_report(pipe.read.get(), patience);
    // With its report it ends.
    if (!report.empty()) {
        while (::waitpid(process.pid, nullptr, 0) < 0 && errno == EINTR) {
        }
    } else {
        ::waitpid(process.pid, nullptr, WNOHANG);
    }
    return read_renewal_report(report);
}

std::string renewal_report(const RestResult& result) {
    return std::to_string(static_cast<int>(result.cause)) + " " + result.text + "\n";
}

RestResult read_renewal_report(const std::string& report) {
    const std::size_t end = std::min(report.find(' '), report.size());
    const std::optional<std::int64_t> cause = parse_number(std::string_view(report).substr(0, end));
    if (!cause || !report.ends_with('\n') || *cause < 0 ||
        *cause > static_cast<int>(RestCause::foreign)) {
        return {RestCause::lost, "the renewal ended without saying how", true};
    }
    return {static_cast<RestCause>(*cause), std::string(trim(report.substr(end))), false};
}

}  // namespace bx
