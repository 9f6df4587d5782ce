#include "event/post_keys.h"

#include "base/sha256.h"
#include "event/token_proof.h"

namespace bx {

PostKeys::PostKeys(const std::vector<PostBlock>& posts) : posts_(posts) {
    for (const PostBlock& post : posts_) digests_.push_back(sha256(post.key));
}

// All are compared, also behind the one that is right.
const PostBlock* PostKeys::find(std::string_view key) const {
    const std::string digest = sha256(key);
    const PostBlock* found = nullptr;
    for (std::size_t i = 0; i < posts_.size(); ++i) {
        if (has_digest(digests_[i], digest)) found = &posts_[i];
    }
    return found;
}

}  // namespace bx
