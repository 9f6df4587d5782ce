#include "host/installed_mark.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"

namespace bx {

namespace {

std::string mark_of(const std::string& worker_files) { return worker_files + ".installed"; }
std::string note_of(const std::string& worker_files) { return worker_files + ".none-installed"; }

}  // namespace

bool is_marked_installed(const std::string& worker_files) {
    return ::access(mark_of(worker_files).c_str(), F_OK) == 0;
}

bool mark_installed(const std::string& worker_files) {
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return static_cast<bool>(Fd(::open(mark_of(worker_files).c_str(), flags, 0600)));
}

bool was_without_installations(const std::string& worker_files, const std::string& store,
                               Millis lasting) {
    const std::string path = note_of(worker_files);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
    const Millis written =
        Millis{status.st_mtim.tv_sec} * second + status.st_mtim.tv_nsec / 1'000'000;
    const Millis age = wall_now() - written;
    return age >= 0 && age < lasting && read_file_or_nothing(path) == sha256(store);
}

void note_without_installations(const std::string& worker_files, const std::string& store) {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const Fd file(::open(note_of(worker_files).c_str(), flags, 0600));
    if (file) static_cast<void>(write_all(file.get(), sha256(store)));  // a part of it says nothing
}

}  // namespace bx
