#include "config/posts.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "config/hook_name.h"

namespace bx {

namespace {

constexpr std::size_t max_name = 200;  // "WEBHOOK.NAME" is a code, which has at most 255 bytes

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
    const std::string domain = lower(post.portal);
    const auto found = std::ranges::find_if(portals, [&](const Portal& portal) {
        return portal.domain == domain || portal.member_id == post.portal;
    });
    if (found == portals.end()) {
        if (post.domain.empty() && post.member_id.empty()) post.domain = domain;
        return;
    }
    post.member_id = found->member_id;
    post.domain = found->domain;
}

}  // namespace bx
