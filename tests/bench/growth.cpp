// What a store's operations cost when it has grown, beside an empty one; growth.py makes the table.
//
//   bench-growth fill STORE EVENTS WAITING   EVENTS finished events, then WAITING deliveries
//   bench-growth measure EMPTY FULL          lines "name", then for both stores by turns, a unit of
//                                            work: wall time, processor time (medians,
//                                            microseconds), reads, writes (system calls); last
//                                            the median of the paired rounds' ratios of
//                                            processor time
//   bench-growth prune STORE OTHER STEP PAUSE
//                                            adds while all finished events are deleted, STEP a
//                                            transaction and PAUSE ms between two, and by turns
//                                            into another store, which shows what the machine is
//                                            to blame for: milliseconds of each, "median 99%
//                                            longest", and how many took over 50
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "stores/open.h"

namespace {

using bx::Store;

constexpr std::size_t batch = 500;
constexpr int portals = 50;
constexpr int rounds = 400;
constexpr std::int64_t no_limit = 1'000'000'000;

struct Stopwatch {
    // Reads and writes of this thread so far, as the kernel counts them.
    static std::pair<double, double> calls() {
        std::ifstream file("/proc/thread-self/io");
        std::string word;
        double value = 0, reads = 0, writes = 0;
        while (file >> word >> value) {
            if (word == "syscr:") reads = value;
            if (word == "syscw:") writes = value;
        }
        return {reads, writes};
    }
    static double cpu() {
        timespec now{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
    }
    static double wall() {
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        return std::chrono::duration<double, std::micro>(now).count();
    }
    double wall_began = wall(), cpu_began = cpu();
    std::pair<double, double> us() const { return {wall() - wall_began, cpu() - cpu_began}; }
};

double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + static_cast<long>(values.size() / 2));
    return values[values.size() / 2];
}

// An event as Bitrix24 sends it, in size too.
bx::NewEvent event(std::int64_t number) {
    bx::NewEvent made;
    made.facts.code = "ONCRMDEALUPDATE";
    made.facts.kind = "ONCRMDEAL";
    // A lane each: freeing the next of a lane is work that an empty store has not.
    made.facts.id = std::to_string(number);
    made.facts.domain = "portal" + std::to_string(number % portals) + ".bitrix24.com";
    made.facts.member_id = "member" + std::to_string(number % portals);
    made.facts.user_id = "17";
    made.facts.handler_id = "655";
    made.facts.ts = "1736424182";
    made.received_at = bx::wall_now();
    made.body = std::string(500, 'b');
    made.secrets = std::string(130, 's');
    return made;
}

std::unique_ptr<bx::Store> open(const std::string& place, bx::Role role,
                                bx::Millis wait = bx::minute) {
    return bx::open_store(bx::StorePlace::of(place), {.role = role, .wait = wait},
                          bx::StoreOwner::assumed());
}

// A store as its two users have it open.
struct Users {
    explicit Users(const std::string& place, std::string waits = "crm")
        : gateway(open(place, bx::Role::gateway)),
          worker(open(place, bx::Role::worker)),
          oldest(std::move(waits)) {}

    std::vector<bx::EventNumber> add(std::size_t count) {
        std::vector<bx::NewEvent> events;
        for (std::size_t i = 0; i < count; ++i) events.push_back(event(next_++));
        std::vector<bx::EventNumber> numbers;
        for (const auto& number : gateway->sink().add(events, no_limit)) {
            numbers.push_back(number.value());
        }
        return numbers;
    }
    std::size_t match(const std::string& hook, std::size_t at_most = batch) {
        std::vector<bx::Dispatch> verdicts;
        bx::NewDelivery delivery;
        delivery.hook = hook;
        delivery.max_attempts = 12;
        delivery.due_at = bx::wall_now();
        for (const bx::StoredEvent& found : worker->matching().undispatched(at_most)) {
            verdicts.push_back({found.number, {delivery}, {}, {}});
        }
        worker->matching().dispatch(verdicts, bx::wall_now());
        return verdicts.size();
    }
    // Claims deliveries of HOOK, of which there are so many, and records their end.
    std::size_t run(std::size_t slots, const std::string& hook) {
        const std::size_t count = turn(slots, hook);
        worker->runs().finish(std::exchange(ended_, {}));
        return count;
    }
    // The worker's turn: records what the last one began, and begins the next.
    std::size_t turn(std::size_t slots, const std::string& hook) {
        const auto room = [&](const std::string& name) {
            return name == hook ? slots : std::size_t{0};
        };
        std::vector<bx::Finish> runs;
        for (const bx::Claim& claim :
             worker->runs().finish_and_claim(ended_, slots, room, bx::wall_now())) {
            bx::Finish run;
            run.event = claim.event.number;
            run.hook = claim.hook;
            run.attempt = claim.attempt;
            run.exit = 0;
            run.ended_at = bx::wall_now();
            run.out = {"200 OK\n", 7};
            runs.push_back(std::move(run));
        }
        ended_ = std::move(runs);
        return ended_.size();
    }

