#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/escape.h"
#include "base/fd.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/check/findings.h"
#include "hooks/first_line.h"
#include "hooks/hooks.h"
#include "host/advice.h"

namespace bx {

namespace {

constexpr std::size_t max_line = 512;  // of a script, its first

// The program that "#!/usr/bin/env [-S] NAME" looks up; empty for another first line.
std::string looked_up_program(std::string_view first_line) {
    std::vector<std::string_view> words;
    for (std::string_view word : split(trim(first_line.substr(2)), ' ')) {
        if (!word.empty()) words.push_back(word);
    }
    if (words.empty() || !words.front().ends_with("/env")) return {};
    for (std::size_t i = 1; i < words.size(); ++i) {
        bool option = words[i].starts_with('-') || words[i].find('=') != std::string_view::npos;
        if (!option) return std::string(words[i]);
    }
    return {};
}

// "/usr/local/bin/php-cgi" of "#!/usr/local/bin/php-cgi -q", and what `env` looks up; as it stands.
std::string interpreter_of(std::string_view first_line) {
    const std::string looked_up = looked_up_program(first_line);
    if (!looked_up.empty()) return looked_up;
    const std::string_view line = trim(first_line.substr(2));
    return std::string(line.substr(0, line.find_first_of(" \t")));
}

// A PHP that is made for web servers: it starts, and the script fails, or looks as if it had not
// run.
bool is_php_of_web_servers(const std::string& interpreter) {
    const std::string name = interpreter.substr(interpreter.rfind('/') + 1);
    constexpr std::array<std::string_view, 3> names{"php-cgi", "php-fpm", "lsphp"};
    return std::ranges::any_of(names,
                               [&](std::string_view begin) { return name.starts_with(begin); });
}

// The first line of a script, which the kernel reads.
void check_first_line(const Hook& hook, const std::string& place, Findings& findings) {
    std::string begin = first_bytes(hook.program, max_line);
    if (begin.starts_with("\x7F" "ELF")) return;
    if (::faccessat(AT_FDCWD, hook.program.c_str(), R_OK, AT_EACCESS) != 0) {
        // A binary would run all the same.
        return findings.warning(place, "cannot be read, so that it cannot run if it is a script",
                                "chmod a+r " + shell_word(hook.program));
    }
    if (begin.empty()) {
        return findings.error(place, "'" + hook.program + "' is empty: put the program into it",
                              edit_command(hook.program));
    }
    if (!begin.starts_with("#!")) return;  // a binary, of a kind that the kernel may know
    std::string line = begin.substr(0, begin.find('\n'));
    if (line.ends_with('\r')) {
        return findings.error(place,
                              "has Windows line ends, so that its interpreter is not found: save "
                              "it with Unix line ends (LF)",
                              sed_command("s/[[:cntrl:]]$//", hook.program));
    }
    std::string wanted = looked_up_program(line);
    if (!wanted.empty() && !finds_program(hook, wanted)) {
        findings.error(place,
                       "its interpreter '" + printable(wanted) +
                           "' is not installed: install it, or name another on the first line",
                       edit_command(hook.program));
    } else if (const std::string interpreter = interpreter_of(line);
               is_php_of_web_servers(interpreter)) {
        findings.warning(place,
                         "its interpreter '" + printable(interpreter) +
                             "' is the PHP of web servers, which defines no STDIN and STDERR and "
                             "prints HTTP headers: name the PHP of the command line, such as "
                             "#!/usr/bin/env php",
                         edit_command(hook.program));
    }
}

// "/usr/bin/php /srv/deal.php" in `run`, which no shell splits.
bool has_arguments(const std::string& program) {
    std::size_t blank = program.find(' ');
    struct stat info {};
    return blank != std::string::npos && ::stat(program.substr(0, blank).c_str(), &info) == 0 &&
           S_ISREG(info.st_mode);
}

}  // namespace

void check_program(const Hook& hook, const Config& config, const std::string& place,
                   Findings& findings) {
    // As the worker has it.
    if (hook.problem) {
        return findings.error(place,
                              "'" + hook.program + "' is " + hook.problem->reason +
                                  " and takes no event (to disable a hook, rename its file "
                                  "*.disabled)",
                              make_executable_fix(hook.program));
    }
    std::optional<StartProblem> problem = start_problem(hook, config.hooks_dir);
    if (!problem) return check_first_line(hook, place, findings);
    std::string first_line = first_bytes(hook.program, max_line);
    bool windows = problem->fault == StartFault::bad_interpreter &&
                   first_line.substr(0, first_line.find('\n')).ends_with('\r');
    if (windows) return check_first_line(hook, place, findings);
    if (has_arguments(hook.program)) {
        return findings.error(place,
                              "no such program: '" + hook.program +
                                  "': `run` takes the program alone; write each argument as a line "
                                  "`arg`",
                              edit_command(config.path));
    }
    findings.error(place, "'" + hook.program + "': " + problem->reason, problem->fix);
}

}  // namespace bx
