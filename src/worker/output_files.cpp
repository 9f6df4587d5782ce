#include "worker/output_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "store/errors.h"

namespace bx {

namespace {

constexpr std::size_t files_a_step = 50;
constexpr std::string_view ending = ".txt";

// Beside the files that this host keeps of its store.
std::string outputs_of(const Config& config) {
    return directory_of(config.store.worker_files) + "/outputs";
}

// The event of the file NAME; 0 when it is not one of ours.
EventNumber event_of(std::string_view name) {
    if (!name.ends_with(ending)) return 0;
    return parse_number(name.substr(0, name.find('-'))).value_or(0);
}

std::string text_of(const Finish& finish, int max_attempts) {
    std::string text = to_string(DeliveryName{finish.event, finish.hook}) + ", attempt " +
                       std::to_string(finish.attempt) + " of " + std::to_string(max_attempts) +
                       ", ended " + iso_time(finish.ended_at) + ": ";
    const std::string& reason = finish.delivery_reason;
    text += reason.empty() ? std::string(name_of(finish.result)) : reason;
    if (finish.next == DeliveryState::waiting) text += ", runs again " + iso_time(finish.due_at);
    if (finish.next == DeliveryState::dead) text += ", dead";
    text += "\n" + finish.out.kept;
    if (!text.ends_with('\n')) text += '\n';
    if (!finish.err.kept.empty()) text += "--- stderr ---\n" + finish.err.kept;
    return text;
}

Fd open_new(const std::string& path) {
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return Fd(::open(path.c_str(), flags, 0600));
}

// 0, or errno.
int write_file(const std::string& dir, const std::string& name, std::string_view text) {
    const std::string path = dir + "/" + name;
    Fd file = open_new(path);
    if (!file && errno == ENOENT && ::mkdir(dir.c_str(), 0700) == 0) file = open_new(path);
    if (!file || !write_all(file.get(), text)) return errno;
    return 0;
}

}  // namespace

void OutputFiles::write(const Finish& finish, int max_attempts) {
    const ConfigPtr& config = context_.live.config();
    if (!config || !config->log.outputs) return;
    const std::string dir = outputs_of(*config);
    const std::string name = std::to_string(finish.event) + "-" + finish.hook + "-" +
                             std::to_string(finish.attempt) + std::string(ending);
    const int code = write_file(dir, name, text_of(finish, max_attempts));
    const std::string complaint = code == 0 ? "" : system_error("cannot write", code).what();
    if (complaint == complaint_) return;
    complaint_ = complaint;
    if (code != 0) {
        context_.log.warning("what hooks print is not kept in files",
                             {{"file", dir + "/" + name}, {"cause", complaint}});
    }
}

OutputSweep::OutputSweep(WorkerContext& context, View& store)
    : context_(context),
      store_(store),
      // cron starts one each minute: those look after they deleted something
      hour_(context.options.once ? context.now + hour : 0) {}

void OutputSweep::begin(bool pruned) {
    const bool due = hour_.due(context_.now);
    if (busy() || (!pruned && !due)) return;
    hour_.set(context_.now + hour);
    const ConfigPtr& config = context_.live.config();
    if (!config) return;
    dir_ = outputs_of(*config);
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(dir_.c_str()), ::closedir);
    if (!dir) return;  // there were never any
    while (const dirent* entry = ::readdir(dir.get())) {
        if (event_of(entry->d_name) > 0) left_.emplace_back(entry->d_name);
    }
    std::ranges::sort(left_, {}, [](const std::string& name) { return event_of(name); });
}

// An event that cannot be read is there.
bool OutputSweep::is_there(EventNumber number) {
    try {
        return store_.event(number).has_value();
    } catch (const StoreDamaged&) {
        return true;
    }
}

void OutputSweep::step() {
    EventNumber known = 0;
    bool there = false;
    for (std::size_t count = 0; count < files_a_step && !left_.empty(); ++count) {
        const EventNumber number = event_of(left_.back());
        if (std::exchange(known, number) != number) there = is_there(number);
        if (!there) ::unlink((dir_ + "/" + left_.back()).c_str());
        left_.pop_back();
    }
}

}  // namespace bx
