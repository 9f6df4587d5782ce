#include "gateway/installation_look_up.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "base/text.h"
#include "host/installed_mark.h"

namespace bx {

namespace {

constexpr Millis asked_every = 5 * second;
constexpr Millis believed_for = second;
constexpr std::size_t believed_at_most = 1000;  // installations

void sort_unique(std::vector<std::string>& names) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

bool InstallationLookUp::is_on(const Config& config) {
    if (!config.apps.empty()) return true;
    const StorePlace& place = config.store;
    if (one_shot_ && place.is_file()) return is_marked_installed(place.worker_files);
    const std::string& files = place.worker_files;
    const std::string store = place.for_people();
    if (one_shot_ && was_without_installations(files, store, asked_every)) return false;
    if (next_question_.every(asked_every, steady_now())) {
        try {
            store_.use([this](EventSink& sink) { any_ = sink.has_installations(); });
            if (one_shot_ && !*any_) note_without_installations(files, store);
        } catch (const std::exception&) {  // who needs the store says so
        }
    }
    return any_.value_or(true);
}

void InstallationLookUp::note_one(const Config& config) {
    if (!noted_ && config.store.is_file()) noted_ = mark_installed(config.store.worker_files);
}

// None: it has to be asked.
const InstallationLookUp::Believed* InstallationLookUp::belief_in(const Post& post,
                                                                  Millis now) const {
    if (post.kind != Post::Kind::event || post.anyone) return nullptr;
    const std::string& member_id = post.event.facts.member_id;
    const auto found = believed_.find(member_id);
    if (found == believed_.end() || found->second.until <= now) return nullptr;
    const TokenProof proof = prove(member_id, post.token, found->second.known);
    return proof.role == TokenRole::verified ? &found->second : nullptr;
}

// A portal of which there is more to do than to accept its posts is asked each time.
void InstallationLookUp::believe(const std::vector<KnownInstallation>& known, Millis now) {
    const auto is_plain = [](const KnownInstallation& one) {
        return one.verified && !one.broken && one.token_before.empty() && !one.token.empty();
    };
    if (believed_.size() + known.size() > believed_at_most) believed_.clear();
    for (auto first = known.begin(); first != known.end();) {
        const auto last = std::find_if(first, known.end(), [&](const KnownInstallation& one) {
            return one.member_id != first->member_id;
        });
        if (std::all_of(first, last, is_plain) && known.size() <= believed_at_most) {
            believed_[first->member_id] = {{first, last}, now + believed_for};
        } else {
            believed_.erase(first->member_id);
        }
        first = last;
    }
}

std::vector<KnownInstallation> InstallationLookUp::find(std::span<const Post> posts) {
    const Millis now = steady_now();
    std::vector<std::string> member_ids;
    std::vector<std::string> domains;
    std::vector<KnownInstallation> believed;
    for (const Post& post : posts) {
        if (const Believed* belief = belief_in(post, now)) {
            believed.insert(believed.end(), belief->known.begin(), belief->known.end());
        } else if (!post.token.empty() || post.kind == Post::Kind::page) {
            member_ids.push_back(post.event.facts.member_id);
        }
        if (post.names_domain_alone) domains.push_back(lower(post.domain));
        if (!post.anyone) continue;
        member_ids.push_back(lower(post.event.facts.member_id));  // whose it is, in any case
        domains.push_back(lower(post.event.facts.domain));
    }
    sort_unique(member_ids);
    sort_unique(domains);
    std::vector<KnownInstallation> known;
    if (!member_ids.empty() || !domains.empty()) {
        store_.use([&](EventSink& sink) { known = sink.look_up(member_ids, domains); });
        if (domains.empty()) believe(known, now);  // else some are of their domain alone
    }
    for (KnownInstallation& one : believed) {  // where it was asked, that is newer
        if (!std::ranges::binary_search(member_ids, one.member_id)) known.push_back(std::move(one));
    }
    sort_known(known);
    return known;
}

}  // namespace bx
