// The gateway: answers requests.  It has each decided (intake.h) and what is left of them stored
// (post_store.h), and wakes the worker.  It knows neither connections (server.h, cgi.h) nor hooks.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/log.h"
#include "config/config.h"
#include "gateway/answer.h"
#include "gateway/config_reload.h"
#include "gateway/intake.h"
#include "gateway/post_store.h"
#include "gateway/queue_watch.h"
#include "gateway/request.h"
#include "gateway/signals.h"
#include "gateway/store_slot.h"
#include "gateway/trouble_log.h"
#include "gateway/worker_summoner.h"
#include "host/store_owner.h"
#include "host/worker_lock.h"
#include "host/worker_start.h"
#include "stores/open.h"

namespace bx {

class Gateway {
public:
    struct Options {
        bool one_shot = false;  // CGI: the caller of handle() summons the worker
        std::string log_file;   // where the config names none; empty: stderr
        // Asked while waiting for the store's lock.
        std::function<bool()> give_up = stop_requested;
        // What tests replace.
        std::function<std::unique_ptr<Store>(const StorePlace&, const StoreOptions&,
                                             const StoreOwner&)> open = open_store;
        std::function<StoreOwner(const Config&)> become_owner = [](const Config& config) {
            return become_store_owner(config.store.worker_files, config.writers);
        };
        WorkerSummoner::Start start = start_worker;
    };
    using Answerer = PostStore::Answerer;

    // Never throws: a config or store that cannot be used is a 503 and a line in the log.
    Gateway(std::string config_path, Options options, Log& log);
    ~Gateway();

    // Throws Error, which says why, when this process is still root: root must not serve.
    void require_user() const;

    // The most bytes of a body worth reading: limits.body + 1.
    std::size_t body_limit() const;

    // Answers every request.  Questions (GET) and what no look into the store could make right are
    // answered first; then the installations of all senders are looked up, and the events, and
    // posts that are held, committed in one transaction and answered.  Wakes (or starts) the worker
    // when events were added.  Throws only what ANSWER throws, and std::bad_alloc.  Bodies are
    // consumed.
    void handle(std::span<Request> requests, const Answerer& answer);

    // Looks for a changed config at most once a second; FORCE: now (SIGHUP).  The first one makes up
    // for wake_at_start(), which could do nothing without.
    void refresh_config(bool force = false);
    // At the start of a gateway: summons the worker when events are unfinished.
    void wake_at_start();
    // As WorkerSummoner::summon, if there is a config; due again while worker_is_due().
    void summon_worker();
    // Summons it when a chore is overdue; looked for at most once a minute.
    void summon_for_chores();
    bool worker_is_due() const { return summoner_.is_due(); }
    bool worker_will_be_due() const { return summoner_.will_be_due(); }
    // As ConfigReload::is_misplaced.
    bool is_misplaced() const { return config_.is_misplaced(); }

private:
    Answer readiness(const Request& request);
    Intake::Decision decide(Request& request);
    Intake::Decision take_post(Request& request);
    bool load_config(bool force);  // true: another one came into force
    void apply_config();
    StoreOwner become_owner();
    void open_log();

    Options options_;
    Log& log_;
    ConfigReload config_;
    TroubleLog trouble_;
    std::string owner_problem_;       // why this process is not the store's owner; empty: it is
    std::unique_ptr<Intake> intake_;  // of the config in force
    StoreSlot store_;
    QueueWatch queue_;
    Verdicts verdicts_;
    PostStore post_store_;
    WorkerSummoner summoner_;
    Timer chores_;  // when overdue ones are looked for next
};

}  // namespace bx
