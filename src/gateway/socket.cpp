#include "gateway/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/shell.h"
#include "base/text.h"
#include "host/accounts.h"
#include "host/identity.h"
#include "host/trust.h"
#include "host/umask.h"

namespace bx {

namespace {

gid_t group_id(const std::string& group) {
    if (std::optional<gid_t> known = find_group(group)) return *known;
    std::optional<std::int64_t> number = parse_number(group);
    if (number) return static_cast<gid_t>(*number);
    throw Error("cannot find the group '" + group + "' in /etc/group: give its name or number");
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    constexpr std::size_t longest = sizeof address.sun_path - 1;
    if (path.size() > longest) {
        throw Error("cannot listen on '" + path + "': the path is longer than " +
                    std::to_string(longest) + " bytes");
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Fd unix_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) throw_errno("cannot make a socket");
    return fd;
}

// PATH is how a person knows the place of ADDRESS.
void remove_dead_socket(const std::string& path, const sockaddr_un& address) {
    struct stat info {};
    if (::lstat(address.sun_path, &info) != 0) {
        if (errno == ENOENT) return;
        throw_errno("cannot access '" + path + "'");
    }
    if (!S_ISSOCK(info.st_mode)) {
        throw Error("cannot listen on '" + path + "': it exists and is not a socket");
    }
    Fd probe = unix_socket();
    const auto* target = reinterpret_cast<const sockaddr*>(&address);
    int cause = ::connect(probe.get(), target, sizeof address) == 0 ? 0 : errno;
    if (cause == 0 || cause == EAGAIN) {  // EAGAIN: its backlog is full
        throw Error("cannot listen on '" + path + "': another process listens there");
    }
    if (cause != ECONNREFUSED) {
        throw Error("cannot find out whether another process listens on '" + path + "': " +
                    std::strerror(cause) + ": if none does, remove it");
    }
    if (::unlink(address.sun_path) != 0) throw_errno("cannot remove the old socket '" + path + "'");
}

Fd bind_socket(const std::string& path, const sockaddr_un& address) {
    Fd fd = unix_socket();
    Umask mask(0117);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw_errno("cannot listen on '" + path + "'");
    }
    return fd;
}

// The directory of PATH, which nobody can replace any more: it is open.  Throws UnsafeFile when
// others than its owner lead to it, Error when it would not give the socket to GROUP.
Target directory_for(const std::string& path, const std::optional<gid_t>& group) {
    const std::string dir = directory_of(std::filesystem::absolute(path).string());
    std::optional<Target> target = follow(dir);
    if (!target) throw system_error("cannot listen on '" + path + "'", ENOENT);
    const struct stat& info = target->info;
    require_only(info.st_uid, target->writers);
    if (group && (info.st_mode & S_ISGID) != 0 && info.st_gid != *group) {
        throw Error("cannot give '" + path + "' to the group: its directory gives new files the "
                    "group it has itself: chmod g-s " + shell_word(dir));
    }
    return std::move(*target);
}

// The socket is made by the owner of its directory, and of the group at once.  With that group,
// which the owner may not have, no path of the owner's is followed: it would lead into directories
// that are open to the group.
Fd make_as_root(const std::string& path, const std::optional<gid_t>& group) {
    const Target dir = directory_for(path, group);
    const std::string name = std::filesystem::path(path).filename();
    address_of(path);  // clients need it as well
    const sockaddr_un address =
        address_of("/proc/self/fd/" + std::to_string(dir.fd.get()) + '/' + name);
    User maker = user_to_act_as(dir.info.st_uid);
    {
        ActingAs as(maker);
        remove_dead_socket(path, address);
    }
    if (group) maker.gid = *group;
    ActingAs as(maker);
    return bind_socket(path, address);
}

Fd make_as_user(const std::string& path, const std::optional<gid_t>& group) {
    const sockaddr_un address = address_of(path);
    remove_dead_socket(path, address);
    Fd fd = bind_socket(path, address);
    if (group && ::lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
        throw_errno("cannot give '" + path + "' to the group " + std::to_string(*group));
    }
    return fd;
}

}  // namespace

Fd open_listener(const std::string& path, const std::string& group) {
    std::optional<gid_t> gid;
    if (!group.empty()) gid = group_id(group);
    Fd fd = ::geteuid() == 0 ? make_as_root(path, gid) : make_as_user(path, gid);
    if (::listen(fd.get(), backlog) != 0) throw_errno("cannot listen on '" + path + "'");
    return fd;
}

bool is_listening_socket(int fd) {
    int listening = 0;
    socklen_t size = sizeof listening;
    return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

Fd systemd_socket() {
    auto number = [](const char* name) {
        const char* text = std::getenv(name);
        return parse_number(text ? text : "").value_or(-1);
    };
    constexpr int first = 3;  // SD_LISTEN_FDS_START
    if (number("LISTEN_PID") != ::getpid() || number("LISTEN_FDS") < 1) return {};
    if (!is_listening_socket(first)) return {};
    if (::fcntl(first, F_SETFD, FD_CLOEXEC) != 0) throw_errno("cannot take systemd's socket");
    return Fd(first);
}

}  // namespace bx
