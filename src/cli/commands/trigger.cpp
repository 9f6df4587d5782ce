#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/curl.h"
#include "cli/dry_run.h"
#include "cli/event_follower.h"
#include "cli/form_fields.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/sample.h"
#include "config/posts.h"
#include "event/catalog.h"
#include "event/event.h"
#include "event/kinds.h"
#include "event/own_events.h"
#include "form/form.h"
#include "gateway/intake.h"
#include "host/store_owner.h"
#include "host/worker_lock.h"
#include "host/worker_start.h"

namespace bx {

namespace {

constexpr std::string_view form_type = "application/x-www-form-urlencoded";

// A body as it would come over HTTP.
struct Message {
    std::string body;
    std::string content_type{form_type};
};

// Only a remark: it may be intended.  What a post by a key has is its sender's.
void remark_on_path(std::string_view path, bool by_key) {
    if (by_key || is_top_field(path.substr(0, path.find('.')))) return;
    remark("--set: no event of Bitrix24 has '" + printable(path) +
           "' at its top; a field of the entity is written data.FIELDS.ID");
}

void apply_changes(const Arguments& args, FormFields& form) {
    const bool by_key = !post_name_of(args.words().front()).empty();
    for (const std::string& change : args.values("--set")) {
        std::size_t equals = change.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw UsageError("--set: '" + printable(change) + "' must be PATH=VALUE");
        }
        remark_on_path(std::string_view(change).substr(0, equals), by_key);
        form.set(change.substr(0, equals), change.substr(equals + 1));
    }
    for (const std::string& path : args.values("--unset")) {
        if (!form.unset(path)) {
            throw Error("--unset: there is no '" + printable(path) + "' in the sample");
        }
    }
}

// Takes off the line end that an editor or `echo` puts behind a form: it would become part of the
// last value, as Bitrix24 never sends it.
void drop_line_end(std::string& form) {
    if (!form.ends_with('\n')) return;
    form.pop_back();
    if (form.ends_with('\r')) form.pop_back();
    remark("--raw: the line end after the form was left out (%0A is sent as it is)");
}

Message raw_message(const std::string& file, const Config& config) {
    Message message;
    std::size_t max = config.limits.body;
    message.body = file == "-" ? read_all(STDIN_FILENO, "stdin", max) : read_file(file, max);
    if (message.body.starts_with('{')) message.content_type = "application/json";
    else drop_line_end(message.body);
    return message;
}

Message make_message(const Arguments& args, const Config& config) {
    if (args.has("--raw")) return raw_message(args.value("--raw"), config);
    const std::string& code = args.words().front();
    const bool by_key = !post_name_of(code).empty();
    const Portal portal = by_key ? Portal() : sender(config, args.value("--portal"));
    FormFields form = sample_form(code, portal, wall_now());
    apply_changes(args, form);
    return {form.encode()};
}

// The block by whose key the event comes that ARGS name; null: it comes by a token.
const PostBlock* post_of(const Arguments& args, const Config& config) {
    const std::string name(post_name_of(args.words().empty() ? "" : args.words().front()));
    if (name.empty()) return nullptr;
    const PostBlock* post = find_post(config.posts, name);
    if (post != nullptr) return post;
    throw Error("no post block '" + printable(name) + "' in '" + config.path +
                "': its key is what such a post is accepted by");
}

// The event as the gateway would make it of MESSAGE, whatever its token.
struct Arrival {
    Tree tree;
    NewEvent event;
};

// POST: of post_of().
Arrival arrive(const Message& message, const Config& config, const PostBlock* post) {
    Intake intake(config);
    Arrival arrival{intake.decode(message.body, message.content_type), {}};
    const KindSpec& kind = kind_of_post(arrival.tree);
    if (post != nullptr) {
        arrival.event = intake.make_keyed_event(arrival.tree, kind, *post);
        arrival.event.origin = Origin::test;
        return arrival;
    }
    if (kind.sender_waits) throw Error("the gateway would refuse " + refusal_of(kind).reason);
    Intake::Arrival read = intake.read(arrival.tree);
    // Of an installation of an application no block would say so.
    if (!read.gate.known && !config.portals.empty() && config.apps.empty()) {
        remark("no portal block matches this body: the gateway would refuse it");
    }
    const std::string& code = read.facts.code;
    if (kind.kind == PostKind::event && !is_own_code(code)) check_posted_code(code);
    arrival.event = Intake::make_event(arrival.tree, std::move(read));
    arrival.event.origin = Origin::test;
    return arrival;
}

// Throws Error unless NUMBER is the event of that CODE that was sent to a URL just now.
void require_same_event(View& view, EventNumber number, const std::string& code,
                        const Config& config) {
    constexpr Millis fresh = 10 * minute;  // as far as the clocks of two hosts may differ
    const std::optional<StoredEvent> event = view.event(number);
    if (event && event->facts.code == code && event->received_at > wall_now() - fresh) return;
    throw Error("--follow: event " + std::to_string(number) +
                " is not in the store of '" + config.path +
                "': the gateway at that URL uses another configuration");
}

int follow(Store& store, EventNumber number) {
    return EventFollower(store, number).follow() ? 0 : 1;
}

// The event that a gateway's ANSWER names.
std::optional<EventNumber> event_of(const HttpAnswer& answer) {
    try {
        return parse_number(decode_json(answer.body, FormLimits{}).at("event").text());
    } catch (const FormError&) {
        return std::nullopt;  // not a gateway's
    }
}

// URL with the key of POST, if there is one.
std::string with_key(const std::string& url, const PostBlock* post) {
    if (post == nullptr) return url;
    return url + (url.find('?') == std::string::npos ? "?key=" : "&key=") + post->key;
}

int send(const Arguments& args, const Message& message, const Config& config,
         const PostBlock* post) {
    const std::string url = args.value("--url");
    HttpAnswer answer = ask_url(with_key(url, post), message.body, message.content_type);
    std::string text = std::to_string(answer.status) + " " + printable(trim(answer.body), 1000);
    if (answer.status != 200) throw Error("'" + url_for_people(url) + "' answered " + text);
    print(text + "\n");
    if (!args.has("--follow")) return 0;
    const std::optional<EventNumber> number = event_of(answer);
    if (!number) throw Error("--follow: the answer names no event");
    std::unique_ptr<Store> store = store_of(config);
    const std::string code = arrive(message, config, post).event.facts.code;
    require_same_event(store->view(), *number, code, config);
    return follow(*store, *number);
}

int put_into_store(const Arguments& args, const Arrival& arrival, const Config& config) {
    std::unique_ptr<Store> store = store_of(config);
    const NewEvent& event = arrival.event;
    std::optional<EventNumber> number = store->sink().add({&event, 1}, config.limits.queue).front();
    if (!number) {
        throw Error("the queue is full: " + std::to_string(config.limits.queue) +
                    " events are unfinished (limits.queue)");
    }
    const bool follows = args.has("--follow");
    const std::string name = std::to_string(*number);
    print("stored as test event " + name + (follows ? "" : "; see 'bxhook show " + name + "'") +
          "\n");
    summon_worker(config.store.worker_files, config.path, config.worker.auto_start);
    if (follows) return follow(*store, *number);
    if (!config.worker.auto_start && !store->view().status(wall_now()).worker_runs) {
        remark("no worker runs and worker.start is manual: 'bxhook work --once' runs what is due");
    }
    return 0;
}

void check_usage(const Arguments& args) {
    bool raw = args.has("--raw");
    if (raw && (args.has("--set") || args.has("--unset") || args.has("--portal"))) {
        throw UsageError("trigger: --set, --unset and --portal change a sample, not a --raw body");
    }
    if (!raw && args.words().empty()) {
        throw UsageError("trigger: name an event, or --raw FILE ('bxhook events' lists them)");
    }
    if (args.has("--dry-run") && args.has("--follow")) {
        throw UsageError("trigger: --dry-run stores nothing that --follow could show");
    }
    if (!raw && args.has("--portal") && !post_name_of(args.words().front()).empty()) {
        throw UsageError("trigger: a post by a key is of the portal of its post block: leave out "
                         "--portal");
    }
    if (args.has("--url")) check_url(args.value("--url"));
}

int run(const Arguments& args) {
    check_usage(args);
    ConfigPtr config = config_of(args, ConfigPart::all);
    const PostBlock* post = post_of(args, *config);
    bool over_http = args.has("--url") && !args.has("--dry-run");
    if (over_http && !args.has("--raw") && config->portals.empty() && post == nullptr) {
        throw Error("no portal is configured, so there is no token the gateway would accept");
    }
    Message message = make_message(args, *config);
    // Whatever is in a raw body: it may be meant to be refused.
    if (over_http) return send(args, message, *config, post);
    Arrival arrival = arrive(message, *config, post);
    if (!args.words().empty() && args.has("--raw") &&
        arrival.event.facts.code != upper(args.words().front())) {
        throw Error("the event in '" + printable(args.value("--raw")) + "' is " +
                    arrival.event.facts.code + ", not " + printable(upper(args.words().front())));
    }
    if (args.has("--dry-run")) {
        // As the user that hooks run as: what they may do, and HOME, depend on it.
        if (::geteuid() == 0) {
            become_store_owner(config->store.worker_files, config->writers, Missing::leave);
        }
        print(dry_run_text(arrival.tree, arrival.event, *config));
        return 0;
    }
    return put_into_store(args, arrival, *config);
}

}  // namespace

