#include "bodies.h"

namespace bx {

namespace {

using Words = std::vector<std::string_view>;
using namespace std::string_view_literals;

const Words& tokens() {
    static const Words all = {"[",
                              "[",
                              "]",
                              "]",
                              "=",
                              "=",
                              "&",
                              "&",
                              ";",
                              "+",
                              "%",
                              "%5B",
                              "%5D",
                              "%5b",
                              "%3D",
                              "%26",
                              "%2",
                              "%00",
                              "%20",
                              "%2E",
                              "%g1",
                              "%%",
                              ".",
                              " ",
                              "\t",
                              "\v",
                              "\r\n",
                              "\0"sv,
                              "\xff",
                              "\xd0\x90",
                              "%D0",
                              "-",
                              "_",
                              "a",
                              "a",
                              "b",
                              "c",
                              "0",
                              "1",
                              "2",
                              "9",
                              "10",
                              "07",
                              "-1",
                              "[]",
                              "[]",
                              "[ ]",
                              "[a]",
                              "[b]",
                              "[0]",
                              "[-5]",
                              "][",
                              "]]",
                              "[[",
                              "_[",
                              "__Host-",
                              "__Secure-",
                              "__host-",
                              "_.Host-",
                              "_[Host-",
                              "..Secure-",
                              "[__Host-",
                              "[__Secure-",
                              "9223372036854775807",
                              "-9223372036854775808",
                              "9223372036854775808",
                              "[9223372036854775806]",
                              "-0",
                              "1e3",
                              "00",
                              "&&",
                              "==",
                              "a[",
                              "a=",
                              "&a[]=",
                              "&a[b]=",
                              "&b=",
                              "'\""};
    return all;
}

const Words& bases() {
    static const Words all = {"a",   "a",   "b", "data",     "0",  "1",
                              "a.b", "a b", "_", "__Host-x", " a", "a]"};
    return all;
}

const Words& keys() {
    static const Words all = {"a",
                              "b",
                              "c",
                              "ID",
                              "",
                              "",
                              "",
                              " ",
                              "0",
                              "1",
                              "2",
                              "5",
                              "-3",
                              "-1",
                              "07",
                              "a.b",
                              " b",
                              "b ",
                              "[",
                              "a[b",
                              "\t",
                              "  ",
                              "\xff",
                              "__Host-x",
                              "__Secure-x",
                              "9223372036854775807",
                              "9223372036854775806",
                              "-9223372036854775808"};
    return all;
}

const Words& headers() {
    static const Words all = {"Content-Type: text/plain\r\n",
                              "X: y\r\n",
                              "content-length: 3\r\n",
                              "X: name=\"q\"\r\n",
                              "Content-Transfer-Encoding: base64\r\n",
                              "bad\r\n",
                              " folded\r\n",
                              "X:\n",
                              "\r",
                              "\0"sv,
                              "Content-Disposition: form-data; name=\"again\"\r\n"};
    return all;
}

const Words& dispositions() {
    static const Words all = {"Content-Disposition: form-data; name=",
                              "Content-Disposition: form-data; name=",
                              "Content-Disposition: form-data; name=",
                              "content-disposition:form-data;name=",
                              "Content-Disposition: attachment; x=1; name=",
                              "Content-Disposition: name=",
                              "Content-Disposition: form-data; x='; name=",
                              "Content-Disposition: form-data; x=\"; name=",
                              "Content-Disposition: form-data; name=\"b\"; name=",
                              "Content-Disposition : form-data; name=",
                              "Content-Disposition: form-data; filename=",
                              "Content-Disposition: form-data; Name=",
                              "Content-Disposition: form-data;; ;name=",
                              "Content-Disposition: form-data; name =",
                              "Content-Disposition: form-data; name= ",
                              "Content-Disposition: form-data; y=a'b; name="};
    return all;
}

}  // namespace

std::string Bodies::urlencoded() {
    if (chance(3)) return soup(1 + below(60));
    std::string body;
    // Now and then more children than are looked up without a table.
    const std::size_t fields = 1 + below(chance(10) ? 200 : 12);
    for (std::size_t i = 0; i < fields; ++i) {
        body += chance(300) ? deep_field() : field();
        if (i + 1 < fields || chance(4)) body += '&';
    }
    while (chance(3)) damage(body);
    return body;
}

std::string Bodies::soup(std::size_t words) {
    std::string text;
    while (words-- > 0) text += any(tokens());
    return text;
}

std::string Bodies::key() {
    if (chance(8)) return std::to_string(below(40));
    if (chance(8)) return "k" + std::to_string(below(40));
    if (chance(20)) return soup(1 + below(3));
    return std::string(any(keys()));
}

std::string Bodies::name() {
    std::string name(any(bases()));
    for (std::size_t depth = below(5); depth > 0; --depth) name += "[" + key() + "]";
    if (chance(12)) name += any(tokens());
    return name;
}

std::string Bodies::field() {
    std::string field = encoded(name());
    if (!chance(6)) field += "=" + std::to_string(below(1000));
    if (chance(10)) field += soup(1 + below(3));
    return field;
}

std::string Bodies::deep_field() {
    std::string field = "a";
    const std::size_t levels = 60 + below(7);
    for (std::size_t i = 0; i < levels; ++i) field += chance(20) ? "[" + key() + "]" : "[b]";
    return field + "=1";
}

// Some of TEXT as %XX, and blanks as '+'.
std::string Bodies::encoded(std::string text) {
    constexpr std::string_view digits = "0123456789ABCDEFabcdef";
    if (chance(2)) return text;
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool small = chance(2);
        const auto digit = [&](unsigned d) { return digits[d > 9 && small ? d + 6 : d]; };
        if (c == ' ' && chance(2)) {
            out += '+';
        } else if (chance(3) || c == '[' || c == ']') {
            out += {'%', digit(byte >> 4), digit(byte & 15)};
        } else {
            out += c;
        }
    }
    return out;
}

