#include "cli/curl.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/text.h"
#include "host/signals.h"
#include "host/start_program.h"

namespace bx {

namespace {

constexpr std::size_t max_answer = std::size_t{1} << 20;
constexpr std::size_t max_complaint = 4096;
constexpr std::size_t max_report = 40;  // "\n200 0.012345", which curl adds
constexpr int untrusted = 60;           // curl's exit status, CURLE_PEER_FAILED_VERIFICATION
constexpr std::size_t max_url = 8000;  // with the rest of the config it fits into a pipe at once

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
std::vector<std::string> curl_environment() {
    constexpr std::array<std::string_view, 4> names{"PATH", "HOME", "LANG", "TZ"};
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        std::string_view name(*variable);
        name = name.substr(0, name.find('='));
        bool wanted = std::ranges::find(names, name) != names.end() || name.ends_with("_proxy") ||
                      name.ends_with("_PROXY") || name.starts_with("SSL_CERT_") ||
                      name.starts_with("CURL_");
        if (wanted) variables.emplace_back(*variable);
    }
    return variables;
}

// One that runs: our ends of its pipes.
class Curl {
public:
    // CONFIG fits into a pipe.  Throws Error.
    explicit Curl(const std::string& config);

    bool send(const std::string& body);  // false: it did not take all of it
    void close_input() { input_.reset(); }
    // What it wrote, to the end.
    std::string answer() { return read_answer(output_, max_answer); }
    std::string complaint() { return read_answer(errors_, max_complaint); }
    int wait();  // its wait status

private:
    pid_t pid_ = -1;
    Fd input_, output_, errors_;
};

Curl::Curl(const std::string& config) {
    Pipe options = make_pipe();
    if (!write_all(options.write.get(), config)) throw_errno("cannot write to curl");
    options.write.reset();
    Pipe input = make_pipe(), output = make_pipe(), errors = make_pipe();
    const Started curl = start_program(
        {.program = "curl",
         // -q first: a ~/.curlrc must not change what comes back.
         .argv = {"curl", "-q", "-sS", "--max-time", "30", "--proto", "=http,https", "-w",
                  "\n%{http_code} %{time_total}", "--config", "/dev/fd/3", "--globoff"},
         .env = curl_environment(),
         .fds = {input.read.get(), output.write.get(), errors.write.get(), options.read.get()},
         .dir = "/"});  // not ours: it may run as another user than root
    if (curl.error == ENOENT) throw Error("cannot run 'curl': install it (apt-get install curl)");
    if (curl.error != 0) throw system_error("cannot run 'curl'", curl.error);
    pid_ = curl.pid;
    input_ = std::move(input.write);
    output_ = std::move(output.read);
    errors_ = std::move(errors.read);
}

bool Curl::send(const std::string& body) {
    const NoSigpipe no_signal;  // a curl that ends before it read everything must not end us
    return write_all(input_.get(), body);
}

int Curl::wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
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
        throw CertificateError("the certificate of " + place + " cannot be trusted: " + why);
    }
    throw Error("no answer from " + place + ": " + cause);
}

}  // namespace

HttpAnswer ask_url(const std::string& url, const std::optional<std::string>& body,
                   const std::string& content_type, Trust trust) {
    check_url(url);
    Curl curl(config_text(url, body ? &content_type : nullptr, trust));
    // It reads all of the body before it writes anything; what it does not take it will report.
    const bool sent = !body || curl.send(*body);
    curl.close_input();
    const std::string text = curl.answer();
    const std::string complaint = curl.complaint();
    const int status = curl.wait();
    if (!sent || status != 0) throw_failure(url, status, complaint);
    return answer_of(text);
}

void check_url(const std::string& url) {
    bool known = url.starts_with("http://") || url.starts_with("https://");
    bool plain = std::ranges::all_of(
        url, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7F'; });
    if (!known || !plain || url.size() > max_url) {
        throw UsageError("'" + printable(url) + "' is not a URL (https://host/path)");
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
