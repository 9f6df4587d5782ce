#include "hooks/scripts.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "config/hook_name.h"

namespace bx {

namespace {

constexpr std::string_view disabled_end = ".disabled";

// "notify.sh.disabled" -> "notify.sh"
std::string_view enabled_name(std::string_view name) {
    if (name.ends_with(disabled_end)) name.remove_suffix(disabled_end.size());
    return name;
}

bool is_ignored(std::string_view name) {
    // The last two are there while dpkg unpacks a package.
    constexpr std::array<std::string_view, 5> ends{"~", ".sample", disabled_end, ".dpkg-new",
                                                   ".dpkg-tmp"};
    name = enabled_name(name);
    return name.empty() || name.starts_with('.') ||
           std::ranges::any_of(ends, [&](std::string_view end) { return name.ends_with(end); });
}

// "notify.sh" -> "notify"
std::string without_extension(std::string_view name) {
    constexpr std::array<std::string_view, 6> extensions{".sh", ".php", ".py", ".pl", ".rb", ".js"};
    for (std::string_view extension : extensions) {
        if (name.size() > extension.size() && name.ends_with(extension)) {
            return std::string(name.substr(0, name.size() - extension.size()));
        }
    }
    return std::string(name);
}

// The names in DIR, sorted; none when there is no such directory.
std::vector<std::string> names_in(const std::string& dir) {
    struct Closer {
        void operator()(DIR* handle) const { ::closedir(handle); }
    };
    std::unique_ptr<DIR, Closer> handle(::opendir(dir.c_str()));
    if (!handle) {
        if (errno == ENOENT) return {};
        throw_errno("cannot read the hooks directory '" + dir + "'");
    }
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(handle.get());
        if (!entry && errno != 0) throw_errno("cannot read the hooks directory '" + dir + "'");
        if (!entry) break;
        if (!is_ignored(entry->d_name)) names.emplace_back(entry->d_name);
    }
    std::ranges::sort(names);
    return names;
}

class Lister {
public:
    explicit Lister(const std::string& hooks_dir) : hooks_dir_(hooks_dir) {}

    ScriptList list() {
        for (const std::string& name : names_in(hooks_dir_)) {
            const std::string_view enabled = enabled_name(name);
            std::optional<struct stat> info = look(name, enabled);
            if (!info) continue;
            if (S_ISDIR(info->st_mode)) {
                if (enabled.size() > 2 && enabled.ends_with(".d")) list_event(name, enabled);
            } else {
                add(name, enabled, without_extension(enabled), *info);
            }
        }
        return std::move(list_);
    }

private:
    // The scripts of EVENT.d, DIR being its name, and ENABLED the same without ".disabled".
    void list_event(const std::string& dir, std::string_view enabled) {
        const std::string event(enabled.substr(0, enabled.size() - 2));
        for (const std::string& name : names_of(dir, enabled != dir)) {
            const std::string path = dir + '/' + name;
            const std::string whole = std::string(enabled) + '/' + std::string(enabled_name(name));
            if (std::optional<struct stat> info = look(path, whole)) add(path, whole, event, *info);
        }
    }

    // What a person put aside may be closed too.
    std::vector<std::string> names_of(const std::string& dir, bool disabled) const {
        try {
            return names_in(hooks_dir_ + '/' + dir);
        } catch (const Error&) {
            if (!disabled) throw;
            return {};
        }
    }

    // None for what vanished meanwhile and for links that lead nowhere, which a person should know
    // of if they are not disabled.  ENABLED as for add().
    std::optional<struct stat> look(const std::string& path, std::string_view enabled) {
        struct stat info {};
        std::string full = hooks_dir_ + '/' + path;
        if (::stat(full.c_str(), &info) == 0) return info;
        if (enabled == path && ::lstat(full.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
            list_.dangling.push_back(path);
            list_.stamp.append("link ").append(path).append("\n");
        }
        return std::nullopt;
    }

    // ENABLED is PATH as it would be if nothing of it were disabled.
    void add(const std::string& path, std::string_view enabled, const std::string& event,
             const struct stat& info) {
        if (!S_ISREG(info.st_mode)) return;
        Script script;
        script.path = path;
        script.name = without_extension(enabled);
        std::ranges::replace(script.name, '/', '.');
        script.code = upper(event);
        script.executable = (info.st_mode & 0111) != 0;
        script.valid_name = is_hook_name(script.name);
        list_.stamp.append(script.executable ? "x " : "- ").append(path).append("\n");
        (enabled == path ? list_.scripts : list_.disabled).push_back(std::move(script));
    }

    const std::string& hooks_dir_;
    ScriptList list_;
};

}  // namespace

std::string copied_name(std::string_view path) {
    // As people, editors, patch, dpkg and ucf name them.
    constexpr std::array<std::string_view, 12> ends{
        ".old",       ".bak",      ".orig",     ".save",     ".copy",    ".rej",
        ".dpkg-dist", ".dpkg-old", ".dpkg-bak", ".ucf-dist", ".ucf-new", ".ucf-old"};
    const std::string_view name = path.substr(path.rfind('/') + 1);
    for (std::string_view end : ends) {
        if (name.ends_with(end)) return std::string(name.substr(0, name.size() - end.size()));
    }
    return {};
}

ScriptList list_scripts(const std::string& hooks_dir) {
    return Lister(hooks_dir).list();
}

}  // namespace bx
