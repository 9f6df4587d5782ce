// What a command that erased secrets does at its end.
#pragma once

#include "store/store.h"

namespace bx {

// Makes erased secrets leave the files of STORE, whether a worker runs or not.  It tries for some
// seconds while others read there; says so on stderr where that was not enough, and throws nothing.
void scrub(Store& store);

}  // namespace bx
