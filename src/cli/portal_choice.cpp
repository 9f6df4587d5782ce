#include "cli/portal_choice.h"

#include "base/error.h"
#include "base/escape.h"

namespace bx {

std::vector<Installation> installations_named(Store& store, const std::string& name,
                                              const std::string& command) {
    std::vector<Installation> found = store.installations().list(name);
    if (!found.empty()) return found;
    throw Error(command + ": there is no installation on '" + printable(name) +
                "'; 'bxhook portals' shows all, and a portal of the configuration goes with its "
                "block");
}

Installation one_installation(const Arguments& args, Store& store, const std::string& name,
                              const std::string& command) {
    const std::vector<Installation> found = installations_named(store, name, command);
    const std::string app = args.value("--app");
    if (!app.empty()) {
        for (const Installation& one : found) {
            if (one.client_id == app) return one;
        }
        throw Error(command + ": application '" + printable(app) + "' is not installed on '" +
                    printable(name) + "'");
    }
    if (found.size() == 1) return found.front();
    std::string which;
    for (const Installation& one : found) {
        which += "\n  " + printable(one.member_id) + " " +
                 printable(one.client_id.empty() ? "not verified" : one.client_id) + " " +
                 std::string(name_of(one.state));
    }
    throw UsageError("'" + printable(name) + "' has several installations: name one with "
                     "--app, or forget all that are not verified with --unverified:" + which);
}

}  // namespace bx
