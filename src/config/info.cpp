#include "config/info.h"

#include <boost/property_tree/info_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <span>
#include <sstream>

#include "config/problems.h"

namespace bx {

namespace {

using boost::property_tree::ptree;

// Recursion is bounded, here and below: check_syntax refuses deep nesting.
std::size_t count_keys(const ptree& tree) {
    std::size_t count = tree.size();
    for (const auto& [key, child] : tree) count += count_keys(child);
    return count;
}

// LINES are those of the keys to come; it may end before they do.
std::vector<Setting> settings_of(const ptree& tree, std::span<const std::size_t>& lines) {
    std::vector<Setting> settings;
    settings.reserve(tree.size());
    for (const auto& [key, child] : tree) {
        Setting& setting = settings.emplace_back();
        if (!lines.empty()) {
            setting.line = lines.front();
            lines = lines.subspan(1);
        }
        setting.key = key;
        setting.value = child.data();
        setting.children = settings_of(child, lines);
    }
    return settings;
}

}  // namespace

std::vector<Setting> parse_info(const std::string& text, const std::string& path) {
    const Syntax syntax = check_syntax(text, path);
    syntax.problems.throw_if_any();
    ptree tree;
    std::istringstream stream(text);
    try {
        boost::property_tree::read_info(stream, tree);
    } catch (const boost::property_tree::info_parser_error& error) {
        Problems problems;
        problems.add_at(path, error.line(), error.message());
        problems.throw_if_any();
    }
    // Both read the same keys; if they ever do not, no line is better than a wrong one.
    std::span<const std::size_t> lines = syntax.lines;
    if (lines.size() != count_keys(tree)) lines = {};
    return settings_of(tree, lines);
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
