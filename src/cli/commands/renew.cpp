// How this program renews tokens: in a process that whoever needs them starts
// (sync/renewal_process.h).
#include <unistd.h>

#include <csignal>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/open.h"
#include "cli/portal_events.h"
#include "host/detach.h"
#include "sync/renewal_process.h"

namespace bx {

namespace {

std::int64_t number_of(const std::string& text, const std::string& what) {
    const std::optional<std::int64_t> number = parse_number(text);
    if (!number) throw UsageError(what + " is not a number: '" + printable(text) + "'");
    return *number;
}

RenewalOrder order_of(const Arguments& args) {
    RenewalOrder order;
    order.id = number_of(args.words()[0], "ID");
    const std::string seen = args.value("--seen");
    if (!seen.empty()) order.seen = number_of(seen, "--seen");
    order.rejected = args.has("--rejected");
    order.client_id = args.value("--app");
    order.server = args.value("--server");
    return order;
}

// Neither a terminal nor a service manager ends it in the middle: the server may have answered.
void ignore_ends() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGXFSZ}) {
        ::signal(signal, SIG_IGN);
    }
}

int run(const Arguments& args) {
    ignore_ends();
    close_inherited_descriptors();
    const RenewalOrder order = order_of(args);
    RestResult result;
    ConfigPtr config;
    std::unique_ptr<Store> store;
    try {
        config = config_of(args, ConfigPart::sync);
        store = store_of(*config);
        result = renew(store->installations(), *config, order);
    } catch (const std::exception& error) {
        // But for the configuration it passes.
        const RestCause cause = config ? RestCause::server : RestCause::local;
        result = {cause, printable(error.what()), false};
    }
    // Whoever waited may have ended: that is no failure.
    (void)write_all(STDOUT_FILENO, renewal_report(result));
    if (result.succeeded()) return 0;
    if (store) tell_of_portal(*store, *config, order.id);
    return 1;
}

}  // namespace

Command renew_command() {
    Command command;
    command.name = "renew";
    command.synopsis = "ID";
    command.summary = "renew the tokens of an installation";
    command.hidden = true;
    command.options = {{"--seen", "MILLIS", ""},
                       {"--rejected", "", ""},
                       {"--app", "CLIENT_ID", ""},
                       {"--server", "URL", ""}};
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
