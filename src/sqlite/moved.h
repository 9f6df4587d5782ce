// Installations that leave the SQLite store for one that many hosts share.
//
// Two stores with the same refresh token would each spend it, and break the other's.  So what the
// other store has committed is handed over here: the tokens are erased, the installation is gone
// (a pending one stays), and its problem is `moved`.  Its posts are accepted or held all the same,
// for gateways may use this store a while longer.
//
// Every function throws StoreError.
#pragma once

#include <vector>

#include "sqlite/names.h"
#include "store/import.h"

namespace bx::sqlite {

// Those after AFTER in order of their ids, at most AT_MOST, with all that is theirs.  One whose
// tokens are damaged has none.
std::vector<MovedInstallation> moved_installations(Names& names, InstallationId after,
                                                   std::size_t at_most);
// The other store has what INSTALLATION is: it is moved, and its posts are there alone.  False: it
// has changed since it was read, and nothing is done.
bool hand_over(Names& names, const MovedInstallation& installation);

}  // namespace bx::sqlite
