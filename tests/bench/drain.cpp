// How fast one worker's store claims deliveries and records their ends.
//
//   bench-drain STORE JOBS SLOTS      adds and matches JOBS events, then claims SLOTS at a time and
//                                     records the ends with the next claim: jobs a second
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "stores/open.h"

namespace {

constexpr std::size_t batch = 500;
constexpr std::int64_t no_limit = 1'000'000'000;
constexpr const char* hook = "crm";

bx::NewEvent event(std::size_t number) {
    bx::NewEvent made;
    made.facts = {"ONCRMDEALUPDATE", "ONCRMDEAL", std::to_string(number),
                  "some-domain.bitrix24.com", "a223c6b3710f85df22e9377d6c4f7553", "17", "655",
                  "1736424182"};
    made.received_at = bx::wall_now();
    made.body = std::string(500, 'b');
    made.secrets = std::string(130, 's');
    return made;
}

void add(bx::Store& store, std::size_t count) {
    std::vector<bx::NewEvent> events;
    for (std::size_t i = 0; i < count; ++i) events.push_back(event(i));
    store.sink().add(events, no_limit);
    bx::NewDelivery delivery;
    delivery.hook = hook;
    delivery.max_attempts = 12;
    delivery.due_at = bx::wall_now();
    std::vector<bx::Dispatch> verdicts;
    for (const bx::StoredEvent& found : store.matching().undispatched(count)) {
        verdicts.push_back({found.number, {delivery}, {}, {}});
    }
    store.matching().dispatch(verdicts, bx::wall_now());
}

bx::Finish end_of(const bx::Claim& claim) {
    bx::Finish run;
    run.event = claim.event.number;
    run.hook = claim.hook;
    run.attempt = claim.attempt;
    run.exit = 0;
    run.ended_at = bx::wall_now();
    run.out = {"200 OK\n", 7};
    return run;
}

std::size_t drain(bx::Store& store, std::size_t slots) {
    const auto room = [&](const std::string&) { return 2 * slots; };
    std::vector<bx::Finish> ended;
    std::size_t done = 0;
    for (;;) {
        const auto claims = store.runs().finish_and_claim(ended, slots, room, bx::wall_now());
        ended.clear();
        if (claims.empty()) return done;
        store.runs().start(claims);
        for (const bx::Claim& claim : claims) ended.push_back(end_of(claim));
        done += claims.size();
    }
}

int run(const std::string& place, std::size_t jobs, std::size_t slots) {
    const auto store = bx::open_store(
        bx::StorePlace::of(place), {.role = bx::Role::worker, .wait = bx::minute},
        bx::StoreOwner::assumed());
    for (std::size_t made = 0; made < jobs; made += batch) add(*store, batch);
    const auto began = std::chrono::steady_clock::now();
    const auto done = static_cast<double>(drain(*store, slots));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("%.0f\n", done / took.count());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: bench-drain STORE JOBS SLOTS\n");
        return 2;
    }
    try {
        return run(argv[1], std::stoul(argv[2]), std::stoul(argv[3]));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench-drain: %s\n", error.what());
        return 1;
    }
}
