// The `post` blocks: whose posts are accepted by a key, for want of an application_token.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/problems.h"

namespace bx {

// As a hook's name, but short enough to be part of a code.
bool is_post_name(const std::string& name);
// Why NAME is none.
std::string not_a_post_name(const std::string& name);

// "post site-form": for messages.
std::string place_of(const PostBlock& post);

// What is wrong with POST, whose keys are right by themselves, goes to PROBLEMS.
void check_post(const PostBlock& post, Problems& problems);

// Two of one name, in any case, or with one key.
void check_duplicates(const std::vector<PostBlock>& posts, Problems& problems);

// The block of that NAME, in any case; null: there is none.
const PostBlock* find_post(std::span<const PostBlock> posts, std::string_view name);

// Sets whose POST's posts are: member_id and domain of that of PORTALS which `portal` names, else
// `portal` as the domain.
void find_portal_of(PostBlock& post, std::span<const Portal> portals);

}  // namespace bx
