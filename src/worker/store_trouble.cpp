#include "worker/store_trouble.h"

namespace bx {

void StoreTrouble::note(const std::string& what, Millis retry_after, Millis now) {
    if (none()) lasting_.set(now + lasting_trouble);
    if (what != what_ || said_.due(now)) {
        log_.error("in trouble, trying again", {{"cause", what}});
        said_.set(now + minute);
    }
    what_ = what;
    retry_.set(now + retry_after);
}

void StoreTrouble::end() {
    if (!none()) log_.info("out of trouble");
    what_.clear();
}

}  // namespace bx
