// The parts of the worker's loop, each with the time it is told and a store of its own.
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <thread>

#include "base/fd.h"
#include "event/event.h"
#include "event/payload.h"
#include "form/form.h"
#include "host/own_commands.h"
#include "store/errors.h"
#include "worker/matcher.h"
#include "worker/rematch.h"
#include "worker/run.h"
#include "worker/runner.h"
#include "worker/store_trouble.h"

namespace {

// New events 1 to N; one that is `bad` cannot be dispatched, whatever it is dispatched with.
class FakeQueue : public bx::MatchQueue {
public:
    explicit FakeQueue(int events, std::size_t size = 0) {
        const bx::Tree tree =
            bx::decode_urlencoded("event=ONCRMDEALADD&data[x]=" + std::string(size, 'x'), {});
        for (int i = 1; i <= events; ++i) {
            bx::StoredEvent& event = events_.emplace_back();
            event.number = i;
            event.facts = bx::read_event(tree);
            event.body = bx::encode_payload(tree).body;
        }
    }

    std::vector<bx::StoredEvent> undispatched(std::size_t at_most, std::size_t bytes) override {
        asked.push_back(at_most);
        std::vector<bx::StoredEvent> oldest;
        std::size_t given = 0;
        for (const bx::StoredEvent& event : events_) {
            if (oldest.size() == at_most || given >= bytes) break;
            oldest.push_back(event);
            given += event.payload_bytes();
        }
        most_bytes = std::max(most_bytes, given);
        return oldest;
    }
    void dispatch(std::span<const bx::Dispatch> dispatches, bx::Millis) override {
        for (const bx::Dispatch& dispatch : dispatches) {
            const bool aside = dispatch.skip_reason.starts_with("cannot be matched");
            if (dispatch.event == bad && !aside) throw bx::StoreDataError("too large");
        }
        for (const bx::Dispatch& dispatch : dispatches) {
            const bx::EventNumber number = dispatch.event;
            reasons[number] = dispatch.skip_reason;
            std::erase_if(events_, [=](const auto& event) { return event.number == number; });
        }
    }
    bool merge_ahead(std::span<const bx::Dispatch>, bx::Millis) override { return false; }
    std::string fingerprint(const std::string&) override { return kept; }
    void keep_fingerprint(const std::string&, const std::string& fingerprint,
                          bx::Millis) override {
        kept = fingerprint;
    }
    bx::EventNumber newest_retryable() override { return 1'000'000; }
    bx::Renewed renew_skipped(const bx::RenewRange& range, std::size_t at_most) override {
        BOOST_TEST(bx::wall_now() - range.received_from >= bx::day);
        BOOST_TEST(range.up_to == 1'000'000);
        BOOST_TEST(static_cast<std::size_t>(range.after) == sum(renewals));
        const std::size_t count = std::min(at_most, skipped);
        skipped -= count;
        renewals.push_back(count);
        return {count, static_cast<bx::EventNumber>(sum(renewals)), count == at_most};
    }
    std::size_t forget_reasons(const std::vector<std::string>& of, std::size_t) override {
        stopped = of;
        return 0;
    }
    static std::size_t sum(const std::vector<std::size_t>& counts) {
        return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    }

    bx::EventNumber bad = 0;
    std::vector<std::size_t> asked;
    std::size_t most_bytes = 0;  // given at a time
    std::map<bx::EventNumber, std::string> reasons;  // of those dispatched
    std::string kept;                    // the fingerprint
    std::size_t skipped = 0;             // to be matched again
    std::vector<std::size_t> renewals;   // of a pass
    std::vector<std::string> stopped;    // hooks of which reasons were not to be forgotten

private:
    std::vector<bx::StoredEvent> events_;
};

// One delivery that may start; the answer that says so takes until AFTER is over.
class SlowRuns : public bx::RunQueue {
public:
    explicit SlowRuns(std::function<bool()> after) : after_(std::move(after)) {}

