#include "cli/portals_file.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/sha256.h"
#include "base/text.h"
#include "config/portal_name.h"
#include "rest/oauth.h"

namespace bx {

namespace {

// Of the names that mean something, what they have.
using Fields = std::map<std::string, std::string, std::less<>>;

constexpr std::array<std::string_view, 5> names{"member_id", "client_id", "refresh_token",
                                                "application_token", "application_token_sha256"};
constexpr std::string_view separators = "\t;,";  // of a table, the first that its header has

bool is_name(std::string_view word) { return std::ranges::find(names, word) != names.end(); }

std::string value_of(const Fields& fields, std::string_view name) {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
}

int digit_of(char c) {
    if (is_digit(c)) return c - '0';
    const char small = lower(c);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// None unless TEXT is a SHA-256 as 64 hexadecimal digits.
std::optional<std::string> read_digest(std::string_view text) {
    if (text.size() != 2 * sha256_size) return std::nullopt;
    std::string digest;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit_of(text[i]);
        const int low = digit_of(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        digest += static_cast<char>(high << 4 | low);
    }
    return digest;
}

bool is_member_id(const std::string& text) {
    return !text.empty() && text.size() <= max_portal_name &&
           std::ranges::all_of(text, is_portal_name_byte);
}

// Puts the digest of the application_token into PORTAL; gives what is wrong with it.
std::string read_application_token(const Fields& fields, BroughtInstallation& portal) {
    const std::string token = value_of(fields, "application_token");
    const std::string digits = value_of(fields, "application_token_sha256");
    if (!token.empty()) portal.application_token = sha256(token);
    if (digits.empty()) return "";
    const std::optional<std::string> digest = read_digest(digits);
    if (!digest) return "application_token_sha256 is not 64 hexadecimal digits";
    if (!token.empty() && portal.application_token != *digest) {
        return "application_token_sha256 is not that of application_token";
    }
    portal.application_token = *digest;
    return "";
}

// What is wrong with it; empty: nothing.
std::string fill(const Fields& fields, const std::string& app, BroughtInstallation& portal) {
    portal.member_id = value_of(fields, "member_id");
    portal.client_id = value_of(fields, "client_id");
    portal.refresh_token = value_of(fields, "refresh_token");
    if (portal.client_id.empty()) portal.client_id = app;
    if (portal.member_id.empty()) return "it has no member_id";
    if (!is_member_id(portal.member_id)) return "its member_id is none";
    if (portal.client_id.empty()) return "it has no client_id: name it with --app";
    if (portal.refresh_token.empty()) return "it has no refresh_token";
    if (!is_token(portal.refresh_token)) return "its refresh_token has not the form of one";
    return read_application_token(fields, portal);
}

FileEntry entry_of(std::size_t line, const Fields& fields, const std::string& app) {
    FileEntry entry{line, {}, ""};
    entry.problem = fill(fields, app, entry.portal);
    return entry;
}

Fields fields_of(const JsonText& object) {
    Fields fields;
    for (const auto& [name, value] : object.members()) {
        if (is_name(name) && !value.is_null()) fields[name] = value.string();
    }
    return fields;
}

// -- CRest's settings.json: it alone has an access_token.

std::optional<FileEntry> read_crest(std::string_view text, const std::string& app) {
    const std::optional<JsonText> whole = JsonText::parse(text);
    if (!whole || !whole->is_object() || !whole->find("access_token")) return std::nullopt;
    Fields fields = fields_of(*whole);
    fields.erase("application_token");
    FileEntry entry = entry_of(1, fields, app);
    if (entry.portal.member_id.empty()) {
        entry.problem += ": CRest stores it with the first renewal, or add it by hand";
    }
    return entry;
}

// -- JSON lines

FileEntry read_json_line(std::size_t number, std::string_view line, const std::string& app) {
    const std::optional<JsonText> object = JsonText::parse(line);
    if (!object || !object->is_object()) return {number, {}, "it is not a JSON object"};
    return entry_of(number, fields_of(*object), app);
}

// -- A table

// The fields of LINE; none when a quote is not closed.
std::optional<std::vector<std::string>> cells_of(std::string_view line, char separator) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '"') {
            const bool is_literal = quoted && i + 1 < line.size() && line[i + 1] == '"';
            if (is_literal) cells.back() += line[i++];
            else quoted = !quoted;
        } else if (c == separator && !quoted) {
            cells.emplace_back();
        } else {
            cells.back() += c;
        }
    }
    if (quoted) return std::nullopt;
    for (std::string& cell : cells) cell = trim(cell);
    return cells;
}

