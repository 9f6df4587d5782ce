#include "store/installation.h"

#include <array>

#include "base/text.h"
#include "store/errors.h"
#include "store/words.h"

namespace bx {

namespace {

// All of it that is text; the rest is two numbers.
template <typename Event>
auto texts_of(Event& event) {
    auto& facts = event.facts;
    return std::array{&facts.code,    &facts.kind,       &facts.id, &facts.domain,  &facts.member_id,
                      &facts.user_id, &facts.handler_id, &facts.ts, &event.body, &event.secrets};
}

std::string_view taken(std::string_view& packed, const char* what) {
    const std::optional<std::string_view> word = take_word(packed);
    if (!word) throw StoreDamaged(std::string(what) + " is damaged");
    return *word;
}

}  // namespace

std::string_view name_of(InstallationState state) {
    switch (state) {
        case InstallationState::pending: return "pending";
        case InstallationState::active: return "active";
        case InstallationState::broken: return "broken";
        case InstallationState::gone: return "gone";
    }
    return "damaged";
}

std::int64_t& InstallationCounts::of(InstallationState state) {
    switch (state) {
        case InstallationState::pending: return pending;
        case InstallationState::active: return active;
        case InstallationState::broken: return broken;
        case InstallationState::gone: break;
    }
    return gone;
}

std::string describe(HoldResult result) {
    const HoldLimits& most = hold_limits;
    const std::string waiting = " until their installations are verified";
    switch (result) {
        case HoldResult::held: return "held";
        case HoldResult::changed: return "its installation changes";
        case HoldResult::full_of_installation:
            return std::to_string(most.of_installation) +
                   " posts of this installation are held already, until it is verified";
        case HoldResult::full:
            return std::to_string(most.posts) + " posts, or " + std::to_string(most.bytes >> 20) +
                   " MB of them, are held already" + waiting;
        case HoldResult::full_of_unclaimed:
            return std::to_string(most.posts / 2) + " posts, or " +
                   std::to_string(most.bytes >> 21) +
                   " MB of them, are held already of applications that no `app` block names";
        case HoldResult::full_of_unverified:
            return std::to_string(most.unverified) + " installations wait to be verified already";
    }
    return "not held";
}

NewEvent event_of(NewEvent post, const PostOwner& owner) {
    post.facts.member_id = owner.member_id;
    post.facts.domain = owner.domain;
    post.installation = owner.id;
    return post;
}

std::string pack_post(const NewEvent& event) {
    std::string packed;
    for (const std::string* text : texts_of(event)) append_word(packed, *text);
    append_word(packed, std::to_string(event.received_at));
    return packed;
}

NewEvent unpack_post(std::string_view packed) {
    constexpr const char* what = "a held post";
    NewEvent event;
    for (std::string* text : texts_of(event)) *text = taken(packed, what);
    event.received_at = parse_number(taken(packed, what)).value_or(0);
    return event;
}

std::string pack_tokens(const Tokens& tokens) {
    std::string packed;
    append_word(packed, tokens.access);
    append_word(packed, tokens.refresh);
    return packed;
}

Tokens unpack_tokens(std::string_view packed) {
    Tokens tokens;
    tokens.access = take_word(packed).value_or("");
    tokens.refresh = take_word(packed).value_or("");
    return tokens;
}

}  // namespace bx
