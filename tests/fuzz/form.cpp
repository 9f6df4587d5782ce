// libFuzzer: urlencoded bodies.
#include "form/form.h"
#include "invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string body(reinterpret_cast<const char*>(data), size);
    try {
        bx::checked_json(bx::decode_urlencoded(body, {}));
    } catch (const bx::FormError& error) {
        bx::require(error.problem() != bx::FormError::Problem::malformed);  // no form is
    }
    return 0;
}
