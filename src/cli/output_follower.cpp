#include "cli/output_follower.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace bx {

std::string OutputFollower::news(const Output& output) {
    const auto fresh = static_cast<std::size_t>(std::max<std::int64_t>(output.bytes - bytes_, 0));
    bytes_ = output.bytes;
    const std::string before = std::exchange(kept_, output.kept);
    const std::string_view kept = output.kept;
    // Not by the bytes of the stream: what is masked has others, and the end of what may become a
    // secret comes later than they are counted.
    if (kept.starts_with(before)) return std::string(kept.substr(before.size()));
    // It was cut: only the second half is sure to be the stream's end.
    const std::size_t at_hand = kept.size() / 2;
    if (fresh <= at_hand) return std::string(kept.substr(kept.size() - fresh));
    return "\n[" + std::to_string(fresh - at_hand) + " bytes were not kept]\n" +
           std::string(kept.substr(kept.size() - at_hand));
}

}  // namespace bx
