#include "event/gate.h"

#include <boost/test/unit_test.hpp>

#include "form/form.h"

namespace {

bx::Portal portal(const std::string& member_id, const std::string& domain,
                  const std::vector<std::string>& tokens) {
    return {member_id, domain, tokens, "portal"};
}

std::string verdict(const bx::Gate& gate, const std::string& body) {
    return std::string(bx::describe(gate.check(bx::decode_urlencoded(body, {})).verdict));
}

// "member_id domain" of the sender that the token proved, "-" for none; else the verdict.
std::string proven(const bx::Gate& gate, const bx::Tree& body) {
    const bx::GateResult result = gate.check(body);
    if (result.verdict != bx::GateVerdict::allowed) return std::string(describe(result.verdict));
    auto word = [](std::string_view name) { return std::string(name.empty() ? "-" : name); };
    return word(result.sender.member_id) + " " + word(result.sender.domain);
}

std::string proven(const bx::Gate& gate, const std::string& body) {
    return proven(gate, bx::decode_urlencoded(body, {}));
}

std::string from(const std::string& member_id, const std::string& domain,
                 const std::string& token) {
    return "auth[member_id]=" + member_id + "&auth[domain]=" + domain +
           "&auth[application_token]=" + token;
}

const std::vector<bx::Portal> three{portal("m1", "a.example", {"t1", "t1-new"}),
                                    portal("", "b.example", {"t2"}), portal("", "", {"t3"})};

}  // namespace

BOOST_AUTO_TEST_SUITE(gate)

BOOST_AUTO_TEST_CASE(without_a_portal_nobody_enters) {
    BOOST_TEST(verdict(bx::Gate({}), from("m", "d", "t")) == "no portal configured");
    BOOST_TEST(verdict(bx::Gate({}), "") == "no portal configured");
}

BOOST_AUTO_TEST_CASE(where_installations_may_enter_all_tokens_are_wrong_without_a_portal) {
    const bx::Gate gate({}, true);
    BOOST_TEST(verdict(gate, from("m", "d", "t")) == "wrong token");
    BOOST_TEST(verdict(gate, "") == "token missing");
}

BOOST_AUTO_TEST_CASE(says_whom_the_block_with_neither_took) {
    const bx::Gate gate(three);
    const auto anyone = [&](const std::string& body) {
        return gate.check(bx::decode_urlencoded(body, {})).anyone;
    };
    BOOST_TEST(anyone(from("m9", "x.example", "t3")));
    BOOST_TEST(anyone(from("m9", "x.example", "wrong")));
    BOOST_TEST(!anyone(from("m1", "x.example", "t1")));
    BOOST_TEST(!anyone(from("m9", "b.example", "t2")));
    BOOST_TEST(!bx::Gate({}).check(bx::decode_urlencoded("", {})).anyone);
}

BOOST_AUTO_TEST_CASE(each_token_of_the_portal_opens) {
    bx::Gate gate(three);
    BOOST_TEST(verdict(gate, from("m1", "a.example", "t1")) == "allowed");
    BOOST_TEST(verdict(gate, from("m1", "a.example", "t1-new")) == "allowed");
}

BOOST_AUTO_TEST_CASE(the_portal_is_found_by_member_id_then_domain_then_the_rest) {
    bx::Gate gate(three);
    BOOST_TEST(verdict(gate, from("m1", "b.example", "t1")) == "allowed");
    BOOST_TEST(verdict(gate, from("m1", "b.example", "t2")) == "wrong token");
    BOOST_TEST(verdict(gate, from("m9", "b.example", "t2")) == "allowed");
    BOOST_TEST(verdict(gate, from("m9", "B.Example", "t2")) == "allowed");
    BOOST_TEST(verdict(gate, from("m9", "b.example", "t3")) == "wrong token");
    BOOST_TEST(verdict(gate, from("m9", "x.example", "t3")) == "allowed");
    BOOST_TEST(verdict(gate, "auth[application_token]=t3") == "allowed");
    // The domain of a block with a member_id says nothing about other member_ids.
    BOOST_TEST(verdict(gate, from("m9", "a.example", "t1")) == "wrong token");
}

