// What a hook prints: masked, then cut, so that no secret and no half of one is ever kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hooks/mask.h"
#include "store/records.h"

namespace bx {

// Gets each piece of a stream as it comes, masked and whole; it must not throw.
using OutputListener = std::function<void(std::string_view)>;

// Keeps the head and the tail of a stream, at most MAX bytes, the cut marked between them.
class OutputKeeper {
public:
    OutputKeeper(std::size_t max, std::vector<std::string> secrets, OutputListener listener = {})
        : max_(max), masker_(std::move(secrets)), listener_(std::move(listener)) {}

    void add(std::string_view data);
    void end() { keep(masker_.end()); }  // nothing follows
    // What is kept so far, without the bytes that may be the beginning of a secret.
    Output take() const;
    std::int64_t bytes() const { return bytes_; }  // that the hook wrote

private:
    void keep(std::string_view masked);

    std::size_t max_;
    Masker masker_;
    OutputListener listener_;
    std::int64_t bytes_ = 0;
    std::size_t masked_bytes_ = 0;  // went through keep()
    std::string head_;              // the first max_ / 2 of them
    std::string tail_;              // the last of the others, at least max_ if there were so many
};

}  // namespace bx
