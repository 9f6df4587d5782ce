// libFuzzer: JSON bodies, against a plain model made of the library's own document.
#include <optional>

#include "form/form.h"
#include "invariants.h"

namespace {

using Json = nlohmann::ordered_json;

// What the tree of DOCUMENT is as JSON; null when nothing is left of it.  Recursion is bounded by
// the decoder's limit of depth, which DOCUMENT has passed.
Json model(const Json& document) {
    if (document.is_boolean()) return document.get<bool>() ? "1" : "0";
    if (!document.is_structured()) return document;
    Json object = Json::object();
    bool is_list = true;
    for (const auto& [key, value] : document.items()) {
        Json child = model(value);
        if (child.is_null()) continue;
        is_list = is_list && key == std::to_string(object.size());
        object[key] = std::move(child);
    }
    if (object.empty()) return nullptr;
    if (!is_list) return object;
    Json list = Json::array();
    for (auto& [key, value] : object.items()) list.push_back(std::move(value));
    return list;
}

// BODY, which the decoder has taken, as the library reads it; nothing when a number in it is too
// large for a double.  (The decoder keeps the text of such a number.)
std::optional<Json> read_document(const std::string& body) {
    try {
        return Json::parse(body);
    } catch (const Json::out_of_range&) {
        return std::nullopt;
    }
}

// The model does not keep the text of numbers.
bool has_number(const Json& document) {
    if (!document.is_structured()) return document.is_number();
    for (const Json& value : document) {
        if (has_number(value)) return true;
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string body(reinterpret_cast<const char*>(data), size);
    try {
        const std::string json = bx::checked_json(bx::decode_json(body, {}));
        const std::optional<Json> document = read_document(body);
        if (!document || has_number(*document)) return 0;
        const Json wanted = model(*document);
        bx::require(Json::parse(json) == (wanted.is_null() ? Json::array() : wanted));
    } catch (const bx::FormError&) {
    }
    return 0;
}
