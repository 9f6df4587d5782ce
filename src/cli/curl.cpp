#include "cli/curl.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"

namespace bx {

namespace {

constexpr std::size_t max_answer = std::size_t{1} << 20;
constexpr std::size_t max_report = 40;  // "\n200 0.012345", which curl adds
constexpr int untrusted = 60;           // curl's exit status, CURLE_PEER_FAILED_VERIFICATION
constexpr std::size_t max_url = 8000;  // with the rest of the config it fits into a pipe at once

struct Pipe {
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("cannot make a pipe");
        read = Fd(ends[0]);
        write = Fd(ends[1]);
    }
    Fd read;
    Fd write;
};

// The file actions of a posix_spawn.
class Actions {
public:
    Actions() {
        if (::posix_spawn_file_actions_init(&actions_) != 0) throw Error("cannot start curl");
    }
    ~Actions() { ::posix_spawn_file_actions_destroy(&actions_); }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;

    void put(const Fd& fd, int as) {
        if (::posix_spawn_file_actions_adddup2(&actions_, fd.get(), as) != 0) {
            throw Error("cannot start curl");
        }
    }
    // Nothing else of ours, the directory neither: it may run as a user whom root has become.
    void leave_the_rest(int first_fd) {
        if (::posix_spawn_file_actions_addclosefrom_np(&actions_, first_fd) != 0 ||
            ::posix_spawn_file_actions_addchdir_np(&actions_, "/") != 0) {
            throw Error("cannot start curl");
        }
    }
    const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_;
};

// The attributes of a posix_spawn: a session of its own, without the terminal of whoever typed the
// command, which may be root while curl runs as a user who can put keys into that terminal.
class OwnSession {
public:
    OwnSession() {
        if (::posix_spawnattr_init(&attributes_) != 0) throw Error("cannot start curl");
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID);
    }
    ~OwnSession() { ::posix_spawnattr_destroy(&attributes_); }
    OwnSession(const OwnSession&) = delete;
    OwnSession& operator=(const OwnSession&) = delete;

    const posix_spawnattr_t* get() const { return &attributes_; }

private:
    posix_spawnattr_t attributes_;
};

// TEXT within the quotes of curl's config file.
std::string escaped(const std::string& text) {
    std::string result;
    for (char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

std::string config_text(const std::string& url, const std::string* content_type, Trust trust) {
    std::string text = "url = \"" + escaped(url) + "\"\n";
    if (trust == Trust::any) text += "insecure\n";
    if (content_type != nullptr) {
        text += "header = \"Content-Type: " + escaped(*content_type) + "\"\n";
        text += "header = \"Expect:\"\n";  // no pause for 100 Continue
        text += "data-binary = \"@-\"\n";
    }
    return text;
}

// What comes from FD: the first MAX bytes, and the end, where the status is.
std::string read_answer(const Fd& fd, std::size_t max) {
    std::string text;
    std::array<char, 16384> chunk;
    for (;;) {
        ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw_errno("cannot read from curl");
        if (got == 0) return text;
        text.append(chunk.data(), static_cast<std::size_t>(got));
        if (text.size() > max + max_report) text.erase(max, text.size() - max - max_report);
    }
}

// What curl looks at.  The rest may be root's, and its user could read it in /proc.
std::vector<char*> curl_environment() {
    constexpr std::array<std::string_view, 4> names{"PATH", "HOME", "LANG", "TZ"};
    std::vector<char*> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        std::string_view name(*variable);
        name = name.substr(0, name.find('='));
        bool wanted = std::ranges::find(names, name) != names.end() || name.ends_with("_proxy") ||
                      name.ends_with("_PROXY") || name.starts_with("SSL_CERT_") ||
                      name.starts_with("CURL_");
        if (wanted) variables.push_back(*variable);
    }
    variables.push_back(nullptr);
    return variables;
}

pid_t start_curl(const Pipe& input, const Pipe& output, const Pipe& errors, const Pipe& config) {
    // -q first: a ~/.curlrc must not change what comes back.
    std::array<std::string, 12> words{"curl",        "-q",        "-sS",
                                      "--max-time",  "30",        "--proto",
                                      "=http,https", "-w",        "\n%{http_code} %{time_total}",
                                      "--config",    "/dev/fd/3", "--globoff"};
    std::array<char*, 13> argv{};
    std::ranges::transform(words, argv.begin(), [](std::string& word) { return word.data(); });
    Actions actions;
    actions.put(input.read, STDIN_FILENO);
    actions.put(output.write, STDOUT_FILENO);
    actions.put(errors.write, STDERR_FILENO);
    actions.put(config.read, 3);
    actions.leave_the_rest(4);
    OwnSession session;
    pid_t pid = -1;
    int error = ::posix_spawnp(&pid, "curl", actions.get(), session.get(), argv.data(),
                               curl_environment().data());
    if (error == ENOENT) throw Error("cannot run 'curl': install it (apt-get install curl)");
    if (error != 0) throw system_error("cannot run 'curl'", error);
    return pid;
}

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) throw_errno("cannot wait for curl");
    }
    return status;
}

