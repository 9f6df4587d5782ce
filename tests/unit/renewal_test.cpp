// What the processes that talk to Bitrix24 say to each other.
#include <boost/test/unit_test.hpp>

#include "sync/renewal_process.h"

using bx::RestCause;

BOOST_AUTO_TEST_SUITE(renewal)

BOOST_AUTO_TEST_CASE(a_report_is_read_as_it_was_written) {
    for (const RestCause cause : {RestCause::none, RestCause::bad_grant, RestCause::foreign}) {
        const bx::RestResult read =
            bx::read_renewal_report(bx::renewal_report({cause, "it is spent", false}));
        BOOST_TEST((read.cause == cause));
        BOOST_TEST(read.text == "it is spent");
    }
}

BOOST_AUTO_TEST_CASE(a_renewal_that_does_not_say_how_it_ended_may_have_spent_the_token) {
    for (const char* report : {"", "0", "0 ", "0 cut of", "x \n", "-1 x\n", "999 x\n", "\n"}) {
        const bx::RestResult read = bx::read_renewal_report(report);
        BOOST_TEST((read.cause == RestCause::lost), report);
        BOOST_TEST(read.may_have_run, report);
    }
}

BOOST_AUTO_TEST_CASE(none_is_started_that_could_last_longer_than_there_is_time) {
    const bx::RestResult result =
        bx::renew_apart("/nowhere.conf", {.id = 1}, {bx::steady_now() + bx::renewal_takes - 1});
    BOOST_TEST((result.cause == RestCause::lost));
    BOOST_TEST(!result.may_have_run);
    BOOST_TEST(result.text == "the time that is left is too short for a renewal");
}

BOOST_AUTO_TEST_SUITE_END()
