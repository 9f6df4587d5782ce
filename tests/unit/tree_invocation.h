// What a hook gets, made the plain way: of the event's tree, each part by a walk of its own.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "event/payload.h"
#include "event/secrets.h"
#include "hooks/mask.h"

namespace bx {

inline std::string tree_input(const Tree& body) {
    std::string line;
    append_tree_json(line, body);
    return line + '\n';
}

inline std::string tree_variable_name(KeyPath path) {
    std::string name = "BX_DATA";
    for (const std::string_view key : path) {
        name += '_';
        for (const char c : key) {
            const bool digit = c >= '0' && c <= '9';
            const bool capital = c >= 'A' && c <= 'Z';
            const bool small = c >= 'a' && c <= 'z';
            name += small ? static_cast<char>(c - 'a' + 'A') : digit || capital ? c : '_';
        }
    }
    return name;
}

// BX_DATA_... and, at the end where it belongs, BX_TRUNCATED.
inline std::vector<std::string> tree_data_variables(const Tree& body) {
    std::vector<std::string> variables;
    std::set<std::string> names;
    std::size_t used = 0;
    bool truncated = false;
    each_scalar(body.at("data"), [&](KeyPath path, Value scalar) {
        if (is_secret_key(scalar.key())) return;
        const std::string name = tree_variable_name(path);
        const std::string value(scalar.text());
        const std::size_t size = name.size() + value.size() + 2;
        if (value.size() > 32768 || name.size() > 32768 || used + size > 131072 ||
            value.find('\0') != std::string::npos || !names.insert(name).second) {
            truncated = true;
            return;
        }
        used += size;
        variables.push_back(name + '=' + value);
    });
    if (truncated) variables.emplace_back("BX_TRUNCATED=1");
    return variables;
}

inline std::vector<std::string> tree_secrets(const Tree& body) {
    std::set<std::string> secrets;
    each_scalar(body.root(), [&](KeyPath, Value scalar) {
        if (!is_secret_key(scalar.key()) || scalar.text().size() < min_masked_secret) return;
        secrets.emplace(scalar.text());
        std::string quoted;
        append_json_string(quoted, scalar.text());
        secrets.insert(quoted.substr(1, quoted.size() - 2));
    });
    return {secrets.begin(), secrets.end()};
}

}  // namespace bx
