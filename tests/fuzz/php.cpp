#include "php.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"

namespace bx {

namespace {

// FastCGI 1.0: the records that are used.
enum Record : char { begin_request = 1, end_request = 3, params = 4, std_in = 5, std_out = 6 };

constexpr std::size_t header_size = 8;
constexpr std::size_t record_max = 65535;

void append_record(std::string& out, Record type, std::string_view content) {
    const std::array<char, header_size> header = {
        1, type, 0, 1, static_cast<char>(content.size() >> 8), static_cast<char>(content.size()),
        0, 0};
    out.append(header.data(), header.size());
    out += content;
}

void append_length(std::string& out, std::size_t length) {
    for (const int shift : {24, 16, 8, 0}) {
        out += static_cast<char>((length >> shift & 0xff) | (shift == 24 ? 0x80u : 0u));
    }
}

void append_param(std::string& out, std::string_view name, std::string_view value) {
    append_length(out, name.size());
    append_length(out, value.size());
    out += name;
    out += value;
}

std::string request(const std::string& script, std::string_view body, std::string_view type) {
    constexpr std::string_view responder_kept_open("\0\1\1\0\0\0\0\0", 8);
    std::string names;
    append_param(names, "REQUEST_METHOD", "POST");
    append_param(names, "SCRIPT_FILENAME", script);
    append_param(names, "CONTENT_TYPE", type);
    append_param(names, "CONTENT_LENGTH", std::to_string(body.size()));
    std::string out;
    append_record(out, begin_request, responder_kept_open);
    append_record(out, params, names);
    append_record(out, params, {});
    for (; !body.empty(); body.remove_prefix(std::min(body.size(), record_max))) {
        append_record(out, std_in, body.substr(0, record_max));
    }
    append_record(out, std_in, {});
    return out;
}

}  // namespace

Php::Php(const std::string& script) : script_(script), directory_("/tmp/bxhook-php-XXXXXX") {
    if (!::mkdtemp(directory_.data())) throw_errno("cannot make a directory in /tmp");
    socket_ = directory_ + "/socket";
    std::vector<std::string> words = {"php-cgi",          "-d", "log_errors=0", "-d",
                                      "display_errors=0", "-b", socket_};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::string requests = "PHP_FCGI_MAX_REQUESTS=0";  // as many as come
    std::array<char*, 2> environment = {requests.data(), nullptr};
    const int error =
        ::posix_spawn(&pid_, "/usr/bin/php-cgi", nullptr, nullptr, argv.data(), environment.data());
    if (error != 0) throw system_error("cannot start '/usr/bin/php-cgi'", error);
    connect();
}

Php::~Php() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);  // SIGTERM waits for a request to come
        ::waitpid(pid_, nullptr, 0);
    }
    ::unlink(socket_.c_str());
    ::rmdir(directory_.c_str());
}

void Php::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    const Millis limit = steady_now() + 10 * second;
    for (;;) {
        Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
            connection_ = std::move(fd);
            return;
        }
        if (steady_now() > limit) throw_errno("cannot connect to php-cgi");
        ::usleep(1000);
    }
}

std::vector<std::string> Php::post(const std::vector<std::string>& bodies,
                                   const std::string& content_type) {
    constexpr std::size_t window = 16384;  // ahead of the answers, which must fit the socket
    std::vector<std::string> answers;
    std::string requests;
    for (std::size_t sent = 0; answers.size() < bodies.size();) {
        requests.clear();
        while (sent < bodies.size() && (requests.empty() || requests.size() < window)) {
            requests += request(script_, bodies[sent++], content_type);
        }
        if (!write_all(connection_.get(), requests)) throw_errno("cannot write to php-cgi");
        while (answers.size() < sent) answers.push_back(read_answer());
    }
    return answers;
}

std::string Php::read_answer() {
    std::string output;
    for (;;) {
        std::array<char, header_size> header;
        read_exactly(header.data(), header.size());
        const auto byte = [&header](std::size_t i) {
            return static_cast<unsigned char>(header[i]);
        };
        std::string content(std::size_t{byte(4)} << 8 | byte(5), '\0');
        read_exactly(content.data(), content.size());
        std::array<char, 256> padding;
        read_exactly(padding.data(), byte(6));
        if (header[1] == std_out) output += content;
        if (header[1] == end_request) break;
    }
    const std::size_t headers = output.find("\r\n\r\n");
    if (headers == output.npos) throw Error("php-cgi answered '" + output + "'");
    return output.substr(headers + 4);
}

void Php::read_exactly(char* out, std::size_t length) {
    while (length > 0) {
        const ssize_t got = ::read(connection_.get(), out, length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw_errno("cannot read from php-cgi");
        if (got == 0) throw Error("php-cgi closed the connection");
        out += got;
        length -= static_cast<std::size_t>(got);
    }
}

}  // namespace bx
