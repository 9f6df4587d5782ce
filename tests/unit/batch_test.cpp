#include <boost/test/unit_test.hpp>

#include "worker/batch.h"

BOOST_AUTO_TEST_SUITE(batch)

BOOST_AUTO_TEST_CASE(what_fails_is_halved_down_to_one_and_grows_again) {
    bx::Batch batch(32);
    std::string sizes;
    for (int i = 0; i < 6; ++i, batch.failed()) sizes += std::to_string(batch.size()) + ' ';
    BOOST_TEST(sizes == "32 16 8 4 2 1 ");
    BOOST_TEST(batch.size() == 1U);
    for (int i = 0; i < 9; ++i) batch.went(1);
    BOOST_TEST(batch.size() == 32U);
}

BOOST_AUTO_TEST_CASE(what_takes_long_is_halved_but_not_for_ever) {
    bx::Batch batch(32);
    for (int i = 0; i < 9; ++i) batch.went(bx::second);
    BOOST_TEST(batch.size() == 4U);
    batch.went(1);
    BOOST_TEST(batch.size() == 8U);
}

BOOST_AUTO_TEST_CASE(the_store_is_told_from_what_was_given) {
    BOOST_TEST(bx::may_be_its_own_fault(bx::StoreDataError("too large")));
    BOOST_TEST(bx::may_be_its_own_fault(bx::StoreSlow("takes too long")));
    BOOST_TEST(bx::may_be_its_own_fault(std::bad_alloc()));
    BOOST_TEST(!bx::may_be_its_own_fault(bx::StoreError("disk full")));
    BOOST_TEST(!bx::may_be_its_own_fault(bx::StoreBusy("held")));
    BOOST_TEST(!bx::may_be_its_own_fault(bx::StoreAway("away")));
    BOOST_TEST(!bx::may_be_its_own_fault(bx::StoreDamaged("no page")));
}

BOOST_AUTO_TEST_SUITE_END()
