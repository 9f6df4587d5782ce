#include "gateway/verdicts.h"

#include <utility>

#include "base/fd.h"

namespace bx {

namespace {

constexpr std::size_t page_bytes = std::size_t{256} << 10;  // more is cut

}  // namespace

RequestRefusal unavailable(std::string reason) {
    return {RefusalCode::unavailable, std::move(reason)};
}

Answer Verdicts::accept(const NewEvent& event, EventNumber number, const Request& request) {
    log_.info("accepted", {{"event", number},
                           {"code", event.facts.code},
                           {"id", event.facts.id},
                           {"portal", event.facts.portal()},
                           {"handler", event.facts.handler_id},
                           {"peer", request.remote_addr}});
    return accepted_answer(number);
}

Answer Verdicts::hold(const NewHeldPost& post, const Request& request) {
    const EventFacts& facts = post.event.facts;
    log_.info("held until its installation is verified", {{"code", facts.code},
                                                          {"member_id", facts.member_id},
                                                          {"domain", facts.domain},
                                                          {"peer", request.remote_addr}});
    return held_answer();
}

Answer Verdicts::show(const PageAnswer& page) {
    std::string shown;
    if (!page.file.empty()) {
        shown = first_bytes(page.file, page_bytes);
        if (shown.empty()) {
            trouble_.report("cannot show the page of the application",
                            "'" + page.file + "' cannot be read, or is empty: correct `page`, or "
                            "chmod a+r it");
        }
    }
    return page_answer(shown, page.finish);
}

Answer Verdicts::refuse(const RequestRefusal& refusal, const Request& request, std::size_t size) {
    const RefusalSpec& spec = spec_of(refusal.code);
    const LogFields fields{{"status", spec.status},
                           {"error", spec.word},
                           {"reason", refusal.reason},
                           {"peer", request.remote_addr},
                           {"size", size}};
    refusal.asked_for ? log_.info("refused", fields) : log_.warning("refused", fields);
    return refusal_answer(refusal);
}

}  // namespace bx
