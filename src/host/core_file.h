// What a crash of this process leaves on the disk.
#pragma once

namespace bx {

// From now on this process, and what it starts, leaves no core file, which would have the tokens it
// works with: whether the kernel writes it (core(5)) or a program that core_pattern names.  The hard
// limit stays: what is started may want one all the same.
void forbid_core_file();

}  // namespace bx
