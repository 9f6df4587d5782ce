#include "gateway/settle.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace bx {

namespace {

// What one post proves.
class Settling {
public:
    Settling(Post& post, std::span<const KnownInstallation> known, const std::vector<App>& apps,
             Log& log)
        : post_(post),
          apps_(apps),
          log_(log),
          known_(known),
          proof_(prove(post.event.facts.member_id, post.token, known)) {}

    Settled settle() {
        if (post_.kind == Post::Kind::page) settle_page();
        else settle_event();
        const bool would_be_taken = settled_.event || settled_.held;
        if (post_.waits != nullptr && would_be_taken) return {.refusal = refusal_of(*post_.waits)};
        return std::move(settled_);
    }

private:
    bool is_install() const { return post_.kind == Post::Kind::install; }
    bool proves_installation() const { return proof_.role == TokenRole::verified; }
    bool may_bring() const { return !apps_.empty() && post_.tokens.whole(); }

    void settle_event();
    void settle_page();
    void take_by_config();
    void find_member_id();
    void take_by_installation();
    void hold(HeldKind kind, bool becomes_event = true);
    void refuse();
    void note_renamed(const std::string& whose, const std::string& domain);
    void drop_refresh_tokens();
    Tokens tokens() const;
    bool every_app_is_active() const;
    std::string page_file() const;

    Post& post_;
    const std::vector<App>& apps_;
    Log& log_;
    std::span<const KnownInstallation> known_;
    TokenProof proof_;
    Settled settled_;
};

void Settling::settle_event() {
    const EventFacts& facts = post_.event.facts;
    const bool taken = post_.anyone && is_taken(facts.member_id, facts.domain, known_);
    if (proves_installation()) return take_by_installation();
    if (post_.verdict == GateVerdict::allowed && !taken) return take_by_config();
    if (proof_.role == TokenRole::pending) {
        return hold(is_install() && may_bring() ? HeldKind::install : HeldKind::post);
    }
    if (is_install() && may_bring()) return hold(HeldKind::install);
    if (proof_.role == TokenRole::of_tokenless) return hold(HeldKind::post);
    refuse();
}

// An application whose token stands in a portal block is installed like any other; the event is the
// configuration's already.
void Settling::take_by_config() {
    if (is_install() && may_bring()) {
        hold(HeldKind::install, false);
        drop_refresh_tokens();
    }
    if (post_.names_domain_alone) find_member_id();
    if (post_.renamed) note_renamed("block", post_.domain);
    settled_.event = std::move(post_.event);
    settled_.event->facts.member_id = post_.member_id;
    settled_.event->facts.domain = post_.domain;
}

// Of an installation of the portal that the key of POST is of: so its lanes are those of the portal's
// events.
void Settling::find_member_id() {
    const auto of_domain = [this](const KnownInstallation& one) {
        return one.verified && equal_ignoring_case(one.domain, post_.domain);
    };
    const auto found = std::ranges::find_if(known_, of_domain);
    if (found != known_.end()) post_.member_id = found->member_id;
}

void Settling::note_renamed(const std::string& whose, const std::string& domain) {
    log_.warning("the portal's domain differs from its " + whose + "'s",
                 {{"member_id", post_.event.facts.member_id},
                  {"domain", post_.event.facts.domain},
                  {"configured", domain}});
}

void Settling::take_by_installation() {
    const KnownInstallation& owner = *proof_.owner;
    if (proof_.replaces) settled_.retire = SeenToken{owner.id, owner.token};
    if (owner.broken && post_.tokens.whole() && post_.event.facts.user_id == owner.user_id) {
        settled_.offer = Offer{owner.id, owner.user_id, tokens()};
    }
    // Installed again: whether its tokens may replace those that are there is to be verified.
    if (is_install() && may_bring()) hold(HeldKind::install, false);
    if (is_install()) drop_refresh_tokens();
    const std::string& sent = post_.event.facts.domain;
    if (!sent.empty() && !equal_ignoring_case(sent, owner.domain)) {
        note_renamed("installation", owner.domain);
    }
    settled_.event = std::move(post_.event);
    settled_.event->facts.member_id = owner.member_id;
    settled_.event->facts.domain = owner.domain;
    settled_.event->installation = owner.id;
}

Tokens Settling::tokens() const {
    const PostedTokens& posted = post_.tokens;
    const Millis lasts = posted.expires_in * second;
    return {posted.access, posted.refresh, lasts == 0 ? 0 : post_.event.received_at + lasts};
}

void Settling::drop_refresh_tokens() {
    if (!post_.bare) return;
    post_.event.body = post_.bare->body;
    post_.event.secrets = post_.bare->secrets;
}

void Settling::hold(HeldKind kind, bool becomes_event) {
    const std::size_t size = post_.event.body.size() + post_.event.secrets.size();
    if (becomes_event && size > held_post_bytes) {
        settled_.refusal = RequestRefusal{
            RefusalCode::unavailable,
            "its installation is not verified yet, and a post that waits for that may have " +
                std::to_string(held_post_bytes >> 10) + " KB"};
        return;
    }
    NewHeldPost held{.kind = kind, .event = post_.event, .token = post_.token};
    if (kind != HeldKind::post) {
        held.tokens = tokens();
        held.server = post_.tokens.server;
        held.peer = post_.peer;
        if (post_.bare) held.event.body = post_.bare->body;
        if (post_.bare) held.event.secrets = post_.bare->secrets;
    }
    if (!becomes_event) {
        held.event.body.clear();
        held.event.secrets.clear();
    }
    settled_.held = std::move(held);
}

void Settling::refuse() {
    const EventFacts& facts = post_.event.facts;
    const bool known = post_.known || !of_member(facts.member_id, known_).empty();
    const bool wrong = post_.verdict == GateVerdict::allowed;  // of a block that may not take it
    settled_.refusal = refusal_of(wrong ? GateVerdict::token_wrong : post_.verdict, known, facts);
    if (!is_install()) return;
    settled_.refusal->reason +=
        apps_.empty() ? hint_for_app()
                      : std::string("; it has no tokens, or others than Bitrix24 gives");
}

// -- Pages

bool Settling::every_app_is_active() const {
    const auto members = of_member(post_.event.facts.member_id, known_);
    return std::ranges::all_of(apps_, [&](const App& app) {
        return !app.client_id.empty() &&
               std::ranges::any_of(members, [&](const KnownInstallation& one) {
                   return one.verified && !one.broken && one.client_id == app.client_id;
               });
    });
}

// Of the application whose page it is, where that is told.
std::string Settling::page_file() const {
    if (apps_.size() == 1) return apps_.front().page;
    if (!proves_installation()) return {};
    const auto app = std::ranges::find(apps_, proof_.owner->client_id, &App::client_id);
    return app == apps_.end() ? std::string() : app->page;
}

void Settling::settle_page() {
    const bool proves_active = proves_installation() && !proof_.owner->broken;
    const bool active = proves_active || every_app_is_active();
    settled_.page = PageAnswer{post_.is_default && !active, page_file()};
    if (active || !post_.is_default || !post_.tokens.whole()) return;
    hold(post_.by_auth_id ? HeldKind::page_key : HeldKind::page);
}

}  // namespace

std::string hint_for_app() {
    return "; to have its installation taken, add to the configuration: "
           "app { client_id ... client_secret ... }";
}

Settled settle(Post& post, std::span<const KnownInstallation> known, const std::vector<App>& apps,
               Log& log) {
    return Settling(post, known, apps, log).settle();
}

}  // namespace bx
