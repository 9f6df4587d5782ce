// The gateway's store: opened when first needed, and again after trouble, at most once a second.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "config/store_place.h"
#include "host/file_id.h"
#include "store/store.h"

namespace bx {

using StoreOpener =
    std::function<std::unique_ptr<Store>(const StorePlace& place, const StoreOptions& options)>;

class StoreSlot {
public:
    StoreSlot(StoreOpener open, StoreOptions options);

    // The store is at PLACE from now on; the one of another place is closed.
    void move_to(const StorePlace& place);
    // Closes a store whose file is no longer the one at its place (replaced, restored, removed):
    // what is written to it would be lost.
    void check_place();

    // Runs WORK on the open store.  Throws what opening it threw (within a second of a failure the
    // same again, without another try) or what WORK threw; after anything but StoreBusy it is
    // opened anew, not before a second has passed.
    void use(const std::function<void(EventSink&)>& work);

private:
    FileId id_at_place() const;
    void open();
    void close_after(const std::string& cause);

    StoreOpener open_;
    StoreOptions options_;
    StorePlace place_;
    std::unique_ptr<Store> store_;
    FileId opened_;
    Millis next_try_ = 0;
    std::string failure_;
};

}  // namespace bx
