#include <algorithm>

#include "base/escape.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/confirm.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/portal_choice.h"
#include "cli/portal_test.h"
#include "cli/portals_import.h"
#include "cli/terminal/table.h"
#include "report/portals.h"
#include "report/wording.h"
#include "sync/upkeep.h"

namespace bx {

namespace {

using Portals = std::vector<ShownPortal>;

Colour colour_of(const ShownPortal& portal) {
    switch (portal.state) {
        case InstallationState::broken: return Colour::red;
        case InstallationState::pending: return Colour::yellow;
        case InstallationState::gone: return Colour::none;
        case InstallationState::active: break;
    }
    return portal.problem.empty() ? Colour::green : Colour::yellow;
}

// Of one of the configuration, where it stands; of an installation the application.
std::string origin_of(const ShownPortal& portal) {
    if (!portal.place.empty()) return portal.place;
    return portal.client_id.empty() ? "not verified" : portal.client_id;
}

std::string all_portals(const Portals& portals, const Screen& screen) {
    Table table({{"PORTAL", false, 16}, {"STATE"}, {"FROM", false, 12, 2}, {"USER", false, 0, 3},
                 {"HELD", true, 0, 4}, {"PROBLEM", false, 12}},
                screen);
    for (const ShownPortal& portal : portals) {
        const std::string name = portal.portal.empty() ? portal.member_id : portal.portal;
        table.add({printable(name.empty() ? "(any other)" : name),
                   {std::string(name_of(portal.state)), colour_of(portal)},
                   printable(origin_of(portal)), printable(portal.user_id),
                   portal.held > 0 ? std::to_string(portal.held) : "", printable(portal.problem)});
    }
    return table.take();
}

// One portal, a line for each thing that is known.
class Page {
public:
    Page(const Screen& screen, Millis now) : screen_(screen), now_(now) {}

    std::string write(const ShownPortal& portal) {
        text_ += screen_.paint(screen_.fit(printable(name_of(portal))), Colour::bold) + "\n";
        line("member_id", portal.member_id);
        line("state", std::string(name_of(portal.state)));
        line("from", portal.place.empty() ? "an installation" : portal.place);
        line("client_id", portal.client_id);
        line("user", portal.user_id);
        line("scope", scope_text(portal));
        line("status", portal.plan_status);
        line("peer", portal.peer);
        time("installed", portal.installed_at);
        time("renewed", portal.renewed_at);
        time("token ends", portal.token_expires_at);
        if (portal.held > 0) line("held", counted(portal.held, "post", "posts"));
        line("problem", portal.problem);
        line("fix", portal.fix);
        return std::move(text_);
    }

private:
    static std::string scope_text(const ShownPortal& portal) {
        std::string text;
        for (const std::string& word : portal.scope) text += (text.empty() ? "" : ", ") + word;
        return text;
    }
    void line(std::string label, const std::string& content) {
        constexpr std::size_t width = 13;
        if (content.empty()) return;
        label.insert(0, "  ");
        label.resize(width, ' ');
        text_ += fill(label, printable(content, 4096), screen_.width, width);
    }
    void time(const std::string& label, std::optional<Millis> moment) {
        if (moment) line(label, moment_text(*moment, now_));
    }

