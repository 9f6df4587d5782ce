#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "base/fd.h"
#include "config/config.h"

namespace bx {

namespace {

std::string from_here(const std::string& path) {
    if (path.starts_with('/')) return path;
    std::array<char, PATH_MAX> dir;
    if (::getcwd(dir.data(), dir.size()) == nullptr) {
        throw_errno("cannot tell the working directory");
    }
    return absolute_path(dir.data(), path);
}

}  // namespace

std::string find_config(const std::string& explicit_path) {
    if (!explicit_path.empty()) return from_here(explicit_path);
    const char* named = std::getenv("BXHOOK_CONFIG");
    if (named != nullptr && *named != '\0') return from_here(named);
    std::string beside = directory_of(own_binary());
    for (const char* place : {".htbxhook/bxhook.conf", "bxhook.conf"}) {
        std::string path = absolute_path(beside, place);
        if (::access(path.c_str(), F_OK) == 0) return path;
    }
    return std::string(BXHOOK_SYSCONFDIR) + "/bxhook/bxhook.conf";
}

std::string find_log() {
    const char* named = std::getenv("BXHOOK_LOG");
    return named != nullptr && *named != '\0' ? from_here(named) : "";
}

}  // namespace bx
