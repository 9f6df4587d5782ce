#include "gateway/intake.h"

#include <utility>

#include "base/escape.h"
#include "base/sha256.h"
#include "base/text.h"
#include "config/posts.h"
#include "event/payload.h"
#include "gateway/post_key.h"
#include "gateway/settle.h"

namespace bx {

namespace {

constexpr std::string_view install_code = "ONAPPINSTALL";
constexpr std::size_t query_fields = 100;

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

RequestRefusal malformed(std::string reason) {
    return {RefusalCode::malformed, std::move(reason)};
}

constexpr std::string_view how_to_key = "the key of a `post` block, as URL?key=KEY";

RequestRefusal forbidden(std::string reason) {
    return {RefusalCode::invalid_application_token, std::move(reason)};
}

bool has_token(const Tree& body) {
    const Value token = body.root()["auth"]["application_token"];
    return token && !(token.is_text() && token.text().empty() && !token.rewritten());
}

bool is_install(const EventFacts& facts) { return facts.code == install_code; }

// With PAYLOAD, received now.
void fill(NewEvent& event, Payload payload) {
    event.received_at = wall_now();
    event.body = std::move(payload.body);
    event.secrets = std::move(payload.secrets);
}

// DOMAIN of the query of an application's page, as sent; empty where it is none.
std::string domain_in(const std::string& query) {
    try {
        const Tree fields = decode_urlencoded(query, {query_fields, 1});
        return read_portal_name(fields.root()["DOMAIN"], "DOMAIN");
    } catch (const Error&) {
        return {};
    }
}

}  // namespace

std::optional<RequestRefusal> Intake::refuse_type(const Request& request) {
    std::string reason = reason_against_type(request);
    if (reason.empty()) return std::nullopt;
    return RequestRefusal{RefusalCode::unsupported_content_type, std::move(reason)};
}

Intake::Decision Intake::take(Request& request, const Questions& ask) {
    // The limit may have been another when the body was read.
    if (request.cut || request.body.size() > limits_.body) {
        return RequestRefusal{RefusalCode::too_large, "the body is larger than limits.body, " +
                                                          std::to_string(limits_.body) + " bytes"};
    }
    try {
        return verify(request, ask);
    } catch (const FormError& error) {
        if (error.problem() != FormError::Problem::too_many_fields) return malformed(error.what());
        return RequestRefusal{RefusalCode::too_many_fields, error.what()};
    } catch (const BadEvent& error) {
        return malformed(error.what());
    }
}

// Throws FormError and BadEvent.
Intake::Decision Intake::verify(Request& request, const Questions& ask) {
    const std::size_t size = request.body.size();
    const Tree body = decode(std::move(request.body), request.content_type);
    if (request.broken) return malformed("the body cannot be read to its end");
    if (request.content_length && declared_length(request) != size) {
        return malformed("CONTENT_LENGTH and the size of the body, " + std::to_string(size) +
                         " bytes, disagree");
    }
    Decision decision = take_body(body, request, ask);
    if (auto* post = std::get_if<Post>(&decision)) {
        post->peer = request.remote_addr;
        post->size = size;
    }
    return decision;
}

Intake::Decision Intake::take_body(const Tree& body, const Request& request,
                                   const Questions& ask) {
    const KindSpec& kind = kind_of_post(body);
    if (kind.kind == PostKind::page) return take_page(body, read_app_page(body), request);
    if (!has_token(body)) {
        std::optional<Decision> decision;
        try {
            decision = take_by_key(body, kind, request, ask);
        } catch (const PortalsChanged&) {  // while the body came
            if (!ask.renewal()) throw;
            decision = take_by_key(body, kind, request, ask);
        }
        if (decision) return std::move(*decision);
    }
    return take_by_token(body, kind, ask);
}

// None: what has no token is refused as any event would be.
std::optional<Intake::Decision> Intake::take_by_key(const Tree& body, const KindSpec& kind,
                                                    const Request& request,
                                                    const Questions& ask) {
    const PostKey key = post_key_of(request);
    const bool is_one = key.state == PostKey::State::one;
    const PostBlock* block = is_one ? keys_.find(key.text) : nullptr;
    if (is_one && block == nullptr && ask.renewal()) block = keys_.find(key.text);
    if (block != nullptr) {
        Post post;
        post.verdict = GateVerdict::allowed;
        post.known = true;
        post.event = make_keyed_event(body, kind, *block);
        post.member_id = post.event.facts.member_id;
        post.domain = post.event.facts.domain;
        post.names_domain_alone = post.member_id.empty() && ask.installations();
        return post;
    }
    if (kind.sender_waits) return refusal_of(kind);
    if (key.state != PostKey::State::none) return forbidden(is_one ? "wrong key" : "key repeated");
    if (kind.kind != PostKind::webhook_robot) return std::nullopt;
    return forbidden("a post of " + std::string(kind.name) + ", which has no token: it needs " +
                     std::string(how_to_key));
}

Intake::Decision Intake::take_by_token(const Tree& body, const KindSpec& kind,
                                       const Questions& ask) {
    Arrival arrival = read_renewed(body, ask);
    if (kind.kind == PostKind::event) check_posted_code(arrival.facts.code);
    // Of a configuration whose last block was taken away.
    const bool nobody = arrival.gate.verdict == GateVerdict::no_portal_configured;
    const GateResult gate = nobody && ask.installations() ? nobody_.check(body) : arrival.gate;
    const bool allowed = gate.verdict == GateVerdict::allowed;
    const bool may_be_one =
        (allowed || gate.verdict == GateVerdict::token_wrong) && ask.installations();
    if (!allowed && !may_be_one) {
        RequestRefusal refusal = refusal_of(gate.verdict, gate.known, arrival.facts);
        if (!takes_apps_ && is_install(arrival.facts)) refusal.reason += hint_for_app();
        if (kind.kind == PostKind::sms && !has_token(body)) {
            refusal.reason.append("; an SMS without author has none: it needs ").append(how_to_key);
        }
        return refusal;
    }
    Post post;
    post.verdict = gate.verdict;
    post.known = gate.known;
    post.renamed = gate.renamed;
    post.anyone = gate.anyone;
    if (kind.sender_waits) post.waits = &kind;
    post.member_id = gate.sender.member_id;
    post.domain = gate.sender.domain;
    post.event = make_event(body, {std::move(arrival.facts), {}});
    const EventFacts& facts = post.event.facts;
    if (may_be_one && !facts.member_id.empty()) {
        post.token = sha256(body.root()["auth"]["application_token"].text());
        post.tokens = posted_tokens(body);
    }
    if (is_install(facts)) {
        post.kind = Post::Kind::install;
        post.bare = encode_payload(body, false);
    }
    return post;
}

Intake::Decision Intake::take_page(const Tree& body, AppPage page, const Request& request) {
    if (!takes_apps_) {
        return forbidden("the page of an application, and no `app` block" + hint_for_app());
    }
    Post post;
    post.kind = Post::Kind::page;
    post.event.facts.code = install_code;
    post.event.facts.kind = install_code;
    post.event.facts.member_id = std::move(page.member_id);
    post.event.facts.domain = domain_in(request.query);
    fill(post.event, encode_payload(body, false));
    const bool has_key = !page.key.empty() && !post.event.facts.member_id.empty();
    if (has_key) post.token = sha256(page.key);
    post.by_auth_id = page.by_auth_id;
    post.is_default = page.is_default;
    if (has_key) post.tokens = std::move(page.tokens);
    return post;
}

Tree Intake::decode(std::string body, std::string_view content_type) const {
    return decode_body(std::move(body), content_type, {limits_.fields, limits_.depth});
}

// As read(), by the newest config where the one in force does not know the sender.
Intake::Arrival Intake::read_renewed(const Tree& body, const Questions& ask) {
    try {
        Arrival arrival = read(body);
        if (arrival.gate.verdict == GateVerdict::allowed || !ask.renewal()) return arrival;
    } catch (const PortalsChanged&) {  // while the body came
        if (!ask.renewal()) throw;
    }
    return read(body);
}

Intake::Arrival Intake::read(const Tree& body) {
    EventFacts facts = read_event(body);
    if (index_) find_portals(facts);
    return {std::move(facts), gate_.check(body)};
}

void Intake::find_portals(const EventFacts& sent) {
    std::vector<Portal> portals = index_->find(sent.member_id, sent.domain);
    portals.insert(portals.end(), portals_.begin(), portals_.end());
    gate_ = Gate(portals, takes_apps_);
}

NewEvent Intake::make_event(const Tree& body, Arrival arrival) {
    NewEvent event;
    event.facts = std::move(arrival.facts);
    if (arrival.gate.known) {
        event.facts.member_id = arrival.gate.sender.member_id;
        event.facts.domain = arrival.gate.sender.domain;
    }
    fill(event, encode_payload(body));
    return event;
}

NewEvent Intake::make_keyed_event(const Tree& body, const KindSpec& kind,
                                  const PostBlock& post) const {
    NewEvent event;
    event.facts = read_keyed(body, kind, post.name);
    PostBlock of_portal = post;
    if (index_) find_portal_of(of_portal, index_->find(post.portal, lower(post.portal)));
    event.facts.member_id = of_portal.member_id;
    event.facts.domain = of_portal.domain;
    fill(event, encode_payload(body));
    return event;
}

}  // namespace bx
