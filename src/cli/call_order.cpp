#include "cli/call_order.h"

#include <unistd.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/random.h"
#include "base/sha256.h"
#include "cli/event_portal.h"
#include "event/payload.h"
#include "form/form.h"
#include "rest/call_fields.h"
#include "rest/pages.h"

namespace bx {

namespace {

// The text of FILE; "-": of stdin.
std::string text_of(const std::string& file) {
    try {
        if (file == "-") return read_all(STDIN_FILENO, "stdin", max_http_body);
        return read_file(file, max_http_body);
    } catch (const Error& error) {
        throw UsageError(error.what());
    }
}

// Throws UsageError where two of OPTIONS are given.
void require_one(const Arguments& args, std::initializer_list<std::string_view> options) {
    std::string_view given;
    for (const std::string_view option : options) {
        if (!args.has(option)) continue;
        if (!given.empty()) {
            throw UsageError("either " + std::string(given) + " or " + std::string(option));
        }
        given = option;
    }
}

// The fields of FORM as JSON, whose scalars are strings.
std::string json_of(const std::string& form) {
    constexpr FormLimits limits{.fields = 100000, .depth = 64};
    try {
        const Tree tree = decode_urlencoded(form, limits);
        std::string text;
        if (tree.root().count() == 0) return "{}";
        append_tree_json(text, tree);
        return text;
    } catch (const FormError& error) {
        throw UsageError(error.what());
    }
}

// The same for each attempt of a hook that asks the same, so that it is done once; elsewhere no two
// calls are the same.
std::string idempotency_key(const MethodCall& call, const std::optional<HookRun>& run) {
    const std::string who = run ? std::to_string(run->event) + "/" + run->hook
                                : std::to_string(random_bits()) + std::to_string(random_bits());
    return "bxhook-" + digits_of(sha256(who + "\n" + call.method + "\n" + call.body));
}

void make_version_3(MethodCall& call) {
    if (!call.json) call.body = json_of(call.body);
    call.json = true;
    call.version_3 = true;
    call.idempotency_key = idempotency_key(call, this_hook_run());
    call.idempotent = true;  // by that key
}

MethodCall method_call(const Arguments& args) {
    MethodCall call;
    call.method = args.words().front();
    if (!is_method_name(call.method)) {
        throw UsageError("'" + printable(call.method, 60) +
                         "' is not the name of a method (crm.deal.get)");
    }
    call.idempotent = args.has("--idempotent");
    const std::vector<std::string> fields(args.words().begin() + 1, args.words().end());
    call.body = form_of(fields);
    if (args.has("--json")) {
        if (!fields.empty()) throw UsageError("either --json or NAME=VALUE");
        const std::string file = args.value("--json");
        call.body = text_of(file);
        call.json = true;
        check_json_call(call.body, "--json " + printable(file, 60));
    }
    return call;
}

CallOrder batch_order(const Arguments& args) {
    if (!args.words().empty()) throw UsageError("--batch: the file names the methods");
    for (const std::string_view option : {"--json", "--idempotent", "--v3"}) {
        require_one(args, {"--batch", option});
    }
    CallOrder order;
    order.call.method = "batch";
    order.batch = read_batch(text_of(args.value("--batch")));
    return order;
}

}  // namespace

CallOrder call_order(const Arguments& args) {
    require_one(args, {"--batch", "--all", "--raw"});
    require_one(args, {"--all", "--v3"});
    if (args.has("--batch")) return batch_order(args);
    if (args.words().empty()) throw UsageError("call: missing argument: METHOD, or --batch FILE");
    CallOrder order;
    order.all = args.has("--all");
    order.raw = args.has("--raw");
    order.call = method_call(args);
    if (order.all) check_list_call(order.call);
    if (args.has("--v3")) make_version_3(order.call);
    return order;
}

}  // namespace bx
