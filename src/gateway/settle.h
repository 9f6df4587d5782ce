// What becomes of a post, now that the installations of its sender are looked up.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "gateway/post.h"
#include "store/event_sink.h"

namespace bx {

// An application's page is answered, whoever sent it.
struct PageAnswer {
    bool finish = false;  // it ends the installation (BX24.installFinish)
    std::string file;     // what it shows; empty: the built-in line
};

// One of EVENT, HELD and REFUSAL, of which a page has none, or one beside its answer.  An
// ONAPPINSTALL whose token is right already is an event, and held, without a body, to be verified.
struct Settled {
    std::optional<NewEvent> event{};
    std::optional<NewHeldPost> held{};
    std::optional<RequestRefusal> refusal{};
    std::optional<PageAnswer> page{};
    std::optional<SeenToken> retire{};       // EventSink::retire_tokens
    std::optional<Offer> offer{};            // EventSink::heal
};

// KNOWN has the installations of POST's sender, and of a POST by `anyone` those with its domain.
// APPS are the configuration's.  The event is moved out of POST, which is left whole where it is
// only held: it may have to be settled again.
Settled settle(Post& post, std::span<const KnownInstallation> known, const std::vector<App>& apps,
               Log& log);

// What a person is to write to have an installation taken, the end of a refusal's reason.
std::string hint_for_app();

}  // namespace bx
