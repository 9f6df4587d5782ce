#include <unistd.h>

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/portal_choice.h"
#include "cli/portal_events.h"
#include "config/config_file.h"
#include "report/wording.h"
#include "sync/chores.h"

namespace bx {

namespace {

// The worker starts another, which knows the config and the installations of then.
constexpr Millis due_limit = minute;
constexpr Millis ending = 3 * second;  // of requests that are cut, and of the worker itself

// As a person reads it: "new.bitrix24.com (local.1): verified, 3 events".
void print_news(const SyncNews& news) {
    std::string line = printable(news.portal);
    if (!news.client_id.empty()) line += " (" + printable(news.client_id) + ")";
    line += ": " + news.what;
    if (news.events > 0) {
        line += ", " + counted(static_cast<std::int64_t>(news.events), "event", "events");
    }
    if (!news.cause.empty()) line += ": " + printable(news.cause, 600);
    print(line + "\n");
}

void log_news(Log& log, const SyncNews& news) {
    if (news.kind == SyncNews::Kind::done) {
        log.info(news.what, {{"portal", news.portal},
                             {"member_id", news.member_id},
                             {"client_id", news.client_id},
                             {"events", news.events}});
    } else {
        log.warning(news.what, {{"portal", news.portal},
                                {"member_id", news.member_id},
                                {"cause", news.cause}});
    }
}

// Refusals are as many as somebody likes to send: at most a line a second.
class NewsLog {
public:
    explicit NewsLog(Log& log) : log_(log) {}

    void take(const SyncNews& news) {
        if (news.kind == SyncNews::Kind::refused && !refusals_.every(second, steady_now())) {
            ++left_out_;
            return;
        }
        tell_left_out();
        left_out_ = 0;
        log_news(log_, news);
    }
    ~NewsLog() { tell_left_out(); }
    NewsLog(const NewsLog&) = delete;
    NewsLog& operator=(const NewsLog&) = delete;

private:
    void tell_left_out() {
        if (left_out_ == 0) return;
        log_.warning("more installations or held posts refused", {{"count", left_out_}});
    }

    Log& log_;
    Timer refusals_;
    std::int64_t left_out_ = 0;
};

// In the time that `work --once` has left, or until FILE has another config.
SyncOptions options_of(const Arguments& args, ConfigFile& file) {
    SyncOptions options;
    options.limit = due_limit;
    if (args.has("--once")) {
        const std::optional<std::int64_t> left = parse_number(args.value("--once"));
        if (!left || *left < 0) throw UsageError("--once takes milliseconds");
        options.limit = std::max<Millis>(*left - last_begin, 1);
        options.end = std::max<Millis>(*left - ending, 1);
    }
    options.is_over = [&file, look = Timer()]() mutable {
        return look.every(second, steady_now()) && file.refresh() == ConfigFile::Change::loaded;
    };
    return options;
}

// Does the chores, and then tells hooks of the installations that need a person, whatever failed;
// TELL is told of all.
SyncCount do_and_tell(Store& store, const Config& config, const SyncOptions& options,
                      const std::function<void(const SyncNews&)>& tell) {
    std::exception_ptr failure;
    SyncCount count;
    try {
        count = do_chores(store, config, options, tell);
    } catch (const Error&) {
        failure = std::current_exception();
    }
    try {
        tell_of_portals(store, config);
    } catch (const Error&) {
        if (!failure) failure = std::current_exception();
    }
    if (failure) std::rethrow_exception(failure);
    return count;
}

// For the worker: what is due, and said in its log.
int sync_due(const Arguments& args, ConfigFile& file, const Config& config, Store& store) {
    ignore_write_signals();
    Log log("sync");
    log.configure(args.has("--detached") ? background_log(config) : config.log);
    const SyncOptions options = options_of(args, file);
    NewsLog news(log);
    try {
        do_and_tell(store, config, options, [&](const SyncNews& one) { news.take(one); });
    } catch (const std::exception& error) {
        log.error("sync failed", {{"cause", error.what()}});
        return 1;
    }
    return 0;
}

// After each was asked for: what is not verified and has no problem is another process's just now, of
// the worker that the installation's post started.
std::string nothing_to_say(Store& store, const SyncCount& count) {
    const std::vector<Installation> all = store.installations().list();
    const auto elsewhere = std::ranges::count_if(all, [](const Installation& one) {
        return one.state == InstallationState::pending && one.client_id.empty() &&
               one.problem.empty();
    });
    if (elsewhere == 0) return count.done > 0 ? "nothing to change\n" : "nothing is due\n";
    return "nothing is due here: another process verifies " +
           counted(elsewhere, "installation", "installations") +
           " ('bxhook portals' shows what becomes of it)\n";
}

int run(const Arguments& args) {
    ConfigFile file(config_of(args, ConfigPart::sync)->path, ConfigPart::sync);
    const ConfigPtr config = file.current();
    const std::unique_ptr<Store> store = store_of(*config);
    if (args.has("--due")) return sync_due(args, file, *config, *store);
    if (config->apps.empty()) {
        throw Error("sync: there is no `app` block in '" + config->path +
                    "', so there is nothing to do");
    }
    SyncOptions options;
    options.newcomers = minute;
    for (const std::string& name : args.words()) {
        for (const Installation& one : installations_named(*store, name, "sync")) {
            options.only.push_back(one.id);
        }
    }
    if (options.only.empty()) {
        for (const Chore what : {Chore::verify, Chore::adopt, Chore::bind}) {
            store->chores().hasten(what, wall_now());
        }
    }
    bool any = false;
    const SyncCount count = do_and_tell(*store, *config, options, [&](const SyncNews& news) {
        any = true;
        print_news(news);
    });
    if (!any) print(nothing_to_say(*store, count));
    return count.in_vain > 0 ? 1 : 0;
}

}  // namespace

Command sync_command() {
    Command command;
    command.name = "sync";
    command.synopsis = "[P...]";
    command.summary = "talk to Bitrix24 now: verify, subscribe, renew tokens";
    command.help = R"(
Does now what the worker does by itself when it is due: verifies installations that
wait, makes and takes back subscriptions as `bind` does (by itself after an
installation and daily), and renews tokens that nobody has used for 20 days.  A line
says what came of each.  With P, a domain or member_id, only what waits for that
portal.

Exit status 1 when something could not be done: it is tried again after a while.
)";
    command.options = {{"--due", "", ""}, {"--detached", "", ""}, {"--once", "MILLIS", ""}};
    command.max_words = 1000;
    command.run = run;
    return command;
}

}  // namespace bx