class TableReader {
public:
    explicit TableReader(std::string_view header) {
        const std::size_t found = header.find_first_of(separators);
        if (found != std::string_view::npos) separator_ = header[found];
        columns_ = cells_of(header, separator_).value_or(std::vector<std::string>());
        for (std::string& column : columns_) column = lower(column);
    }

    bool has(std::string_view column) const {
        return std::ranges::find(columns_, column) != columns_.end();
    }

    FileEntry read(std::size_t number, std::string_view line, const std::string& app) const {
        const auto cells = cells_of(line, separator_);
        if (!cells) return {number, {}, "a quote is not closed"};
        if (cells->size() != columns_.size()) {
            return {number, {}, "it has " + std::to_string(cells->size()) +
                                    " fields, and the header " + std::to_string(columns_.size())};
        }
        Fields fields;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (is_name(columns_[i])) fields[columns_[i]] = (*cells)[i];
        }
        return entry_of(number, fields, app);
    }

private:
    char separator_ = '\t';
    std::vector<std::string> columns_;
};

// --

struct Line {
    std::size_t number = 0;
    std::string_view text;
};

std::vector<Line> lines_of(std::string_view text) {
    std::vector<Line> lines;
    std::size_t number = 0;
    for (const std::string_view one : split(text, '\n')) {
        ++number;
        if (const std::string_view line = trim(one); !line.empty()) lines.push_back({number, one});
    }
    return lines;
}

// The same portal twice would be renewed twice, with a token that the first renewal spends.
void refuse_doubles(std::vector<FileEntry>& entries) {
    std::map<std::pair<std::string, std::string>, std::size_t> seen;
    for (FileEntry& entry : entries) {
        if (!entry.problem.empty()) continue;
        const auto [found, is_first] =
            seen.insert({{entry.portal.member_id, entry.portal.client_id}, entry.line});
        if (!is_first) {
            entry.problem = "line " + std::to_string(found->second) +
                            " has this application on that portal too";
        }
    }
}

std::vector<FileEntry> read_table(const std::vector<Line>& lines, const std::string& app) {
    const TableReader table(lines.front().text);
    if (!table.has("member_id") || !table.has("refresh_token")) {
        throw Error("it is neither JSON nor a table: the first line of a table names its columns, "
                    "among them member_id and refresh_token");
    }
    std::vector<FileEntry> entries;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        entries.push_back(table.read(lines[i].number, lines[i].text, app));
    }
    return entries;
}

}  // namespace

std::vector<FileEntry> read_portals_file(std::string_view text, const std::string& app) {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    const std::vector<Line> lines = lines_of(text);
    if (lines.empty()) return {};
    std::vector<FileEntry> entries;
    if (!trim(lines.front().text).starts_with('{')) {
        entries = read_table(lines, app);
    } else if (const auto crest = read_crest(text, app)) {
        entries.push_back(*crest);
    } else {
        for (const auto& [number, line] : lines) {
            entries.push_back(read_json_line(number, line, app));
        }
    }
    refuse_doubles(entries);
    return entries;
}

std::string portals_line(const BroughtInstallation& portal) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.field("member_id", portal.member_id).field("client_id", portal.client_id);
    json.field("refresh_token", portal.refresh_token);
    if (!portal.application_token.empty()) {
        json.field("application_token_sha256", digits_of(portal.application_token));
    }
    json.end_object();
    return text + "\n";
}

}  // namespace bx
