// Names of deliveries and states: text and back.
#include "store/records.h"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(store_records)

BOOST_AUTO_TEST_CASE(the_name_of_a_delivery_is_written_and_read_back) {
    for (const std::string text : {"1042", "1042/crm-sync", "7/crm-sync.v2_b"}) {
        BOOST_TEST(to_string(bx::delivery_name(text).value()) == text);
    }
    BOOST_TEST(bx::delivery_name("7/-").value().hook == "");  // as `list` has it
    for (const char* text : {"", "0", "-1", "1x", "1/", "/a", "1/-a", "1/a b", "1/a/b", "1 "}) {
        BOOST_TEST(!bx::delivery_name(text).has_value(), text);
    }
}

BOOST_AUTO_TEST_CASE(a_row_is_named_by_its_delivery_or_by_its_event_alone) {
    bx::ListRow row;
    row.event.number = 1041;
    BOOST_TEST(name_of(row) == "1041/-");
    row.delivery.emplace();
    row.delivery->hook = "crm-sync";
    BOOST_TEST(name_of(row) == "1041/crm-sync");
}

BOOST_AUTO_TEST_CASE(the_state_of_a_row_is_that_of_an_event_or_of_a_delivery) {
    std::string words;
    for (const bx::RowState state : bx::row_states()) {
        const std::string word(name_of(state));
        words += (words.empty() ? "" : " ") + word;
        BOOST_TEST((bx::row_state(word) == state));
        BOOST_TEST(bx::is_of_event(state) == !bx::delivery_state(word).has_value());
        if (bx::is_of_event(state)) {
            BOOST_TEST(name_of(bx::event_state(state)) == word);
        } else {
            BOOST_TEST(name_of(bx::delivery_state(state)) == word);
        }
    }
    BOOST_TEST(words == "new skipped waiting running done dead merged cancelled");
    BOOST_TEST(!bx::row_state("matched").has_value());  // such an event is listed by its deliveries
    BOOST_TEST(!bx::row_state("").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
