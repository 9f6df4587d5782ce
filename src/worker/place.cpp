#include "worker/place.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/error.h"

namespace bx {

namespace {

std::string gone(const std::string& what, const std::string& path) {
    return what + " '" + path + "' was moved, deleted or replaced";
}

// Not the file itself: editors and FTP clients delete and write it again.
Fd open_directory_of(const std::string& path) {
    return Fd(::open(directory_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

WorkerPlace::WorkerPlace(std::string config_path, const StorePlace& store, const WorkerLock& lock)
    : config_path_(std::move(config_path)),
      config_dir_(open_directory_of(config_path_)),
      store_file_(store.is_file() ? store.address : ""),
      store_id_(store.is_file() ? file_id(store.address) : FileId{}),
      lock_(lock) {}

std::string WorkerPlace::lost() const {
    const std::string dir = directory_of(config_path_);
    // Another directory in its place (a symlink that was turned) is as good, with its config.
    const bool dir_lost = ::access(dir.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
    if (dir_lost) return gone("the directory of the config", dir);
    if (!store_file_.empty() && is_gone(store_file_, store_id_)) {
        return gone("the store", store_file_);
    }
    if (!lock_.is_in_place()) return gone("the worker's lock file", lock_.path());
    return "";
}

std::string WorkerPlace::config_now() const {
    std::array<char, PATH_MAX> dir;
    const std::string link = "/proc/self/fd/" + std::to_string(config_dir_.get());
    const ssize_t size = ::readlink(link.c_str(), dir.data(), dir.size());
    if (size <= 0) return "";
    const std::string name = config_path_.substr(config_path_.rfind('/') + 1);
    std::string path = std::string(dir.data(), static_cast<std::size_t>(size)) + '/' + name;
    return ::access(path.c_str(), F_OK) == 0 ? path : "";
}

bool WorkerPlace::has_new_program(Log& log) {
    const bool replaced = program_.was_replaced();
    if (program_.take_refusal()) log_new_program_refused(log);
    return replaced;
}

}  // namespace bx
