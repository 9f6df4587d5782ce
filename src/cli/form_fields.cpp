#include "cli/form_fields.h"

#include <algorithm>

#include "base/text.h"
#include "base/url.h"
#include "event/secrets.h"

namespace bx {

namespace {

using Keys = std::vector<std::string>;

Keys keys_of(std::string_view path) {
    Keys keys;
    for (std::string_view part : split(path, '.')) keys.emplace_back(part);
    return keys;
}

// How many keys A and B begin with in common.
std::size_t shared(const Keys& a, const Keys& b) {
    return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

bool begins_with(const Keys& keys, const Keys& beginning) {
    return shared(keys, beginning) == beginning.size();
}

bool is_secret(const Keys& keys) {
    return is_secret_key(keys.back()) ||
           std::any_of(keys.begin(), keys.end() - 1,
                       [](const std::string& key) { return is_secret_branch(key); });
}

// PHP's urlencode(): letters, digits and - _ . stay, a blank is '+'.
void append_encoded(std::string& out, std::string_view text) {
    bool is_first = true;
    for (const std::string_view word : split(text, ' ')) {
        if (!is_first) out += '+';
        out += percent_encoded(word, "-_.");
        is_first = false;
    }
}

void append_name(std::string& out, const Keys& keys) {
    append_encoded(out, keys.front());
    for (std::size_t i = 1; i < keys.size(); ++i) {
        out += "%5B";
        append_encoded(out, keys[i]);
        out += "%5D";
    }
}

}  // namespace

FormFields::FormFields(const Tree& tree) {
    each_scalar(tree.root(), [this](KeyPath path, Value scalar) {
        fields_.push_back({Keys(path.begin(), path.end()), std::string(scalar.text())});
    });
}

void FormFields::set(std::string_view path, std::string_view value) {
    Keys keys = keys_of(path);
    auto same = std::ranges::find(fields_, keys, &FormField::keys);
    if (same != fields_.end()) {
        same->value = value;
        return;
    }
    std::erase_if(fields_, [&](const FormField& field) {
        return begins_with(field.keys, keys) || begins_with(keys, field.keys);
    });
    std::size_t place = fields_.size();
    std::size_t most = 0;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        std::size_t common = shared(fields_[i].keys, keys);
        if (common > 0 && common >= most) {
            most = common;
            place = i + 1;
        }
    }
    fields_.insert(fields_.begin() + static_cast<std::ptrdiff_t>(place),
                   {std::move(keys), std::string(value)});
}

bool FormFields::unset(std::string_view path) {
    Keys keys = keys_of(path);
    return std::erase_if(fields_, [&](const FormField& field) {
               return begins_with(field.keys, keys);
           }) > 0;
}

std::string FormFields::encode(bool hide_secrets) const {
    std::string body;
    for (const FormField& field : fields_) {
        if (!body.empty()) body += '&';
        append_name(body, field.keys);
        body += '=';
        if (hide_secrets && is_secret(field.keys)) {
            body += "***";
        } else {
            append_encoded(body, field.value);
        }
    }
    return body;
}

}  // namespace bx
