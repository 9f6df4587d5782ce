#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/curl.h"
#include "cli/form_fields.h"
#include "cli/open.h"
#include "cli/output.h"
#include "config/secrets.h"
#include "event/catalog.h"
#include "event/event.h"
#include "event/payload.h"
#include "event/secrets.h"
#include "form/form.h"
#include "gateway/intake.h"
#include "hooks/hooks.h"
#include "hooks/invocation.h"
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

// The portal that the event comes from: the one whose domain or member_id is NAME, the first when
// NAME is empty.  When none is configured, an invented one, which only the store takes.
Portal sender(const Config& config, const std::string& name) {
    const std::vector<Portal>& portals = config.portals;
    if (name.empty() && portals.empty()) return {};
    auto found = std::ranges::find_if(portals, [&](const Portal& portal) {
        return name.empty() || portal.domain == lower(name) || portal.member_id == name;
    });
    if (found != portals.end()) return *found;
    // A block with neither name takes events of any portal.
    found = std::ranges::find_if(portals, [](const Portal& portal) {
        return portal.domain.empty() && portal.member_id.empty();
    });
    if (found == portals.end()) throw Error("no portal '" + printable(name) + "' in the config");
    Portal anyone = *found;
    anyone.domain = name;
    return anyone;
}

// `data` of a sample of CODE, as JSON.
std::string_view sample_data(const std::string& code) {
    if (const CatalogEvent* event = find_event(code)) return event->sample;
    const std::string_view near = nearest_event(code);
    remark("'" + printable(code) + "' is not a known event: its sample is data[FIELDS][ID]=1" +
           (near.empty() ? "" : "; did you mean '" + std::string(near) + "'?"));
    return R"({"FIELDS":{"ID":"1"}})";
}

// Keys and order are those of Bitrix24.
FormFields sample_form(const std::string& code, const Portal& portal, Millis now) {
    std::string domain = portal.domain.empty() ? "some-domain.bitrix24.com" : portal.domain;
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("event", upper(code)).field("event_handler_id", "655");
    json.key("data").raw(sample_data(code)).field("ts", std::to_string(now / second));
    json.key("auth").begin_object().field("access_token", "sample-access-token-of-the-user");
    json.field("expires", std::to_string((now + hour) / second)).field("expires_in", "3600");
    json.field("scope", "crm").field("domain", domain);
    json.field("server_endpoint", "https://oauth.bitrix.info/rest/").field("status", "L");
    json.field("client_endpoint", "https://" + domain + "/rest/");
    json.field("member_id", portal.member_id.empty() ? "00000000000000000000000000000000"
                                                     : portal.member_id);
    json.field("user_id", "1");
    if (!portal.tokens.empty()) json.field("application_token", portal.tokens.front());
    json.end_object().end_object();
    return FormFields(decode_json(text, FormLimits{}));
}

// Only a remark: it may be intended.
void remark_on_path(std::string_view path) {
    if (is_top_field(path.substr(0, path.find('.')))) return;
    remark("--set: no event of Bitrix24 has '" + printable(path) +
           "' at its top; a field of the entity is written data.FIELDS.ID");
}

void apply_changes(const Arguments& args, FormFields& form) {
    for (const std::string& change : args.values("--set")) {
        std::size_t equals = change.find('=');
        if (equals == std::string::npos || equals == 0) {
            throw UsageError("--set: '" + printable(change) + "' must be PATH=VALUE");
        }
        remark_on_path(std::string_view(change).substr(0, equals));
        form.set(change.substr(0, equals), change.substr(equals + 1));
    }
    for (const std::string& path : args.values("--unset")) {
        if (!form.unset(path)) {
            throw Error("--unset: there is no '" + printable(path) + "' in the sample");
        }
    }
}

Message raw_message(const std::string& file, const Config& config) {
    Message message;
    std::size_t max = config.limits.body;
    message.body = file == "-" ? read_all(STDIN_FILENO, "stdin", max) : read_file(file, max);
    if (message.body.starts_with('{')) message.content_type = "application/json";
    return message;
}