// A few bytes lost, doubled or replaced.
void Bodies::damage(std::string& text) {
    if (text.empty()) return;
    const std::size_t at = below(text.size());
    switch (below(3)) {
        case 0:
            text.erase(at, 1 + below(3));
            break;
        case 1:
            text.insert(at, any(tokens()));
            break;
        default:
            text[at] = static_cast<char>(below(256));
            break;
    }
}

std::string Bodies::part(std::string_view boundary) {
    std::string part = "--" + std::string(boundary) + (chance(60) ? "\n" : "\r\n");
    if (chance(5)) part += any(headers());
    part += chance(4) ? any(dispositions()) : dispositions().front();
    const std::string_view quote = chance(8) ? "" : chance(40) ? "'" : "\"";
    part += std::string(quote) + (chance(8) ? soup(1 + below(4)) : name()) + std::string(quote);
    if (chance(20)) part += "; filename=\"\"";
    if (chance(20)) part += "; x=" + soup(2);
    part += "\r\n";
    if (chance(5)) part += any(headers());
    part += "\r\n";
    if (!chance(6)) part += soup(below(4));
    if (chance(20)) part += (chance(2) ? "\r\n--" : "--") + std::string(boundary);
    if (chance(10)) part += "\r\n\r";
    return part + (chance(60) ? "\n" : "\r\n");
}

std::string Bodies::multipart(std::string_view boundary) {
    std::string body;
    if (chance(20)) {
        body += soup(2);
        if (chance(2)) body += "\r\n";
    }
    for (std::size_t parts = 1 + below(6); parts > 0; --parts) body += part(boundary);
    if (!chance(30)) body += "--" + std::string(boundary) + "--";
    if (chance(2)) body += "\r\n";
    if (chance(20)) body += soup(2);
    if (chance(20)) damage(body);
    return body;
}

}  // namespace bx
