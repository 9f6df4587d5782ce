#include "config/info.h"

#include <boost/property_tree/info_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <sstream>

#include "config/problems.h"

namespace bx {

namespace {

// Recursion is bounded: check_syntax refuses deep nesting.
std::vector<Setting> settings_of(const boost::property_tree::ptree& tree) {
    std::vector<Setting> settings;
    settings.reserve(tree.size());
    for (const auto& [key, child] : tree) {
        settings.push_back({key, child.data(), settings_of(child)});
    }
    return settings;
}

}  // namespace

std::vector<Setting> parse_info(const std::string& text, const std::string& path) {
    check_syntax(text, path).throw_if_any();
    boost::property_tree::ptree tree;
    std::istringstream stream(text);
    try {
        boost::property_tree::read_info(stream, tree);
    } catch (const boost::property_tree::info_parser_error& error) {
        Problems problems;
        problems.add_at(path, error.line(), error.message());
        problems.throw_if_any();
    }
    return settings_of(tree);
}

std::string info_value(std::string_view value) {
    constexpr std::string_view special = " \t\r\n\v\f;\"\\{}#";
    if (!value.empty() && value.find_first_of(special) == std::string_view::npos) {
        return std::string(value);
    }
    std::string text = "\"";
    for (char c : value) {
        if (c == '\n') {
            text += "\\n";
        } else if (c == '\r') {
            text += "\\r";
        } else {
            if (c == '"' || c == '\\') text += '\\';
            text += c;
        }
    }
    return text + '"';
}

}  // namespace bx