Command trigger_command() {
    Command command;
    command.name = "trigger";
    command.synopsis = "EVENT";
    command.summary = "send a sample event to your hooks";
    command.help = R"(
Makes a sample of that event, encoded as Bitrix24 does, and puts it into the store,
marked as a test: hooks see BX_TEST=1.  With --url it is sent to the gateway there
with the portal's token, and is an ordinary event.

  bxhook trigger ONCRMDEALUPDATE --follow
  bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7 --dry-run
  bxhook trigger ONCRMDEALUPDATE --url https://example.com/bx/bxhook.fcgi

--follow shows what the hooks print and how the first attempt of each ends; exit
status 1 when one failed or cannot run, or no hook matched.  With --url it looks into
the store of this configuration, which must be that of the gateway.

--dry-run stores and sends nothing: it shows the body (secrets as ***), which hooks
match and why, and what they would be started with.  'bxhook events' lists the known
events; an unknown one gets data[FIELDS][ID]=1.

A robot, an SMS or a post by key is named by its code; of a post block the key is
put into the URL:

  bxhook trigger ROBOT.MY_ROBOT --set properties.amount=7 --follow
  bxhook trigger SMS.MY_SENDER --dry-run
  bxhook trigger POST.SITE-FORM --set phone=+12025550100 --unset message

The hooks do their real work: one that must change nothing in a test looks at
BX_TEST.

The sample is that of an application, with an access_token that Bitrix24 does not
know.  An outgoing webhook sends no access_token, auth.user_id, expires, expires_in,
scope and status, so that a hook which calls REST with the event's token cannot, and
one with 'unless { auth.user_id 17 }' runs for all of a webhook's events.  An
application's event may lack them too, where no user caused it.  As from a webhook:

  bxhook trigger ONCRMDEALUPDATE --unset auth.access_token --unset auth.user_id
)";
    command.options = {
        {"--set", "PATH=VALUE", "change a field of the sample: data.FIELDS.ID=7 (repeatable)"},
        {"--unset", "PATH", "leave out a field, or all below it (repeatable)"},
        {"--raw", "FILE", "take the body from FILE (- for stdin) instead: a form, or JSON"},
        {"--portal", "DOMAIN", "from that portal of the config, not the first"},
        {"--url", "URL", "send it there, by curl"},
        {"--follow", "", "show what its hooks print and how they end"},
        {"--dry-run", "", "only show what would happen"}};
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
