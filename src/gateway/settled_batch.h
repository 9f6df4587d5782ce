// Posts that are settled, as the store takes them: in one transaction.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "gateway/settle.h"
#include "store/event_sink.h"

namespace bx {

class SettledBatch {
public:
    // Where what came of a request stands.
    struct Item {
        std::size_t index = 0;  // of the request
        std::size_t size = 0;   // of its body, in bytes
        std::optional<std::size_t> event{};  // in events(), and in AddedBatch::numbers
        std::optional<std::size_t> held{};   // in held(), and in AddedBatch::held
        std::optional<PageAnswer> page{};
    };

    // SETTLED has an event or a post to be held.
    void add(std::size_t index, std::size_t size, Settled settled);

    bool empty() const { return items_.empty(); }
    const std::vector<Item>& items() const { return items_; }
    const NewEvent& event(const Item& item) const { return events_[*item.event]; }
    const NewHeldPost& held(const Item& item) const { return held_[*item.held]; }

    // What the transaction takes, and what goes before and behind it: of no use to one that fails,
    // and harmless.
    NewBatch batch() const { return {events_, held_}; }
    const std::vector<Offer>& offers() const { return offers_; }
    const std::vector<SeenToken>& retired() const { return retired_; }

private:
    std::vector<Item> items_;
    std::vector<NewEvent> events_;
    std::vector<NewHeldPost> held_;
    std::vector<Offer> offers_;
    std::vector<SeenToken> retired_;
};

}  // namespace bx
