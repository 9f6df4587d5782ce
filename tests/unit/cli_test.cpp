// What the commands share: arguments, names, tables, safe output.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.h"
#include "cli/command.h"
#include "cli/filter.h"
#include "cli/help.h"
#include "cli/moment.h"
#include "cli/no_match.h"
#include "cli/terminal/screen.h"
#include "cli/terminal/table.h"
#include "report/wording.h"

namespace bx {

namespace {

namespace data = boost::unit_test::data;

using Words = std::vector<std::string>;

Command sample_command() {
    Command command;
    command.name = "sample";
    command.synopsis = "N...";
    command.options = {{"--limit", "N", "how many"}, {"--follow", "", "go on"}};
    command.json = true;
    command.min_words = 1;
    command.max_words = 2;
    return command;
}

Arguments parse(const Words& words) {
    return parse_arguments(sample_command(), words);
}

Screen wide(std::size_t width) {
    Screen screen;
    screen.width = width;
    return screen;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cli)

// -- Arguments

BOOST_AUTO_TEST_CASE(takes_options_anywhere_and_in_both_forms) {
    Arguments args = parse({"1", "--limit=5", "2", "--follow", "--limit", "7"});
    BOOST_TEST(args.words() == (Words{"1", "2"}), boost::test_tools::per_element());
    BOOST_TEST(args.has("--follow"));
    BOOST_TEST(!args.has("--json"));
    BOOST_TEST(args.value("--limit") == "7");
    BOOST_TEST(args.values("--limit") == (Words{"5", "7"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(takes_words_only_after_two_dashes) {
    Arguments args = parse({"--", "--limit", "-x"});
    BOOST_TEST(args.words() == (Words{"--limit", "-x"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(takes_the_word_behind_an_option_as_its_value_whatever_it_looks_like) {
    BOOST_TEST(parse({"1", "--limit", "--follow"}).value("--limit") == "--follow");
    BOOST_TEST(!parse({"1", "--limit", "--follow"}).has("--follow"));
}

BOOST_AUTO_TEST_CASE(knows_help_and_config_for_every_command) {
    for (const Command& command : commands()) {
        Arguments args = parse_arguments(command, Words{"--help", "--config", "x"});
        BOOST_TEST(args.has("--help"));
        BOOST_TEST(args.value("--config") == "x");
    }
}

struct BadWords {
    Words words;
    std::string said;
};

std::ostream& operator<<(std::ostream& out, const BadWords& bad) {
    return out << bad.said;
}

const std::vector<BadWords> bad_words{
    {{}, "missing argument"},
    {{"1", "2", "3"}, "unexpected argument '3'"},
    {{"1", "--limitt", "5"}, "did you mean '--limit'"},
    {{"1", "--nonsense"}, "unknown option '--nonsense'"},
    {{"1", "-x"}, "unknown option '-x'"},
    {{"1", "--limit"}, "needs a value"},
    {{"1", "--follow=yes"}, "takes no value"},
    {{"1", "--\x1b[2J"}, "'--\\x1b[2J'"},
};

BOOST_DATA_TEST_CASE(refuses_wrong_usage_and_says_what, data::make(bad_words), bad) {
    BOOST_CHECK_EXCEPTION(parse(bad.words), UsageError, [&](const UsageError& error) {
        return std::string_view(error.what()).find(bad.said) != std::string_view::npos;
    });
}

BOOST_AUTO_TEST_CASE(suggests_the_nearest_command) {
    BOOST_TEST(command_named("list").name == "list");
    BOOST_CHECK_EXCEPTION(command_named("lst"), UsageError, [](const UsageError& error) {
        return std::string_view(error.what()).find("did you mean 'list'") != std::string_view::npos;
    });
}

BOOST_AUTO_TEST_CASE(knows_what_commands_are_called_elsewhere) {
    for (auto [theirs, ours] : {std::pair{"tail", "logs --follow"}, {"replay", "retry"},
                                {"resend", "retry"}, {"ls", "list"}}) {
        const std::string hint = "did you mean '" + std::string(ours) + "'?";
        BOOST_CHECK_EXCEPTION(command_named(theirs), UsageError, [&](const UsageError& error) {
            return std::string(error.what()).ends_with(hint);
        });
    }
}

// -- Times

// As a terminal in the zone ZONE would.
std::optional<std::string> moment_in(const char* zone, const std::string& text) {
    constexpr Millis now = 1795921200000;  // 2026-11-29T03:00:00Z
    ::setenv("TZ", zone, 1);
    ::tzset();
    std::optional<Millis> moment = parse_moment(text, now);
    ::unsetenv("TZ");
    ::tzset();
    if (!moment) return std::nullopt;
    return iso_time(*moment);
}

BOOST_AUTO_TEST_CASE(takes_a_moment_as_a_person_types_it) {
    const std::pair<const char*, const char*> cases[] = {
        {"1h", "2026-11-29T02:00:00.000Z"},
        {"90m ago", "2026-11-29T01:30:00.000Z"},
        {"0s", "2026-11-29T03:00:00.000Z"},
        {"02:30", "2026-11-28T23:30:00.000Z"},
        {"06:00:00", "2026-11-29T03:00:00.000Z"},
        {"06:01", "2026-11-28T03:01:00.000Z"},  // of yesterday: today's is yet to come
        {"02:30Z", "2026-11-29T02:30:00.000Z"},
        {"2026-11-29", "2026-11-28T21:00:00.000Z"},
        {"2026-11-29 03:00", "2026-11-29T00:00:00.000Z"},
        {"2026-11-29T03:00:05", "2026-11-29T00:00:05.000Z"},
        {"2026-11-29 03:00Z", "2026-11-29T03:00:00.000Z"},
        {"2026-11-21T01:36:28.123Z", "2026-11-21T01:36:28.123Z"},
    };
    for (const auto& [text, moment] : cases) {
        BOOST_TEST(moment_in("XXX-3", text).value_or("none") == moment, text);
    }
    BOOST_TEST(moment_in("CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-01 12:00").value() ==
               "2026-07-01T10:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(takes_nothing_else_for_a_moment) {
    for (const char* text : {"", "soon", "5", "25:00", "2026-02-30", "2026-13-01", "29.11.2026",
                             "2026-11-29 03:00 ", "03:00 CET", "-1h", "ago", "Z"}) {
        BOOST_TEST(!moment_in("UTC", text), text);
    }
}

BOOST_AUTO_TEST_CASE(names_every_command_and_option_in_the_help) {
    std::string table = help_text();
    for (const Command& command : commands()) {
        const bool is_named = table.find("  " + std::string(command.name) + " ") != std::string::npos;
        BOOST_TEST(is_named == !command.hidden);
        BOOST_TEST(!command.summary.empty());
        std::string text = help_text(command);
        for (const Option& option : command.options) {
            bool said = text.find("  " + std::string(option.name)) != std::string::npos;
            BOOST_TEST(said == !option.help.empty());
        }
        BOOST_TEST((command.run != nullptr));
    }
}

BOOST_AUTO_TEST_CASE(keeps_the_help_within_80_columns) {
    auto check = [](const std::string& text) {
        std::size_t begin = 0;
        for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
            BOOST_TEST(end - begin <= 80, text.substr(begin, end - begin));
        }
    };
    check(help_text());
    for (const Command& command : commands()) check(help_text(command));
}

// -- Names and values

BOOST_AUTO_TEST_CASE(reads_names_of_events_and_deliveries) {
    BOOST_TEST(parse_delivery_name("1042").event == 1042);
    BOOST_TEST(parse_delivery_name("1042").hook == "");
    BOOST_TEST(parse_delivery_name("7/crm-sync.v2_b").hook == "crm-sync.v2_b");
    BOOST_TEST(parse_delivery_name("7/-").hook == "");
    BOOST_TEST(to_string(parse_delivery_name("7/a")) == "7/a");
    BOOST_TEST(to_string(parse_delivery_name("7")) == "7");
}

const Words bad_names{"",     "0",    "-1",    "+1",     "1x",   "x",      "1/",  "/a",
                      "1/.a", "1/-a", "1/a b", "1/a/b",  "1/../x", "1 ", "99999999999999999999"};

BOOST_DATA_TEST_CASE(refuses_what_is_no_name, data::make(bad_names), name) {
    BOOST_CHECK_THROW(parse_delivery_name(name), UsageError);
}

BOOST_AUTO_TEST_CASE(checks_the_values_of_filters) {
    Command command = list_command();
    auto filter = [&](const Words& words) { return filter_of(parse_arguments(command, words)); };
    using States = std::vector<RowState>;
    BOOST_TEST((filter({"--state", "dead"}).states == States{RowState::dead}));
    BOOST_TEST((filter({"--state=skipped,dead", "--state", "dead,new"}).states ==
                States{RowState::skipped, RowState::dead, RowState::fresh}));
    BOOST_TEST(filter({}).states.empty());
    BOOST_TEST((filter({"--hook", "b,a", "--hook", "c"}).hooks == Words{"b", "a", "c"}));
    BOOST_TEST(filter({"--id", "1,2"}).id == "1,2");
    BOOST_TEST(filter({}).from == 0);
    BOOST_TEST(!filter({}).to.has_value());
    for (const char* option : {"--since", "--from"}) {
        BOOST_TEST(filter({option, "1h"}).from <= wall_now() - hour);
        BOOST_TEST(filter({option, "1h"}).from > wall_now() - hour - minute);
    }
    BOOST_TEST(filter({"--to", "1h"}).to.value() <= wall_now() - hour);
    for (const Words& wrong : std::vector<Words>{{"--from", "1h", "--since", "1h"},
                                                 {"--from", "1h", "--to", "2h"},
                                                 {"--id", "1", "--id", "2"},
                                                 {"--event", "A*", "--event", "B*"},
                                                 {"--hook", ""},
                                                 {"--hook", "a,,b"},
                                                 {"--portal", ""},
                                                 {"--to", "soon"},
                                                 {"--state", "dead,"}}) {
        BOOST_CHECK_THROW(filter(wrong), UsageError);
    }
    BOOST_CHECK_THROW(filter({"--state", "fresh"}), UsageError);
    BOOST_CHECK_THROW(filter({"--state", ""}), UsageError);
    BOOST_CHECK_THROW(filter({"--since", "1"}), UsageError);
    BOOST_CHECK_THROW(filter({"--since", "-1h"}), UsageError);
}

BOOST_AUTO_TEST_CASE(a_time_of_day_ends_what_began_before_it) {
    Command command = list_command();
    const std::string clock = local_time(wall_now() + 2 * hour).substr(11);  // of yesterday, by itself
    const std::string date = local_time(wall_now() - hour);
    const ListFilter filter =
        filter_of(parse_arguments(command, Words{"--from", date, "--to", clock}));
    BOOST_TEST(filter.to.value() > wall_now() + hour);
    BOOST_TEST(filter.to.value() <= wall_now() + 2 * hour);
    BOOST_TEST(filter.from <= wall_now() - hour);
    BOOST_TEST(filter.from > wall_now() - hour - 2 * minute);
}

BOOST_AUTO_TEST_CASE(says_what_there_is_instead) {
    const Words there{"ONCRMDEALUPDATE.d.erp", "crm-sync", "log"};
    BOOST_TEST(instead_of("erp", there) == ", did you mean 'ONCRMDEALUPDATE.d.erp'?");
    BOOST_TEST(instead_of("crm-snyc", there) == ", did you mean 'crm-sync'?");
    BOOST_TEST(instead_of("nothing", there) ==
               "; there are ONCRMDEALUPDATE.d.erp, crm-sync, log");
    BOOST_TEST(instead_of("nothing", Words{"a1", "b1", "c1", "d1", "e1", "f1"}) ==
               "; there are a1, b1, c1, d1, e1, ...");
    BOOST_TEST(instead_of("x", Words{}) == "");
    BOOST_TEST(no_hook("x\n", Words{}) == "there is no hook 'x\\n'");
}

BOOST_AUTO_TEST_CASE(takes_counts_above_0_only) {
    auto limit = [](const Words& words) {
        return count_option(parse_arguments(list_command(), words), "--limit", 50);
    };
    BOOST_TEST(limit({}) == 50u);
    BOOST_TEST(limit({"--limit", "3"}) == 3u);
    BOOST_CHECK_THROW(limit({"--limit", "0"}), UsageError);
    BOOST_CHECK_THROW(limit({"--limit", "many"}), UsageError);
}

// -- The screen

BOOST_AUTO_TEST_CASE(cuts_by_characters_not_bytes) {
    BOOST_TEST(cut_to("сделка", 6) == "сделка");
    BOOST_TEST(cut_to("сделка", 4) == "сде…");
    BOOST_TEST(cut_to("abc", 1) == "…");
    BOOST_TEST(cut_to("abc", 0) == "");
    BOOST_TEST(columns_of(cut_to("сделка", 4)) == 4u);
}

BOOST_AUTO_TEST_CASE(shows_control_characters_instead_of_obeying_them) {
    BOOST_TEST(visible("a\tb\nc") == "a\tb\nc");
    BOOST_TEST(visible("\x1b[31mred\x07") == "\\x1b[31mred\\x07");
    BOOST_TEST(visible("\r\x7f") == "\\x0d\\x7f");
    BOOST_TEST(visible("\xC2\x9B" "2J") == "\\x9b2J");
    BOOST_TEST(visible("\xC2\xA0ж") == "\xC2\xA0ж");
    BOOST_TEST(visible("\xFF\x9B") == "\uFFFD\uFFFD");
}

BOOST_AUTO_TEST_CASE(paints_only_where_colours_are_wanted) {
    Screen screen;
    BOOST_TEST(screen.paint("x", Colour::red) == "x");
    screen.colours = true;
    BOOST_TEST(screen.paint("x", Colour::red) == "\x1b[31mx\x1b[0m");
    BOOST_TEST(screen.paint("x", Colour::none) == "x");
}

BOOST_AUTO_TEST_CASE(aligns_columns_and_ends_no_line_with_blanks) {
    Table table({{"NAME"}, {"N", true}, {"NOTE"}}, wide(0));
    table.add({Cell("a"), Cell("5"), Cell("")});
    table.add({Cell("longer"), Cell("1234"), Cell("x")});
    BOOST_TEST(table.take() ==
               "NAME       N  NOTE\n"
               "a          5\n"
               "longer  1234  x\n");
    BOOST_TEST(table.take() == "");
    table.add({Cell("b"), Cell("6"), Cell("y")});
    BOOST_TEST(table.take() == "b          6  y\n");
}

BOOST_AUTO_TEST_CASE(leaves_columns_out_by_rank_where_the_rest_would_not_fit) {
    auto titles = [](std::size_t width) {
        Table table({{"NAME", false, 6}, {"WHEN", false, 0, 2}, {"WHO", false, 4, 1}, {"NOTE"}},
                    wide(width));
        table.add({Cell("abcdefgh"), Cell("12345"), Cell("somebody"), Cell("note")});
        std::string text = table.take();
        return text.substr(0, text.find('\n'));
    };
    BOOST_TEST(titles(31) == "NAME      WHEN   WHO       NOTE");
    BOOST_TEST(titles(25) == "NAME    WHEN   WHO   NOTE");
    BOOST_TEST(titles(24) == "NAME      WHO       NOTE");
    BOOST_TEST(titles(18) == "NAME    WHO   NOTE");
    BOOST_TEST(titles(17) == "NAME      NOTE");
}

BOOST_AUTO_TEST_CASE(shows_all_of_a_whole_column_wherever_that_ends) {
    Table table({{"NAME", false, 6, 0, true}, {"STATE"}, {"NOTE", false, 4}}, wide(20));
    table.add({Cell("abc"), Cell("dead"), Cell("a long note")});
    table.add({Cell("a-long-name"), Cell("dead"), Cell("note")});
    table.add({Cell("a-name-beyond-the-screen"), Cell("dead"), Cell("note")});
    BOOST_TEST(table.take() ==
               "NAME    STATE  NOTE\n"
               "abc     dead   a lo…\n"
               "a-long-name  dead\n"
               "a-name-beyond-the-screen\n");
}

BOOST_AUTO_TEST_CASE(counts_the_columns_a_terminal_gives) {
    BOOST_TEST(columns_of("plain") == 5u);
    BOOST_TEST(columns_of("\u0441\u0434\u0435\u043b\u043a\u0430") == 6u);
    BOOST_TEST(columns_of("\u65e5\u672c") == 4u);
    BOOST_TEST(columns_of("e\u0301") == 1u);  // an accent that combines
    BOOST_TEST(columns_of("\U0001F600") == 2u);
    BOOST_TEST(columns_of("\x1b[31mred\x1b[0m") == 3u);
    BOOST_TEST(columns_of("\u2026") == 1u);
    BOOST_TEST(cut_to("\u65e5\u672c\u8a9e", 5) == "\u65e5\u672c\u2026");
    BOOST_TEST(cut_to("\u65e5\u672c\u8a9e", 4) == "\u65e5\u2026");
    BOOST_TEST(cut_to("\u65e5\u672c\u8a9e", 6) == "\u65e5\u672c\u8a9e");
}

BOOST_AUTO_TEST_CASE(fills_lines_by_words_and_folds_by_characters) {
    BOOST_TEST(fill("error: ", "one two three", 12, 2) == "error: one\n  two three\n");
    BOOST_TEST(fill("error: ", "one two three", 0, 2) == "error: one two three\n");
    BOOST_TEST(fill("name: ", "a-long-word b", 10, 2) == "name:\n  a-long-word\n  b\n");
    BOOST_TEST(fill("", "", 10, 2) == "\n");
    using Pieces = std::vector<std::string>;
    BOOST_TEST(fold("abcdef", 4) == (Pieces{"abcd", "ef"}), boost::test_tools::per_element());
    BOOST_TEST(fold("\u65e5\u672c", 3) == (Pieces{"\u65e5", "\u672c"}),
               boost::test_tools::per_element());
    BOOST_TEST(fold("\u65e5", 1) == (Pieces{"\u65e5"}), boost::test_tools::per_element());
    BOOST_TEST(fold("", 4) == (Pieces{""}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(keeps_a_table_within_the_terminal) {
    for (std::size_t width = 1; width < 60; ++width) {
        Table table({{"NAME", false, 6}, {"COUNT", true}, {"NOTE", false, 4}}, wide(width));
        table.add({Cell("a-rather-long-name"), Cell("12345"), Cell("a note of some length")});
        std::string text = table.take();
        std::size_t begin = 0;
        for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
            BOOST_TEST(columns_of(text.substr(begin, end - begin)) <= width);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