Message make_message(const Arguments& args, const Config& config) {
    if (args.has("--raw")) return raw_message(args.value("--raw"), config);
    Portal portal = sender(config, args.value("--portal"));
    FormFields form = sample_form(args.words().front(), portal, wall_now());
    apply_changes(args, form);
    return {form.encode()};
}

// The event as the gateway would make it of MESSAGE, whatever its token.
struct Arrival {
    Tree tree;
    NewEvent event;
};

Arrival arrive(const Message& message, const Config& config) {
    const Intake intake(config);
    Arrival arrival{intake.decode(message.body, message.content_type), {}};
    Intake::Arrival read = intake.read(arrival.tree);
    if (!read.gate.known && !config.portals.empty()) {
        remark("no portal block is that of this body: the gateway would refuse it");
    }
    arrival.event = Intake::make_event(arrival.tree, std::move(read));
    arrival.event.test = true;
    return arrival;
}

// -- What would happen

std::string rule_of(const Hook& hook, const std::string& code) {
    std::string rule = "event " + hook.code;
    for (const std::string& glob : hook.globs) {
        if (!glob_match(glob, code, true)) continue;
        rule += glob;
        break;
    }
    for (const Condition& condition : hook.when) {
        bool secret = is_secret_key(condition.path.substr(condition.path.rfind('.') + 1));
        rule += ", when " + condition.path + " " + (secret ? "***" : condition.glob);
    }
    return printable(rule, 1000);
}

// EVENT as a worker would get it from the store.
StoredEvent stored(const NewEvent& event) {
    StoredEvent result;
    result.facts = event.facts;
    result.test = event.test;
    result.received_at = event.received_at;
    result.body = event.body;
    result.secrets = event.secrets;
    return result;
}

std::string launch_text(const Hook& hook, const NewEvent& event) {
    Claim claim{stored(event), hook.name, 1, hook.settings.attempts, "dry-run"};
    Invocation invocation = prepare_invocation(claim, hook, own_home());
    if (!invocation.refusal.empty()) {
        return hook.name + " would not run: " + printable(invocation.refusal, 1000) + "\n";
    }
    std::string text = hook.name + " would run:";
    for (const std::string& word : invocation.argv) text += " " + printable(word, 1000);
    text += "\n  in " + printable(invocation.dir, 1000) + ", with\n";
    for (const std::string& variable : invocation.env) {
        std::string name = variable.substr(0, variable.find('='));
        bool hidden = !name.starts_with("BX_") && looks_secret(name);
        text += "  " + (hidden ? name + "=***" : printable(variable, 1000)) + "\n";
    }
    return text;
}

// True when some hook looks at who caused the event, as a guard against loops does.
bool looks_at_user(const HookSet& hooks) {
    auto names_user = [](const Condition& condition) { return condition.path == "auth.user_id"; };
    return std::ranges::any_of(hooks.hooks(), [&](const Hook& hook) {
        return std::ranges::any_of(hook.when, names_user) ||
               std::ranges::any_of(hook.unless, names_user);
    });
}

std::string dry_run_text(const Arrival& arrival, const Config& config) {
    const EventFacts& facts = arrival.event.facts;
    std::string text = FormFields(arrival.tree).encode(true) + "\n\n";
    text += "event " + facts.code + ", kind " + facts.kind + ", id " +
            (facts.id.empty() ? "none" : printable(facts.id)) + "\n";
    HookSet hooks = HookSet::load(config);
    HookSet::Match match = hooks.match(facts, arrival.tree);
    for (const Hook* hook : match.taken) {
        text += "  " + hook->name + " takes it: " + rule_of(*hook, facts.code) + "\n";
    }
    for (const HookRefusal& refusal : match.refused) {
        text += "  " + refusal.hook + " does not: " + printable(refusal.reason, 1000) + "\n";
    }
    if (match.taken.empty()) text += "  no hook takes it: it would be skipped\n";
    if (looks_at_user(hooks) && arrival.tree.at("auth.user_id")) {
        text += "  note: an outgoing webhook sends no auth.user_id, only an application does; "
                "--unset auth.user_id shows what it would be then\n";
    }
    for (const Hook* hook : match.taken) text += "\n" + launch_text(*hook, arrival.event);
    return text;
}