BOOST_AUTO_TEST_CASE(knows_the_portals_that_have_a_block) {
    auto knows = [](const bx::Gate& gate, const std::string& body) {
        return gate.check(bx::decode_urlencoded(body, {})).known;
    };
    bx::Gate two({three[0], three[1]});
    BOOST_TEST(knows(two, from("m1", "x.example", "wrong")));
    BOOST_TEST(knows(two, from("m9", "B.example", "wrong")));
    BOOST_TEST(!knows(two, from("m9", "a.example", "t1")));
    BOOST_TEST(!knows(two, "auth=scalar"));
    BOOST_TEST(!knows(two, ""));
    BOOST_TEST(knows(bx::Gate(three), from("m9", "x.example", "wrong")));
}

BOOST_AUTO_TEST_CASE(an_unknown_portal_is_a_wrong_token) {
    bx::Gate gate({portal("m1", "", {"t1"})});
    BOOST_TEST(verdict(gate, from("m9", "", "t1")) == "wrong token");
    BOOST_TEST(verdict(gate, from("", "", "t1")) == "wrong token");
    BOOST_TEST(verdict(gate, from("m9", "", "")) == "wrong token");
    BOOST_TEST(verdict(gate, from("m9", "", "%00%00")) == "wrong token");
}

BOOST_AUTO_TEST_CASE(a_token_must_be_equal_in_every_byte_and_in_length) {
    bx::Gate gate({portal("m1", "", {"abcd", "abcdefgh"})});
    for (const char* token : {"", "a", "abc", "abcx", "xbcd", "abcde", "ABCD", "abcd%00", "abcd+",
                              "abcdefg", "abcdefgh%00", "abcdefghi", "abcdefghabcdefgh"}) {
        BOOST_TEST(verdict(gate, from("m1", "", token)) == "wrong token", token);
    }
    BOOST_TEST(verdict(gate, from("m1", "", "abcdefgh")) == "allowed");
}

BOOST_AUTO_TEST_CASE(a_token_must_be_one_scalar) {
    bx::Gate gate(three);
    BOOST_TEST(verdict(gate, "") == "token missing");
    BOOST_TEST(verdict(gate, "auth=t3") == "token missing");
    BOOST_TEST(verdict(gate, "application_token=t3") == "token missing");
    BOOST_TEST(verdict(gate, "auth[application_token][]=t3") == "token missing");
    BOOST_TEST(verdict(gate, "data[auth][application_token]=t3") == "token missing");
}

BOOST_AUTO_TEST_CASE(a_repeated_token_is_refused_whatever_it_says) {
    bx::Gate gate(three);
    for (const char* body :
         {"auth[application_token]=t3&auth[application_token]=t3",
          "auth[application_token]=x&auth[application_token]=t3",
          "auth=x&auth[application_token]=t3",
          "auth[application_token][]=t3&auth[application_token]=t3",
          "auth[application_token]=t3&auth[application_token][x]=t3"}) {
        BOOST_TEST(verdict(gate, body) == "token repeated", body);
    }
}

BOOST_AUTO_TEST_CASE(a_renamed_portal_enters_and_is_noticed) {
    bx::Gate gate(three);
    auto differs = [&gate](const std::string& body) {
        return gate.check(bx::decode_urlencoded(body, {})).renamed;
    };
    BOOST_TEST(verdict(gate, from("m1", "new.example", "t1")) == "allowed");
    BOOST_TEST(differs(from("m1", "new.example", "t1")));
    BOOST_TEST(!differs(from("m1", "A.EXAMPLE", "t1")));
    BOOST_TEST(!differs("auth[member_id]=m1"));
    BOOST_TEST(!differs(from("m9", "new.example", "t3")));
    BOOST_TEST(!differs(from("m1", "new.example", "wrong")));
}

BOOST_AUTO_TEST_CASE(the_sender_is_what_its_block_names_and_nothing_that_it_wrote) {
    bx::Gate gate({portal("m1", "a.example", {"t1"}), portal("m2", "", {"t2"}),
                   portal("", "C.Example", {"t3"}), portal("", "", {"t4"})});
    BOOST_TEST(proven(gate, from("m1", "a.example", "t1")) == "m1 a.example");
    BOOST_TEST(proven(gate, from("m1", "c.example", "t1")) == "m1 a.example");
    BOOST_TEST(proven(gate, from("m1", "", "t1")) == "m1 a.example");
    BOOST_TEST(proven(gate, from("m2", "a.example", "t2")) == "m2 -");
    BOOST_TEST(proven(gate, from("m9", "c.example", "t3")) == "- c.example");
    BOOST_TEST(proven(gate, from("", "C.EXAMPLE", "t3")) == "- c.example");
    BOOST_TEST(proven(gate, from("m9", "X.example", "t4")) == "m9 X.example");
    BOOST_TEST(proven(gate, "auth[application_token]=t4") == "- -");
}

