#include "cli/output_follower.h"

#include <cstddef>
#include <string_view>

namespace bx {

std::string OutputFollower::news(const Output& output) {
    const std::int64_t fresh = output.bytes - shown_;
    shown_ = output.bytes;
    if (fresh <= 0) return "";
    const std::string_view kept = output.kept;
    const auto wanted = static_cast<std::size_t>(fresh);
    // Of an output that was cut, only the second half is sure to be the stream's end.
    const bool cut = output.bytes > static_cast<std::int64_t>(kept.size());
    const std::size_t at_hand = cut ? kept.size() / 2 : kept.size();
    if (wanted <= at_hand) return std::string(kept.substr(kept.size() - wanted));
    if (shown_ == fresh) return std::string(kept);  // the first look: its own mark shows the cut
    return "\n[" + std::to_string(wanted - at_hand) + " bytes were not kept]\n" +
           std::string(kept.substr(kept.size() - at_hand));
}

}  // namespace bx
