// libFuzzer: stored events as a damaged disk would give them back.  A line feed parts the body from
// the secrets.  What is a tree is listed as that tree.
#include "base/error.h"
#include "invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t line = std::min(input.find('\n'), input.size());
    const std::string_view body = input.substr(0, line);
    const std::string_view secrets = input.substr(std::min(line + 1, input.size()));
    for (const bx::Secrets mode : {bx::Secrets::keep, bx::Secrets::hide, bx::Secrets::omit}) {
        try {
            std::string listed;
            bx::append_list_json(listed, bx::list_payload(body, secrets, mode));
            bx::require(nlohmann::json::accept(listed));
            bx::require(bx::checked_json(bx::decode_payload(body, secrets, mode)) == listed);
        } catch (const bx::Error&) {
        }
    }
    return 0;
}
