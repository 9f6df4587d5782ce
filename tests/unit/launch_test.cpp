// What a hook gets is made without a tree (list_payload); it is what the tree would give, byte for
// byte: for the events of Bitrix24's documentation, for the bodies of the fuzzers' corpus, and for
// many made by chance.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "form/form.h"
#include "hooks/invocation.h"
#include "tree_invocation.h"

namespace bx {

namespace {

// From the top of the sources, where the tests are run.
const std::filesystem::path samples = "tests/bitrix24/samples.jsonl";
const std::filesystem::path corpus = "tests/fuzz/corpus";

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

Claim claim_of(const Payload& payload, bool erased) {
    Claim claim;
    claim.event.number = 1;
    claim.event.facts.code = "X";
    claim.event.body = payload.body;
    claim.event.secrets = erased ? "" : payload.secrets;
    claim.event.secrets_erased = erased;
    claim.hook = "h";
    return claim;
}

std::vector<std::string> data_variables(const Invocation& invocation) {
    std::vector<std::string> variables;
    for (const std::string& each : invocation.env) {
        if (each.starts_with("BX_DATA") || each == "BX_TRUNCATED=1") variables.push_back(each);
    }
    return variables;
}

void compare(const Tree& tree, const std::string& what) {
    const Payload payload = encode_payload(tree);
    Hook hook;
    hook.program = "/h";
    for (const bool erased : {false, true}) {
        const Tree body = decode_payload(payload.body, payload.secrets,
                                         erased ? Secrets::omit : Secrets::keep);
        const Invocation invocation = prepare_invocation(claim_of(payload, erased), hook, {}, 0);
        BOOST_TEST_INFO(what);
        BOOST_TEST(invocation.refusal == "");
        BOOST_TEST((invocation.input == tree_input(body)));
        BOOST_TEST((data_variables(invocation) == tree_data_variables(body)));
        BOOST_TEST((invocation.secrets == tree_secrets(body)));
    }
}

// True: it could be decoded.
bool compare_body(const std::string& body, const std::string& type, const std::string& what) {
    try {
        const Tree tree = decode_body(body, type, {100'000, 1000});
        compare(tree, what);
        return true;
    } catch (const FormError&) {
        return false;
    }
}

// A value is wherever at() finds it in the tree, and nowhere else.
void compare_paths(const std::string& body, const std::vector<std::string>& paths) {
    const Payload payload = encode_payload(decode_urlencoded(body, {}));
    const Tree tree = decode_payload(payload.body, payload.secrets, Secrets::keep);
    const auto values = list_payload(payload.body, payload.secrets, Secrets::keep);
    for (const std::string& path : paths) {
        const Value there = tree.at(path);
        const PayloadValue* found = find_value(values, path);
        BOOST_TEST_INFO(path);
        BOOST_REQUIRE((found != nullptr) == bool(there));
        if (found == nullptr) continue;
        BOOST_TEST(found->is_text() == there.is_text());
        BOOST_TEST(found->key == there.key());
        BOOST_TEST(found->text == there.text());
    }
}

class Bodies {
public:
    std::string next() {
        std::string body;
        const std::size_t fields = random_() % 12;
        for (std::size_t i = 0; i < fields; ++i) {
            body += pick({"data", "data", "data[FIELDS]", "auth", "event", "x", "data[]"});
            for (std::size_t levels = random_() % 4; levels > 0; --levels) {
                body += pick({"[]", "[0]", "[1]", "[a]", "[A]", "[a-b]", "[a_b]", "[token]", "[10]",
                              "[%D0%90]", "[__Host-x]", "[AUTH_ID]"});
            }
            body += pick({"=&", "=1&", "=%00&", "=%FF%22%0Asecret&", "=%F0%9F%98secret&", "&",
                          "=secret-secret&"});
        }
        return body;
    }

private:
    std::string pick(std::vector<const char*> words) { return words[random_() % words.size()]; }

    std::mt19937 random_{11};  // the same on every run
};

}  // namespace

BOOST_AUTO_TEST_SUITE(launch)

BOOST_AUTO_TEST_CASE(is_as_the_tree_has_it_for_the_samples) {
    std::ifstream lines(samples);
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        const std::string event = nlohmann::ordered_json::parse(line)["event"].dump();
        BOOST_TEST(compare_body(event, "application/json", event));
    }
    BOOST_TEST(count >= 172);
}

BOOST_AUTO_TEST_CASE(is_as_the_tree_has_it_for_the_corpus) {
    int count = 0;
    for (const auto& [dir, type] :
         {std::pair{"form", "application/x-www-form-urlencoded"}, {"json", "application/json"}}) {
        for (const auto& file : std::filesystem::directory_iterator(corpus / dir)) {
            count += compare_body(text_of(file.path()), type, file.path().string()) ? 1 : 0;
        }
    }
    BOOST_TEST(count >= 10);
}

BOOST_AUTO_TEST_CASE(is_as_the_tree_has_it_for_any_body) {
    Bodies bodies;
    for (int i = 0; i < 5000; ++i) {
        const std::string body = bodies.next();
        compare_body(body, "application/x-www-form-urlencoded", body);
    }
}

BOOST_AUTO_TEST_CASE(lists_of_more_than_ten_are_lists) {
    std::string body;
    for (int i = 0; i < 120; ++i) body += "data[list][]=" + std::to_string(i) + "&";
    compare_body(body, "application/x-www-form-urlencoded", "a list");
    compare_body(body + "data[list][121]=x", "application/x-www-form-urlencoded", "a gap");
}

BOOST_AUTO_TEST_CASE(finds_what_the_tree_has) {
    compare_paths("event=X&data[FIELDS][ID]=1&data[x][token]=secret&data[list][]=a&auth=2&a[][b]=3",
                  {"", "event", "data", "data.FIELDS", "data.FIELDS.ID", "data.FIELDS.ID.x",
                   "data.x.token", "data.list.0", "data.list.1", "auth", "auth.expires", "a.0.b",
                   "nothing", "data.", ".data", "data..x", "FIELDS.ID", "ID"});
}

// What decodes to a tree is listed as that tree, and nothing else may happen than an Error.
BOOST_AUTO_TEST_CASE(damage_is_no_other_event) {
    const Payload payload = encode_payload(decode_urlencoded(
        "event=X&data[FIELDS][ID]=6675&data[list][]=a&data[list][]=b&data[Token]=t1&auth[token]=s1&"
        "auth[domain]=d&data[deep][er][than][this]=1&empty[__Host-x]=1",
        {}));
    std::mt19937 random(7);
    for (int round = 0; round < 20000; ++round) {
        std::string body = payload.body;
        for (int i = 0; i < 2; ++i) body[random() % body.size()] = static_cast<char>(random());
        std::string listed;
        try {
            append_list_json(listed, list_payload(body, payload.secrets, Secrets::keep));
        } catch (const Error&) {
            BOOST_CHECK_THROW(decode_payload(body, payload.secrets, Secrets::keep), Error);
            continue;
        }
        try {
            const Tree tree = decode_payload(body, payload.secrets, Secrets::keep);
            BOOST_TEST((listed + '\n' == tree_input(tree)));
        } catch (const Error&) {  // two values of one name
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
