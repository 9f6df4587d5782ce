#include "gateway/installation_look_up.h"

#include <algorithm>
#include <exception>
#include <string>

#include "base/text.h"

namespace bx {

namespace {

constexpr Millis asked_every = 5 * second;

void sort_unique(std::vector<std::string>& names) {
    std::ranges::sort(names);
    const auto twice = std::ranges::unique(names);
    names.erase(twice.begin(), twice.end());
}

}  // namespace

bool InstallationLookUp::is_on(const Config& config) {
    if (!config.apps.empty()) return true;
    if (next_question_.every(asked_every, steady_now())) {
        try {
            store_.use([this](EventSink& sink) { any_ = sink.has_installations(); });
        } catch (const std::exception&) {  // who needs the store says so
        }
    }
    return any_;
}

std::vector<KnownInstallation> InstallationLookUp::find(std::span<const Post> posts) {
    std::vector<std::string> member_ids;
    std::vector<std::string> domains;
    for (const Post& post : posts) {
        if (!post.token.empty()) member_ids.push_back(post.event.facts.member_id);
        if (post.anyone) domains.push_back(lower(post.event.facts.domain));
    }
    sort_unique(member_ids);
    sort_unique(domains);
    std::vector<KnownInstallation> known;
    if (member_ids.empty() && domains.empty()) return known;
    store_.use([&](EventSink& sink) { known = sink.look_up(member_ids, domains); });
    return known;
}

}  // namespace bx