    std::unique_ptr<Store> gateway, worker;
    const std::string oldest;  // the hook whose deliveries have waited for longest

private:
    std::int64_t next_ = 0;
    std::vector<bx::Finish> ended_;  // not recorded yet
};

int fill(const std::string& place, std::int64_t events, std::int64_t waiting) {
    Users users(place);
    for (std::int64_t done = 0; done < events; done += static_cast<std::int64_t>(batch)) {
        users.add(batch);
        users.match("crm");
        users.run(batch, "crm");
    }
    for (std::int64_t made = 0; made < waiting; made += static_cast<std::int64_t>(batch)) {
        users.add(batch);
        users.match("backlog");
    }
    return 0;
}

// One operation: PREPARE is not measured; WORK gives by how many units it counts.
struct Operation {
    const char* name;
    int times;
    std::function<void(Users&)> prepare;
    std::function<std::size_t(Users&)> work;
};

std::vector<Operation> operations() {
    const auto nothing = [](Users&) {};
    const auto clear = [](Users& users) {
        while (users.match("crm") > 0) {
        }
    };
    const auto fresh = [clear](Users& users, std::size_t count) {
        users.add(count);
        clear(users);
    };
    return {
        {"accept-1", rounds, nothing, [](Users& users) { return users.add(1).size(); }},
        {"accept-32", rounds / 4, nothing, [](Users& users) { return users.add(32).size(); }},
        {"match-32", rounds / 4,
         [clear](Users& users) {
             clear(users);
             users.add(32);
         },
         [](Users& users) { return users.match("crm", 32); }},
        {"claim-finish-1", rounds, [fresh](Users& users) { fresh(users, 1); },
         [](Users& users) { return users.run(1, "crm"); }},
        {"claim-finish-4", rounds, [fresh](Users& users) { fresh(users, 4); },
         [](Users& users) { return users.run(4, "crm"); }},
        {"turn-2", rounds, [fresh](Users& users) { fresh(users, 2); },
         [](Users& users) { return users.turn(2, "crm"); }},
        {"turn-2-oldest", rounds, [fresh](Users& users) { fresh(users, 2); },
         [](Users& users) { return users.turn(2, users.oldest); }},
        {"next-due", rounds, nothing,
         [](Users& users) {
             users.worker->runs().next_due(bx::wall_now());
             return std::size_t{1};
         }},
        {"list-50", 20, nothing,
         [](Users& users) {
             users.worker->view().list({});
             return std::size_t{1};
         }},
        {"list-dead", 20, nothing,
         [](Users& users) {
             bx::ListFilter filter;
             filter.states = {bx::RowState::dead};
             users.worker->view().list(filter);
             return std::size_t{1};
         }},
        {"show", 20, nothing,
         [](Users& users) {
             users.worker->view().event(1);
             users.worker->view().deliveries(1);
             users.worker->view().attempts(1, "crm");
             return std::size_t{1};
         }},
        {"status", 20, nothing,
         [](Users& users) {
             users.worker->view().status(bx::wall_now());
             return std::size_t{1};
         }},
    };
}

// What one round of an operation took, a unit of work.
struct Cost {
    double wall = 0, cpu = 0, reads = 0, writes = 0;
};

Cost cost_of(const Operation& operation, Users& users) {
    operation.prepare(users);
    const auto [reads_began, writes_began] = Stopwatch::calls();
    const Stopwatch watch;
    const auto units = static_cast<double>(operation.work(users));
    const auto [wall, cpu] = watch.us();
    const auto [reads, writes] = Stopwatch::calls();
    // Looking at the counters is a read itself, and another to find the end of the file.
    return {wall / units, cpu / units, (reads - reads_began - 2) / units,
            (writes - writes_began) / units};
}

