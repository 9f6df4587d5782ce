#include "sqlite/counters.h"

namespace bx::sqlite {

namespace {

constexpr Millis rates_kept = 61 * minute;  // an hour, wherever within a minute it begins

}  // namespace

std::int64_t tally(Database& database, std::string_view what) {
    return database.number("SELECT n FROM tally WHERE hook = '' AND what = ?", {what});
}

void Counters::add(std::string_view hook, std::string_view what, std::int64_t by) {
    for (Counter& counter : counters_) {  // as many as hooks in a batch: few
        if (counter.what == what && counter.hook == hook) {
            counter.by += by;
            return;
        }
    }
    counters_.push_back({std::string(hook), what, by});
}

std::int64_t Counters::value(std::string_view hook, std::string_view what) {
    std::int64_t n = database_.number("SELECT n FROM tally WHERE hook = ? AND what = ?",
                                      {hook, what});
    for (const Counter& counter : counters_) {
        if (counter.what == what && counter.hook == hook) n += counter.by;
    }
    return n;
}

void Counters::move(std::string_view hook, DeliveryState from, DeliveryState to) {
    add(hook, name_of(from), -1);
    add(hook, name_of(to), 1);
}

void Counters::add_run(const std::string& hook, AttemptResult result, DeliveryState next,
                       Millis at) {
    const bool done = result == AttemptResult::done;
    const bool failed = result == AttemptResult::failed || result == AttemptResult::timeout ||
                        result == AttemptResult::lost;
    const bool dead = next == DeliveryState::dead;
    if (!done && !failed && !dead) return;
    database_.run("INSERT INTO rate (minute, hook, done, failed, dead) VALUES (?1, ?2, ?3, ?4, ?5) "
                  "ON CONFLICT (minute, hook) DO UPDATE "
                  "SET done = done + ?3, failed = failed + ?4, dead = dead + ?5",
                  {at / minute, hook, done, failed, dead});
    database_.run("DELETE FROM rate WHERE minute < ?", {(at - rates_kept) / minute});
}

void Counters::write() {
    for (const Counter& counter : counters_) {
        if (counter.by == 0) continue;
        database_.run("INSERT INTO tally (hook, what, n) VALUES (?1, ?2, ?3) "
                      "ON CONFLICT (hook, what) DO UPDATE SET n = n + ?3",
                      {counter.hook, counter.what, counter.by});
    }
}

}  // namespace bx::sqlite
