#include "config/posts.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/text.h"
#include "config/hook_name.h"

namespace bx {

namespace {

constexpr std::size_t max_name = 200;  // "WEBHOOK.NAME" is a code, which has at most 255 bytes

// The portals that posts name, by domain or member_id.
class Wanted {
public:
    void add(const std::string& name) {
        domains_.emplace(lower(name), nullptr);
        members_.emplace(name, nullptr);
    }

    // Each after the other: the first that has a name counts.
    void see(const Portal& portal) {
        note(domains_, portal.domain, portal);
        note(members_, portal.member_id, portal);
    }

    // Null: there is none.  Of two, one by each name, the one that was seen first.
    const Portal* find(const std::string& name) const {
        const Portal* by_domain = domains_.at(lower(name));
        const Portal* by_member = members_.at(name);
        if (by_domain == nullptr || by_member == nullptr) {
            return by_domain == nullptr ? by_member : by_domain;
        }
        return std::min(by_domain, by_member);  // both lie in one list
    }

private:
    using Names = std::unordered_map<std::string, const Portal*>;

    static void note(Names& names, const std::string& name, const Portal& portal) {
        const auto found = names.find(name);
        if (found != names.end() && found->second == nullptr) found->second = &portal;
    }

    Names domains_;
    Names members_;
};

}  // namespace

bool is_post_name(const std::string& name) {
    return is_hook_name(name) && name.size() <= max_name;
}

std::string not_a_post_name(const std::string& name) {
    return quoted(name) + " is not the name of a post block: use letters, digits, '.', '_' and "
                          "'-', and begin with a letter or digit";
}

std::string place_of(const PostBlock& post) { return "post " + post.name; }

void check_post(const PostBlock& post, Problems& problems) {
    if (post.key.empty()) {
        problems.add(place_of(post), "has no key: 'openssl rand -hex 16' makes one");
    }
    if (post.portal.empty()) {
        problems.add(place_of(post), "has no portal: write the domain of the one that it is of");
    }
}

void check_duplicates(const std::vector<PostBlock>& posts, Problems& problems) {
    std::map<std::string, const PostBlock*> names;
    std::map<std::string, const PostBlock*> keys;
    for (const PostBlock& post : posts) {
        const auto [same_name, is_new] = names.try_emplace(upper(post.name), &post);
        if (!is_new) {
            problems.add(place_of(post), post.name == same_name->second->name
                                             ? "is given twice"
                                             : "differs from " + place_of(*same_name->second) +
                                                   " in upper and lower case alone");
        }
        if (post.key.empty()) continue;
        const auto [same_key, is_new_key] = keys.try_emplace(post.key, &post);
        if (!is_new_key) {
            problems.add(place_of(post), "has the key of " + place_of(*same_key->second) +
                                             ": each needs its own");
        }
    }
}

const PostBlock* find_post(std::span<const PostBlock> posts, std::string_view name) {
    const auto found = std::ranges::find_if(posts, [name](const PostBlock& post) {
        return equal_ignoring_case(post.name, name);
    });
    return found == posts.end() ? nullptr : &*found;
}

void find_portal_of(PostBlock& post, std::span<const Portal> portals) {
    find_portals_of({&post, 1}, portals);
}

void find_portals_of(std::span<PostBlock> posts, std::span<const Portal> portals) {
    if (posts.empty()) return;
    Wanted wanted;
    for (const PostBlock& post : posts) wanted.add(post.portal);
    for (const Portal& portal : portals) wanted.see(portal);
    for (PostBlock& post : posts) {
        if (const Portal* portal = wanted.find(post.portal)) {
            post.member_id = portal->member_id;
            post.domain = portal->domain;
        } else if (post.domain.empty() && post.member_id.empty()) {
            post.domain = lower(post.portal);
        }
    }
}

}  // namespace bx
