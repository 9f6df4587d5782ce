#include "gateway/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <new>
#include <utility>

namespace bx {

namespace {

constexpr Millis upkeep_every = second;
// Milliseconds to wait in: after running out of file descriptors, and while the server stops.
constexpr int accept_timeout = 100;
constexpr int stop_timeout = 50;
// Commits of this length, two and more, are worth a wait for those who would make the next one.
constexpr Millis slow_commit = 3;
constexpr Millis longest_collecting = 5;
constexpr long collecting_pause = 600'000;  // nanoseconds in which nobody came: no more do

// Some descriptors are left for the store, the log and starting a worker.
std::size_t connection_limit() {
    constexpr rlim_t reserved = 64;
    constexpr rlim_t most = 4096;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return ServerLimits{}.connections;
    rlim_t usable = std::clamp<rlim_t>(files.rlim_cur, 2 * reserved, most);
    return static_cast<std::size_t>(usable - reserved);
}

}  // namespace

int serve_fastcgi(Fd listener, Gateway& gateway, Log& log) {
    ServerLimits limits;
    limits.connections = connection_limit();
    Server server(std::move(listener), gateway, log, limits);
    gateway.wake_at_start();
    log.info("serving", {{"connections", limits.connections}});
    server.run();
    log.info("stopped");
    return 0;
}

Server::Server(Fd listener, Gateway& gateway, Log& log, const ServerLimits& limits)
    : gateway_(gateway),
      log_(log),
      limits_(limits),
      acceptor_(std::move(listener), log),
      connections_(epoll_, log, limits),
      reader_(connections_, batch_, gateway, log) {
    epoll_.watch(acceptor_.fd(), &acceptor_, Epoll::Trigger::edge);
    epoll_.watch(signals_.stop_fd(), &stop_, Epoll::Trigger::level);
    epoll_.watch(signals_.other_fd(), &signals_, Epoll::Trigger::level);
}

void Server::run() {
    for (bool going = true; going;) {
        try {
            going = turn();
        } catch (const std::bad_alloc&) {
            drop_all();
        }
    }
}

bool Server::turn() {
    if (is_over()) return false;
    collect_batch();
    commit_batch();
    do_upkeep();
    if (stop_.within != 0) begin_stop();
    return true;
}

void Server::take_over(Fd fd) {
    reader_.read(connections_.open(std::move(fd)));  // its request is often there already
}

// Requests that came during a slow commit wait for the next ones of the peers that it answered, as
// long as those keep coming.  Otherwise the peers fall into two groups that alternate, each with a
// commit of its own, and all wait for both.
void Server::collect_batch() {
    const RequestBatch::Commit last = batch_.take_last_commit();
    if (last.took < slow_commit) return collect(timeout());
    collect(0);
    if (batch_.empty()) return collect(timeout());
    const std::size_t all = std::min(batch_.size() + last.requests, limits_.batch);
    const Millis end = connections_.now() + std::min(last.took / 2, longest_collecting);
    while (batch_.size() < all && connections_.now() < end && stop_.within == 0) {
        if (!connections_.has_ready() && !epoll_.is_ready_within(collecting_pause)) return;
        collect(0);
    }
}

// Waits up to TIMEOUT milliseconds (-1: until anything comes), and takes what has come.
void Server::collect(int timeout) {
    wait(timeout);
    reader_.read_ready();
    accept_new();
}

int Server::timeout() const {
    const Millis now = connections_.now();
    if (connections_.has_ready() || !batch_.empty()) return 0;
    if (acceptor_.is_ready() && acceptor_.is_pausing(now)) return accept_timeout;
    if (acceptor_.is_ready() && !connections_.is_full()) return 0;
    if (stop_.until != 0) return stop_timeout;
    // What do_upkeep() looks at: connections, the worker, the log, and under mod_fcgid the binary.
    const bool no_upkeep = connections_.size() == 0 && acceptor_.fd() != STDIN_FILENO &&
                           !gateway_.worker_will_be_due() && !log_.has_unsent();
    return no_upkeep ? -1 : static_cast<int>(upkeep_every);
}

void Server::wait(int timeout) {
    const auto events = epoll_.wait(timeout);
    connections_.set_now(steady_now());
    for (const epoll_event& event : events) {
        void* tag = event.data.ptr;
        if (tag == &acceptor_) {
            acceptor_.set_ready();
        } else if (tag == &stop_) {
            epoll_.unwatch(signals_.stop_fd());
            stop_.within = limits_.drain;
        } else if (tag == &signals_) {
            handle_signals();
        } else {
            connections_.notice(*static_cast<Connection*>(tag), event.events);
        }
    }
}

void Server::handle_signals() {
    while (int signal = signals_.next()) {
        if (signal == SIGHUP) gateway_.refresh_config(true);
        if (signal == SIGUSR1) log_.reopen();
    }
}

void Server::accept_new() {
    const Millis now = connections_.now();
    while (acceptor_.is_ready() && !acceptor_.is_pausing(now) && batch_.size() < limits_.batch) {
        const bool may_accept = !connections_.is_full() || !acceptor_.has_waiting() ||
                                connections_.close_least_needed();
        if (!may_accept) return;
        if (Fd fd = acceptor_.accept(now)) {
            take_over(std::move(fd));
        } else if (stop_.until != 0 && !acceptor_.is_ready()) {
            epoll_.unwatch(acceptor_.fd());
            acceptor_.close();
        }
    }
}

void Server::commit_batch() {
    if (batch_.empty()) return;
    batch_.commit(gateway_, [this](Connection& connection, bool keep) {
        connections_.answered(connection, keep);
    });
}

void Server::do_upkeep() {
    const Millis now = connections_.now();
    if (!next_upkeep_.every(upkeep_every, now)) return;
    log_.send_unsent();
    if (gateway_.worker_is_due()) gateway_.summon_worker();
    connections_.sweep();
    // Who started us with a socket on fd 0 starts what is there now; a process that nobody minds
    // (spawn-fcgi leaves it to init) goes on as it is.
    const bool is_minded = acceptor_.fd() == STDIN_FILENO && ::getppid() != 1;
    if (is_minded && stop_.until == 0 && stop_.within == 0) leave_if_displaced();
}

void Server::leave_if_displaced() {
    const bool replaced = binary_.was_replaced();
    if (binary_.take_refusal()) log_new_program_refused(log_);
    if (!replaced && !gateway_.is_misplaced()) return;
    log_.info(replaced ? "restarting: the program was replaced"
                       : "restarting: the directory of the configuration was moved or deleted");
    stop_.within = limits_.request;
}

void Server::begin_stop() {
    const Millis end = connections_.now() + std::exchange(stop_.within, 0);
    stop_.until = stop_.until == 0 ? end : std::min(stop_.until, end);
    connections_.keep_none();
    // What waits in the backlog was connected in good faith: it is served too.
    acceptor_.set_ready();
    acceptor_.end_pause();
}

bool Server::is_over() const {
    if (stop_.until == 0) return false;
    if (connections_.now() >= stop_.until) return true;
    return !acceptor_.is_ready() && !epoll_.may_have_more() && batch_.empty() &&
           connections_.are_all_done();
}

// Out of memory in the middle of a turn: gives back what all connections hold.
void Server::drop_all() {
    batch_.clear();
    connections_.clear();
    acceptor_.set_ready();  // epoll may have told of it and will not again
    try {
        log_.error("out of memory: all connections were dropped");
    } catch (const std::bad_alloc&) {
        // Others took what was given back.
    }
}

}  // namespace bx
