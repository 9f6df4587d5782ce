// libFuzzer: multipart bodies.  The first line is the content type's parameters.
#include "form/form.h"
#include "invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t line = std::min(input.find('\n'), input.size());
    const std::string type = "multipart/form-data;" + std::string(input.substr(0, line));
    const std::string body(input.substr(std::min(line + 1, input.size())));
    try {
        bx::checked_json(bx::decode_multipart(body, type, {}));
    } catch (const bx::FormError&) {
    }
    return 0;
}
