#include "gateway/post_key.h"

#include "form/form.h"

namespace bx {

namespace {

constexpr std::size_t query_fields = 100;

PostKey in_query(const std::string& query) {
    try {
        const Tree fields = decode_urlencoded(query, {query_fields, 1});
        const Value key = fields.root()["key"];
        if (!key) return {};
        if (key.rewritten()) return {PostKey::State::repeated};
        return {PostKey::State::one, std::string(key.text())};
    } catch (const FormError&) {
        return {PostKey::State::one};
    }
}

}  // namespace

PostKey post_key_of(const Request& request) {
    PostKey key = in_query(request.query);
    if (request.post_key.empty()) return key;
    if (key.state != PostKey::State::none) return {PostKey::State::repeated};
    return {PostKey::State::one, request.post_key};
}

}  // namespace bx
