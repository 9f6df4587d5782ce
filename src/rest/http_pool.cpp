#include "rest/http_pool.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/escape.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t max_complaint = 4096;   // bytes of stderr
constexpr std::size_t max_addresses = 65536;  // bytes of getent's output
constexpr Millis grace = second;              // for curl to say itself that it took too long
// Of an address, when there are others to try.
constexpr Millis try_time = 5 * second;

HttpOutcome failed(HttpFailure failure, std::string cause) {
    HttpOutcome outcome;
    outcome.failure = failure;
    outcome.cause = std::move(cause);
    return outcome;
}

// ERROR of a program that did not start: of this machine at the moment, and not of the program.
void throw_if_short(int error) {
    constexpr std::array passing{EAGAIN, ENOMEM, EMFILE, ENFILE};
    const bool passes = std::ranges::find(passing, error) != passing.end();
    if (passes) throw system_error("cannot start a program", error);
}

// Each address once, in order, of "ADDRESS STREAM NAME" lines.
std::vector<std::string> addresses_of(const std::string& output) {
    std::vector<std::string> addresses;
    for (const std::string_view line : split(output, '\n')) {
        const std::string address(line.substr(0, line.find(' ')));
        const bool is_new = std::ranges::find(addresses, address) == addresses.end();
        if (!address.empty() && is_new) addresses.push_back(address);
    }
    return addresses;
}

template <typename Address>
int connect_error(Address address, int family) {
    const Fd probe(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const bool fails = !probe || ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address),
                                           sizeof address) != 0;
    return fails ? errno : 0;
}

// True when the kernel refuses connections to ADDRESS: SELinux, a filter of the service manager.
bool is_forbidden(const std::string& address, int port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = v4.sin_port;
    int error = 0;
    if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
        error = connect_error(v4, AF_INET);
    } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
        error = connect_error(v6, AF_INET6);
    }
    return error == EACCES || error == EPERM;
}

}  // namespace

HttpPool::HttpPool(HttpSettings settings, const Endpoints* endpoints, std::size_t width)
    : settings_(std::move(settings)), endpoints_(endpoints), width_(width) {}

std::size_t HttpPool::add(HttpRequest request) {
    waiting_.push_back({added_, std::move(request)});
    return added_++;
}

std::optional<HttpPool::Done> HttpPool::next() {
    for (;;) {
        if (std::optional<Done> done = start_waiting()) return done;
        if (std::optional<Done> done = step()) return done;
        if (running_.empty()) return std::nullopt;
        wait();
    }
}

// Starts what there is room for; the first that ends with its start.
std::optional<HttpPool::Done> HttpPool::start_waiting() {
    while (!waiting_.empty() && running_.size() < width_) {
        const Millis now = steady_now();
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        std::list<Transfer> started(1);  // in `running_` when it runs: its start may throw
        Transfer& transfer = started.front();
        transfer.number = next.number;
        transfer.request = std::move(next.request);
        transfer.deadline = now + settings_.timeout;
        if (settings_.until > 0) transfer.deadline = std::min(transfer.deadline, settings_.until);
        if (std::optional<HttpOutcome> outcome = begin(transfer)) {
            return Done{next.number, std::move(*outcome)};
        }
        running_.splice(running_.end(), started);
    }
    return std::nullopt;
}

std::optional<HttpOutcome> HttpPool::begin(Transfer& transfer) {
    if (settings_.until > 0 && steady_now() >= settings_.until) {
        return failed(HttpFailure::timed_out, "the time for it was over before it began");
    }
    if (transfer.request.body && transfer.request.body->size() > max_http_body) {
        return failed(HttpFailure::too_large, "the request is longer than 64 MB");
    }
    if (endpoints_ == nullptr) return ask(transfer);
    std::string why;
    transfer.endpoint = endpoints_->find(transfer.request.url, why);
    if (!transfer.endpoint) return failed(HttpFailure::not_allowed, why);
    const bool through_proxy = settings_.proxy && !settings_.proxy->empty();
    const bool pinned = transfer.endpoint->must_be_public && !through_proxy;
    return pinned ? look_up(transfer) : ask(transfer);
}

std::optional<HttpOutcome> HttpPool::look_up(Transfer& transfer) {
    transfer.looks_up = true;
    Start start{.program = "getent",
                .argv = {"getent", "ahosts", transfer.endpoint->host},
                .env = {},
                .fds = {},
                .dir = "/"};
    transfer.program.emplace(std::move(start), std::vector<std::string>{},
                             TextProgram::Limits{max_addresses, max_complaint});
    const int error = transfer.program->start_error();
    if (error == 0) return std::nullopt;
    throw_if_short(error);
    return failed(HttpFailure::bad_curl, "cannot run 'getent', which looks up names: " +
                                             std::string(std::strerror(error)));
}

