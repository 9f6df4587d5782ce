#include <algorithm>
#include <utility>

#include "base/text.h"
#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/terminal/screen.h"
#include "cli/wording.h"
#include "event/payload.h"

namespace bx {

namespace {

struct DeliveryStory {
    DeliveryRecord record;
    std::vector<AttemptRecord> attempts;
};

// One event with all that became of it.
struct Story {
    StoredEvent event;  // `damage` also where the body does not decode
    Tree body;
    std::vector<DeliveryStory> deliveries;
};

void read_body(Story& story, bool with_secrets) {
    StoredEvent& event = story.event;
    Secrets secrets = with_secrets ? Secrets::keep : Secrets::hide;
    if (event.secrets_erased || (with_secrets && !event.damage.empty())) secrets = Secrets::omit;
    try {
        if (event.body.empty()) return;  // missing
        story.body = decode_payload(event.body, event.secrets, secrets);
    } catch (const Error& error) {
        event.damage = error.what();
    }
}

Story read_story(Store& store, const DeliveryName& name, bool with_secrets) {
    std::optional<StoredEvent> event = store.view().event(name.event);
    if (!event) throw Error(no_event(name.event));
    Story story{*event, Tree(), {}};
    read_body(story, with_secrets);
    for (const DeliveryRecord& record : store.view().deliveries(name.event)) {
        if (!name.hook.empty() && record.hook != name.hook) continue;
        story.deliveries.push_back({record, store.view().attempts(name.event, record.hook)});
    }
    if (!name.hook.empty() && story.deliveries.empty()) {
        throw Error(no_delivery(name.event, name.hook, event->state));
    }
    return story;
}

// -- As JSON

void write_deliveries(JsonWriter& json, const Story& story) {
    json.key("deliveries").begin_array();
    for (const DeliveryStory& delivery : story.deliveries) {
        json.begin_object();
        write_delivery(json, story.event, delivery.record);
        json.key("attempts").begin_array();
        for (const AttemptRecord& attempt : delivery.attempts) {
            json.begin_object();
            write_attempt(json, attempt);
            json.end_object();
        }
        json.end_array().end_object();
    }
    json.end_array();
}

std::string as_json(const Story& story) {
    const StoredEvent& event = story.event;
    std::string text;
    JsonWriter json(text);
    auto text_field = [&json](std::string_view key, std::string_view content) {
        json.key(key).value_or_null(content);
    };
    json.begin_object().field("event", event.number);
    text_field("code", event.facts.code);
    json.field("state", name_of(event.state));
    text_field("reason", event.reason);
    json.field("retryable", event.retryable);
    text_field("portal", event.facts.domain);
    text_field("member_id", event.facts.member_id);
    text_field("user_id", event.facts.user_id);
    text_field("handler_id", event.facts.handler_id);
    text_field("ts", event.facts.ts);
    text_field("kind", event.facts.kind);
    text_field("id", event.facts.id);
    json.field("test", event.test);
    write_time(json, "received_at", event.received_at);
    std::string body = "null";
    if (story.body.root().first()) {
        body.clear();
        append_tree_json(body, story.body);
    }
    json.key("body").raw(body);
    text_field("damage", event.damage);
    json.field("secrets", event.secrets_erased ? "erased" : "kept");
    json.key("refused").begin_array();
    for (const Refusal& refusal : event.refused) {
        json.begin_object().field("hook", refusal.hook);
        json.field("reason", refusal.reason).end_object();
    }
    json.end_array();
    json.field("refused_more", event.refused_more);
    write_deliveries(json, story);
    json.end_object();
    return json_line(text);
}

// -- For people

class Page {
public:
    Page(const Screen& screen, Millis now) : screen_(screen), now_(now) {}

    std::string write(const Story& story) {
        head(story.event);
        body(story);
        verdict(story);
        for (const DeliveryStory& told : story.deliveries) delivery(told);
        return std::move(text_);
    }

private:
    void line(std::string_view text) { text_ += screen_.fit(text) + "\n"; }
    void title(std::string_view text) {
        text_ += "\n" + screen_.paint(screen_.fit(text), Colour::bold) + "\n";
    }
    // LABEL and what comes after it, in two columns; nothing when there is nothing to say.
    void item(std::string label, std::string_view content, std::size_t width = 10) {
        if (content.empty()) return;
        label.resize(std::max(label.size(), width), ' ');
        line("  " + label + " " + std::string(content));
    }

    // Of one colour in the middle.
    void state_line(const std::string& before, const std::string& state, Colour colour,
                    std::string_view after) {
        text_ += screen_.filled(before, screen_.paint(state, colour) + std::string(after));
    }

    std::string moment(Millis when) const {
        return iso_time(when) + " (" + relative_time(when, now_) + ")";
    }

    void head(const StoredEvent& event) {
        const EventFacts& facts = event.facts;
        std::string name = "event " + std::to_string(event.number) + ": " + printable(facts.code);
        text_ += screen_.paint(screen_.fit(name), Colour::bold) + "\n";
        item("received", moment(event.received_at));
        item("portal", printable(facts.domain));
        item("member_id", printable(facts.member_id));
        std::string entity = printable(facts.kind);
        item("entity",
             facts.id.empty() ? entity + ", without id" : entity + " " + printable(facts.id));
        item("user", printable(facts.user_id));
        item("handler", printable(facts.handler_id));
        if (event.test) item("test", "made by bxhook trigger");
    }

