#include "gateway/gateway.h"

#include <unistd.h>

#include <exception>
#include <utility>

#include "base/fault.h"

namespace bx {

namespace {

std::string reason_against_method(const std::string& method) {
    if (!method.empty()) return "events come by POST, not by " + method;
    return "the web server passes no REQUEST_METHOD: nginx needs 'include fastcgi_params;' in that "
           "location";
}

}  // namespace

Gateway::Gateway(std::string config_path, Options options, Log& log)
    : options_(std::move(options)),
      log_(log),
      config_(std::move(config_path),
              options_.one_shot ? ConfigPart::request : ConfigPart::gateway, log),
      trouble_(log),
      store_(
          [this](const StorePlace& place, const StoreOptions& wanted) {
              return options_.open(place, wanted, become_owner());
          },
          StoreOptions{.role = options_.one_shot ? Role::cgi : Role::gateway,
                       .give_up = options_.give_up}),
      queue_(store_, trouble_, log),
      verdicts_(trouble_, log),
      post_store_(store_, trouble_, verdicts_, log, options_.one_shot),
      summoner_(options_.start, log) {
    if (config_.is_due(true)) load_config(true);
    // Root knows no owner yet: the file's place is another user's.
    if (!config_.current() && ::geteuid() != 0) open_log();
}

Gateway::~Gateway() = default;

void Gateway::require_user() const {
    if (::geteuid() != 0) return;
    throw Error("cannot serve as root: " + (config_.current() ? owner_problem_ : config_.error()));
}

std::size_t Gateway::body_limit() const {
    const ConfigPtr& config = config_.current();
    return (config ? config->limits.body : Config::Limits{}.body) + 1;
}

void Gateway::handle(std::span<Request> requests, const Answerer& answer) {
    const Log::Batch lines(log_);
    refresh_config();
    Posts posts;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        Request& request = requests[i];
        if (request.method == "GET" || request.method == "HEAD") {
            answer(i, readiness(request));
            continue;
        }
        const std::size_t size = request.body.size();  // before it is consumed
        Intake::Decision decision = decide(request);
        if (auto* post = std::get_if<Post>(&decision)) {
            posts.add(std::move(*post), i);
        } else {
            answer(i, verdicts_.refuse(std::get<RequestRefusal>(decision), request, size));
        }
    }
    if (posts.empty()) return summon_for_chores();
    bool any_added = false;
    // Should the memory end among the answers, what was added gets its worker all the same.
    const auto added = [&] {
        any_added = true;
        summoner_.set_due();
    };
    post_store_.store(std::move(posts), requests, *config_.current(), answer, added);
    fault_point("after-answers");
    if (any_added && !options_.one_shot) summon_worker();
    if (any_added) queue_.warn_if_nearly_full(config_.current()->limits);
    else summon_for_chores();
}

// Ready: a POST with a right token would be accepted now.
Answer Gateway::readiness(const Request& request) {
    try {
        const ConfigPtr& config = config_.current();
        const bool has_portals = config && config->has_portals();
        if (!has_portals) {
            trouble_.report("not ready", config ? "no portal is configured" : config_.error());
        }
        if (has_portals && !config_.error().empty()) {
            trouble_.report("config refused, still using the old one", config_.error());
        }
        const bool ready = has_portals && queue_.accepts_events(config->limits);
        return line_answer(ready ? "bxhook: ready" : "bxhook: not ready, see its log",
                           request.method == "HEAD");
    } catch (const std::exception& error) {  // out of memory
        return verdicts_.refuse(unavailable(error.what()), request, 0);
    }
}

Intake::Decision Gateway::decide(Request& request) {
    try {
        if (request.method == "POST") return take_post(request);
        return RequestRefusal{RefusalCode::method_not_allowed,
                              reason_against_method(request.method)};
    } catch (const std::exception& error) {  // out of memory
        return unavailable(error.what());
    }
}

// In the order of the contract's table.
Intake::Decision Gateway::take_post(Request& request) {
    if (std::optional<RequestRefusal> refusal = Intake::refuse_type(request)) return *refusal;
    if (!intake_) return unavailable("no valid config: " + config_.error());
    // By CGI; nothing of a body is looked at as root.
    if (!owner_problem_.empty() && ::geteuid() == 0) {
        return unavailable("store: " + owner_problem_);
    }
    return intake_->take(request,
                         {.installations = [this] { return post_store_.looks_up(*config_.current()); },
                          .renewal = [this] {
                              return config_.is_worth_a_look() && load_config(false);
                          }});
}

// -- Config, store, worker

void Gateway::refresh_config(bool force) {
    const bool had_config = config_.current() != nullptr;
    if (!config_.is_due(force)) return;
    store_.check_place();
    if (load_config(force) && !had_config && !options_.one_shot) wake_at_start();
}

bool Gateway::load_config(bool force) {
    if (!config_.load_changed(force)) return false;
    apply_config();
    if (options_.one_shot) return true;
    log_.info("config loaded",
              {{"file", config_.path()}, {"portals", config_.current()->portals.size()}});
    return true;
}

void Gateway::apply_config() {
    trouble_.attempt("the store cannot be used", [this] { become_owner(); });
    const Config& config = *config_.current();
    if (intake_) intake_->renew(config);
    else intake_ = std::make_unique<Intake>(config);
    store_.move_to(config.store);
    queue_.forget();
    post_store_.forget();
}

// Before any file, of the log too, is made.  Throws Error.
StoreOwner Gateway::become_owner() {
    std::optional<StoreOwner> owner;
    try {
        owner = options_.become_owner(*config_.current());
    } catch (const std::exception& error) {
        owner_problem_ = error.what();
        throw;
    }
    owner_problem_.clear();
    open_log();
    return *owner;
}

void Gateway::open_log() {
    LogSettings settings = config_.current() ? config_.current()->log : LogSettings();
    if (settings.file.empty() && !options_.log_file.empty()) {
        settings.file = options_.log_file;
        settings.rotate_at = default_rotate_at;
    }
    log_.configure(settings);
}

void Gateway::wake_at_start() {
    if (!config_.current()) return;
    bool unfinished = false;
    trouble_.attempt("cannot look for unfinished events", [&] {
        store_.use([&](EventSink& sink) { unfinished = sink.unfinished() > 0; });
    });
    if (unfinished) summon_worker();
}

// By CGI too: the answer is written already, and to look costs less than to open the store.
void Gateway::summon_for_chores() {
    const ConfigPtr& config = config_.current();
    const bool may_have = config && !config->apps.empty() && config->worker.auto_start;
    if (!may_have || !owner_problem_.empty() || !chores_.every(minute, steady_now())) return;
    std::optional<Millis> next;
    trouble_.attempt("cannot look for chores", [&] {
        store_.use([&](EventSink& sink) { next = sink.next_chore(); });
    });
    if (next && *next <= wall_now()) summoner_.summon(*config);
}

void Gateway::summon_worker() {
    if (config_.current()) summoner_.summon(*config_.current());
}

}  // namespace bx