// -- What happens

int send(const std::string& url, const Message& message) {
    HttpAnswer answer = ask_url(url, message.body, message.content_type);
    std::string text = std::to_string(answer.status) + " " + printable(trim(answer.body), 1000);
    if (answer.status != 200) throw Error("'" + url_for_people(url) + "' answered " + text);
    print(text + "\n");
    return 0;
}

int put_into_store(const Arrival& arrival, const Config& config) {
    std::unique_ptr<Store> store = store_of(config);
    const NewEvent& event = arrival.event;
    std::optional<EventNumber> number = store->sink().add({&event, 1}, config.limits.queue).front();
    if (!number) {
        throw Error("the queue is full: " + std::to_string(config.limits.queue) +
                    " events are unfinished (limits.queue)");
    }
    std::string name = std::to_string(*number);
    print("event " + name + " is in the store, as a test; 'bxhook show " + name + "' tells more\n");
    summon_worker(config.store.worker_files, config.path, config.worker.auto_start);
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
    if (!raw && args.words().empty()) throw UsageError("trigger: which event? (or --raw FILE)");
    if (args.has("--url")) check_url(args.value("--url"));
}

int run(const Arguments& args) {
    check_usage(args);
    ConfigPtr config = config_of(args, ConfigPart::all);
    bool over_http = args.has("--url") && !args.has("--dry-run");
    if (over_http && !args.has("--raw") && config->portals.empty()) {
        throw Error("no portal is configured, so there is no token the gateway would accept");
    }
    Message message = make_message(args, *config);
    // A raw body is sent as it is: it may be meant to be refused.
    if (over_http) return send(args.value("--url"), message);
    Arrival arrival = arrive(message, *config);
    if (!args.words().empty() && args.has("--raw") &&
        arrival.event.facts.code != upper(args.words().front())) {
        throw Error("the event in '" + printable(args.value("--raw")) + "' is " +
                    arrival.event.facts.code);
    }
    if (args.has("--dry-run")) {
        // Hooks are looked at, and HOME told, as the user they would run as.
        if (::geteuid() == 0) {
            become_store_owner(config->store.worker_files, config->writers, Missing::leave);
        }
        print(dry_run_text(arrival, *config));
        return 0;
    }
    return put_into_store(arrival, *config);
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

  bxhook trigger ONCRMDEALUPDATE --set data.FIELDS.ID=7 --dry-run
  bxhook trigger ONCRMDEALUPDATE --url https://example.com/bx/bxhook.fcgi

--dry-run stores and sends nothing: it shows the body (secrets as ***), which hooks
take it and why, and what they would be started with.  'bxhook events' lists the
known events; an unknown one gets data[FIELDS][ID]=1.

The sample is that of an application.  An outgoing webhook sends no auth.user_id,
access_token, expires, expires_in, scope and status: a hook that skips events by
'unless { auth.user_id 17 }' takes all of a webhook's.  As from a webhook:

  bxhook trigger ONCRMDEALUPDATE --unset auth.user_id --dry-run
)";
    command.options = {
        {"--set", "PATH=VALUE", "change a field of the sample: data.FIELDS.ID=7 (repeatable)"},
        {"--unset", "PATH", "leave a field, or all below it, out (repeatable)"},
        {"--raw", "FILE", "the body from FILE (- for stdin) instead: a form, or JSON"},
        {"--portal", "DOMAIN", "from that portal of the config, not the first"},
        {"--url", "URL", "send it there, by curl"},
        {"--dry-run", "", "only show what would happen"}};
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