    // Every scalar with its dotted path, as `when` and `unless` take it.
    void body(const Story& story) {
        title(story.event.secrets_erased ? "what came (its secrets were erased)" : "what came");
        if (!story.event.damage.empty()) {
            line("  it cannot be read: " + printable(story.event.damage));
        }
        constexpr std::size_t most_path = 40;
        std::vector<std::pair<std::string, std::string>> lines = scalars_of(story.body);
        std::size_t width = 0;
        for (const auto& [path, content] : lines) width = std::max(width, columns_of(path));
        width = std::min(width, most_path);
        for (const auto& [path, content] : lines) item(path, content, width);
    }

    // The sender chose the depth: the walk keeps its own stack, and one path for all of it.
    std::vector<std::pair<std::string, std::string>> scalars_of(const Tree& tree) const {
        struct Step {
            Value value;
            std::size_t prefix;  // how much of `path` leads to it
        };
        std::vector<std::pair<std::string, std::string>> scalars;
        std::string path;
        std::vector<Step> pending{{tree.root().first(), 0}};
        while (!pending.empty()) {
            auto [value, prefix] = pending.back();
            pending.pop_back();
            if (!value) continue;
            pending.push_back({value.next(), prefix});
            path.resize(prefix);
            path += value.key();
            if (value.is_array()) {
                path += '.';
                pending.push_back({value.first(), path.size()});
            } else {
                scalars.emplace_back(printable(path), shown(value.text()));
            }
        }
        return scalars;
    }

    // A terminal gets what fits on the line, everything else all of the value.
    std::string shown(std::string_view content) const {
        std::size_t most = screen_.width > 0 ? screen_.width * 4 : content.size();
        return content.empty() ? "''" : printable(content, most);
    }

    void verdict(const Story& story) {
        const StoredEvent& event = story.event;
        title("what was decided: " + std::string(name_of(event.state)));
        if (event.state == EventState::fresh) {
            line("  no worker has looked at it yet ('bxhook status' tells of workers)");
        }
        item("reason", printable(event.reason));
        for (const DeliveryStory& told : story.deliveries) {
            line("  " + told.record.hook + " took it");
        }
        for (const Refusal& refusal : event.refused) {
            line("  " + printable(refusal.hook) + " did not: " + printable(refusal.reason));
        }
        if (event.refused_more > 0) {
            line("  " + std::to_string(event.refused_more) + " more did not");
        }
        if (event.retryable) {
            line("  'bxhook retry " + std::to_string(event.number) + "' matches it again");
        }
    }

    void delivery(const DeliveryStory& told) {
        const DeliveryRecord& record = told.record;
        std::string state(name_of(record.state));
        std::string name = to_string({record.event, record.hook}) + ": ";
        std::string rest = ", attempt " + std::to_string(record.attempt) + " of " +
                           std::to_string(record.max_attempts);
        std::string note = note_of(record, now_);
        if (!note.empty()) rest += ", " + note;
        text_ += "\n";
        state_line(name, state, colour_of(record.state), rest);
        for (const AttemptRecord& one : told.attempts) attempt(one);
    }

    void attempt(const AttemptRecord& attempt) {
        std::string text = "  attempt " + std::to_string(attempt.attempt) + ": ";
        std::string result(name_of(attempt.result));
        std::string rest;
        std::string outcome = outcome_of(attempt);
        if (!outcome.empty()) rest += ", " + outcome;
        rest += ", " + relative_time(attempt.started_at, now_);
        if (attempt.ended_at) {
            rest += ", took " + std::to_string(*attempt.ended_at - attempt.started_at) + "ms";
        }
        state_line(text, result, colour_of(attempt.result), rest);
        output("stdout", attempt.out);
        output("stderr", attempt.err);
    }

    void output(std::string_view name, const Output& output) {
        if (output.bytes == 0) return;
        std::string size = std::to_string(output.bytes) + " bytes";
        if (output.bytes > static_cast<std::int64_t>(output.kept.size())) {
            size += ", " + std::to_string(output.kept.size()) + " kept";
        }
        line("    " + std::string(name) + " (" + size + "):");
        std::string shown = screen_.terminal ? visible(output.kept) : output.kept;
        std::string_view rest = shown;
        if (rest.ends_with('\n')) rest.remove_suffix(1);
        constexpr std::size_t margin = 6;
        std::size_t width = screen_.width > margin ? screen_.width - margin : 0;
        for (std::string_view row : split(rest, '\n')) {
            // What goes on in the next line has no bar.
            const char* bar = "    | ";
            for (const std::string& piece : fold(row, width)) {
                text_ += std::exchange(bar, "      ") + piece + "\n";
            }
        }
    }

    Screen screen_;
    Millis now_;
    std::string text_;
};

int run(const Arguments& args) {
    DeliveryName name = parse_delivery_name(args.words().front());
    ConfigPtr config = config_of(args, ConfigPart::gateway);
    std::unique_ptr<Store> store = store_of(*config);
    Story story = read_story(*store, name, args.has("--secrets"));
    bool json = args.has("--json");
    print(json ? as_json(story) : Page(Screen::of_stdout(), wall_now()).write(story));
    return 0;
}

}  // namespace

Command show_command() {
    Command command;
    command.name = "show";
    command.synopsis = "N[/HOOK]";
    command.summary = "an event: what came, what was decided, what its hooks did";
    command.help = R"(
Shows event N: what came, which hooks took it and which did not and why, and for
each delivery its attempts with their output.  N/HOOK shows that delivery alone.

Secrets (tokens) are shown as *** unless --secrets is given.  They are erased when
the event's last delivery has ended and none is dead.
)";
    command.options = {{"--secrets", "", "show tokens too"}};
    command.json = true;
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
