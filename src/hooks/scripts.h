// The files of hooks_dir that are hooks, or look like it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bx {

struct Script {
    std::string path;  // below hooks_dir: "ONCRMDEALADD.d/notify.sh"
    std::string name;  // as a hook: "ONCRMDEALADD.d.notify"
    std::string code;  // of its event, upper case; "ANY": every event
    bool executable = false;   // has an execute bit
    bool valid_name = true;    // config/hook_name.h
};

struct ScriptList {
    std::vector<Script> scripts;  // by path
    // Those that a person disabled: "NAME.sh.disabled", and the files of "EVENT.d.disabled".  Named
    // as if they were not; only the path says it.
    std::vector<Script> disabled;
    std::vector<std::string> dangling;  // links that lead nowhere, below hooks_dir, by path
    // Equal for equal lists.  What is in the files is not part of it: a hook may log beside itself.
    std::string stamp;
};

// What is copied by this name: "notify.sh" for "d/notify.sh.bak" and "d/notify.sh.dpkg-old".  Nothing
// keeps such a file from being a hook.  Empty: PATH is not the name of a copy.
std::string copied_name(std::string_view path);

// Looks at HOOKS_DIR and its EVENT.d directories.  One that is missing is empty.  Throws Error when
// one cannot be read that is not disabled.
ScriptList list_scripts(const std::string& hooks_dir);

}  // namespace bx
