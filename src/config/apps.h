// Apps: the rules within an app block, and between them.
#pragma once

#include <vector>

#include "config/config.h"
#include "config/info.h"
#include "config/problems.h"

namespace bx {

// APP was read of SETTINGS.  With a client_id it has its secret, and a url where it has events;
// without one it has nothing but what installations of any application share: server and page.
void check_app(const App& app, const std::vector<Setting>& settings, Problems& problems);

// One client_id in two blocks, two blocks without one.
void check_duplicates(const std::vector<App>& apps, Problems& problems);

}  // namespace bx