    std::vector<bool> start(std::span<const bx::Claim> claims) override {
        while (!after_()) std::this_thread::yield();
        return std::vector<bool>(claims.size(), true);
    }
    void unstart(const bx::Claim& claim) override { unstarted.push_back(claim.hook); }
    std::vector<bx::Claim> finish_and_claim(std::span<const bx::Finish> runs, std::size_t slots,
                                            const bx::HookCapacity&, bx::Millis) override {
        ends += runs.size();
        if (slots == 0 || claimed++ > 0) return {};
        bx::Claim claim;
        claim.event.number = 1;
        claim.hook = "crm";
        return {claim};
    }
    std::vector<bx::Claim> dispatch_and_claim(std::span<const bx::Dispatch>, std::size_t,
                                              const bx::HookCapacity&, bx::Millis) override {
        return {};
    }
    void save_output(bx::EventNumber, const std::string&, int, const bx::Output&,
                     const bx::Output&) override {}
    std::vector<bx::Orphan> orphans(std::span<const bx::DeliveryName>) override {
        ++looks;
        return {};
    }
    std::optional<bx::Millis> next_due(bx::Millis) override { return std::nullopt; }
    std::vector<bx::DeliveryName> kill_requests() override { return {}; }

    int claimed = 0, looks = 0;
    std::size_t ends = 0;
    std::vector<std::string> unstarted;

private:
    const std::function<bool()> after_;
};

class ShortLease : public bx::WorkerRegistry {
public:
    void register_worker(const bx::WorkerRecord&) override {}
    void unregister_worker(const bx::WorkerRecord&) override {}
    // A few milliseconds more than what is kept of it for ending runs.
    std::optional<bx::Millis> lease() const override { return bx::kill_delay + 3 * bx::second + 5; }
    int wake_fd() override { return -1; }
    bool take_wakes() override { return false; }
};

struct Fixture {
    Fixture() {
        std::string name = (std::filesystem::temp_directory_path() / "parts-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
        log.configure({.file = dir + "/worker.log"});
        std::ofstream(dir + "/queue.db") << "it is only looked for";
        std::ofstream(dir + "/bxhook.conf") << "store queue.db\nhooks_dir hooks\n"
                                            << "portal { token abcdefgh1234 }\n"
                                            << "log { file worker.log }\n";
    }
    ~Fixture() { std::filesystem::remove_all(dir); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::size_t lines(const std::string& part) const {
        const std::string text = bx::read_file(dir + "/worker.log");
        std::size_t count = 0;
        for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
        return count;
    }

    std::string dir;
    bx::Log log{"worker"};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(worker_parts, Fixture)

// As where the process was stopped, or the store was slow: others may run it by now.
BOOST_AUTO_TEST_CASE(a_lease_that_ends_before_the_answer_to_a_start_begins_no_run) {
    bx::ConfigFile file(dir + "/bxhook.conf", bx::ConfigPart::all);
    const bx::Millis now = bx::steady_now();
    const bx::WorkerLock lock(dir + "/queue.db", 0);
    bx::WorkerContext context{.log = log,
                              .options = {},
                              .live = bx::LiveConfig(file, file.current()->store, lock, {}, log),
                              .now = now,
                              .progress_at = now};
    bx::StoreTrouble trouble(log);
    ShortLease registry;
    bx::Membership membership(context, registry, trouble);
    SlowRuns queue([&] { return !membership.may_start_runs(bx::steady_now()); });
    bx::Runner runner(context, queue, membership, dir + "/queue.db",
                      [](std::span<const bx::Finish>) {});
    runner.adopt_orphans();
    for (int tries = 0; tries < 1000 && queue.unstarted.empty() && queue.ends == 0; ++tries) {
        queue.claimed = 0;
        context.now = bx::steady_now();
        membership.update();
        runner.record_and_start();
    }
    BOOST_TEST(queue.unstarted == std::vector<std::string>{"crm"}, boost::test_tools::per_element());
    BOOST_TEST(context.runs.size() == 0U);
    BOOST_TEST(runner.unrecorded() == 0U);
    BOOST_TEST(context.more);
    runner.adopt_orphans();
    BOOST_TEST(queue.looks == 2, "it is to be given back at once");
}

BOOST_AUTO_TEST_CASE(trouble_is_said_once_and_each_minute_and_when_it_is_over) {
    bx::StoreTrouble trouble(log);
    BOOST_TEST(trouble.may_try(0));
    for (bx::Millis now = 0; now < 2 * bx::minute; now += bx::second) {
        trouble.note("disk full", bx::second / 5, now);
        BOOST_TEST(!trouble.may_try(now + 199));
        BOOST_TEST(trouble.may_try(now + 200));
        BOOST_TEST(trouble.lasts(now) == (now >= bx::lasting_trouble));
    }
    BOOST_TEST(lines("in trouble, trying again") == 2U);
    trouble.note("disk gone", bx::second, 2 * bx::minute);
    BOOST_TEST(lines("in trouble, trying again") == 3U);
    BOOST_TEST(trouble.shown(2 * bx::minute) == "disk gone");
    trouble.end();
    BOOST_TEST(trouble.none());
    BOOST_TEST(trouble.shown(2 * bx::minute) == "");
    BOOST_TEST(lines("out of trouble") == 1U);
}

BOOST_AUTO_TEST_CASE(trouble_that_the_worker_leaves_for_is_shown_when_it_is_over_too) {
    bx::StoreTrouble trouble(log);
    trouble.note("disk full", bx::second, 0);
    trouble.give_up();
    trouble.end();
    BOOST_TEST(trouble.given_up() == "disk full");
    BOOST_TEST(trouble.shown(bx::second) == "disk full");
}

BOOST_AUTO_TEST_CASE(skipped_events_have_a_second_chance_when_hooks_or_config_change) {
    using Steps = std::vector<std::size_t>;
    bx::ConfigFile file(dir + "/bxhook.conf", bx::ConfigPart::all);
    const bx::Millis now = bx::steady_now();
    const bx::WorkerLock lock(dir + "/queue.db", 0);
    bx::WorkerContext context{.log = log,
                              .options = {},
                              .live = bx::LiveConfig(file, file.current()->store, lock, {}, log),
                              .now = now,
                              .progress_at = now};
    FakeQueue queue(0);
    bx::Rematch rematch(context, queue);
    const auto passes = [&] {
        context.live.look_next_time();
        context.live.refresh(context.now);
        queue.renewals.clear();
        do {
            context.more = false;
            rematch.work();
        } while (context.more);
        context.now += bx::hour;
        return queue.renewals;
    };
    queue.skipped = 250;
    BOOST_TEST((passes() == Steps{100, 100, 50}));
    BOOST_TEST(lines("skipped events are matched again") == 1U);
    BOOST_TEST(queue.kept != "");
    BOOST_TEST((passes() == Steps{}));
    std::filesystem::create_directory(dir + "/hooks");
    std::ofstream(dir + "/hooks/ONCRMDEALADD") << "#!/bin/sh\n";
    BOOST_TEST((passes() == Steps{0}));
    ::chmod((dir + "/hooks/ONCRMDEALADD").c_str(), 0755);
    queue.skipped = 20'000;
    BOOST_TEST((passes() == Steps(100, 100)));  // the others are left to a person
    BOOST_TEST((passes() == Steps{}));
    for (int i = 0; i < 3; ++i) {  // a hook logs beside itself
        std::ofstream(dir + "/hooks/deals.log", std::ios::app) << "7\n";
        BOOST_TEST((passes() == Steps{}));
    }
    std::ofstream(dir + "/hooks/ONCRMDEALADD.sh") << "#!/bin/sh\n";
    ::chmod((dir + "/hooks/ONCRMDEALADD.sh").c_str(), 0755);
    queue.skipped = 0;
    BOOST_TEST((passes() == Steps{0}));
    BOOST_TEST((queue.stopped == std::vector<std::string>{"ONCRMDEALADD", "ONCRMDEALADD"}));
    queue.skipped = 20'000;
    std::ofstream(dir + "/bxhook.conf", std::ios::app) << "defaults { timeout 7s }\n";
    BOOST_TEST((passes() == Steps(100, 100)));
    bx::Rematch later(context, queue);  // of a worker that starts: all is as it was
    queue.renewals.clear();
    later.work();
    BOOST_TEST((queue.renewals == Steps{}));
}

// A batch of 32 events of limits.body would be 32 MB.
BOOST_AUTO_TEST_CASE(large_events_are_matched_few_at_a_time_and_all_of_them) {
    bx::ConfigFile file(dir + "/bxhook.conf", bx::ConfigPart::all);
    const bx::Millis now = bx::steady_now();
    const bx::WorkerLock lock(dir + "/queue.db", 0);
    bx::WorkerContext context{.log = log,
                              .options = {},
                              .live = bx::LiveConfig(file, file.current()->store, lock, {}, log),
                              .now = now,
                              .progress_at = now};
    context.live.refresh(now);
    FakeQueue queue(70, std::size_t{1} << 20);
    bx::Matcher matcher(context, queue);
    do {
        context.more = false;
        matcher.match();
    } while (context.more);
    BOOST_TEST(queue.reasons.size() == 70U);
    BOOST_TEST(queue.most_bytes <= std::size_t{4} << 20);
}

BOOST_AUTO_TEST_CASE(an_event_that_cannot_be_dispatched_is_found_by_halves_and_set_aside) {
    bx::ConfigFile file(dir + "/bxhook.conf", bx::ConfigPart::all);
    const bx::Millis now = bx::steady_now();
    const bx::WorkerLock lock(dir + "/queue.db", 0);
    bx::WorkerContext context{.log = log,
                              .options = {},
                              .live = bx::LiveConfig(file, file.current()->store, lock, {}, log),
                              .now = now,
                              .progress_at = now};
    context.live.refresh(now);
    FakeQueue queue(40);
    queue.bad = 1;
    bx::Matcher matcher(context, queue);
    for (int i = 0; i < 20 && queue.reasons.size() < 40; ++i) {
        try {
            matcher.match();
        } catch (const bx::StoreDataError&) {
        }
    }
    const std::vector<std::size_t> expected{32, 16, 8, 4, 2, 1, 1, 1};
    BOOST_REQUIRE(queue.asked.size() > expected.size());
    BOOST_TEST(std::equal(expected.begin(), expected.end(), queue.asked.begin()));
    BOOST_TEST(queue.reasons.size() == 40U);
    BOOST_TEST(queue.reasons[1] == "cannot be matched: too large");
    BOOST_TEST(queue.reasons[2] == "no matching hook");
    BOOST_TEST(lines("set aside event=1 ") == 1U);
    BOOST_TEST(context.unscrubbed);
}

BOOST_AUTO_TEST_CASE(an_event_skipped_again_for_the_same_reason_is_no_news) {
    std::ofstream(dir + "/bxhook.conf", std::ios::app) << "hook lost { attempts 3 }\n";
    log.configure({.level = bx::LogLevel::debug, .file = dir + "/worker.log"});
    bx::ConfigFile file(dir + "/bxhook.conf", bx::ConfigPart::all);
    const bx::Millis now = bx::steady_now();
    const bx::WorkerLock lock(dir + "/queue.db", 0);
    bx::WorkerContext context{.log = log,
                              .options = {},
                              .live = bx::LiveConfig(file, file.current()->store, lock, {}, log),
                              .now = now,
                              .progress_at = now};
    context.live.refresh(now);
    FakeQueue first(1), second(1), third(2);
    bx::Matcher matcher(context, first);
    BOOST_TEST(matcher.match());
    BOOST_TEST(lines("warning worker: skipped event=1 ") == 1U);
    BOOST_TEST(lines("skipped again") == 0U);
    first = second;  // it is new again
    BOOST_TEST(matcher.match());
    BOOST_TEST(lines("warning worker: skipped event=1 ") == 1U);
    BOOST_TEST(lines("debug worker: skipped again event=1 ") == 1U);
    std::ofstream(dir + "/bxhook.conf", std::ios::app) << "hook lost-too { attempts 3 }\n";
    context.now += bx::hour;
    first = third;
    BOOST_TEST(matcher.match());
    BOOST_TEST(lines("warning worker: skipped event=1 ") == 2U);
    BOOST_TEST(lines("warning worker: skipped event=2 ") == 1U);
}

BOOST_AUTO_TEST_CASE(an_event_that_a_broken_hook_did_not_get_is_named_with_the_way_to_it) {
    std::filesystem::create_directory(dir + "/hooks");
    std::ofstream(dir + "/hooks/any") << "#!/bin/sh\n";
    ::chmod((dir + "/hooks/any").c_str(), 0755);
    std::ofstream(dir + "/hooks/ONCRMDEALADD.php") << "#!/bin/sh\n";
    bx::ConfigFile file(dir + "/bxhook.conf", bx::ConfigPart::all);
    const bx::Millis now = bx::steady_now();
    const bx::WorkerLock lock(dir + "/queue.db", 0);
    bx::WorkerContext context{.log = log,
                              .options = {},
                              .live = bx::LiveConfig(file, file.current()->store, lock, {}, log),
                              .now = now,
                              .progress_at = now};
    context.live.refresh(now);
    FakeQueue queue(2);
    bx::Matcher matcher(context, queue);
    BOOST_TEST(matcher.match());
    BOOST_TEST(lines("did not get an event that others got event=2 hook=ONCRMDEALADD "
                     "cause=\"not executable\" "
                     "fix=\"" + bx::OwnCommands().line("retry 2/ONCRMDEALADD") + "\"") == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
