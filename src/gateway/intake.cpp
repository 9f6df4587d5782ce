#include "gateway/intake.h"

#include <array>
#include <utility>

#include "base/escape.h"
#include "base/text.h"
#include "event/payload.h"

namespace bx {

namespace {

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

RequestRefusal refusal_of(const Intake::Arrival& arrival) {
    // A mistyped domain or member_id of a portal block is seen by the portal alone, so both are said
    // as they were sent.  Both texts cost the same: the sender learns nothing from the time either.
    constexpr std::array portal{", unknown portal '", ", sent by portal '"};
    const GateResult& gate = arrival.gate;
    const EventFacts& facts = arrival.facts;
    std::string reason = std::string(describe(gate.verdict)) + portal[gate.known ? 1 : 0] +
                         facts.portal() + "'";
    if (!facts.domain.empty() && !facts.member_id.empty()) {
        reason += ", member_id '" + facts.member_id + "'";
    }
    return {RefusalCode::invalid_application_token, std::move(reason)};
}

}  // namespace

std::optional<RequestRefusal> Intake::refuse_type(const Request& request) {
    std::string reason = reason_against_type(request);
    if (reason.empty()) return std::nullopt;
    return RequestRefusal{RefusalCode::unsupported_content_type, std::move(reason)};
}

Intake::Decision Intake::take(Request& request, Log& log, const Renewal& renewal) {
    // The limit may have been another when the body was read.
    if (request.cut || request.body.size() > limits_.body) {
        return RequestRefusal{RefusalCode::too_large, "the body is larger than limits.body, " +
                                                          std::to_string(limits_.body) + " bytes"};
    }
    try {
        return verify(request, log, renewal);
    } catch (const FormError& error) {
        if (error.problem() != FormError::Problem::too_many_fields) return malformed(error.what());
        return RequestRefusal{RefusalCode::too_many_fields, error.what()};
    } catch (const BadEvent& error) {
        return malformed(error.what());
    }
}

// Throws FormError and BadEvent.
Intake::Decision Intake::verify(Request& request, Log& log, const Renewal& renewal) {
    const std::size_t size = request.body.size();
    const Tree body = decode(std::move(request.body), request.content_type);
    if (request.broken) return malformed("the body cannot be read to its end");
    if (request.content_length && declared_length(request) != size) {
        return malformed("CONTENT_LENGTH and the size of the body, " + std::to_string(size) +
                         " bytes, disagree");
    }
    Arrival arrival = read(body);
    if (arrival.gate.verdict != GateVerdict::allowed && renewal()) arrival = read(body);
    if (arrival.gate.verdict != GateVerdict::allowed) return refusal_of(arrival);
    if (arrival.gate.renamed) {
        log.warning("the portal's domain differs from its block's",
                    {{"member_id", arrival.facts.member_id},
                     {"domain", arrival.facts.domain},
                     {"configured", arrival.gate.sender.domain}});
    }
    return make_event(body, std::move(arrival));
}

Tree Intake::decode(std::string body, std::string_view content_type) const {
    return decode_body(std::move(body), content_type, {limits_.fields, limits_.depth});
}

Intake::Arrival Intake::read(const Tree& body) {
    EventFacts facts = read_event(body);
    if (index_) find_portals(facts);
    return {std::move(facts), gate_.check(body)};
}

void Intake::find_portals(const EventFacts& sent) {
    std::vector<Portal> portals = index_->find(sent.member_id, sent.domain);
    portals.insert(portals.end(), portals_.begin(), portals_.end());
    gate_ = Gate(portals);
}

NewEvent Intake::make_event(const Tree& body, Arrival arrival) {
    NewEvent event;
    event.facts = std::move(arrival.facts);
    if (arrival.gate.known) {
        event.facts.member_id = arrival.gate.sender.member_id;
        event.facts.domain = arrival.gate.sender.domain;
    }
    Payload payload = encode_payload(body);
    event.received_at = wall_now();
    event.body = std::move(payload.body);
    event.secrets = std::move(payload.secrets);
    return event;
}

}  // namespace bx
