#include "gateway/gateway.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "base/fault.h"
#include "base/text.h"
#include "event/event.h"
#include "event/payload.h"
#include "form/form.h"

namespace bx {

// What is decided on one request: an answer, or none yet and an event to be committed.
struct Gateway::Verdict {
    std::optional<Answer> answer;
    std::optional<RequestRefusal> refusal;
    NewEvent event;
    EventNumber number = 0;  // of a committed event

    static Verdict refused(RefusalCode code, std::string reason) {
        Verdict verdict;
        verdict.refusal = RequestRefusal{code, std::move(reason)};
        verdict.answer = refusal_answer(*verdict.refusal);
        return verdict;
    }
};

namespace {

std::string reason_against_method(const std::string& method) {
    if (!method.empty()) return "events come by POST, this is " + method;
    return "the web server passes no REQUEST_METHOD: nginx needs 'include fastcgi_params;' in that "
           "location";
}

// Empty: the body can be decoded.
std::string reason_against_type(const Request& request) {
    constexpr std::string_view wanted =
        "application/x-www-form-urlencoded, multipart/form-data or application/json";
    const std::string& encoding = request.content_encoding;
    if (!encoding.empty() && !equal_ignoring_case(encoding, "identity")) {
        return "Content-Encoding '" + printable(encoding, 60) +
               "' is not supported: send the body uncompressed";
    }
    if (request.content_type.empty()) {
        return "there is no Content-Type: it must be " + std::string(wanted) +
               " (where the client sends one, the web server has to pass CONTENT_TYPE: nginx by "
               "'include fastcgi_params;')";
    }
    if (media_type(request.content_type) != MediaType::other) return {};
    return "Content-Type '" + printable(request.content_type, 100) + "' is not " +
           std::string(wanted);
}

}  // namespace

Gateway::Gateway(std::string config_path, Options options, Log& log)
    : options_(std::move(options)),
      log_(log),
      config_(std::move(config_path), log),
      trouble_(log),
      store_(
          [this](const std::string& place, const StoreOptions& wanted) {
              become_owner();
              return options_.open(place, wanted);
          },
          StoreOptions{.one_shot = options_.one_shot, .give_up = options_.give_up}),
      queue_(store_, trouble_, log),
      worker_(options_.start, log) {
    refresh_config(true);
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
    std::vector<NewEvent> events;
    std::vector<std::size_t> senders;  // of the events: indexes of their requests
    std::vector<std::size_t> sizes;    // of the bodies, which are consumed
    for (std::size_t i = 0; i < requests.size(); ++i) {
        sizes.push_back(requests[i].body.size());
        Verdict verdict = judge(requests[i]);
        if (verdict.answer) {
            log_verdict(requests[i], sizes[i], verdict);
            answer(i, *verdict.answer);
        } else {
            events.push_back(std::move(verdict.event));
            senders.push_back(i);
        }
    }
    if (events.empty()) return;

    std::vector<Verdict> verdicts = commit(events);
    const bool any_added = std::ranges::any_of(
        verdicts, [](const Verdict& verdict) { return verdict.number > 0; });
    // Should the memory end among the answers, what was added gets its worker all the same.
    if (any_added && !options_.one_shot) worker_.set_due();
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        std::size_t sender = senders[i];
        verdicts[i].event = std::move(events[i]);
        log_verdict(requests[sender], sizes[sender], verdicts[i]);
        fault_point("before-answer");
        answer(sender, *verdicts[i].answer);
    }
    fault_point("after-answers");
    if (any_added && !options_.one_shot) summon_worker();
    if (any_added) queue_.warn_if_nearly_full(config_.current()->limits);
}

// -- The verdict, in the order of the contract's table

Gateway::Verdict Gateway::judge(Request& request) {
    try {
        if (request.method == "GET" || request.method == "HEAD") {
            Verdict verdict;
            std::string_view line = is_ready() ? "bxhook: ready" : "bxhook: not ready, see its log";
            verdict.answer = line_answer(line, request.method == "HEAD");
            return verdict;
        }
        if (request.method != "POST") {
            return Verdict::refused(RefusalCode::method_not_allowed,
                                    reason_against_method(request.method));
        }
        if (std::string reason = reason_against_type(request); !reason.empty()) {
            return Verdict::refused(RefusalCode::unsupported_content_type, std::move(reason));
        }
        return judge_event(request);
    } catch (const std::exception& error) {  // out of memory
        return Verdict::refused(RefusalCode::unavailable, error.what());
    }
}

Gateway::Verdict Gateway::judge_event(Request& request) {
    if (!config_.current()) {
        return Verdict::refused(RefusalCode::unavailable, "no valid config: " + config_.error());
    }
    // By CGI; nothing of a body is looked at as root.
    if (!owner_problem_.empty() && ::geteuid() == 0) {
        return Verdict::refused(RefusalCode::unavailable, "store: " + owner_problem_);
    }
    // The limit may have been another when the body was read.
    if (request.cut || request.body.size() > config_.current()->limits.body) {
        return Verdict::refused(RefusalCode::too_large,
                                "the body is larger than limits.body, " +
                                    std::to_string(config_.current()->limits.body) + " bytes");
    }
    try {
        return verify(request);
    } catch (const FormError& error) {
        bool fields = error.problem() == FormError::Problem::too_many_fields;
        return fields ? Verdict::refused(RefusalCode::too_many_fields, error.what())
                      : Verdict::refused(RefusalCode::malformed, error.what());
    } catch (const BadEvent& error) {
        return Verdict::refused(RefusalCode::malformed, error.what());
    }
}

