// The conformance checker: runs the decoder on a corpus of bodies with PHP's own answers.
//
//   conformance FILE.jsonl          compares; ends with "N passed, N failed", exit 1 on a failure
//   conformance --print FILE.jsonl  prints what the decoder makes of each body, from the body alone
//
// A line is {"id":..., "body_b64":..., "expected": TREE or "over": "fields"|"depth"}, where TREE is
// {"s": base64} for a scalar and {"a": [[key as base64, TREE], ...]} for an array; "type" is the
// content type of what is not urlencoded.  The limits are PHP's defaults; the size of the body is
// not limited.
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/error.h"
#include "form/form.h"

namespace {

// Keeps the order of keys as they are inserted: the answer is read by people too.
using Json = nlohmann::ordered_json;

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(std::string_view bytes) {
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::string_view group = bytes.substr(at, 3);
        unsigned bits = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0u);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            out += i <= group.size() ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
        }
    }
    return out;
}

std::string from_base64(std::string_view text) {
    std::string out;
    unsigned bits = 0;
    unsigned count = 0;
    for (const char c : text.substr(0, text.find('='))) {
        const std::size_t digit = alphabet.find(c);
        if (digit == alphabet.npos) throw std::runtime_error("invalid base64");
        bits = bits << 6 | static_cast<unsigned>(digit);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 0xff);
    }
    return out;
}

// VALUE in the notation of the corpus.  Recursion is bounded by the decoder's limit of depth.
Json notation(bx::Value value) {
    if (value.is_text()) return {{"s", to_base64(value.text())}};
    Json children = Json::array();
    for (bx::Value child = value.first(); child; child = child.next()) {
        children.push_back(Json::array({to_base64(child.key()), notation(child)}));
    }
    Json array;
    array["a"] = std::move(children);
    return array;
}

// What the decoder makes of a body: {"got": TREE}, {"over": WORD} or {"error": TEXT}.
Json decode(const Json& line) {
    Json answer;
    try {
        const bx::Tree tree =
            bx::decode_body(from_base64(line.at("body_b64").get<std::string>()),
                            line.value("type", "application/x-www-form-urlencoded"), {});
        answer["got"] = notation(tree.root());
    } catch (const bx::FormError& error) {
        switch (error.problem()) {
            case bx::FormError::Problem::too_many_fields:
                answer["over"] = "fields";
                break;
            case bx::FormError::Problem::too_deep:
                answer["over"] = "depth";
                break;
            case bx::FormError::Problem::malformed:
                answer["error"] = error.what();
                break;
        }
    } catch (const std::exception& error) {
        answer["error"] = error.what();
    }
    return answer;
}

void print(const Json& line) {
    Json answer;
    answer["id"] = line.at("id");
    answer.update(decode(line));
    std::cout << answer.dump() << '\n';
}

// True when the decoder's answer is the line's.
bool passes(const Json& line) {
    Json wanted;
    if (line.contains("over")) {
        wanted["over"] = line["over"];
    } else {
        wanted["got"] = line.at("expected");
    }
    const Json answer = decode(line);
    if (answer == wanted) return true;
    std::cout << "FAIL " << line.at("id").dump() << "\n  wanted " << wanted.dump() << "\n  got    "
              << answer.dump() << '\n';
    return false;
}

int run(const std::string& path, bool only_print) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot open '" + path + "'");
    std::size_t passed = 0;
    std::size_t failed = 0;
    for (std::string text; std::getline(file, text);) {
        if (text.empty()) continue;
        const Json line = Json::parse(text);
        if (only_print) {
            print(line);
        } else {
            ++(passes(line) ? passed : failed);
        }
    }
    if (file.bad()) throw std::runtime_error("cannot read '" + path + "'");
    if (only_print) return 0;
    std::cout << passed << " passed, " << failed << " failed\n";
    return failed > 0 || passed == 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    const bool only_print = argc == 3 && std::string_view(argv[1]) == "--print";
    if (argc != 2 && !only_print) {
        std::cerr << "usage: conformance [--print] FILE.jsonl\n";
        return 2;
    }
    try {
        std::ios::sync_with_stdio(false);
        return run(argv[argc - 1], only_print);
    } catch (const std::exception& error) {
        std::cerr << "conformance: " << error.what() << '\n';
        return 1;
    }
}
