#include "event/payload.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "event/secrets.h"
#include "form/form.h"

namespace bx {

namespace {

using namespace std::string_literals;

std::string json_of(const Tree& tree) {
    std::string out;
    append_tree_json(out, tree);
    return out;
}

Tree parse(std::string body) {
    return decode_urlencoded(std::move(body), {});
}

std::string read_back(const std::string& body, Secrets mode) {
    const Payload payload = encode_payload(parse(body));
    return json_of(decode_payload(payload.body, payload.secrets, mode));
}

// True when decode_payload throws an Error or returns a tree; nothing else may happen.
bool survives(std::string_view body, std::string_view secrets) {
    try {
        json_of(decode_payload(body, secrets, Secrets::keep));
    } catch (const Error&) {
    }
    return true;
}

bool is_refused(std::string_view body, std::string_view secrets) {
    try {
        decode_payload(body, secrets, Secrets::keep);
        return false;
    } catch (const Error&) {
        return true;
    }
}

const std::string sample =
    "event=ONCRMDEALUPDATE&data[FIELDS][ID]=6675&data[list][]=a&data[list][]=b&data[Token]=t1&"
    "ts=1736424182&auth[access_token]=s1&auth[domain]=x.bitrix24.com&auth[application_token]=&"
    "data[deep][er][than][this]=1&data[FIELDS][X]=2&empty[__Host-x]=1";

}  // namespace

BOOST_AUTO_TEST_SUITE(payload)

BOOST_AUTO_TEST_CASE(knows_the_secret_keys_in_any_case) {
    for (const std::string_view key :
         {"access_token", "REFRESH_TOKEN", "application_token", "event_token", "Token",
          "client_secret", "AUTH_ID", "refresh_id", "botToken"}) {
        BOOST_TEST(is_secret_key(key));
    }
    for (const std::string_view key : {"", "tokens", "access_token ", "id", "auth", "secret"}) {
        BOOST_TEST(!is_secret_key(key));
    }
}

BOOST_AUTO_TEST_CASE(keeps_every_byte_and_the_order) {
    for (const std::string& body :
         {""s, sample, "a=%00%ff&b[%fe%5d]=x&c[]=&c[]="s,
          "a[b][c][d]=1&a[b][x]=2&y=3&a[b][c][e]=4"s, "0=a&1=b"s,
          "a[9223372036854775807]=x&a[-1]=y"s, "a[x][__Secure-]=1&b=1"s}) {
        const Tree tree = parse(body);
        const Payload payload = encode_payload(tree);
        const Tree back = decode_payload(payload.body, payload.secrets, Secrets::keep);
        const Payload again = encode_payload(back);
        BOOST_TEST(json_of(back) == json_of(tree));
        BOOST_TEST((again.body == payload.body && again.secrets == payload.secrets));
    }
    BOOST_TEST(
        decode_payload(encode_payload(parse("a=%00%ff")).body, {}, Secrets::keep).at("a").text() ==
        "\0\xff"s);
}

BOOST_AUTO_TEST_CASE(keeps_secrets_out_of_the_body) {
    const Payload payload =
        encode_payload(parse("auth[access_token]=S3CRET1&data[x][y][CLIENT_SECRET]=S3CRET2&token[]="
                             "plain&auth[domain]=d"));
    BOOST_TEST(payload.body.find("S3CRET") == std::string::npos);
    BOOST_TEST(payload.secrets.find("S3CRET1") != std::string::npos);
    BOOST_TEST(payload.secrets.find("S3CRET2") != std::string::npos);
    BOOST_TEST(payload.secrets.find("plain") == std::string::npos);
    BOOST_TEST(encode_payload(parse("a=1")).secrets.empty());
}

BOOST_AUTO_TEST_CASE(reads_back_with_hidden_or_without_secrets) {
    const std::string body = "auth[access_token]=s&auth[domain]=d&token=t&only[one][token]=u&z=1";
    BOOST_TEST(read_back(body, Secrets::keep) == json_of(parse(body)));
    BOOST_TEST(
        read_back(body, Secrets::hide) ==
        R"({"auth":{"access_token":"***","domain":"d"},"token":"***","only":{"one":{"token":"***"}},"z":"1"})");
    BOOST_TEST(read_back(body, Secrets::omit) ==
               R"({"auth":{"domain":"d"},"only":{"one":[]},"z":"1"})");
    BOOST_TEST(read_back("auth[x][y]=1&auth[token]=2&auth[x][token]=3&auth[z]=4", Secrets::omit) ==
               R"({"auth":{"x":{"y":"1"},"z":"4"}})");
}

BOOST_AUTO_TEST_CASE(all_below_a_secret_branch_is_secret) {
    const std::string body =
        "a[Cashbox_Params][AUTH][LOGIN]=s1&a[Cashbox_Params][AUTH][LIST][]=s2&a[Cashbox_Params][X]=s3"
        "&a[later]=1&cashbox_params=scalar&z=2";
    BOOST_TEST(read_back(body, Secrets::keep) == json_of(parse(body)));
    BOOST_TEST(read_back(body, Secrets::hide) ==
               R"({"a":{"Cashbox_Params":{"AUTH":{"LOGIN":"***","LIST":["***"]},"X":"***"},"later":"1"},)"
               R"("cashbox_params":"scalar","z":"2"})");
    for (const char* path : {"cashbox_params.a", "x.CASHBOX_PARAMS.a.b", "a.botToken", "token"}) {
        BOOST_TEST(is_secret_path(path), path);
    }
    for (const char* path : {"cashbox_params", "a.cashbox_params", "token.a", "data.FIELDS.ID"}) {
        BOOST_TEST(!is_secret_path(path), path);
    }
}

BOOST_AUTO_TEST_CASE(needs_the_secrets_it_was_made_with) {
    const Payload payload = encode_payload(parse(sample));
    BOOST_CHECK_THROW(decode_payload(payload.body, {}, Secrets::keep), Error);
    BOOST_CHECK_THROW(decode_payload(payload.body, payload.secrets + "\1x", Secrets::keep), Error);
    BOOST_CHECK_NO_THROW(decode_payload(payload.body, {}, Secrets::hide));
    BOOST_CHECK_NO_THROW(decode_payload(payload.body, {}, Secrets::omit));
}

BOOST_AUTO_TEST_CASE(refuses_other_versions_and_damage) {
    const std::vector<std::string> bodies = {"",
                                             "\2",  // not version 1
                                             "\1\0"s,
                                             "\1\0\2"s,                // cut
                                             "\1\0\0\0"s,              // no key
                                             "\1\0\2\0a\4"s,           // text cut
                                             "\1\0\2xa\0"s,            // keys without NUL
                                             "\1\0\2\0a\3"s,           // unknown kind
                                             "\1\1\2\0a\0"s,           // shares what is not there
                                             "\1\0\2\0a\0\1\2\0b\0"s,  // a text as an array
                                             "\1\0\2\0a\0\0\2\0a\0"s,  // the same twice
                                             "\1\0\2\0a\0\0\4\0a\0b\0"s,  // through a text
                                             "\1\0\xff\xff\xff\xff\xff\xff\xff\xff\x7f"s,
                                             "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"s};
    for (const std::string& body : bodies) BOOST_TEST(is_refused(body, {}));
    BOOST_TEST(!is_refused("\1", {}));
    BOOST_TEST(!is_refused("\1\0\2\0a\0"s, {}));
}

BOOST_AUTO_TEST_CASE(survives_any_bytes) {
    const Payload payload = encode_payload(parse(sample));
    for (std::size_t length = 0; length < payload.body.size(); ++length) {
        BOOST_TEST(survives(payload.body.substr(0, length), payload.secrets));
    }
    std::mt19937 random(7);  // the same on every run
    for (int round = 0; round < 20000; ++round) {
        std::string body = payload.body;
        for (int i = 0; i < 3; ++i) body[random() % body.size()] = static_cast<char>(random());
        if (!survives(body, payload.secrets)) BOOST_FAIL("round " << round);
    }
}

BOOST_AUTO_TEST_CASE(writes_json_on_one_line) {
    BOOST_TEST(json_of(parse("a=%0A/%D0%90&b[]=x&c[1]=y")) ==
               "{\"a\":\"\\n/А\",\"b\":[\"x\"],\"c\":{\"1\":\"y\"}}");
    BOOST_TEST(json_of(parse("")) == "[]");
}

BOOST_AUTO_TEST_CASE(does_not_recurse_on_deep_trees) {
    constexpr int deep = 200000;
    std::string body = "a";
    for (int i = 0; i < deep; ++i) body += "[]";
    const Tree tree = decode_urlencoded(body, FormLimits{1, deep});
    const Payload payload = encode_payload(tree);
    const std::string json = json_of(decode_payload(payload.body, payload.secrets, Secrets::keep));
    BOOST_TEST(json.size() == 2u * deep + std::string(R"({"a":""})").size());
}

BOOST_AUTO_TEST_CASE(refresh_tokens_can_be_left_out) {
    const auto left = [](const std::string& body) {
        const Payload payload = encode_payload(parse(body), false);
        std::string text;
        append_tree_json(text, decode_payload(payload.body, payload.secrets, Secrets::keep));
        return text;
    };
    BOOST_TEST(left("a=1&auth[access_token]=A&auth[refresh_token]=R&auth[x]=2&b=3") ==
               R"({"a":"1","auth":{"access_token":"A","x":"2"},"b":"3"})");
    BOOST_TEST(left("REFRESH_ID=R&AUTH_ID=A") == R"({"AUTH_ID":"A"})");
    BOOST_TEST(left("a=1&REFRESH_ID=R") == R"({"a":"1"})");
    // At any depth and in any case; an array that held nothing else goes too.
    BOOST_TEST(left("a[b][c][Refresh_Token]=R&a[d]=1&e[refresh_id]=R&f[g][refresh_token]=R&h=2") ==
               R"({"a":{"d":"1"},"h":"2"})");
    BOOST_TEST(left("a[b][refresh_token]=R&a[b][c]=1&a[e]=2") ==
               R"({"a":{"b":{"c":"1"},"e":"2"}})");
    BOOST_TEST(left("refresh_token[x]=1") == R"({"refresh_token":{"x":"1"}})");
    BOOST_TEST(encode_payload(parse("refresh_token=R"), false).secrets.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
