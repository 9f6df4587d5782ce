#include <boost/test/unit_test.hpp>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"

BOOST_AUTO_TEST_SUITE(base)

BOOST_AUTO_TEST_CASE(durations_are_digits_and_one_unit) {
    BOOST_TEST(bx::parse_duration("500ms").value() == 500);
    BOOST_TEST(bx::parse_duration("30s").value() == 30'000);
    BOOST_TEST(bx::parse_duration("5m").value() == 300'000);
    BOOST_TEST(bx::parse_duration("6h").value() == 21'600'000);
    BOOST_TEST(bx::parse_duration("30d").value() == 30 * bx::day);
    for (const char* bad : {"", "5", "5x", "-5s", "s", "5 s", "1h30m", "99999999999999999999s", "9999999999999999d"}) {
        BOOST_TEST(!bx::parse_duration(bad), bad);
    }
}

BOOST_AUTO_TEST_CASE(a_timer_is_due_at_once_and_then_when_it_is_set) {
    bx::Timer timer;
    BOOST_TEST(timer.due(0));
    timer.set(100);
    BOOST_TEST(!timer.due(99));
    BOOST_TEST(timer.due(100));
    BOOST_TEST(timer.next() == 100);
    timer.set(bx::Timer::never);
    BOOST_TEST(!timer.due(1'000'000));
}

BOOST_AUTO_TEST_CASE(a_timer_of_every_second_counts_from_when_it_was_seen_due) {
    bx::Timer timer(500);
    std::string due;
    for (bx::Millis now = 400; now <= 2700; now += 100) {
        if (timer.every(bx::second, now)) due += std::to_string(now) + ' ';
    }
    BOOST_TEST(due == "500 1500 2500 ");
    BOOST_TEST(timer.every(bx::second, 5200));
    BOOST_TEST(timer.next() == 6200);
}

BOOST_AUTO_TEST_CASE(a_duration_is_written_as_it_is_read) {
    for (bx::Millis d : {500LL, 30'000LL, 90'000LL, 300'000LL, 86'400'000LL}) {
        BOOST_TEST(bx::parse_duration(bx::duration_text(d)).value() == d);
    }
}

BOOST_AUTO_TEST_CASE(moments_are_utc_with_milliseconds) {
    BOOST_TEST(bx::iso_time(0) == "1970-01-01T00:00:00.000Z");
    BOOST_TEST(bx::iso_time(1795225588123) == "2026-11-21T01:46:28.123Z");
    BOOST_TEST(bx::iso_time(-1) == "1969-12-31T23:59:59.999Z");
}

BOOST_AUTO_TEST_CASE(json_is_written_with_commas_where_they_belong) {
    std::string out;
    bx::JsonWriter json(out);
    json.begin_object().field("a", 1).field("b", "x\"\n").key("c").begin_array().value(true).null();
    json.begin_object().end_object().end_array().key("d").value_or_null("").end_object();
    BOOST_TEST(out == R"({"a":1,"b":"x\"\n","c":[true,null,{}],"d":null})");
}

BOOST_AUTO_TEST_CASE(json_strings_keep_slash_and_cyrillic_and_mend_bad_bytes) {
    std::string out;
    bx::append_json_string(out, "/\xD0\x90\xFF\x01");
    BOOST_TEST(out == "\"/\xD0\x90\xEF\xBF\xBD\\u0001\"");
}

BOOST_AUTO_TEST_CASE(paths_are_relative_to_the_directory_given) {
    BOOST_TEST(bx::absolute_path("/srv/bx", "state/queue.db") == "/srv/bx/state/queue.db");
    BOOST_TEST(bx::absolute_path("/srv/bx", "/x") == "/x");
    BOOST_TEST(bx::directory_of("/a/b") == "/a");
    BOOST_TEST(bx::directory_of("/a") == "/");
    BOOST_TEST(bx::directory_of("a") == ".");
}

BOOST_AUTO_TEST_SUITE_END()
