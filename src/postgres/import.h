// Takes another store's events over; import.h is the manual.
#pragma once

#include <memory>
#include <string>

#include "postgres/link.h"
#include "store/import.h"

namespace bx::postgres {

// Connects, and checks the schema.  Throws StoreError.
std::unique_ptr<StoreImport> open_import(const std::string& url);

}  // namespace bx::postgres
