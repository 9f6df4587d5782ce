#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/escape.h"
#include "cli/command.h"
#include "cli/open.h"
#include "cli/output.h"
#include "config/config.h"
#include "config/config_file.h"
#include "event/payload.h"
#include "form/form.h"
#include "report/json.h"

namespace bx {

namespace {

// A config that was named must be there; with none anywhere the defaults hold.
Config::Limits limits_of(const Arguments& args) {
    bool named = args.has("--config") || std::getenv("BXHOOK_CONFIG") != nullptr;
    std::string path = find_config(args.value("--config"));
    if (!named && ::access(path.c_str(), R_OK) != 0) return {};
    return config_of(args, ConfigPart::gateway)->limits;
}

// All of stdin, at most MAX bytes.
std::string read_body(std::size_t max) {
    std::string body;
    std::array<char, 65536> buffer;
    for (;;) {
        ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw_errno("cannot read stdin");
        if (count == 0) return body;
        body.append(buffer.data(), static_cast<std::size_t>(count));
        if (body.size() > max) {
            throw Error("the body is over limits.body, " + std::to_string(max) + " bytes");
        }
    }
}

int run(const Arguments& args) {
    std::string type = "application/x-www-form-urlencoded";
    if (args.has("--content-type")) type = args.value("--content-type");
    if (media_type(type) == MediaType::other) {
        throw Error("cannot decode content type '" + printable(type) +
                    "': it must be application/x-www-form-urlencoded, multipart/form-data or "
                    "application/json");
    }
    Config::Limits limits = limits_of(args);
    Tree tree = decode_body(read_body(limits.body), type, {limits.fields, limits.depth});
    std::string line;
    append_tree_json(line, tree);
    print(json_line(line));
    return 0;
}

}  // namespace

Command decode_command() {
    Command command;
    command.name = "decode";
    command.summary = "show a request's body as JSON, as the gateway sees it";
    command.help = R"(
Reads a body on stdin and writes it as JSON on one line: what PHP's $_POST would
contain, and what a hook gets on stdin.  A body that is malformed or over the limits
of the configuration (without one, the default limits) is refused, as the gateway
would refuse it.

  printf 'event=ONCRMDEALADD&data[FIELDS][ID]=7' | bxhook decode
)";
    command.options = {{"--content-type", "T",
                        "the body's Content-Type (application/x-www-form-urlencoded)"}};
    command.run = run;
    return command;
}

}  // namespace bx
