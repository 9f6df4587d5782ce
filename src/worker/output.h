// What a hook prints: masked, then cut, so that no secret and no half of one is ever kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/mask.h"
#include "store/records.h"

namespace bx {

// Keeps the head and the tail of a stream, at most MAX bytes, the cut marked between them.
class OutputKeeper {
public:
    OutputKeeper(std::size_t max, const std::vector<std::string>& secrets)
        : max_(max), masker_(secrets) {}

    void add(std::string_view data);
    void end() { keep(masker_.end()); }  // nothing follows
    // What is kept so far, without the bytes that may be the beginning of a secret.
    Output take() const;
    std::int64_t bytes() const { return bytes_; }  // that the hook wrote

private:
    void keep(std::string_view masked);

    std::size_t max_;
    Masker masker_;
    std::int64_t bytes_ = 0;
    std::size_t masked_bytes_ = 0;  // went through keep()
    std::string head_;              // the first max_ / 2 of them
    std::string tail_;              // the last of the others, at least max_ if there were so many
};

}  // namespace bx
