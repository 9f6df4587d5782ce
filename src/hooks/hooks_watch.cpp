#include "hooks/hooks_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/file_system.h"

namespace bx {

namespace fs = std::filesystem;

void HooksWatch::begin(const std::string& hooks_dir) {
    fd_.reset();
    hooks_dir_ = hooks_dir;
    struct stat info {};
    if (::stat(hooks_dir.c_str(), &info) != 0 || is_shared_file_system(hooks_dir)) return;
    device_ = info.st_dev;
    inode_ = info.st_ino;
    fd_ = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (fd_ && (!add_all() || !is_same_directory())) fd_.reset();
}

bool HooksWatch::unchanged(const std::string& hooks_dir) {
    if (!watching(hooks_dir)) return false;
    alignas(inotify_event) std::array<char, 4096> events;
    const bool none = ::read(fd_.get(), events.data(), events.size()) < 0 && errno == EAGAIN;
    if (!none || !is_same_directory()) fd_.reset();
    return bool(fd_);
}

// A link on the way to it may lead elsewhere by now.
bool HooksWatch::is_same_directory() const {
    struct stat info {};
    return ::stat(hooks_dir_.c_str(), &info) == 0 && info.st_dev == device_ &&
           info.st_ino == inode_;
}

bool HooksWatch::add_all() const {
    if (!add(hooks_dir_)) return false;
    std::error_code error;
    for (fs::directory_iterator entry(hooks_dir_, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name.ends_with(".d") && entry->is_directory(error) && !add(entry->path())) return false;
    }
    return !error;
}

// False when it cannot be watched, or holds a link.
bool HooksWatch::add(const std::string& dir) const {
    constexpr std::uint32_t changes = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                      IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    if (::inotify_add_watch(fd_.get(), dir.c_str(), changes) < 0) return false;
    std::error_code error;
    for (fs::directory_iterator entry(dir, error), end; !error && entry != end;
         entry.increment(error)) {
        if (entry->is_symlink(error)) return false;
    }
    return !error;
}

}  // namespace bx