double median_of(const std::vector<Cost>& costs, double Cost::*part) {
    std::vector<double> values;
    for (const Cost& cost : costs) values.push_back(cost.*part);
    return median(std::move(values));
}

double mean_of(const std::vector<Cost>& costs, double Cost::*part) {
    double sum = 0;
    for (const Cost& cost : costs) sum += cost.*part;
    return sum / static_cast<double>(costs.size());
}

// The two stores by turns, so that whatever else the machine does hits both.
int measure(const std::string& empty, const std::string& full) {
    Users users[] = {Users(empty), Users(full, "backlog")};
    for (const Operation& operation : operations()) {
        std::vector<Cost> costs[2];
        std::vector<double> ratios;
        for (int i = 0; i < operation.times; ++i) {
            for (const int which : {0, 1}) costs[which].push_back(cost_of(operation, users[which]));
            ratios.push_back(costs[1].back().cpu / costs[0].back().cpu);
        }
        std::printf("%s", operation.name);
        for (const auto part : {&Cost::wall, &Cost::cpu}) {
            std::printf(" %.1f %.1f", median_of(costs[0], part), median_of(costs[1], part));
        }
        for (const auto part : {&Cost::reads, &Cost::writes}) {
            std::printf(" %.1f %.1f", mean_of(costs[0], part), mean_of(costs[1], part));
        }
        std::printf(" %.3f\n", median(ratios));
        std::fflush(stdout);
    }
    return 0;
}

double at(const std::vector<double>& sorted, double part) {
    return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

// How long each add took, in milliseconds, sorted.
struct Adds {
    std::vector<double> here, beside;  // into the store, and by turns into another
};

Adds adds(Users& here, Users& beside, const std::function<bool()>& over) {
    Adds waits;
    while (!over()) {
        for (auto [users, found] : {std::pair(&here, &waits.here), {&beside, &waits.beside}}) {
            const Stopwatch watch;
            users->add(1);
            found->push_back(watch.us().first / 1000);
        }
        // As events come, not as fast as they can.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    std::ranges::sort(waits.here);
    std::ranges::sort(waits.beside);
    return waits;
}

void print_times(const char* name, const std::vector<double>& sorted) {
    const auto late = sorted.end() - std::ranges::upper_bound(sorted, 50.0);
    std::printf("%s %.1f %.1f %.1f %td\n", name, at(sorted, 0.5), at(sorted, 0.99), sorted.back(),
                late);
}

int prune(const std::string& place, const std::string& other, std::size_t step, int pause) {
    Users users(place), beside(other);
    const double quiet_end = Stopwatch::wall() + 10e6;
    const Adds quiet = adds(users, beside, [&] { return Stopwatch::wall() > quiet_end; });

    std::atomic<bool> over = false;
    std::size_t pruned = 0;
    std::vector<double> steps;
    std::thread pruner([&] {
        const auto store = open(place, bx::Role::worker, bx::second);
        for (bx::Pruned done{.more = true}; done.more;) {
            const Stopwatch watch;
            done = store->upkeep().prune({bx::wall_now() + bx::hour, 0, step});
            steps.push_back(watch.us().first / 1000);
            pruned += done.deleted;
            std::this_thread::sleep_for(std::chrono::milliseconds(pause));
        }
        over = true;
    });
    const double began = Stopwatch::wall();
    const Adds pruning = adds(users, beside, [&] { return over.load(); });
    const double took = Stopwatch::wall() - began;
    pruner.join();
    std::ranges::sort(steps);
    std::printf("events-a-second %.0f\n", static_cast<double>(pruned) / took * 1e6);
    print_times("step", steps);
    print_times("add-before", quiet.here);
    print_times("add-meanwhile", pruning.here);
    print_times("add-beside", pruning.beside);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> args(argv + 1, argv + argc);
    try {
        if (args.size() == 4 && args[0] == "fill") {
            return fill(args[1], std::stoll(args[2]), std::stoll(args[3]));
        }
        if (args.size() == 3 && args[0] == "measure") return measure(args[1], args[2]);
        if (args.size() == 5 && args[0] == "prune") {
            return prune(args[1], args[2], std::stoul(args[3]), std::stoi(args[4]));
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench-growth: %s\n", error.what());
        return 1;
    }
    std::fprintf(stderr, "usage: bench-growth fill|measure|prune ...\n");
    return 2;
}
