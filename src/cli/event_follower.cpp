#include "cli/event_follower.h"

#include <chrono>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/terminal/colours.h"
#include "report/story.h"
#include "report/wording.h"

namespace bx {

namespace {

constexpr std::chrono::milliseconds pause{100};
constexpr Millis worker_patience = 3 * second;  // until a worker is missed

// Nothing more is to be seen of it without a person, or for as long as its backoff lasts.  One that
// has not run and has a reason is held back: another hook has its name.
bool is_over(const DeliveryRecord& record) {
    switch (record.state) {
        case DeliveryState::running: return false;
        case DeliveryState::waiting: return record.attempt > 0 || !record.reason.empty();
        default: return true;
    }
}

}  // namespace

EventFollower::EventFollower(Store& store, EventNumber number) : store_(store), number_(number) {}

bool EventFollower::follow() {
    const Millis begun = steady_now();
    for (bool missed = false; !look(); std::this_thread::sleep_for(pause)) {
        if (missed || steady_now() - begun < worker_patience || told_) continue;
        missed = true;
        remark(why_silent());
    }
    return good_;
}

std::string EventFollower::why_silent() const {
    const StoreStatus status = store_.view().status(wall_now());
    if (!status.worker_runs) {
        return "no worker runs yet, still waiting for one ('bxhook status' shows why)";
    }
    for (const WorkerRecord& worker : status.workers) {
        if (worker.config_error.empty()) continue;
        return "the worker cannot use configuration or hooks, still waiting for that to be "
               "fixed: " + printable(worker.config_error, 4000);
    }
    return "nothing has started yet, still waiting ('bxhook status' shows why)";
}

// True when there is nothing more to see.
bool EventFollower::look() {
    const StoredEvent event = stored_event(store_.view(), number_);
    if (event.state == EventState::fresh) return false;
    if (event.state == EventState::skipped) {
        say_skipped();
        return true;
    }
    say_refusals(event);
    bool over = true;
    for (const DeliveryRecord& record : store_.view().deliveries(number_)) {
        Shown& shown = shown_[record.hook];
        if (!shown.over) look_at(record, shown);
        over = over && shown.over;
    }
    return over;
}

void EventFollower::say_skipped() {
    good_ = false;
    const Story story = read_story(store_.view(), {number_, ""}, false);
    std::string text = screen_.fit(std::to_string(number_) + ": skipped") + "\n";
    for (const Fact& fact : decision_of(story, wall_now())) {
        const std::string label = fact.label.empty() ? "" : fact.label + ": ";
        text += screen_.fit("  " + label + fact.text) + "\n";
    }
    print(text);
}

// Once: the hooks that would be missed without a word.
void EventFollower::say_refusals(const StoredEvent& event) {
    if (std::exchange(refusals_said_, true)) return;
    for (const Refusal& refusal : event.refused) {
        if (is_of_other_event(refusal)) continue;
        if (refusal.rule == HookRule::unable) good_ = false;
        print(screen_.fit(to_string({number_, refusal.hook}) + ": skipped, " +
                          printable(refusal.reason, 1000)) + "\n");
    }
}

void EventFollower::look_at(const DeliveryRecord& record, Shown& shown) {
    const std::vector<AttemptRecord> attempts = store_.view().attempts(number_, record.hook);
    const AttemptRecord* attempt = attempts.empty() ? nullptr : &attempts.back();
    const std::string name = to_string({number_, record.hook});
    if (attempt) {
        if (!std::exchange(shown.started, true)) say(screen_.fit(name + ": started") + "\n");
        say_output(name + ": stdout", shown.out.news(attempt->out));
        say_output(name + ": stderr", shown.err.news(attempt->err));
    }
    shown.over = is_over(record);
    if (shown.over) say_end(record, attempt);
    else if (!attempt) say_waiting(record, shown);
}

// What it waits for, unless that is its turn, which comes at once.
void EventFollower::say_waiting(const DeliveryRecord& record, Shown& shown) {
    const Millis now = wall_now();
    const bool later = record.blocked_by || (record.due_at && *record.due_at > now + second);
    if (!later || std::exchange(shown.waits, true)) return;
    const std::string name = to_string({number_, record.hook});
    say(screen_.fit(name + ": waiting, " + note_of(record, now)) + "\n");
}

void EventFollower::say_end(const DeliveryRecord& record, const AttemptRecord* attempt) {
    if (record.state != DeliveryState::done && record.state != DeliveryState::merged) {
        good_ = false;
    }
    std::string after;
    const std::string note = note_of(record, wall_now());
    if (!note.empty()) after += ", " + note;
    if (attempt && attempt->ended_at) {
        after += ", took " + std::to_string(*attempt->ended_at - attempt->started_at) + "ms";
    }
    say(screen_.filled(to_string({number_, record.hook}) + ": ",
                       screen_.paint(name_of(record.state), colour_of(record.state)) + after));
}

// LINE with its LF, below the output so far.
void EventFollower::say(const std::string& line) {
    told_ = true;
    print((open_line_ ? "\n" : "") + line);
    open_line_ = false;
    source_.clear();
}

// Each line with a bar, as `show` has it; below a line that says whose it is when that changes.
void EventFollower::say_output(const std::string& source, const std::string& text) {
    if (text.empty()) return;
    std::string shown;
    if (source != source_) {
        if (open_line_) shown += "\n";
        shown += "  " + source + "\n";
        source_ = source;
        open_line_ = false;
    }
    std::string_view rest = text;
    const bool ended = rest.ends_with('\n');
    if (ended) rest.remove_suffix(1);
    for (std::string_view line : split(rest, '\n')) {
        if (!open_line_) shown += "  | ";
        shown.append(line).append("\n");
        open_line_ = false;
    }
    if (!ended) {
        shown.pop_back();
        open_line_ = true;
    }
    print_foreign(shown);
}

}  // namespace bx