    Screen screen_;
    Millis now_;
    std::string text_;
};

// Those that a person's NAME means.  Throws Error when there is none.
Portals chosen(const Portals& portals, const std::string& name) {
    Portals found;
    std::ranges::copy_if(portals, std::back_inserter(found),
                         [&](const ShownPortal& portal) { return is_named(portal, name); });
    if (!found.empty()) return found;
    std::vector<std::string_view> names;
    for (const ShownPortal& portal : portals) {
        for (const std::string* one : {&portal.portal, &portal.member_id}) {
            if (!one->empty()) names.emplace_back(*one);
        }
    }
    throw Error("portals: there is no portal '" + printable(name) + "'" +
                did_you_mean(nearest(name, names)));
}

Portals read_portals(const Config& config, Store& store, const std::string& name) {
    const std::vector<Installation> installations = store.installations().list(name);
    const Portals portals = shown_portals(config, installations);
    return name.empty() ? portals : chosen(portals, name);
}

// -- forget

constexpr int not_now = 75;  // exit status, EX_TEMPFAIL

// Its posts would go on otherwise, to be refused here.  75: not now.
int unbind(const Config& config, Store& store, const Installation& one, const std::string& name) {
    const Endpoints endpoints(config);
    const SyncContext context{config, endpoints, settings_of(config.rest), store.installations(),
                              store.limiter(), store.bindings(), [](const SyncNews&) {}};
    const RestResult result = end_subscriptions(context, one);
    if (result.succeeded()) return 0;
    remark("portals forget: cannot unsubscribe on " + name + ": " + result.text +
           "; nothing is erased; --local erases it here only");
    return not_now;
}

// Anybody can make some of these, and they have no client_id to name them by.
int forget_unverified(const Arguments& args, Store& store) {
    const std::string& name = args.words()[1];
    std::vector<Installation> found = store.installations().list(name);
    std::erase_if(found, [](const Installation& one) { return !one.client_id.empty(); });
    if (found.empty()) {
        throw Error("portals: there is no installation on '" + printable(name) +
                    "' that is not verified");
    }
    std::int64_t posts = 0;
    for (const Installation& one : found) posts += one.held;
    const auto count = static_cast<std::int64_t>(found.size());
    const std::string what = counted(count, "installation that is not verified",
                                     "installations that are not verified") +
                             " on " + printable(name);
    if (!is_confirmed(args, "erase " + what + ", and " +
                                counted(posts, "held post", "held posts") + "?")) {
        return 0;
    }
    for (const Installation& one : found) store.installations().erase(one.id);
    print("erased " + what + "\n");
    return 0;
}

int forget(const Arguments& args, const Config& config, Store& store) {
    if (args.words().size() != 2) throw UsageError("forget takes one portal: portals forget P");
    if (args.has("--unverified")) return forget_unverified(args, store);
    const Installation one = one_installation(args, store, args.words()[1], "portals");
    const std::string name = printable(one.domain.empty() ? one.member_id : one.domain);
    const std::string held =
        one.held > 0 ? " and " + counted(one.held, "held post", "held posts") : std::string();
    if (!is_confirmed(args, "erase the installation on " + name + " with its tokens" + held + "?")) {
        return 0;
    }
    const bool is_bound = one.state == InstallationState::active ||
                          one.state == InstallationState::broken;
    if (is_bound && !args.has("--local")) {
        const int status = unbind(config, store, one, name);
        if (status != 0) return status;
    }
    store.installations().erase(one.id);
    print("erased the installation on " + name + "\n");
    return 0;
}

int run(const Arguments& args) {
    const std::vector<std::string>& words = args.words();
    if (!words.empty() && words[0] == "import") return import_portals(args);
    if (!words.empty() && words[0] == "export") return export_portals(args);
    const bool forgets = !words.empty() && words[0] == "forget";
    const bool tests = !words.empty() && words[0] == "test";
    const ConfigPtr config =
        config_of(args, forgets || tests ? ConfigPart::sync : ConfigPart::gateway);
    const std::unique_ptr<Store> store = store_of(*config);
    if (tests) return test_portal(args, *config, *store);
    if (forgets) return forget(args, *config, *store);
    if (words.size() > 1) throw UsageError("unknown word '" + printable(words[1]) + "'");
    const Portals portals = read_portals(*config, *store, words.empty() ? "" : words[0]);
    const Screen screen = Screen::of_stdout();
    if (args.has("--json")) {
        print(portals_json(portals));
    } else if (portals.empty()) {
        remark("no portal: bxhook.conf has no `portal` block, and no application is installed");
    } else if (words.empty()) {
        print(all_portals(portals, screen));
    } else {
        for (const ShownPortal& portal : portals) print(Page(screen, wall_now()).write(portal));
    }
    return 0;
}

}  // namespace

Command portals_command() {
    Command command;
    command.name = "portals";
    command.synopsis = "[P] | test P | forget P | import FILE | export --secrets";
    command.summary = "portals of the configuration, and installations";
    command.help = R"(
Shows the portals of the configuration and the installations of its applications,
and what is wrong with each; with P, a domain or member_id, all that is known of it.
Posts that were refused, for a wrong token for example, are in the gateway's log
alone: journalctl -u bxhook -p warning | grep refused.  An installation is

  pending  its posts are held until it is verified
  active   its posts are events
  broken   its tokens cannot be renewed; its posts are events all the same
  gone     the application was uninstalled

test P has the portal send an event of its own, ONAPPTEST, and waits a minute (--wait)
until it is in the store: it proves the whole way, from the tokens to the web server.
It is an ordinary event: hooks of that name, and those for any event, run.  Exit status
0 when it arrived, 1 when it did not, 75 when the portal cannot be asked now.

forget P unsubscribes on the portal, then erases the installation with its tokens
and its held posts; its events stay.  When it cannot unsubscribe it erases nothing,
and the exit status is 75; with --local it does not ask the portal, whose posts are
refused from then on.  Of several on a portal name one with --app; with
--unverified all that are not verified are erased.  The question is asked on the
terminal; where there is none, add --yes.

import FILE takes installations of those who kept their tokens until now: lines of
JSON, as export writes them; a table with a header, by tabs, `;` or commas; or
settings.json of CRest.  An entry has member_id, client_id, refresh_token, and
application_token or application_token_sha256 (without one its posts are held until
one has proven it).  Where it has no client_id it is --app, or that of the only `app`
block.  Each is proven by one renewal, which spends the refresh token of the file:
whoever used it before must stop.  One that is active already keeps its tokens.
Lines that cannot be taken are named, and the exit status is 1; import the same file
again after mending them.  FILE must be readable by nobody else; - is stdin.

export --secrets writes such lines for another store.  Two that use the same refresh
token break each other: forget them here with --local before they are used there.
)";
    command.options = {{"--local", "", "forget: erase it here only"},
                       {"--app", "CLIENT_ID", "test, forget, import: the application"},
                       {"--wait", "D", "test: how long to wait for the event (1m)"},
                       {"--unverified", "", "forget: all that are not verified"},
                       {"--secrets", "", "export: yes, write refresh tokens"},
                       yes_option()};
    command.json = true;
    command.max_words = 2;
    command.run = run;
    return command;
}

}  // namespace bx
