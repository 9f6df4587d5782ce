#include "worker/held_claims.h"

#include <algorithm>
#include <utility>

namespace bx {

namespace {

constexpr Millis moment = 20;  // in which runs ended that as many are held for
constexpr std::size_t bytes_at_most = std::size_t{1} << 20;

bool is_of(const Claim& claim, const DeliveryName& name) {
    return claim.event.number == name.event && claim.hook == name.hook;
}

}  // namespace

void HeldClaims::note_end(Millis now) {
    ends_[next_end_] = now;
    next_end_ = (next_end_ + 1) % most;
}

std::size_t HeldClaims::wanted(Millis now) const {
    const auto lately = static_cast<std::size_t>(std::ranges::count_if(
        ends_, [now](Millis end) { return end >= 0 && end + moment > now; }));
    const std::size_t in_all = std::min(lately, bytes_at_most / std::max(bytes_, std::size_t{1}));
    return in_all - std::min(in_all, size());
}

bool HeldClaims::has_hook(const std::string& hook) const {
    return std::ranges::any_of(claims_, [&](const Claim& claim) { return claim.hook == hook; });
}

std::vector<DeliveryName> HeldClaims::names() const {
    std::vector<DeliveryName> names;
    for (const Claim& claim : claims_) names.push_back({claim.event.number, claim.hook});
    return names;
}

void HeldClaims::add(Claim claim, Millis now) {
    drop({claim.event.number, claim.hook});
    if (empty()) moved_at_ = now;
    claims_.push_back(std::move(claim));
}

void HeldClaims::add_first(Claim claim, Millis now) {
    drop({claim.event.number, claim.hook});
    if (empty()) moved_at_ = now;
    claims_.push_front(std::move(claim));
}

void HeldClaims::drop(const DeliveryName& name) {
    std::erase_if(claims_, [&](const Claim& claim) { return is_of(claim, name); });
}

std::vector<Claim> HeldClaims::take(std::size_t count, Millis now) {
    std::vector<Claim> taken;
    moved_at_ = now;
    while (taken.size() < count && !claims_.empty()) {
        taken.push_back(std::move(claims_.front()));
        claims_.pop_front();
    }
    return taken;
}

}  // namespace bx
