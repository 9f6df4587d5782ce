#include "host/trust.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string_view>

#include "base/shell.h"
#include "base/text.h"
#include "host/advice.h"
#include "host/identity.h"

namespace bx {

namespace {

constexpr int max_links = 40;  // as the kernel
constexpr mode_t others = S_IWGRP | S_IWOTH;

std::string below(const std::string& dir, std::string_view name) {
    return (dir == "/" ? "" : dir) + '/' + std::string(name);
}

// Whatever the group: with an access control list its bits are what anybody in the list may do.
bool others_write(const struct stat& dir) { return (dir.st_mode & others) != 0; }

class Walk {
public:
    explicit Walk(std::string path) : whole_(std::move(path)), rest_(whole_) { begin_at_root(); }

    std::optional<Target> go() {
        for (std::string name = next(); !name.empty(); name = next()) {
            if (!step(name)) return std::nullopt;
        }
        target_.fd = std::move(fd_);
        return std::move(target_);
    }

private:
    void begin_at_root() {
        fd_ = Fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
        path_ = "/";
        if (!fd_ || ::fstat(fd_.get(), &target_.info) != 0) throw_errno("cannot access '/'");
    }

    // The next name of the path; empty at its end.
    std::string next() {
        std::size_t begin = std::min(rest_.find_first_not_of('/'), rest_.size());
        std::size_t end = std::min(rest_.find('/', begin), rest_.size());
        std::string name = rest_.substr(begin, end - begin);
        rest_.erase(0, end);
        return name == "." ? next() : name;
    }

    // As a directory first: that mounts what is mounted when it is entered.
    Fd open(const std::string& name) const {
        constexpr int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
        Fd fd(::openat(fd_.get(), name.c_str(), flags | O_DIRECTORY));
        if (!fd && (errno == ENOTDIR || errno == ELOOP)) {
            fd = Fd(::openat(fd_.get(), name.c_str(), flags));
        }
        return fd;
    }

    // Through NAME in the directory where we are.  False: there is none.
    bool step(const std::string& name) {
        Fd entry = open(name);
        if (!entry && (errno == ENOENT || errno == ENOTDIR)) return false;
        struct stat info {};
        if (!entry || ::fstat(entry.get(), &info) != 0) {
            throw_errno("cannot access '" + below(path_, name) + "'");
        }
        // In a sticky directory users can replace only what is their own.
        bool replaceable = others_write(target_.info) && (target_.info.st_mode & S_ISVTX) == 0;
        if (replaceable) add({path_, std::nullopt, S_IFDIR});
        std::string path = below(path_, name);
        if (info.st_uid != 0) add({path, info.st_uid, info.st_mode & S_IFMT});
        if (S_ISLNK(info.st_mode)) {
            follow_link(entry, path);
            return true;
        }
        fd_ = std::move(entry);
        path_ = std::move(path);
        target_.info = info;
        return true;
    }

    void follow_link(const Fd& link, const std::string& path) {
        std::array<char, PATH_MAX> target;
        ssize_t size = ::readlinkat(link.get(), "", target.data(), target.size());
        if (size < 0) throw_errno("cannot read the link '" + path + "'");
        if (++links_ > max_links) throw system_error("cannot access '" + whole_ + "'", ELOOP);
        rest_.insert(0, std::string(target.data(), static_cast<std::size_t>(size)) + '/');
        if (rest_.starts_with('/')) begin_at_root();
    }

    void add(const Writer& writer) { target_.writers.push_back(writer); }

