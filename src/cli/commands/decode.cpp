#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/escape.h"
#include "cli/command.h"
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
    return load_config(path, ConfigPart::gateway)->limits;
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
        throw Error("content type '" + printable(type) +
                    "' is none of application/x-www-form-urlencoded, multipart/form-data, "
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
    command.summary = "a request's body as JSON, exactly as the gateway sees it";
    command.help = R"(
Reads a body on stdin and writes it as JSON on one line, as PHP's $_POST would hold
it and as a hook gets it on stdin.  A body that is malformed or over the limits of
the configuration (without one: over the defaults) is refused as by the gateway.

  printf 'event=ONCRMDEALADD&data[FIELDS][ID]=7' | bxhook decode
)";
    command.options = {
        {"--content-type", "T", "its Content-Type (application/x-www-form-urlencoded)"}};
    command.run = run;
    return command;
}

}  // namespace bx