// Throws FormError and BadEvent.
Gateway::Verdict Gateway::verify(Request& request) {
    std::size_t size = request.body.size();
    const FormLimits limits{config_.current()->limits.fields, config_.current()->limits.depth};
    Tree body = decode_body(std::move(request.body), request.content_type, limits);
    if (request.broken) {
        return Verdict::refused(RefusalCode::malformed, "the body cannot be read to its end");
    }
    if (request.content_length && declared_length(request) != size) {
        return Verdict::refused(RefusalCode::malformed,
                                "CONTENT_LENGTH and the size of the body, " + std::to_string(size) +
                                    " bytes, disagree");
    }
    Verdict verdict;
    EventFacts& facts = verdict.event.facts;
    facts = read_event(body);
    const GateResult gate = gate_->check(body);
    if (gate.verdict != GateVerdict::allowed) {
        // A mistyped domain or member_id of a portal block is seen by the portal alone.  Both texts
        // cost the same: the sender learns nothing from the time either.
        constexpr std::array portal{", unknown portal '", ", sent by portal '"};
        return Verdict::refused(RefusalCode::invalid_application_token,
                                std::string(describe(gate.verdict)) +
                                    portal[gate.known ? 1 : 0] + facts.portal() + "'");
    }
    if (gate.renamed) {
        log_.warning("the portal has another domain than its block says",
                     {{"member_id", facts.member_id},
                      {"domain", facts.domain},
                      {"configured", gate.sender.domain}});
    }
    facts.member_id = gate.sender.member_id;
    facts.domain = gate.sender.domain;
    Payload payload = encode_payload(body);
    verdict.event.received_at = wall_now();
    verdict.event.body = std::move(payload.body);
    verdict.event.secrets = std::move(payload.secrets);
    return verdict;
}

std::vector<Gateway::Verdict> Gateway::commit(std::span<const NewEvent> events) {
    std::vector<std::optional<EventNumber>> numbers;
    const std::optional<std::string> trouble = trouble_.attempt("cannot store events", [&] {
        store_.use([&](auto& store) {
            numbers = store.add(events, config_.current()->limits.queue);
        });
    });

    std::vector<Verdict> verdicts;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (trouble) {
            verdicts.push_back(Verdict::refused(RefusalCode::unavailable, "store: " + *trouble));
        } else if (!numbers[i]) {
            verdicts.push_back(Verdict::refused(RefusalCode::unavailable,
                                                "limits.queue unfinished events reached"));
        } else {
            verdicts.emplace_back();
            verdicts.back().number = *numbers[i];
            verdicts.back().answer = accepted_answer(*numbers[i]);
        }
    }
    return verdicts;
}

void Gateway::log_verdict(const Request& request, std::size_t size, const Verdict& verdict) {
    if (verdict.number > 0) {
        const EventFacts& facts = verdict.event.facts;
        log_.info("accepted", {{"event", verdict.number},
                               {"code", facts.code},
                               {"portal", facts.portal()},
                               {"handler", facts.handler_id},
                               {"peer", request.remote_addr}});
    } else if (verdict.refusal) {
        const RefusalSpec& spec = spec_of(verdict.refusal->code);
        log_.warning("refused", {{"status", spec.status},
                                 {"error", spec.word},
                                 {"reason", verdict.refusal->reason},
                                 {"peer", request.remote_addr},
                                 {"size", size}});
    }
}

// -- Config, store, worker

void Gateway::refresh_config(bool force) {
    if (!config_.is_due(force)) return;
    store_.check_place();
    if (!config_.load_changed(force)) return;
    apply_config();
    if (options_.one_shot) return;
    log_.info("config loaded", {{"file", config_.path()},
                                {"portals", config_.current()->portals.size()}});
}

void Gateway::apply_config() {
    trouble_.attempt("the store cannot be used", [this] { become_owner(); });
    const Config& config = *config_.current();
    gate_ = std::make_unique<Gate>(config.portals);
    store_.move_to(config.store);
    queue_.forget();
}

// Before any file, of the log too, is made.  Throws Error.
void Gateway::become_owner() {
    try {
        options_.become_owner(*config_.current());
    } catch (const std::exception& error) {
        owner_problem_ = error.what();
        throw;
    }
    owner_problem_.clear();
    open_log();
}

void Gateway::open_log() {
    LogSettings settings = config_.current() ? config_.current()->log : LogSettings();
    if (settings.file.empty() && !options_.log_file.empty()) {
        settings.file = options_.log_file;
        settings.rotate_at = default_rotate_at;
    }
    log_.configure(settings);
}

// True when a POST with a right token would be accepted now.
bool Gateway::is_ready() {
    const ConfigPtr& config = config_.current();
    if (config && !config->portals.empty()) return queue_.accepts_events(config->limits);
    trouble_.report("not ready", config ? "no portal is configured" : config_.error());
    return false;
}

void Gateway::wake_at_start() {
    if (!config_.current()) return;
    bool unfinished = false;
    trouble_.attempt("cannot look for unfinished events", [&] {
        store_.use([&](auto& store) { unfinished = store.has_unfinished(); });
    });
    if (unfinished) summon_worker();
}

void Gateway::summon_worker() {
    if (config_.current()) worker_.summon(*config_.current());
}

}  // namespace bx
