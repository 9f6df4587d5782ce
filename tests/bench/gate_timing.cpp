// Does the time of a refusal tell anything?  Bodies of one length that differ in what is wrong with
// them are judged in random order, first by the gate alone, then with their decoding; of each kind
// the mean, the deviation, the difference from the first's mean, its standard error, and Welch's t,
// their quotient: below 4.5 is no difference (dudect).
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "event/gate.h"
#include "form/form.h"

namespace {

constexpr int portals = 50;
constexpr int repeats = 16;           // judgements in one sample: a clock is coarse
constexpr double kept = 0.9;          // of the samples, the fastest: the rest were interrupted
const std::string right = "51856fefc120afa4b628cc82d3935cce";

struct Kind {
    const char* name;
    std::vector<std::string> bodies = {};  // taken in turn
    std::vector<double> samples = {};  // nanoseconds
};

std::string member_id(int number) {
    std::string digits = std::to_string(number);
    return std::string(32 - digits.size(), 'a') + digits;
}

bx::Gate make_gate() {
    std::vector<bx::Portal> list;
    for (int i = 0; i < portals; ++i) {
        std::string token = right;
        token[8] = static_cast<char>('A' + i % 26);
        list.push_back({member_id(100 + i), "portal" + std::to_string(i) + ".example",
                        {i == 7 ? right : token}, "portal"});
    }
    return bx::Gate(list);
}

std::string make_body(int portal, const std::string& token) {
    return "event=ONCRMDEALUPDATE&event_handler_id=655&data[FIELDS][ID]=6675&ts=1736424182"
           "&auth[domain]=some-domain.example&auth[member_id]=" + member_id(portal) +
           "&auth[application_token]=" + token;
}

std::string with(std::size_t at, char byte) {
    std::string token = right;
    token[at] = byte;
    return token;
}

// A wrong token from each of as many portals as there are, from the number FIRST on.
std::vector<std::string> from_portals(int first) {
    std::vector<std::string> bodies;
    for (int i = 0; i < portals; ++i) bodies.push_back(make_body(first + i, with(0, 'x')));
    return bodies;
}

std::vector<Kind> make_kinds() {
    return {{"first byte wrong", {make_body(107, with(0, 'x'))}},
            {"the same again", {make_body(107, with(0, 'y'))}},
            {"middle byte wrong", {make_body(107, with(16, 'x'))}},
            {"last byte wrong", {make_body(107, with(31, 'x'))}},
            {"all bytes wrong", {make_body(107, std::string(32, 'x'))}},
            {"one byte short", {make_body(107, right.substr(0, 31))}},
            {"one byte long", {make_body(107, right + "0")}},
            {"right", {make_body(107, right)}},
            {"known portals", from_portals(100)},
            {"unknown portals", from_portals(200)}};
}

double nanoseconds_of(const std::function<void()>& work) {
    auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) work();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    return took.count() / repeats;
}

double mean_of(const std::vector<double>& samples) {
    double sum = 0;
    for (double sample : samples) sum += sample;
    return sum / static_cast<double>(samples.size());
}

double variance_of(const std::vector<double>& samples) {
    double mean = mean_of(samples);
    double sum = 0;
    for (double sample : samples) sum += (sample - mean) * (sample - mean);
    return sum / static_cast<double>(samples.size() - 1);
}

// Of the difference of the means.
double standard_error(const std::vector<double>& a, const std::vector<double>& b) {
    auto of = [](const auto& x) { return variance_of(x) / static_cast<double>(x.size()); };
    return std::sqrt(of(a) + of(b));
}

// SAMPLE of each kind's body, ROUNDS times, in an order that is new each round.
void measure(std::vector<Kind>& kinds, std::size_t rounds,
             const std::function<double(const std::string&)>& sample) {
    std::vector<Kind*> order;
    for (Kind& kind : kinds) {
        kind.samples.clear();
        order.push_back(&kind);
    }
    std::mt19937 chance(1);
    for (std::size_t round = 0; round < rounds; ++round) {
        std::ranges::shuffle(order, chance);
        for (Kind* kind : order) {
            kind->samples.push_back(sample(kind->bodies[round % kind->bodies.size()]));
        }
    }
    for (Kind& kind : kinds) {
        std::ranges::sort(kind.samples);
        kind.samples.resize(static_cast<std::size_t>(kept * static_cast<double>(rounds)));
    }
}

void print(const char* title, const std::vector<Kind>& kinds) {
    std::printf("%-20s %10s %10s %10s %10s %8s\n", title, "mean ns", "stddev", "diff ns", "error",
                "t");
    for (const Kind& kind : kinds) {
        // Many portals are compared with many, one with itself.
        const Kind& first = kind.bodies.size() > 1 ? kinds[kinds.size() - 2] : kinds.front();
        const double difference = mean_of(kind.samples) - mean_of(first.samples);
        const double error = standard_error(kind.samples, first.samples);
        std::printf("%-20s %10.2f %10.2f %+10.2f %10.3f %8.1f\n", kind.name, mean_of(kind.samples),
                    std::sqrt(variance_of(kind.samples)), difference, error, difference / error);
    }
}

}  // namespace

// gate-timing [ROUNDS]
int main(int argc, char** argv) {
    const int wanted = argc > 1 ? std::atoi(argv[1]) : 50'000;
    const auto rounds = static_cast<std::size_t>(std::max(100, wanted));
    const bx::Gate gate = make_gate();
    std::vector<Kind> kinds = make_kinds();
    volatile int verdicts = 0;  // keeps the calls
    auto judge = [&](const bx::Tree& tree) {
        verdicts = verdicts + static_cast<int>(gate.check(tree).verdict);
    };
    // Decoded anew for each sample: where in memory a tree happens to lie makes a difference too.
    measure(kinds, rounds, [&](const std::string& body) {
        const bx::Tree tree = bx::decode_urlencoded(body, {});
        return nanoseconds_of([&] { judge(tree); });
    });
    print("gate", kinds);
    measure(kinds, rounds, [&](const std::string& body) {
        return nanoseconds_of([&] { judge(bx::decode_urlencoded(body, {})); });
    });
    print("\ndecoding and gate", kinds);
}
