// `bxhook portals import` and `export`: installations from those who kept their tokens until now,
// and for another store.
#pragma once

#include "cli/arguments.h"

namespace bx {

// Takes the installations of a file, and proves each by a renewal.  Gives the exit status: 1 when
// some could not be taken, which stderr has by line.  Throws Error, UsageError.
int import_portals(const Arguments& args);
// Writes those of the store to stdout.  Throws Error, UsageError.
int export_portals(const Arguments& args);

}  // namespace bx