// Seconds as curl writes them, "0.012345".
Millis parse_seconds(std::string_view text) {
    std::size_t point = std::min(text.find_first_of(".,"), text.size());
    std::string thousandths(text.substr(std::min(point + 1, text.size()), 3));
    thousandths.resize(3, '0');
    return parse_number(text.substr(0, point)).value_or(0) * second +
           parse_number(thousandths).value_or(0);
}

// What curl wrote on stdout: the body, a line end, status and time.
HttpAnswer answer_of(const std::string& text) {
    std::size_t end = text.rfind('\n');
    HttpAnswer answer;
    if (end == std::string::npos) return answer;
    std::vector<std::string_view> report = split(std::string_view(text).substr(end + 1), ' ');
    answer.body = text.substr(0, end);
    answer.status = static_cast<int>(parse_number(report.front()).value_or(0));
    if (report.size() > 1) answer.took = parse_seconds(report[1]);
    return answer;
}

// Why curl ended with STATUS; COMPLAINT is what it wrote on stderr.
[[noreturn]] void throw_failure(const std::string& url, int status, const std::string& complaint) {
    std::string cause = printable(trim(complaint).empty() ? "curl failed" : trim(complaint));
    std::string place = "'" + url_for_people(url) + "'";
    if (WIFEXITED(status) && WEXITSTATUS(status) == untrusted) {
        // "curl: (60) SSL certificate problem: certificate has expired", and lines of advice.
        std::string why = cause.substr(0, cause.find("\\n"));
        throw CertificateError("the certificate of " + place + " is not to be trusted: " + why);
    }
    throw Error("no answer from " + place + ": " + cause);
}

}  // namespace

HttpAnswer ask_url(const std::string& url, const std::optional<std::string>& body,
                   const std::string& content_type, Trust trust) {
    check_url(url);
    // A curl that ends before it read everything must not end us.
    std::signal(SIGPIPE, SIG_IGN);
    Pipe input, output, errors, config;
    if (!write_all(config.write.get(), config_text(url, body ? &content_type : nullptr, trust))) {
        throw_errno("cannot write to curl");
    }
    config.write.reset();
    pid_t pid = start_curl(input, output, errors, config);
    for (Fd* fd : {&input.read, &output.write, &errors.write, &config.read}) fd->reset();
    // It reads all of the body before it writes anything; what it does not take it will report.
    bool sent = !body || write_all(input.write.get(), *body);
    input.write.reset();
    std::string text = read_answer(output.read, max_answer);
    std::string complaint = read_answer(errors.read, 4096);
    int status = wait_for(pid);
    if (!sent || status != 0) throw_failure(url, status, complaint);
    return answer_of(text);
}

void check_url(const std::string& url) {
    bool known = url.starts_with("http://") || url.starts_with("https://");
    bool plain = std::ranges::all_of(
        url, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7F'; });
    if (!known || !plain || url.size() > max_url) {
        throw UsageError("'" + printable(url) + "' is no URL (https://host/path)");
    }
}

std::string url_for_people(const std::string& url) {
    std::string shown = url.substr(0, url.find('?'));
    std::size_t begin = shown.find("://");
    begin = begin == std::string::npos ? 0 : begin + 3;
    std::size_t end = std::min(shown.find('/', begin), shown.size());
    std::size_t at = shown.substr(0, end).rfind('@');
    if (at != std::string::npos && at >= begin) shown.erase(begin, at + 1 - begin);
    return printable(shown);
}

}  // namespace bx