    std::string whole_;
    std::string rest_;  // of the path
    Fd fd_;             // where we are, and its name without links
    std::string path_;
    int links_ = 0;
    Target target_;
};

UnsafeFile open_to_others(const std::string& path) {
    return {path, "others can change it, and with it what runs", "chmod go-w " + shell_word(path)};
}

UnsafeFile of_another(const Writer& writer, uid_t user) {
    std::string fix = "chown " + user_argument(user) + ' ' + shell_word(writer.path);
    if (writer.type == S_IFLNK) fix.insert(fix.find(' '), " -h");
    if (writer.type == S_IFDIR) {
        fix = "move it into a directory that belongs to root or " + user_name(user);
    }
    return {writer.path,
            "belongs to " + user_name(*writer.uid) + ", who could change what runs as " +
                user_name(user),
            fix};
}

void refuse_others(const std::vector<Writer>& writers) {
    for (const Writer& writer : writers) {
        if (!writer.uid) throw open_to_others(writer.path);
    }
}

Fd open_regular(const std::string& path) {
    // A device may act when it is opened, a FIFO waits.
    struct stat info {};
    bool other = ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
    Fd fd;
    if (!other) fd = Fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!other && (!fd || ::fstat(fd.get(), &info) != 0)) throw_errno("cannot open '" + path + "'");
    if (!S_ISREG(info.st_mode)) throw Error("cannot read '" + path + "': not a regular file");
    if ((info.st_mode & others) != 0) throw open_to_others(path);
    return fd;
}

// The first directory on the way to PATH that this process cannot enter; empty: none.
std::string closed_directory(const std::string& path) {
    std::size_t end = path.find('/', 1);
    while (end != std::string::npos) {
        std::string dir = path.substr(0, end);
        if (::faccessat(AT_FDCWD, dir.c_str(), X_OK, AT_EACCESS) != 0) return dir;
        end = path.find('/', end + 1);
    }
    return "";
}

Fd open_as(const User& user, const std::string& path) {
    try {
        ActingAs as(user);
        return open_regular(path);
    } catch (const UnsafeFile&) {
        throw;
    } catch (const Error&) {
        ActingAs as(user);
        if (::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0 || errno != EACCES) throw;
        std::string closed = closed_directory(path);
        if (!closed.empty()) {
            throw UnsafeFile(path, user_name(user.uid) + ", who can change it, cannot enter '" +
                                       closed + "'",
                             "ls -ld " + shell_word(closed));
        }
        throw UnsafeFile(path, user_name(user.uid) + ", who can change it, cannot read it",
                         give_group_command(path, user.gid) + " && chmod g+r " +
                             shell_word(path));
    }
}

}  // namespace

UnsafeFile::UnsafeFile(const std::string& path, const std::string& problem, const std::string& fix)
    : Error("'" + path + "' is unsafe: " + problem + ": " + fix),
      path_(path),
      problem_(problem),
      fix_(fix) {}

std::optional<Target> follow(const std::string& path) {
    return Walk(path).go();
}

bool is_roots_alone(const Target& dir) {
    return dir.writers.empty() && !others_write(dir.info);
}

void require_only(uid_t uid, const std::vector<Writer>& writers) {
    refuse_others(writers);
    for (const Writer& writer : writers) {
        if (*writer.uid != uid) throw of_another(writer, uid);
    }
}

std::string read_trusted_file(const std::string& path, std::size_t max,
                              std::vector<Writer>& writers) {
    const std::string name = "'" + path + "'";
    if (::geteuid() != 0) return read_all(open_regular(path).get(), name, max);
    std::optional<Target> target = follow(path);
    if (!target) throw system_error("cannot open " + name, ENOENT);
    const bool named = !writers.empty();
    writers.insert(writers.end(), target->writers.begin(), target->writers.end());
    refuse_others(writers);
    if (writers.empty()) return read_all(open_regular(path).get(), name, max);
    // If root owns it, somebody else can lead us to it, or has named it.
    const bool owners = !named && target->info.st_uid != 0;
    const Writer& reader = owners ? writers.back() : writers.front();
    try {
        return read_all(open_as(user_to_act_as(*reader.uid), path).get(), name, max);
    } catch (const UnsafeFile&) {
        // Its owner cannot get there, and another user leads to it: no group helps.
        const bool astray = owners && reader.uid != writers.front().uid &&
                            (target->info.st_mode & S_IRUSR) != 0;
        if (astray) throw of_another(reader, *writers.front().uid);
        throw;
    }
}

void trust_directory(const std::string& dir, std::vector<Writer>& writers) {
    if (::geteuid() != 0) return;
    std::optional<Target> target = follow(dir);
    if (!target) return;
    refuse_others(target->writers);
    if ((target->info.st_mode & others) != 0) throw open_to_others(dir);
    writers.insert(writers.end(), target->writers.begin(), target->writers.end());
    // Unlike those above it, it may be given to another.
    if (target->info.st_uid != 0) writers.back().type = S_IFREG;
}

}  // namespace bx