std::optional<HttpOutcome> HttpPool::after_look_up(Transfer& transfer) {
    const TextProgram& program = *transfer.program;
    const std::string& host = transfer.endpoint->host;
    const bool found = WIFEXITED(program.wait_status()) && WEXITSTATUS(program.wait_status()) == 0;
    transfer.addresses = addresses_of(program.output());
    if (!found || transfer.addresses.empty() || program.output_was_cut()) {
        return failed(HttpFailure::unreachable, "cannot look up the name '" + host + "'");
    }
    for (const std::string& address : transfer.addresses) {
        if (is_public_address(address)) continue;
        return failed(HttpFailure::not_allowed, "'" + host + "' has the address " +
                                                    printable(address, 60) +
                                                    ", which is not a public one");
    }
    transfer.looks_up = false;
    return ask(transfer);
}

std::optional<HttpOutcome> HttpPool::ask(Transfer& transfer) {
    const bool has_others = transfer.addresses.size() > 1;
    const std::string address = transfer.addresses.empty() ? "" : transfer.addresses.front();
    const Millis left = std::max<Millis>(transfer.deadline - steady_now(), 1);
    std::string config = curl_config(transfer.request, settings_, address, left);
    if (has_others && left > try_time) {
        config += "connect-timeout = " + std::to_string(try_time / second) + "\n";
    }
    Start start{.program = settings_.curl,
                // -q first: a ~/.curlrc must not change what comes back.
                .argv = {"curl", "-q", "-sS", "--globoff", "--config", "/dev/fd/3"},
                .env = curl_environment(settings_),
                .fds = {},
                .dir = "/",  // not ours: it may run as another user than root
                .keep_ignored = settings_.keep_ignored};
    transfer.program.emplace(
        std::move(start),
        std::vector<std::string>{transfer.request.body.value_or(""), std::move(config)},
        TextProgram::Limits{transfer.request.max_answer, max_complaint});
    const int error = transfer.program->start_error();
    if (error == 0) return std::nullopt;
    throw_if_short(error);
    const HttpFailure failure = error == ENOENT ? HttpFailure::no_curl : HttpFailure::bad_curl;
    return failed(failure, "cannot run '" + printable(settings_.curl) + "': " +
                               (settings_.curl == "curl" && error == ENOENT
                                    ? "install it (apt-get install curl)"
                                    : std::strerror(error)));
}

std::optional<HttpOutcome> HttpPool::after_asking(Transfer& transfer) {
    const TextProgram& program = *transfer.program;
    HttpOutcome outcome = outcome_of(program.wait_status(), program.output(),
                                     program.output_was_cut(), program.errors(), transfer.request);
    const bool connects_not = outcome.failure == HttpFailure::unreachable ||
                              (outcome.failure == HttpFailure::timed_out && !outcome.may_have_run);
    if (connects_not && transfer.addresses.size() > 1 && steady_now() < transfer.deadline) {
        transfer.addresses.erase(transfer.addresses.begin());
        return ask(transfer);
    }
    const bool by_the_kernel = outcome.failure == HttpFailure::unreachable &&
                               !transfer.addresses.empty() &&
                               is_forbidden(transfer.addresses.front(), transfer.endpoint->port);
    if (by_the_kernel) outcome.failure = HttpFailure::forbidden;
    return outcome;
}

// What came of TRANSFER; none while it goes on.
std::optional<HttpOutcome> HttpPool::advance(Transfer& transfer) {
    if (transfer.program->step()) {
        return transfer.looks_up ? after_look_up(transfer) : after_asking(transfer);
    }
    const bool too_much = transfer.program->output_was_cut() && !transfer.request.may_be_cut;
    if (!too_much && steady_now() < transfer.deadline + grace) return std::nullopt;
    transfer.program->kill();
    HttpOutcome outcome =
        too_much ? failed(HttpFailure::too_large, too_long(transfer.request))
                 : failed(HttpFailure::timed_out, "it took longer than " +
                                                      duration_text(settings_.timeout));
    outcome.may_have_run = !transfer.looks_up;
    return outcome;
}

std::optional<HttpPool::Done> HttpPool::step() {
    for (auto transfer = running_.begin(); transfer != running_.end(); ++transfer) {
        std::list<Transfer> stepped;  // back in `running_` when it goes on: a step may throw
        const auto next = std::next(transfer);
        stepped.splice(stepped.end(), running_, transfer);
        std::optional<HttpOutcome> outcome = advance(*transfer);
        if (outcome) return Done{transfer->number, std::move(*outcome)};
        running_.splice(next, stepped);
    }
    return std::nullopt;
}

// Until one of the programs can go on, or has to be ended.
void HttpPool::wait() const {
    std::vector<pollfd> set;
    Millis until = Timer::never;
    const Millis now = steady_now();
    for (const Transfer& transfer : running_) {
        const Millis end = transfer.deadline + grace;
        until = std::min(until, now + transfer.program->watch(set, end - now));
    }
    const Millis left = std::clamp<Millis>(until - now, 0, minute);
    if (::poll(set.data(), set.size(), static_cast<int>(left)) < 0 && errno != EINTR) {
        throw_errno("cannot wait for curl");
    }
}

HttpOutcome ask_http(const HttpRequest& request, const HttpSettings& settings,
                     const Endpoints* endpoints) {
    HttpPool pool(settings, endpoints, 1);
    pool.add(request);
    return std::move(pool.next()->outcome);
}

}  // namespace bx
