#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/held.h"
#include "cli/open.h"
#include "cli/output.h"
#include "cli/terminal/colours.h"
#include "cli/terminal/screen.h"
#include "report/json.h"
#include "report/story.h"
#include "report/wording.h"

namespace bx {

namespace {

// A story laid out for a terminal, or for a file.
class Page {
public:
    Page(const Screen& screen, Millis now) : screen_(screen), now_(now) {}

    std::string write(const Story& story) {
        head(story.event);
        body(story);
        title("what was decided: " + std::string(name_of(story.event.state)));
        for (const Fact& fact : decision_of(story, now_)) tell(fact);
        for (const DeliveryStory& delivery : story.deliveries) tell(delivery);
        return std::move(text_);
    }

private:
    void line(std::string_view text) { text_ += screen_.fit(text) + "\n"; }
    void title(std::string_view text) {
        text_ += "\n" + screen_.paint(screen_.fit(text), Colour::bold) + "\n";
    }
    // LABEL and what comes after it, in two columns.
    void item(std::string label, std::string_view content, std::size_t width = 10) {
        label.resize(std::max(label.size(), width), ' ');
        line("  " + label + " " + std::string(content));
    }
    void tell(const Fact& fact) {
        if (fact.label.empty()) line("  " + fact.text);
        else item(fact.label, fact.text);
    }
    // Of one colour in the middle.
    void state_line(const std::string& before, std::string_view state, Colour colour,
                    std::string_view after) {
        text_ += screen_.filled(before, screen_.paint(state, colour) + std::string(after));
    }

    void head(const StoredEvent& event) {
        std::string name =
            "event " + std::to_string(event.number) + ": " + printable(event.facts.code);
        text_ += screen_.paint(screen_.fit(name), Colour::bold) + "\n";
        for (const Fact& fact : facts_of(event, now_)) tell(fact);
    }

    void body(const Story& story) {
        constexpr std::size_t most_path = 40;
        title(story.event.secrets_erased ? "what came (its secrets were erased)"
              : story.masked             ? "what came (secrets masked, --secrets shows them)"
                                         : "what came");
        if (!story.event.damage.empty()) {
            line("  it cannot be read: " + printable(story.event.damage));
        }
        std::vector<Fact> facts;
        std::size_t width = 0;
        for (const BodyValue& value : values_of(story.body)) {
            facts.push_back({value.path, shown(value.text)});
            width = std::max(width, columns_of(facts.back().label));
        }
        width = std::min(width, most_path);
        for (const Fact& fact : facts) item(fact.label, fact.text, width);
    }

    // A terminal gets what fits on the line, everything else all of the value.
    std::string shown(std::string_view content) const {
        std::size_t most = screen_.width > 0 ? screen_.width * 4 : content.size();
        return content.empty() ? "''" : printable(content, most);
    }

    void tell(const DeliveryStory& delivery) {
        const DeliveryRecord& record = delivery.record;
        text_ += "\n";
        state_line(to_string({record.event, record.hook}) + ": ", name_of(record.state),
                   colour_of(record.state),
                   ", " + progress_of(record, now_).append(why_given_up(record)));
        for (const AttemptRecord& attempt : delivery.attempts) tell(attempt);
    }

    void tell(const AttemptRecord& attempt) {
        state_line("  attempt " + std::to_string(attempt.attempt) + ": ", name_of(attempt.result),
                   colour_of(attempt.result), ", " + course_of(attempt, now_));
        output("stdout", attempt.out);
        output("stderr", attempt.err);
    }

    void output(const std::string& name, const Output& output) {
        if (output.bytes == 0) return;
        line("    " + name + " (" + size_of(output) + "):");
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
    Story story = read_story(store->view(), name, args.has("--secrets"));
    HeldReasons held(config->path);
    for (DeliveryStory& delivery : story.deliveries) held.explain(delivery.record);
    bool json = args.has("--json");
    print(json ? story_json(story) : Page(Screen::of_stdout(), wall_now()).write(story));
    return 0;
}

}  // namespace

Command show_command() {
    Command command;
    command.name = "show";
    command.synopsis = "N[/HOOK]";
    command.summary = "show an event: what came, what was decided, what its hooks did";
    command.help = R"(
Shows event N: what came, which hooks matched, which did not and why, and for each
delivery its attempts with their output.  N/HOOK shows only that delivery.

  bxhook show 1042
  bxhook show 1042/crm-sync

Tokens are shown as *** unless --secrets is given.  They are erased when the event's
last delivery has ended and none is dead.
)";
    command.options = {{"--secrets", "", "show tokens too"}};
    command.json = true;
    command.min_words = 1;
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
