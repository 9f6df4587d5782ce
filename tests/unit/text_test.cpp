#include "base/shell.h"
#include "base/text.h"

#include "base/escape.h"

#include <boost/test/unit_test.hpp>

using namespace std::literals;

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(a_glob_matches_the_whole_text) {
    BOOST_TEST(bx::glob_match("ONCRMDEAL*", "ONCRMDEALUPDATE", false));
    BOOST_TEST(!bx::glob_match("ONCRMDEAL", "ONCRMDEALUPDATE", false));
    BOOST_TEST(bx::glob_match("*", "", false));
    BOOST_TEST(bx::glob_match("", "", false));
    BOOST_TEST(!bx::glob_match("?", "", false));
    BOOST_TEST(bx::glob_match("C?:NEW", "C1:NEW", false));
    BOOST_TEST(bx::glob_match("*b*c", "abxcbc", false));
}

BOOST_AUTO_TEST_CASE(a_glob_knows_classes) {
    BOOST_TEST(bx::glob_match("[a-c]x", "bx", false));
    BOOST_TEST(!bx::glob_match("[!a-c]x", "bx", false));
    BOOST_TEST(bx::glob_match("[]]", "]", false));
    BOOST_TEST(bx::glob_match("[a-", "[a-", false));
    BOOST_TEST(bx::glob_match("[A-C]", "b", true));
}

BOOST_AUTO_TEST_CASE(a_glob_ignores_case_only_when_asked) {
    BOOST_TEST(bx::glob_match("onCrm*", "ONCRMDEALADD", true));
    BOOST_TEST(!bx::glob_match("onCrm*", "ONCRMDEALADD", false));
}

BOOST_AUTO_TEST_CASE(a_shell_word_is_quoted_where_it_must) {
    BOOST_TEST(bx::shell_word("/srv/bx-1/a_b.conf") == "/srv/bx-1/a_b.conf");
    BOOST_TEST(bx::shell_word("a b") == "'a b'");
    BOOST_TEST(bx::shell_word("it's $(id)") == "'it'\\''s $(id)'");
    BOOST_TEST(bx::shell_word("") == "''");
}

BOOST_AUTO_TEST_CASE(sizes_have_one_unit_and_an_upper_bound) {
    BOOST_TEST(bx::parse_size("64K").value() == 65536);
    BOOST_TEST(bx::parse_size("1M").value() == 1048576);
    BOOST_TEST(bx::parse_size("512").value() == 512);
    BOOST_TEST(!bx::parse_size("2048M"));
    BOOST_TEST(!bx::parse_size("1G"));
    BOOST_TEST(!bx::parse_size(""));
    BOOST_TEST(!bx::parse_size("-1"));
    BOOST_TEST(!bx::parse_size("M"));
}

BOOST_AUTO_TEST_CASE(the_nearest_key_is_suggested_only_when_near) {
    constexpr std::string_view keys[] = {"timeout", "attempts", "backoff"};
    BOOST_TEST(bx::nearest("timout", keys) == "timeout");
    BOOST_TEST(bx::nearest("atempts", keys) == "attempts");
    BOOST_TEST(bx::nearest("colour", keys) == "");
}

BOOST_AUTO_TEST_CASE(invalid_utf8_becomes_one_mark_for_each_maximal_part) {
    BOOST_TEST(bx::valid_utf8("\xD0\x90") == "\xD0\x90");
    BOOST_TEST(bx::valid_utf8("a\xFFz") == "a\xEF\xBF\xBDz");
    BOOST_TEST(bx::valid_utf8("\xE2\x82") == "\xEF\xBF\xBD");           // cut short: one part
    BOOST_TEST(bx::valid_utf8("\xC0\xAF") == "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong: two
    BOOST_TEST(bx::valid_utf8("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

BOOST_AUTO_TEST_CASE(printable_text_cannot_move_the_cursor_or_make_a_line) {
    BOOST_TEST(bx::printable("a\nb\x1b[31m\\") == "a\\nb\\x1b[31m\\\\");
    BOOST_TEST(bx::printable("\xC2\x9B") == "\\xc2\\x9b");
    BOOST_TEST(bx::printable("\xD0\x90\xFF") == "\xD0\x90\\xff");
    BOOST_TEST(bx::printable(std::string(300, 'x')).size() == 203U);
}

BOOST_AUTO_TEST_CASE(printable_text_cannot_turn_itself_around) {
    BOOST_TEST(bx::printable("a\u202Eb") == "a\\xe2\\x80\\xaeb");
    BOOST_TEST(bx::printable("\u2028") == "\\xe2\\x80\\xa8");
}

BOOST_AUTO_TEST_CASE(what_misleads_is_unsafe_and_no_more) {
    for (char32_t code : {0x00U, 0x1BU, 0x7FU, 0x80U, 0x9BU, 0x9FU, 0x61CU, 0x200EU, 0x200FU,
                          0x2028U, 0x2029U, 0x202AU, 0x202EU, 0x2060U, 0x2066U, 0x2069U, 0x206FU}) {
        BOOST_TEST(bx::is_unsafe(code), static_cast<unsigned>(code));
    }
    for (char32_t code : {0x20U, 0x7EU, 0xA0U, 0x410U, 0x200DU, 0x2027U, 0x202FU, 0x2030U, 0x203AU,
                          0x2070U, 0xFFFDU, 0x1F600U}) {
        BOOST_TEST(!bx::is_unsafe(code), static_cast<unsigned>(code));
    }
}

BOOST_AUTO_TEST_CASE(what_is_unsafe_is_escaped_and_the_rest_kept) {
    using bx::EscapeStyle;
    const std::string text = "a\n\u009B\u202E\u0410\U0001F600";
    BOOST_TEST(bx::escaped(text, {.style = EscapeStyle::text, .kept = "\n"}) ==
               "a\n\\x9b\\u202e\u0410\U0001F600");
    BOOST_TEST(bx::escaped(text, {.style = EscapeStyle::json}) ==
               "a\\u000a\\u009b\\u202e\u0410\U0001F600");
    BOOST_TEST(bx::escaped("\x7F", {.style = EscapeStyle::json}) == "\\u007f");
}

BOOST_AUTO_TEST_SUITE_END()
