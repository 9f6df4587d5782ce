// The keys of the `post` blocks: who may send posts that carry no application_token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace bx {

class PostKeys {
public:
    // POSTS are copied.
    explicit PostKeys(const std::vector<PostBlock>& posts);

    // The block of KEY; null: it is nobody's.  The time depends on the length of KEY and the number
    // of blocks, not on how much of a key was right.  Valid as long as this.
    const PostBlock* find(std::string_view key) const;

private:
    std::vector<PostBlock> posts_;
    std::vector<std::string> digests_;  // SHA-256 of their keys
};

}  // namespace bx
