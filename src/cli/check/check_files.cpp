#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "base/fd.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "host/accounts.h"
#include "host/advice.h"

namespace bx {

namespace {

constexpr std::size_t max_htaccess = std::size_t{64} << 10;

std::optional<struct stat> look_at(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return std::nullopt;
    return info;
}

// A file that says what runs, or holds tokens.
void check_permissions(const std::string& path, Findings& findings) {
    std::optional<struct stat> info = look_at(path);
    if (!info) return;
    if (info->st_uid != 0 && info->st_uid != ::geteuid()) {
        findings.error(path, "belongs to " + user_name(info->st_uid) + ", who could change it",
                       "chown " + user_argument(::geteuid()) + " " + shell_word(path));
    }
    if ((info->st_mode & S_IROTH) != 0 && can_be_reached(path, S_IXOTH)) {
        // Of root's file the user keeps what the group may.
        bool own = info->st_uid == ::geteuid() || ::getegid() == no_group;
        findings.warning(path, "everyone on this machine can read it, including its tokens",
                         own ? "chmod 600 " + shell_word(path)
                             : give_group_command(path, ::getegid()) + " && chmod 640 " +
                                   shell_word(path));
    }
}

bool denies_all(const std::string& htaccess) {
    std::string text = lower(first_bytes(htaccess, max_htaccess));
    return text.find("require all denied") != std::string::npos ||
           text.find("deny from all") != std::string::npos;
}

bool has(const std::string& dir, const std::string& name) {
    return ::access(absolute_path(dir, name).c_str(), F_OK) == 0;
}

// By its name, or by what lies in it.  A guess: only the web server knows.
bool looks_like_document_root(const std::string& dir) {
    constexpr std::array<std::string_view, 6> names{"public_html", "htdocs",  "httpdocs",
                                                    "html",        "wwwroot", "webroot"};
    std::string name = dir.substr(dir.rfind('/') + 1);
    return std::ranges::find(names, name) != names.end() || has(dir, "index.php") ||
           has(dir, "index.html") || has(dir, "bxhook.fcgi") || has(dir, "bxhook.cgi");
}

// How what holds PATH comes out of the document root ROOT.  No command where something of that name
// is there already, and none for what the web server needs: it would go with it.
std::string way_out(const std::string& path, const std::string& root) {
    std::string top = path.substr(0, path.find('/', root.size() + 1));
    std::string name = top.substr(root.size() + 1);
    std::string target = absolute_path(directory_of(root), name);
    bool plain = top != path && ::access(target.c_str(), F_OK) != 0 &&
                 !looks_like_document_root(top) && !looks_like_document_root(directory_of(root));
    if (plain) return "mv -nT " + shell_word(top) + " " + shell_word(target);
    return "move it while bxhook is stopped, and set its new path in bxhook.fcgi or the units";
}

// PATH below a document root is for everybody, but in .htbxhook/ with an .htaccess of its own.
void check_place(const std::string& path, Findings& findings) {
    for (std::string dir = directory_of(path); dir.size() > 1; dir = directory_of(dir)) {
        if (dir.ends_with("/.htbxhook")) {
            std::string htaccess = absolute_path(dir, ".htaccess");
            if (denies_all(htaccess)) return;
            bool there = ::access(htaccess.c_str(), F_OK) == 0;
            return findings.error(path,
                                  "nothing keeps the web server from serving it: " + htaccess +
                                      " must contain 'Require all denied'" +
                                      (there ? " and nothing else" : ""),
                                  there ? edit_command(htaccess)
                                        : "echo 'Require all denied' >> " + shell_word(htaccess));
        }
        if (looks_like_document_root(dir)) {
            return findings.warning(path,
                                    "seems to be below the document root '" + dir +
                                        "': move it out of there, or where that is impossible "
                                        "into " +
                                        absolute_path(dir, ".htbxhook/"),
                                    way_out(path, dir));
        }
    }
}

void check_log(const Config& config, Findings& findings) {
    const std::string& file = config.log.file;
    std::string dir = directory_of(file);
    if (::access(dir.c_str(), F_OK) != 0) {
        return findings.error(file, "the log cannot be written: its directory is missing",
                              make_directory_command(dir, "750"));
    }
    // Where others have their logs too nothing is given away.
    if (::access(dir.c_str(), W_OK | X_OK) != 0) {
        findings.error(file,
                       "the log cannot be written: " + user_name(::geteuid()) +
                           " may not write in its directory; give it a directory of its own",
                       edit_command(config.path));
    }
}

}  // namespace

bool can_be_reached(const std::string& path, mode_t enter) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(path, error);
    if (error) return true;  // not known
    for (std::string dir = real.parent_path(); dir != "/"; dir = directory_of(dir)) {
        const std::optional<struct stat> info = look_at(dir);
        if (info && (info->st_mode & enter) == 0) return false;
    }
    return true;
}

void check_files(const Config& config, Findings& findings) {
    check_permissions(config.path, findings);
    check_place(config.path, findings);
    if (!config.portals_file.empty()) {
        check_permissions(config.portals_file, findings);
        check_place(config.portals_file, findings);
    }
    if (config.store.is_file()) check_place(config.store.address, findings);
    check_place(config.hooks_dir, findings);
    if (!config.log.file.empty()) check_log(config, findings);
}

}  // namespace bx
