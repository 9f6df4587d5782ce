// Multipart bodies (RFC 7578): cgicc reads them and stays in this file.
//
// cgicc finds boundaries in the middle of lines, loses parts without a word when the end is
// missing, takes a name from any header and only in quotes.  So the body's shape is checked first,
// more strictly than PHP would (main/rfc1867.c), cgicc is given each part with its name alone, and
// what it has read must be what the check saw.
#include "form/multipart.h"

#include <cgicc/CgiInput.h>
#include <cgicc/Cgicc.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/text.h"
#include "form/variable.h"

namespace bx {

namespace {

constexpr std::string_view crlf = "\r\n";
constexpr std::string_view end_of_headers = "\r\n\r\n";
constexpr std::size_t header_line_max = 5118;  // PHP breaks longer ones in two
// In a header PHP ends its text at the first three, and takes \v and \f for blanks.
constexpr std::string_view misread("\0\r\n\v\f", 5);

FormError bad(const std::string& what) {
    return FormError::malformed("multipart body: " + what);
}

// RFC 2046, 5.1.1: 1 to 70 of these.  Nothing in it can mislead cgicc.
bool is_boundary(std::string_view text) {
    constexpr std::string_view allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=? ";
    return !text.empty() && text.size() <= 70 && text.back() != ' ' &&
           text.find_first_not_of(allowed) == text.npos;
}

// As PHP looks for it: the first "boundary" in any case, the next '=', then a quoted text or all up
// to ',' or ';'.
std::string boundary_of(std::string_view content_type) {
    const std::string folded = lower(content_type);
    const std::size_t word = folded.find("boundary");
    const std::size_t equals = word == folded.npos ? word : folded.find('=', word);
    if (equals == folded.npos) throw bad("its content type has no boundary");
    std::string_view text = content_type.substr(equals + 1);
    if (text.starts_with('"')) {
        const std::size_t quote = text.find('"', 1);
        if (quote == text.npos) throw bad("its boundary has no closing quote");
        text = text.substr(1, quote - 1);
    } else {
        text = text.substr(0, text.find_first_of(",;"));
    }
    if (!is_boundary(text)) {
        throw bad("its boundary is not 1 to 70 letters, digits, '()+_,-./:=? and inner blanks");
    }
    return std::string(text);
}

// Calls PART with what lies between two delimiter lines, for each.  Every delimiter in BODY must be
// the whole of a line ending in CRLF, the last one the closing one.
template <typename Part>
void for_each_part(std::string_view body, const std::string& delimiter, Part part) {
    std::size_t begin = body.npos;  // of the open part
    bool closed = false;
    for (std::size_t at = 0; (at = body.find(delimiter, at)) != body.npos; at = begin) {
        const std::string_view before = body.substr(0, at);
        const std::string_view after = body.substr(at + delimiter.size());
        const bool starts_line = before.empty() || before.ends_with(crlf);
        const bool closes = after == "--" || after.starts_with("--\r\n");
        if (closed || !starts_line || !(closes || after.starts_with(crlf))) {
            const bool only_lf = (!starts_line && before.ends_with('\n')) ||
                                 after.starts_with('\n') || after.starts_with("--\n");
            throw bad((only_lf ? "a line with a boundary does not begin and end with CRLF, at byte "
                               : "a boundary out of place at byte ") +
                      std::to_string(at));
        }
        if (begin != body.npos) {
            if (at < begin + crlf.size()) throw bad("a part without headers");
            part(body.substr(begin, at - crlf.size() - begin));
        }
        closed = closes;
        begin = at + delimiter.size() + crlf.size();
    }
    if (!closed) throw bad("the final boundary is missing");
}

std::string_view trimmed(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// Of a Content-Disposition: the name.  It is in double quotes, or without quotes and blanks; a
// backslash and other quotes are refused, since not all clients that write them mean what PHP
// reads.
std::string_view disposition_name(std::string_view disposition) {
    const FormError unreadable =
        bad("a part's name or header cannot be read: write name=\"...\" without a backslash or "
            "quote in it");
    std::string_view name;
    while (!disposition.empty()) {
        // A piece up to its ';', of which the end may be a quoted value.
        const std::size_t stop = std::min(disposition.find_first_of(";\"'\\"), disposition.size());
        const std::string_view piece = disposition.substr(0, stop);
        disposition.remove_prefix(stop);
        const std::size_t equals = std::min(piece.find('='), piece.size());
        const std::size_t begin = std::min(piece.find_first_not_of('=', equals), piece.size());
        std::string_view value = trimmed(piece.substr(begin));
        const bool is_quoted =
            disposition.starts_with('"') && equals < piece.size() && begin == piece.size();
        if (is_quoted) {
            const std::size_t quote = disposition.find_first_of("\"\\", 1);
            if (quote == disposition.npos || disposition[quote] == '\\') throw unreadable;
            value = disposition.substr(1, quote - 1);
            disposition.remove_prefix(quote + 1);
        }
        if (!disposition.empty() && !disposition.starts_with(';')) throw unreadable;
        disposition.remove_prefix(std::min<std::size_t>(1, disposition.size()));

        std::string_view key = piece.substr(0, equals);
        key.remove_prefix(std::min(key.find_first_not_of(" \t"), key.size()));
        if (equal_ignoring_case(key, "filename") || equal_ignoring_case(key, "filename*")) {
            throw bad("a part is a file");
        }
        if (!equal_ignoring_case(key, "name")) continue;
        if (value.empty()) throw bad("a part without a name");
        if (!is_quoted && value.find_first_of(" \t") != value.npos) throw unreadable;
        name = value;
    }
    if (name.empty()) throw bad("a part without a name");
    return name;
}

struct Field {
    std::string_view name;
    std::string_view value;
};

Field read_part(std::string_view part) {
    const std::size_t end = part.find(end_of_headers);
    if (end == part.npos || end == 0) throw bad("a part without headers");
    std::string_view headers = part.substr(0, end + crlf.size());
    std::string_view disposition;
    while (!headers.empty()) {
        const std::string_view line = headers.substr(0, headers.find(crlf));
        headers.remove_prefix(line.size() + crlf.size());
        const std::size_t colon = line.find(':');
        if (colon == line.npos || line.find_first_of(misread) != line.npos || line[0] == ' ' ||
            line[0] == '\t' || line.size() > header_line_max) {
            throw bad("a part's header cannot be read");
        }
        if (equal_ignoring_case(line.substr(0, colon), "content-disposition")) {
            if (!disposition.empty()) throw bad("a part has two names");
            disposition = line;
        }
    }
    return {disposition_name(disposition), part.substr(end + end_of_headers.size())};
}

// FIELDS as a body that cgicc reads as it is meant.
std::string plain_body(const std::vector<Field>& fields, const std::string& delimiter) {
    std::string body;
    for (const Field& field : fields) {
        body.append(delimiter).append("\r\nContent-Disposition: form-data; name=\"");
        body.append(field.name).append("\"\r\n\r\n").append(field.value).append(crlf);
    }
    // The last CRLF may be left out of a body (RFC 2046), but cgicc would lose the last part.
    return body.append(delimiter).append("--\r\n");
}

// What cgicc asks for: a request with this body and boundary.
class BodyInput : public cgicc::CgiInput {
public:
    BodyInput(std::string_view body, std::string_view boundary)
        : body_(body), boundary_(boundary) {}

    std::size_t read(char* out, std::size_t length) override {
        if (length != body_.size()) return 0;
        std::memcpy(out, body_.data(), body_.size());
        return length;
    }

    std::string getenv(const char* name) override {
        const std::string_view variable = name;
        if (variable == "REQUEST_METHOD") return "POST";
        if (variable == "CONTENT_TYPE") return "multipart/form-data; boundary=" + boundary_;
        if (variable == "CONTENT_LENGTH") return std::to_string(body_.size());
        return {};
    }

private:
    std::string_view body_;
    std::string boundary_;
};

cgicc::Cgicc read_body(BodyInput& input) {
    try {
        return cgicc::Cgicc(&input);
    } catch (const std::runtime_error&) {
        throw bad("it cannot be read");
    }
}

}  // namespace

Tree decode_multipart(const std::string& body, std::string_view content_type,
                      const FormLimits& limits) {
    Tree tree;
    if (body.empty()) return tree;
    const std::string boundary = boundary_of(content_type);
    const std::string delimiter = "--" + boundary;

    // The limit comes first: nothing is built for a body that is over it.
    std::size_t parts = 0;
    for_each_part(body, delimiter, [&parts](std::string_view) { ++parts; });
    if (parts > limits.fields) throw FormError::too_many_fields(parts, limits.fields);
    std::vector<Field> fields;
    for_each_part(body, delimiter,
                  [&fields](std::string_view part) { fields.push_back(read_part(part)); });

    const std::string plain = plain_body(fields, delimiter);
    BodyInput input(plain, boundary);
    const cgicc::Cgicc form = read_body(input);
    const std::vector<cgicc::FormEntry>& entries = form.getElements();
    const bool as_checked = std::equal(
        entries.begin(), entries.end(), fields.begin(), fields.end(),
        [](const auto& entry, const Field& field) { return entry.getName() == field.name; });
    if (entries.empty() || !as_checked) throw bad("it cannot be read");

    tree.reserve(entries.size());
    tree.buffer().reserve(body.size());
    for (const cgicc::FormEntry& entry : entries) {
        const Tree::Slice name = tree.add_text(entry.getName());
        const Tree::Slice text = tree.add_text(entry.getValue());
        assign_variable(tree, name, text, limits.depth);
    }
    return tree;
}

}  // namespace bx
