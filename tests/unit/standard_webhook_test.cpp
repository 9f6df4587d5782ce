#include "rest/standard_webhook.h"

#include <boost/test/unit_test.hpp>

#include "base/base64.h"
#include "base/sha256.h"

namespace {

const std::string secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

std::string code(const std::string& key, const std::string& text) {
    return bx::encode_base64(bx::hmac_sha256(key, text));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(standard_webhook)

// RFC 4648's examples.
BOOST_AUTO_TEST_CASE(base64_goes_there_and_back) {
    const std::pair<const char*, const char*> cases[] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
        {"\xFB\xEF\xFF", "++//"}};
    for (const auto& [bytes, text] : cases) {
        BOOST_TEST(bx::encode_base64(bytes) == text);
        BOOST_TEST(bx::decode_base64(text).value() == bytes, text);
        const std::string bare = std::string(text).substr(0, std::string(text).find('='));
        BOOST_TEST(bx::decode_base64(bare).value() == bytes, bare);
    }
}

BOOST_AUTO_TEST_CASE(what_no_bytes_encode_to_is_not_base64) {
    for (const char* text : {"Z", "Zg=", "Zg===", "Zh==", "Zm9", "Zm9=", "=", "====", "Zm 9v",
                             "Zm9v\n", "Zm9-", "Zm9_", "Z=g=", "Zm9v\xC3\xA9"}) {
        BOOST_TEST(!bx::decode_base64(text).has_value(), text);
    }
}

// RFC 4231's examples 1, 2 and 6; a key of a block's length, and none.
BOOST_AUTO_TEST_CASE(a_code_is_hmac_with_sha_256) {
    BOOST_TEST(code(std::string(20, '\x0B'), "Hi There") ==
               "sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c=");
    BOOST_TEST(code("Jefe", "what do ya want for nothing?") ==
               "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    BOOST_TEST(code(std::string(131, '\xAA'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
               "YOQxWR7gtn8Niiaqy/W3f44LxiE3KMUUBUYEDw7jf1Q=");
    BOOST_TEST(code(std::string(64, 'k'), "x") == "+RxMQDYl+waRDvk5mSZbvS1iuursb/NkVUmMwST+PmY=");
    BOOST_TEST(code("", "") == "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=");
}

BOOST_AUTO_TEST_CASE(a_secret_is_base64_with_or_without_its_prefix) {
    BOOST_TEST(bx::webhook_key("whsec_" + secret).value() == bx::webhook_key(secret).value());
    BOOST_TEST(bx::webhook_key(secret).value().size() == 24);
    for (const char* bad : {"", "whsec_", "whsec_whsec_Zm9v", "not base64!", "pass-word", "WHSEC_Zm9v"}) {
        BOOST_TEST(!bx::webhook_key(bad).has_value(), bad);
    }
}

// The example that the reference implementations are tested with.
BOOST_AUTO_TEST_CASE(the_signature_is_that_of_the_reference) {
    const auto headers =
        bx::webhook_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330 * bx::second + 999,
                            "{\"test\": 2432232314}", bx::webhook_key(secret));
    const std::vector<std::string> expected{
        "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp: 1614265330",
        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="};
    BOOST_TEST(headers == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_a_key_nothing_is_signed) {
    BOOST_TEST(bx::webhook_headers("7/crm-sync", 1000, "{}", std::nullopt).size() == 2);
}

BOOST_AUTO_TEST_SUITE_END()
