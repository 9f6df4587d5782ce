// Takes another store's installations over; store/import.h is the manual.
#pragma once

#include <span>
#include <vector>

#include "postgres/names.h"
#include "store/import.h"

namespace bx::postgres {

// StoreImport::take.
std::vector<InstallationId> take_installations(Names& names,
                                               std::span<const MovedInstallation> installations);

}  // namespace bx::postgres
