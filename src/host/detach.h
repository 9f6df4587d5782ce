// Becoming a background process.
#pragma once

namespace bx {

// Goes on in a child of a child, in a session of its own, with /dev/null as 0, 1 and 2; the
// caller's process exits with status 0.  Only in a process with one thread.  Throws Error when it
// cannot.
void detach();

// Closes every descriptor from 3 up that whoever started us left open, and opens /dev/null for
// those of 0, 1 and 2 that are closed.  Once, before anything else is opened.
void close_inherited_descriptors();

}  // namespace bx
