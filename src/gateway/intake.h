// From a request to the post in it, or to the reason why it is refused.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "config/portal_index.h"
#include "event/event.h"
#include "event/gate.h"
#include "event/kinds.h"
#include "event/post_keys.h"
#include "form/form.h"
#include "gateway/post.h"
#include "gateway/request.h"
#include "store/records.h"

namespace bx {

class Intake {
public:
    // What a decoded body says, and what the gate says of its sender.
    struct Arrival {
        EventFacts facts;  // as sent
        GateResult gate;   // views of the body and of the Intake, up to the next one
    };

    // What is to be settled (settle.h), or why it is refused.
    using Decision = std::variant<Post, RequestRefusal>;

    // CONFIG's portals, apps, posts and limits are copied.
    explicit Intake(const Config& config)
        : index_(config.portal_index),
          portals_(index_ ? config.portals : std::vector<Portal>()),
          takes_apps_(!config.apps.empty()),
          gate_(config.portals, takes_apps_),
          keys_(config.posts),
          limits_(config.limits) {}

    // The same, in place of those that it has.
    void renew(const Config& config) { *this = Intake(config); }

    // The refusal of a body that no config could make readable, by its type and encoding.
    static std::optional<RequestRefusal> refuse_type(const Request& request);

    // What take() asks.
    struct Questions {
        // May a token be an installation's, whatever the configuration says?
        std::function<bool()> installations;
        // Looks for a newer config at once: true, it has been given to renew().
        std::function<bool()> renewal;
    };
    // The post in REQUEST; or the first refusal, in the contract's order, after those of method and
    // type.  `installations` is asked for a token that is whole: if not, one that is not right is
    // refused here.  A token is refused only when `renewal` finds nothing newer: Bitrix24 does not
    // resend what was refused a moment after its token was configured.  The body is consumed.
    // Throws std::bad_alloc.
    Decision take(Request& request, const Questions& ask);

    // -- The steps of take(), for a body that did not come in a request

    // Throws FormError when BODY cannot be decoded or exceeds the limits of fields or depth.
    Tree decode(std::string body, std::string_view content_type) const;
    // Throws BadEvent; with Config::portal_index PortalsChanged too.
    Arrival read(const Tree& body);
    // The event of BODY as it is to be stored, received now: of the portal that ARRIVAL's gate
    // found, or as sent when it knows none, and whatever it says of the token.
    static NewEvent make_event(const Tree& body, Arrival arrival);
    // The event of BODY as it is to be stored that came with the key of POST, of KIND.  Throws
    // BadEvent; with Config::portal_index PortalsChanged too.
    NewEvent make_keyed_event(const Tree& body, const KindSpec& kind, const PostBlock& post) const;

private:
    Decision verify(Request& request, const Questions& ask);
    Decision take_body(const Tree& body, const Request& request, const Questions& ask);
    std::optional<Decision> take_by_key(const Tree& body, const KindSpec& kind,
                                        const Request& request, const Questions& ask);
    Decision take_by_token(const Tree& body, const KindSpec& kind, const Questions& ask);
    Decision take_page(const Tree& body, AppPage page, const Request& request);
    Arrival read_renewed(const Tree& body, const Questions& ask);
    void find_portals(const EventFacts& sent);

    // Where the portals of the portals file are looked up: with them, those of the blocks.
    std::shared_ptr<const PortalIndex> index_;
    std::vector<Portal> portals_;
    bool takes_apps_;
    Gate nobody_{{}, true};
    Gate gate_;  // of the last body's sender, where they are looked up
    PostKeys keys_;
    Config::Limits limits_;
};

}  // namespace bx