BOOST_AUTO_TEST_CASE(who_a_refused_sender_is_stays_open) {
    bx::Gate gate(three);
    const bx::Tree body = bx::decode_urlencoded(from("m1", "b.example", "wrong"), {});
    BOOST_TEST(gate.check(body).sender.member_id == "m1");  // the block it would be: for `trigger`
    bx::Gate two({three[0], three[1]});
    const bx::Tree unknown = bx::decode_urlencoded(from("m9", "x.example", "t1"), {});
    BOOST_TEST(two.check(unknown).sender.member_id == "");
    BOOST_TEST(two.check(unknown).sender.domain == "");
}

BOOST_AUTO_TEST_CASE(the_block_with_neither_takes_no_name_of_another_block) {
    bx::Gate gate({portal("m1", "a.example", {"t1"}), portal("", "b.example", {"t2"}),
                   portal("", "", {"t3"})});
    for (const char* domain : {"a.example", "A.EXAMPLE", "b.example", "m1", "M1"}) {
        BOOST_TEST(verdict(gate, from("m9", domain, "t3")) == "wrong token", domain);
        BOOST_TEST(verdict(gate, from("", domain, "t3")) == "wrong token", domain);
    }
    // The lane of a portal is its member_id or its domain: neither may be sent as the other.
    for (const char* member_id : {"m1", "M1", "a.example", "b.example", "B.example"}) {
        BOOST_TEST(verdict(gate, from(member_id, "", "t3")) == "wrong token", member_id);
        BOOST_TEST(verdict(gate, from(member_id, "x.example", "t3")) == "wrong token", member_id);
    }
    BOOST_TEST(proven(gate, from("m2", "x.example", "t3")) == "m2 x.example");
    BOOST_TEST(verdict(gate, from("", "", "t3")) == "allowed");
}

BOOST_AUTO_TEST_CASE(the_sender_is_the_same_in_a_form_json_and_multipart) {
    bx::Gate gate({portal("m1", "a.example", {"t1"}), portal("", "b.example", {"t2"}),
                   portal("", "", {"t3"})});
    auto json = [](const std::string& token) {
        return bx::decode_json(R"({"auth":{"member_id":"m1x","domain":"b.example",)"
                               R"("application_token":")" + token + R"("}})", {});
    };
    BOOST_TEST(proven(gate, json("t2")) == "- b.example");
    BOOST_TEST(proven(gate, json("t3")) == "wrong token");
    auto part = [](const std::string& name, const std::string& value) {
        return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value +
               "\r\n";
    };
    const std::string multipart = part("auth[member_id]", "m1") +
                                  part("auth[domain]", "b.example") +
                                  part("auth[application_token]", "t1") + "--x--\r\n";
    BOOST_TEST(proven(gate, bx::decode_body(multipart, "multipart/form-data; boundary=x", {})) ==
               "m1 a.example");
}

BOOST_AUTO_TEST_CASE(each_of_many_portals_is_found_and_no_other) {
    for (int count : {1, 2, 3, 4, 5, 16, 17, 100}) {
        std::vector<bx::Portal> portals;
        for (int i = 0; i < count; ++i) {
            std::string n = std::to_string(i);
            portals.push_back(portal("m" + n, "", {"by-id-" + n}));
            portals.push_back(portal("", "d" + n, {"by-domain-" + n}));
        }
        bx::Gate gate(portals);
        for (int i = 0; i < count; ++i) {
            std::string n = std::to_string(i);
            std::string next = std::to_string((i + 1) % count);
            BOOST_TEST(verdict(gate, from("m" + n, "d" + next, "by-id-" + n)) == "allowed");
            BOOST_TEST(verdict(gate, from("x" + n, "D" + n, "by-domain-" + n)) == "allowed");
            BOOST_TEST(verdict(gate, from("x" + n, "x" + n, "by-id-" + n)) == "wrong token");
            if (count == 1) continue;
            BOOST_TEST(verdict(gate, from("m" + n, "d" + n, "by-id-" + next)) == "wrong token");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_gate_may_be_copied) {
    auto original = std::make_unique<bx::Gate>(three);
    bx::Gate copy = *original;
    original.reset();
    BOOST_TEST(verdict(copy, from("m1", "", "t1")) == "allowed");
}

BOOST_AUTO_TEST_SUITE_END()
