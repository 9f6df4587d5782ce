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
#include "base/text.h"
#include "config/hook_name.h"
#include "store/errors.h"

namespace bx {

namespace {

constexpr std::size_t files_a_step = 50;
constexpr std::string_view ending = ".txt";
constexpr std::string_view default_store = "queue.db";

std::string name_of_file(const Finish& finish) {
    return std::to_string(finish.event) + "-" + finish.hook + "-" +
           std::to_string(finish.attempt) + std::string(ending);
}

// Written as we write it: no sign, no zero before it.
std::optional<std::int64_t> own_number(std::string_view text) {
    const std::optional<std::int64_t> number = parse_number(text);
    if (!number || *number < 1 || text != std::to_string(*number)) return std::nullopt;
    return number;
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

// No link is followed: what is written and deleted there is ours alone.
Fd open_directory(const std::string& dir) {
    return Fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Why DIR cannot be opened, CODE being errno.
std::string why_not_opened(const std::string& dir, int code) {
    struct stat info {};
    if (::lstat(dir.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
        return "it is a symbolic link, which is not followed: make it a directory";
    }
    return system_error("cannot open it", code).what();
}

// Unless it is something else than a file.
void delete_file(const Fd& dir, const std::string& name) {
    struct stat info {};
    const bool found = ::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (found && S_ISREG(info.st_mode)) ::unlinkat(dir.get(), name.c_str(), 0);
}

// Why not; empty: it is written.
std::string write_file(const std::string& dir, const std::string& name, std::string_view text) {
    Fd opened = open_directory(dir);
    if (!opened && errno == ENOENT && ::mkdir(dir.c_str(), 0700) == 0) opened = open_directory(dir);
    if (!opened) return why_not_opened(dir, errno);
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const Fd file(::openat(opened.get(), name.c_str(), flags, 0600));
    if (file && write_all(file.get(), text)) return "";
    return system_error("cannot write '" + name + "'", errno).what();
}

}  // namespace

std::string outputs_directory(const Config& config) {
    const std::string& files = config.store.worker_files;
    const std::string dir = directory_of(files) + "/";
    const std::string name = files.substr(files.rfind('/') + 1);
    const bool alone = config.store.is_file() && name != default_store;
    return dir + (alone ? name + "." : "") + "outputs";
}

std::optional<EventNumber> event_of_output(std::string_view name) {
    if (!name.ends_with(ending)) return std::nullopt;
    name.remove_suffix(ending.size());
    const std::size_t first = name.find('-');
    const std::size_t last = name.rfind('-');
    if (first == last) return std::nullopt;
    const bool ours = is_hook_name(name.substr(first + 1, last - first - 1)) &&
                      own_number(name.substr(last + 1)).has_value();
    return ours ? own_number(name.substr(0, first)) : std::nullopt;
}

void OutputFiles::write(const Finish& finish, int max_attempts) {
    const ConfigPtr& config = context_.live.config();
    if (!config || !config->log.outputs) return;
    const std::string dir = outputs_directory(*config);
    const std::string complaint =
        write_file(dir, name_of_file(finish), text_of(finish, max_attempts));
    if (complaint == complaint_) return;
    complaint_ = complaint;
    if (!complaint.empty()) {
        context_.log.warning("what hooks print is not kept in files",
                             {{"directory", dir}, {"cause", complaint}});
    }
}

std::string OutputSweep::begin(const std::string& dir) {
    left_.clear();
    dir_ = open_directory(dir);
    if (!dir_) return errno == ENOENT ? "" : why_not_opened(dir, errno);
    Fd listed(::openat(dir_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(listed.get()), ::closedir);
    if (!entries) return why_not_opened(dir, errno);
    listed.release();  // it is the entries' now
    const EventNumber newest = upkeep_.newest();
    while (const dirent* entry = ::readdir(entries.get())) {
        const std::optional<EventNumber> event = event_of_output(entry->d_name);
        if (event && *event <= newest) left_.emplace_back(entry->d_name);
    }
    std::ranges::sort(left_, {}, [](const std::string& name) { return event_of_output(name); });
    return "";
}

// An event that cannot be read is there.
bool OutputSweep::is_there(EventNumber number) {
    try {
        return view_.event(number).has_value();
    } catch (const StoreDamaged&) {
        return true;
    }
}

void OutputSweep::step() {
    std::optional<EventNumber> known;
    bool there = false;
    for (std::size_t count = 0; count < files_a_step && !left_.empty(); ++count) {
        const std::string& name = left_.back();
        const std::optional<EventNumber> event = event_of_output(name);
        if (std::exchange(known, event) != event) there = is_there(*event);
        if (!there) delete_file(dir_, name);
        left_.pop_back();
    }
}

OutputUpkeep::OutputUpkeep(WorkerContext& context, Upkeep& upkeep, View& view)
    : context_(context),
      sweep_(upkeep, view),
      // cron starts one each minute: those look after they deleted something
      hour_(context.options.once ? context.now + hour : 0) {}

bool OutputUpkeep::begin(bool pruned) {
    const ConfigPtr& config = context_.live.config();
    if (busy() || !config || (!pruned && !hour_.due(context_.now))) return false;
    hour_.set(context_.now + hour);
    const std::string dir = outputs_directory(*config);
    const std::string complaint = sweep_.begin(dir);
    if (std::exchange(complaint_, complaint) != complaint && !complaint.empty()) {
        context_.log.warning("the files of deleted events stay",
                             {{"directory", dir}, {"cause", complaint}});
    }
    return true;
}

}  // namespace bx
