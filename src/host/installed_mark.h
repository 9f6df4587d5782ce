// The file beside a SQLite store that says that the store has, or had, installations: a process of
// one request looks there, and so opens no store for a post that it refuses.
#pragma once

#include <string>

namespace bx {

// WORKER_FILES: StorePlace's.
bool is_marked_installed(const std::string& worker_files);
// True when it is there afterwards.
bool mark_installed(const std::string& worker_files);

}  // namespace bx
