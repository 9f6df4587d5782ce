#include "gateway/store_slot.h"

#include <utility>

namespace bx {

StoreSlot::StoreSlot(StoreOpener open, StoreOptions options)
    : open_(std::move(open)), options_(std::move(options)) {}

void StoreSlot::move_to(const StorePlace& place) {
    if (place == place_) return;
    store_.reset();
    place_ = place;
    next_try_ = 0;
}

FileId StoreSlot::id_at_place() const {
    return place_.is_file() ? file_id(place_.address) : FileId{};
}

void StoreSlot::check_place() {
    if (store_ && id_at_place() != opened_) store_.reset();
}

void StoreSlot::use(const std::function<void(EventSink&)>& work) {
    if (!store_ && steady_now() < next_try_) throw StoreError(failure_);
    try {
        if (!store_) open();
        work(store_->sink());
    } catch (const StoreBusy&) {
        throw;
    } catch (const std::exception& error) {
        close_after(error.what());
        throw;
    }
}

void StoreSlot::open() {
    store_ = open_(place_, options_);
    opened_ = id_at_place();
}

void StoreSlot::close_after(const std::string& cause) {
    store_.reset();
    failure_ = cause;
    next_try_ = steady_now() + second;
}

}  // namespace bx
