#include "event/token_proof.h"

#include <boost/test/unit_test.hpp>

#include "base/sha256.h"

using bx::KnownInstallation;
using bx::TokenRole;

namespace {

std::string hex(const std::string& bytes) {
    std::string text;
    for (const char c : bytes) {
        for (const int shift : {4, 0}) text += "0123456789abcdef"[c >> shift & 15];
    }
    return text;
}

KnownInstallation verified(std::int64_t id, const std::string& member, const std::string& token) {
    return {.id = id,
            .member_id = member,
            .client_id = "local.1",
            .domain = member + ".example",
            .user_id = "1",
            .token = token.empty() ? "" : bx::sha256(token),
            .token_before = {},
            .page_key = {},
            .verified = true};
}

KnownInstallation pending(std::int64_t id, const std::string& member, const std::string& token) {
    KnownInstallation one = verified(id, member, token);
    one.client_id.clear();
    one.verified = false;
    return one;
}

std::string proof(const std::vector<KnownInstallation>& known, const std::string& member,
                  const std::string& token) {
    constexpr const char* roles[] = {"none", "verified", "pending", "of_tokenless"};
    const bx::TokenProof proof = bx::prove(member, bx::sha256(token), known);
    return std::string(roles[static_cast<int>(proof.role)]) + " " +
           std::to_string(proof.owner ? proof.owner->id : 0) + (proof.replaces ? " new" : "");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(token_proof)

// FIPS 180-4's examples, and the lengths around a block.
BOOST_AUTO_TEST_CASE(a_digest_is_sha_256) {
    BOOST_TEST(hex(bx::sha256("")) ==
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    BOOST_TEST(hex(bx::sha256("abc")) ==
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    BOOST_TEST(hex(bx::sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    BOOST_TEST(hex(bx::sha256(std::string(1000000, 'a'))) ==
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    BOOST_TEST(hex(bx::sha256(std::string(55, 'x'))) ==
               "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
    BOOST_TEST(hex(bx::sha256(std::string(56, 'x'))) ==
               "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
    BOOST_TEST(hex(bx::sha256(std::string(63, 'x'))) ==
               "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
    BOOST_TEST(hex(bx::sha256(std::string(64, 'x'))) ==
               "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
    BOOST_TEST(hex(bx::sha256(std::string(65, 'x'))) ==
               "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9");
    BOOST_TEST(hex(bx::sha256(std::string(119, 'x'))) ==
               "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c");
    BOOST_TEST(hex(bx::sha256(std::string(120, 'x'))) ==
               "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98");
}

BOOST_AUTO_TEST_CASE(a_token_is_its_installations_alone) {
    std::vector known{verified(3, "m2", "t3"), verified(1, "m1", "t1"), pending(2, "m1", "t2")};
    bx::sort_known(known);
    BOOST_TEST(proof(known, "m1", "t1") == "verified 1");
    BOOST_TEST(proof(known, "m1", "t2") == "pending 2");
    BOOST_TEST(proof(known, "m2", "t3") == "verified 3");
    BOOST_TEST(proof(known, "m1", "t3") == "none 0");
    BOOST_TEST(proof(known, "m2", "t1") == "none 0");
    BOOST_TEST(proof(known, "m9", "t1") == "none 0");
    BOOST_TEST(proof(known, "", "t1") == "none 0");
    BOOST_TEST(proof({}, "m1", "t1") == "none 0");
    BOOST_TEST((bx::prove("m1", "", known).role == TokenRole::none));
    BOOST_TEST((bx::prove("m1", bx::sha256("t1").substr(1), known).role == TokenRole::none));
}

BOOST_AUTO_TEST_CASE(two_tokens_are_right_while_one_replaces_the_other) {
    KnownInstallation one = verified(1, "m1", "new");
    one.token_before = bx::sha256("old");
    BOOST_TEST(proof({one}, "m1", "new") == "verified 1 new");
    BOOST_TEST(proof({one}, "m1", "old") == "verified 1");
}

BOOST_AUTO_TEST_CASE(one_without_token_may_have_any_that_is_nobody_elses) {
    const std::vector known{verified(1, "m1", ""), verified(2, "m1", "t2"), pending(3, "m1", "t3")};
    BOOST_TEST(proof(known, "m1", "x") == "of_tokenless 1");
    BOOST_TEST(proof(known, "m1", "t2") == "verified 2");
    BOOST_TEST(proof(known, "m1", "t3") == "pending 3");
    BOOST_TEST(proof({pending(3, "m1", "")}, "m1", "x") == "none 0");
}

BOOST_AUTO_TEST_CASE(a_page_is_known_by_its_key_until_it_is_verified) {
    KnownInstallation one = pending(1, "m1", "");
    one.page_key = bx::sha256("auth id");
    BOOST_TEST(proof({one}, "m1", "auth id") == "pending 1");
    one.verified = true;
    BOOST_TEST(proof({one}, "m1", "auth id") == "of_tokenless 1");
}

BOOST_AUTO_TEST_CASE(names_are_taken_by_verified_ones) {
    const std::vector known{verified(1, "m1", "t1"), pending(2, "m2", "t2")};
    BOOST_TEST(bx::is_taken("m1", "x.example", known));
    BOOST_TEST(bx::is_taken("m9", "M1.Example", known));
    BOOST_TEST(!bx::is_taken("m2", "m2.example", known));
    BOOST_TEST(!bx::is_taken("m9", "x.example", known));
    BOOST_TEST(!bx::is_taken("", "", known));
}

BOOST_AUTO_TEST_CASE(known_ones_are_in_order_and_there_once) {
    std::vector known{verified(3, "b", "x"), verified(2, "a", "x"), verified(3, "b", "x"),
                      verified(1, "b", "x")};
    bx::sort_known(known);
    std::string ids;
    for (const KnownInstallation& one : known) ids += std::to_string(one.id);
    BOOST_TEST(ids == "213");
    BOOST_TEST(bx::of_member("b", known).size() == 2U);
    BOOST_TEST(bx::of_member("c", known).empty());
}

BOOST_AUTO_TEST_SUITE_END()
