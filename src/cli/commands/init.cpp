#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/commands/templates.h"
#include "cli/terminal/screen.h"
#include "hooks/hooks.h"
#include "host/accounts.h"
#include "host/identity.h"
#include "host/own_commands.h"
#include "host/trust.h"

namespace bx {

namespace {

struct Plan {
    std::string dir;         // absolute
    std::string public_dir;  // absolute; empty: none
    std::string binary;
    User owner;              // of DIR and all in it
};

std::string plain_path(const std::string& path) {
    std::string plain = std::filesystem::absolute(path).lexically_normal().string();
    while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
    return plain;
}

std::optional<struct stat> look_at(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return std::nullopt;
    return info;
}

// What happened to each file, for the person.
class Report {
public:
    void made(const std::string& path) { text_ += "  made     " + path + "\n"; }
    void kept(const std::string& path) { text_ += "  kept     " + path + " (was there)\n"; }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

// Makes PATH with exactly MODE and TEXT, unless something is there.  False: it was.
bool make_file(const std::string& path, std::string_view text, mode_t mode, Report& report) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd && errno == EEXIST) {
        report.kept(path);
        return false;
    }
    if (!fd) throw_errno("cannot make '" + path + "'");
    if (!write_all(fd.get(), text) || ::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0) {
        int error = errno;
        ::unlink(path.c_str());  // half a file would be kept for ever
        throw system_error("cannot write '" + path + "'", error);
    }
    report.made(path);
    return true;
}

// False: it was there.
bool make_directory(const std::string& path, mode_t mode, Report& report) {
    if (::mkdir(path.c_str(), mode) == 0) {
        sync_directory(directory_of(path));
        report.made(path + "/");
        return true;
    }
    if (errno != EEXIST) throw_errno("cannot make directory '" + path + "'");
    std::optional<struct stat> info = look_at(path);
    if (!info || !S_ISDIR(info->st_mode)) throw Error("'" + path + "' is not a directory");
    report.kept(path + "/");
    return false;
}

// -- Whose it will be

// Nobody else may lead us to that directory.
User owner_of_public(const std::string& public_dir) {
    std::optional<Target> target = follow(public_dir);
    if (!target) return {};
    const struct stat& info = target->info;
    require_only(info.st_uid, target->writers);
    return user_to_act_as(info.st_uid);
}

User owner_for_root(const Arguments& args, const std::string& public_dir) {
    User owner;
    if (args.has("--user")) {
        std::optional<User> user = find_user(args.value("--user"));
        if (!user) throw Error("there is no user '" + printable(args.value("--user")) + "'");
        owner = *user;
    } else if (!public_dir.empty()) {
        owner = owner_of_public(public_dir);
    }
    if (owner.uid != 0) return owner;
    throw Error("hooks and gateway must not run as root: name another user with --user NAME");
}

User owner_of(const Arguments& args, const std::string& public_dir) {
    if (::geteuid() == 0) return owner_for_root(args, public_dir);
    std::string self = user_name(::geteuid());
    if (args.has("--user") && args.value("--user") != self) {
        throw Error("only root can make files of another user: run as root, or as " +
                    printable(args.value("--user")));
    }
    return {self, ::geteuid(), ::getegid(), ""};
}

bool is_same_file(const std::string& a, const std::string& b) {
    std::optional<struct stat> one = look_at(a);
    std::optional<struct stat> other = look_at(b);
    return one && other && one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

// A bxhook.conf beside the program is what commands use, unless .htbxhook/ there has one (see
// find_config): gateway and commands would then have two queues.
void require_use_of(const Plan& plan) {
    std::string hidden = plan.dir + "/.htbxhook";
    if (!is_same_file(plan.dir, directory_of(plan.binary)) || !look_at(hidden + "/bxhook.conf")) {
        return;
    }
    throw Error("commands would not use the bxhook.conf in '" + plan.dir + "', but '" + hidden +
                "/bxhook.conf', which is found first: choose another directory, or move that one "
                "away (fix: mv -nT " + shell_word(hidden) + " " +
                shell_word(plan.dir + "/htbxhook.unused") + ")");
}

Plan make_plan(const Arguments& args) {
    Plan plan;
    plan.dir = plain_path(args.words().empty() ? "." : args.words().front());
    plan.binary = own_binary();
    require_use_of(plan);
    if (args.has("--public")) {
        plan.public_dir = plain_path(args.value("--public"));
        std::optional<struct stat> info = look_at(plan.public_dir);
        if (!info || !S_ISDIR(info->st_mode)) {
            throw Error("--public: '" + plan.public_dir + "' is not a directory");
        }
        bool below = plan.dir == plan.public_dir || plan.dir.starts_with(plan.public_dir + "/");
        if (below && !plan.dir.ends_with("/.htbxhook")) {
            throw Error("'" + plan.dir + "' would be served: choose a directory outside '" +
                        plan.public_dir + "', or '" + plan.public_dir + "/.htbxhook'");
        }
    }
    plan.owner = owner_of(args, plan.public_dir);
    return plan;
}

// -- Making it

bool root_alone_can_change(const std::string& dir) {
    std::optional<Target> target = follow(dir);
    return target && is_roots_alone(*target);
}

// Gives the directory PATH, which root made just now.
void give_away(const std::string& path, const User& user) {
    Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!dir || ::fchown(dir.get(), user.uid, user.gid) != 0) {
        throw_errno("cannot give '" + path + "' to " + user_name(user.uid));
    }
}

// PATH, which must be the owner's, or be given to them if GIVE.
void make_owned(const Plan& plan, const std::string& path, bool give, Report& report) {
    bool made = make_directory(path, 0700, report);
    if (made && give) give_away(path, plan.owner);
    std::optional<struct stat> info = look_at(path);
    if (info && info->st_uid == plan.owner.uid) return;
    throw Error("'" + path + "' belongs to " + (info ? user_name(info->st_uid) : "nobody") +
                ", not to " + user_name(plan.owner.uid));
}

// DIR itself.  Root makes it where only root can change the way there, else its owner does, with no
// more rights than its own.
void make_top(const Plan& plan, Report& report) {
    bool as_root = ::geteuid() == 0;
    bool give = as_root && root_alone_can_change(directory_of(plan.dir));
    std::optional<ActingAs> as;
    if (as_root && !give) as.emplace(plan.owner);
    make_owned(plan, plan.dir, give, report);
}

// Below DIR, as its owner.
void make_private_files(const Plan& plan, Report& report) {
    if (::geteuid() == 0) become(plan.owner);
    make_owned(plan, plan.dir + "/state", false, report);
    make_directory(plan.dir + "/hooks", 0755, report);
    // umask is a person's; a hook must not be writable by the group.
    for (const SampleHook& hook : sample_hooks()) {
        make_file(plan.dir + "/hooks/" + std::string(hook.name), hook.text, 0755, report);
    }
    make_file(plan.dir + "/bxhook.conf", config_template(), 0600, report);
    if (plan.dir.ends_with("/.htbxhook")) {
        make_file(plan.dir + "/.htaccess", deny_htaccess(), 0644, report);
    }
}

// True when an .htaccess was there, to which our lines must be added.
bool make_public_files(const Plan& plan, Report& report) {
    std::string script = public_script(plan.binary, plan.dir);
    make_file(plan.public_dir + "/bxhook.fcgi", script, 0755, report);
    return !make_file(plan.public_dir + "/.htaccess", public_htaccess(), 0644, report);
}

// -- What to do next

constexpr std::size_t page_width = 79;
constexpr std::size_t step_indent = 5;

// Step NUMBER, in lines that fit a terminal.
std::string step(int number, const std::string& text) {
    return fill("  " + std::to_string(number) + ". ", text, page_width, step_indent);
}

// A command below its step.  A line ends between WORDS where it would be too long; it can be copied
// as it stands.
std::string command_line(const std::vector<std::string>& words) {
    const std::string margin(step_indent + 2, ' ');
    std::string text;
    std::string line = margin + words.front();
    for (const std::string& word : std::span(words).subspan(1)) {
        constexpr std::size_t around = 3;  // a space before it, " \" behind it
        if (columns_of(line) + columns_of(word) + around > page_width) {
            text += line + " \\\n";
            line = margin + "   ";
        }
        line += " " + word;
    }
    return text + line + "\n";
}

// A sample is copied only where nothing runs for its event yet.
std::string try_a_hook(const Plan& plan, const std::string& bxhook, const std::string& config) {
    const std::string hook = "ONCRMDEALUPDATE";
    Config hooks;
    hooks.hooks_dir = plan.dir + "/hooks";
    bool there = std::ranges::any_of(HookSet::load(hooks).hooks(), [&](const Hook& other) {
        return other.name == hook || other.code == hook;
    });
    std::string text = step(3, there ? "Try the hook that is there:" : "Enable a hook and try it:");
    if (!there) {
        text += command_line({"cd " + shell_word(hooks.hooks_dir) + " &&", "cp -n " + hook +
                              ".sh.sample " + hook + ".sh"});
    }
    return text + command_line({bxhook + " check", "--config " + config}) +
           command_line({bxhook + " trigger " + hook + " --follow", "--config " + config});
}

std::string connect_the_web(const Plan& plan, const std::string& bxhook,
                            const std::string& config) {
    if (!plan.public_dir.empty()) {
        return step(2, "Give Bitrix24 the URL of bxhook.fcgi as it is seen from outside:") +
               command_line({"https://YOUR-SITE/.../bxhook.fcgi"});
    }
    // Not below DIR: the web server may not enter that.
    return step(2, "Start the gateway, by systemd (see README) or by hand as root.  Let the web "
                   "server pass a URL to its socket by FastCGI, and give Bitrix24 that URL:") +
           command_line({bxhook + " serve", "--listen unix:/run/bxhook.sock", "--group www-data",
                         "--config " + config});
}

std::string next_steps(const Plan& plan, bool add_to_htaccess) {
    const std::string config = shell_word(plan.dir + "/bxhook.conf");
    const std::string bxhook = typed_program();
    std::string text =
        "\nNext:\n" + step(1, "Put the token that Bitrix24 shows into a block `portal` in " + config +
                                  ": uncomment the one there, or add your own.") +
        connect_the_web(plan, bxhook, config) + try_a_hook(plan, bxhook, config);
    if (add_to_htaccess) {
        text += "\n" + fill("", shell_word(plan.public_dir + "/.htaccess") +
                                   " was there already: add these lines to it", page_width, 0) +
                "\n" + std::string(public_htaccess());
    }
    if (::access(plan.binary.c_str(), X_OK) != 0) {
        text += "\n" + fill("Note: ", user_name(plan.owner.uid) + " cannot run " +
                                         shell_word(plan.binary) +
                                         ": install it where everybody can (make install)",
                            page_width, 0);
    }
    return text;
}

int run(const Arguments& args) {
    Plan plan = make_plan(args);
    Report report;
    bool add_to_htaccess = false;
    bool has_public = !plan.public_dir.empty();
    // Root writes a document root of root's; the owner any other.
    bool as_root = has_public && ::geteuid() == 0 && root_alone_can_change(plan.public_dir);
    make_top(plan, report);
    if (as_root) add_to_htaccess = make_public_files(plan, report);
    make_private_files(plan, report);
    if (has_public && !as_root) add_to_htaccess = make_public_files(plan, report);
    print(report.text() + next_steps(plan, add_to_htaccess));
    return 0;
}

}  // namespace

Command init_command() {
    Command command;
    command.name = "init";
    command.synopsis = "[DIR]";
    command.summary = "make a directory with config, hooks and state";
    command.help = R"(
Makes DIR (by default the working directory), readable only by its owner, with a
commented bxhook.conf, hooks/ with samples and state/ for the store.  Existing files
are never overwritten.  Choose a DIR outside the document root; where the host has no
such place, use DOCROOT_DIR/.htbxhook, which gets its own .htaccess.  A DIR that has the
program and .htbxhook/bxhook.conf is refused: commands would use the latter.

  bxhook init ~/bxhook --public ~/public_html/bx
  sudo bxhook init /srv/bxhook --user bxhook

--public puts the script bxhook.fcgi and an .htaccess into that directory of the web
site.  As root, --user names the owner of the files; without it, that is the owner of
DOCROOT_DIR.
)";
    command.options = {
        {"--public", "DOCROOT_DIR", "put bxhook.fcgi and .htaccess there"},
        {"--user", "NAME", "the owner of the files (as root)"}};
    command.max_words = 1;
    command.run = run;
    return command;
}

}  // namespace bx
