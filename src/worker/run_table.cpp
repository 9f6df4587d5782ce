#include "worker/run_table.h"

#include <sys/wait.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace bx {

void RunTable::add(std::unique_ptr<Run> run) {
    runs_.push_back(std::move(run));
}

void RunTable::append_to(std::vector<pollfd>& set) const {
    // Only open ones: poll would pass over a negative one, but refuses more than RLIMIT_NOFILE.
    auto append = [&set](int fd, short events) {
        if (fd >= 0) set.push_back({fd, events, 0});
    };
    for (const std::unique_ptr<Run>& run : runs_) {
        Process* process = run->process();
        if (!process) continue;
        append(process->input_fd(), POLLOUT);
        append(process->output_fd(), POLLIN);
        append(process->error_fd(), POLLIN);
    }
}

void RunTable::handle(const pollfd* set) {
    auto is_called = [&set](int fd) { return fd >= 0 && (set++)->revents != 0; };
    for (const std::unique_ptr<Run>& run : runs_) {
        Process* process = run->process();
        if (!process) continue;
        const bool takes_input = is_called(process->input_fd());
        const bool has_output = is_called(process->output_fd());
        const bool has_errors = is_called(process->error_fd());
        if (takes_input) process->feed();
        if (has_output || has_errors) process->read_output();
    }
}

void RunTable::reap(Millis now, const std::function<void(pid_t, int)>& other) {
    int status = 0;
    for (;;) {
        pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        auto run = std::ranges::find(runs_, pid, [](const auto& entry) { return entry->pid(); });
        if (run != runs_.end()) (*run)->reaped(status, now);
        else if (other) other(pid, status);
    }
}

void RunTable::tick(Millis now) {
    for (const std::unique_ptr<Run>& run : runs_) run->tick(now);
}

Millis RunTable::next_tick() const {
    Millis next = std::numeric_limits<Millis>::max();
    for (const std::unique_ptr<Run>& run : runs_) {
        next = std::min(next, run->over() ? Millis{0} : run->next_tick());
    }
    return next;
}

void RunTable::end_all(AttemptResult why, Millis now) {
    for (const std::unique_ptr<Run>& run : runs_) run->end(why, now);
}

void RunTable::end(EventNumber event, const std::string& hook, AttemptResult why, Millis now) {
    for (const std::unique_ptr<Run>& run : runs_) {
        if (run->event() == event && (hook.empty() || run->hook() == hook)) run->end(why, now);
    }
}

std::vector<std::unique_ptr<Run>> RunTable::take_over() {
    std::vector<std::unique_ptr<Run>> over;
    for (std::unique_ptr<Run>& run : runs_) {
        if (run->over()) over.push_back(std::move(run));
    }
    std::erase(runs_, nullptr);
    return over;
}

}  // namespace bx
