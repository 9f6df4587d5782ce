// The gateway: decides on requests.  Accepts, verifies, commits the event, answers; knows neither
// connections (listener.h, cgi.h) nor hooks.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "event/gate.h"
#include "gateway/answer.h"
#include "gateway/request.h"
#include "gateway/signals.h"
#include "gateway/store_slot.h"
#include "host/worker_lock.h"
#include "store/owner.h"
#include "stores/open.h"

namespace bx {

class Gateway {
public:
    struct Options {
        bool one_shot = false;  // CGI: the worker is summoned by who calls handle()
        std::string log_file;   // where the config names none; empty: stderr
        // Asked while waiting for the store's lock.
        std::function<bool()> give_up = stop_requested;
        // What reaches beyond this class; tests put their own in its place.
        StoreOpener open = open_store;
        std::function<void(const Config&)> become_owner = [](const Config& config) {
            become_store_owner(config);
        };
        std::function<void(const std::string& config_path)> start = start_worker;
    };
    // Takes the answer to the request of that index.
    using Answerer = std::function<void(std::size_t index, const Answer& answer)>;

    // Never throws: a config or store that cannot be used is a 503 and a line in the log.
    Gateway(std::string config_path, Options options, Log& log);
    ~Gateway();

    // Throws Error when this process is root still, which must not serve: the reason.
    void require_user() const;

    // The most bytes of a body worth reading: limits.body + 1.
    std::size_t body_limit() const;

    // Answers every request: those that are refused at once, then, when all events among them are
    // committed in one transaction, those.  Wakes (or starts) the worker when events were added.
    // Throws only what ANSWER throws.  Bodies are consumed.
    void handle(std::span<Request> requests, const Answerer& answer);

    // Looks for a changed config at most once a second; FORCE: now (SIGHUP).
    void refresh_config(bool force = false);
    // At a gateway's start: if events are unfinished and no worker runs, start one.
    void wake_at_start();
    // Wakes the worker; starts one when none runs and the config says so, at most once a second:
    // what comes sooner is made good by the next summon_worker, due while owes_worker().
    void summon_worker();
    bool owes_worker() const { return owes_worker_; }

private:
    struct Verdict;
    Verdict judge(Request& request);
    Verdict judge_event(Request& request);
    Verdict verify(Request& request);
    std::vector<Verdict> commit(std::span<const NewEvent> events);
    void log_verdict(const Request& request, std::size_t size, const Verdict& verdict);
    bool is_ready();
    void apply_config();
    void become_owner();
    void open_log();
    void report(std::string_view trouble, std::string_view cause);
    void watch_queue();

    Options options_;
    Log& log_;
    ConfigFile file_;
    ConfigPtr config_;            // in force; null: none could be loaded yet
    std::string owner_problem_;   // why this process is not the store's owner; empty: it is
    std::unique_ptr<Gate> gate_;  // of config_
    StoreSlot store_;
    Millis next_refresh_ = 0;
    Millis next_start_ = 0;       // of a worker
    bool owes_worker_ = false;
    Millis next_probe_ = 0;
    Millis next_watch_ = 0;       // of the queue
    bool ready_ = false;          // what the last probe said
    std::string reported_;        // the trouble last logged, and when it may be logged again
    Millis next_report_ = 0;
};

}  // namespace bx
