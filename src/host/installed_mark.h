// The file beside a SQLite store that says that the store has, or had, installations: a process of
// one request looks there, and so opens no store for a post that it refuses.
#pragma once

#include <string>

#include "base/clock.h"

namespace bx {

// WORKER_FILES: StorePlace's.
bool is_marked_installed(const std::string& worker_files);
// True when it is there afterwards.
bool mark_installed(const std::string& worker_files);

// A store on a server has no file beside it: that it has none is remembered on this host for a
// while instead, by the wall clock.  STORE is its address without a password.
bool was_without_installations(const std::string& worker_files, const std::string& store,
                               Millis lasting);
// Where that cannot be written nothing is remembered.
void note_without_installations(const std::string& worker_files, const std::string& store);

}  // namespace bx
