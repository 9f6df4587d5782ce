// Multipart bodies (RFC 7578): cgicc reads them and stays in this file.
//
// cgicc finds boundaries in the middle of lines, loses parts without a word when the end is
// missing, and takes a name from any header.  So the body's shape is checked first, more strictly
// than PHP would (main/rfc1867.c), and what cgicc has read must be what the check saw.
#include <cgicc/CgiInput.h>
#include <cgicc/Cgicc.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/text.h"
#include "event/form.h"

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
    if (!is_boundary(text)) throw bad("its boundary is not one of RFC 2046");
    return std::string(text);
}

// Calls PART with what lies between two delimiter lines, for each.  Every delimiter in BODY must be
// the whole of a line ending in CRLF, the last one the closing one.
template <typename Part>
void for_each_part(std::string_view body, const std::string& delimiter, Part part) {
    std::size_t begin = body.npos;  // of the open part
    bool closed = false;
    for (std::size_t at = 0; (at = body.find(delimiter, at)) != body.npos; at = begin) {
        const std::string_view after = body.substr(at + delimiter.size());
        const bool starts_line = at == 0 || body.substr(0, at).ends_with(crlf);
        const bool closes = after == "--" || after.starts_with("--\r\n");
        if (closed || !starts_line || !(closes || after.starts_with(crlf))) {
            throw bad("a boundary out of place at byte " + std::to_string(at));
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

// Of a Content-Disposition: the name.  It must be in double quotes, without a backslash; about
// other quoting PHP and cgicc do not agree.
std::string_view disposition_name(std::string_view disposition) {
    const FormError unreadable = bad("a part's name cannot be read");
    std::string_view name;
    while (!disposition.empty()) {
        // A piece up to its ';', of which the end may be a quoted value.
        const std::size_t stop = std::min(disposition.find_first_of(";\"'\\"), disposition.size());
        std::string_view piece = disposition.substr(0, stop);
        disposition.remove_prefix(stop);
        std::string_view value;
        if (disposition.starts_with('"') && piece.ends_with('=')) {
            const std::size_t quote = disposition.find_first_of("\"\\", 1);
            if (quote == disposition.npos || disposition[quote] == '\\') throw unreadable;
            value = disposition.substr(1, quote - 1);
            disposition.remove_prefix(quote + 1);
        }
        if (!disposition.empty() && !disposition.starts_with(';')) throw unreadable;
        disposition.remove_prefix(std::min<std::size_t>(1, disposition.size()));

        piece.remove_prefix(std::min(piece.find_first_not_of(" \t"), piece.size()));
        const std::string_view key = piece.substr(0, piece.find('='));
        if (equal_ignoring_case(key, "filename") || equal_ignoring_case(key, "filename*")) {
            throw bad("a part is a file");
        }
        if (!equal_ignoring_case(key, "name")) continue;
        if (value.empty()) throw bad("a part without a name");
        name = value;
    }
    if (name.empty()) throw bad("a part without a name");
    return name;
}

// The name of the field in PART, from its headers.
std::string_view part_name(std::string_view part) {
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
    return disposition_name(disposition);
}

// What cgicc asks for: a request with this body and boundary.
class BodyInput : public cgicc::CgiInput {
public:
    BodyInput(std::string_view body, std::string_view boundary)
        : body_(body), boundary_(boundary) {}

    // The last CRLF may be left out of a body (RFC 2046), but cgicc would lose the last part.
    std::size_t size() const { return body_.size() + crlf.size(); }

    std::size_t read(char* out, std::size_t length) override {
        if (length != size()) return 0;
        std::memcpy(out, body_.data(), body_.size());
        std::memcpy(out + body_.size(), crlf.data(), crlf.size());
        return length;
    }

    std::string getenv(const char* name) override {
        const std::string_view variable = name;
        if (variable == "REQUEST_METHOD") return "POST";
        if (variable == "CONTENT_TYPE") return "multipart/form-data; boundary=" + boundary_;
        if (variable == "CONTENT_LENGTH") return std::to_string(size());
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
    std::vector<std::string_view> names;
    for_each_part(body, delimiter,
                  [&names](std::string_view part) { names.push_back(part_name(part)); });

    BodyInput input(body, boundary);
    const cgicc::Cgicc form = read_body(input);
    const std::vector<cgicc::FormEntry>& fields = form.getElements();
    const bool as_checked = std::equal(
        fields.begin(), fields.end(), names.begin(), names.end(),
        [](const auto& field, std::string_view name) { return field.getName() == name; });
    if (fields.empty() || !as_checked) throw bad("it cannot be read");

    tree.reserve(fields.size());
    tree.buffer().reserve(body.size());
    for (const cgicc::FormEntry& field : fields) {
        const Tree::Slice name = tree.add_text(field.getName());
        const Tree::Slice text = tree.add_text(field.getValue());
        assign_variable(tree, name, text, limits.depth);
    }
    return tree;
}

}  // namespace bx
