#include "sync/chore_queue.h"

#include <boost/test/unit_test.hpp>
#include <string>

using bx::Chore;
using bx::ChoreQueue;
using bx::DueChore;

namespace {

DueChore taken(Chore what, bx::InstallationId id, bx::Millis again_at = 0) {
    return {id, what, 0, 0, again_at};
}

constexpr bx::Millis in_time = 1'000'000;

void add(ChoreQueue& queue, const DueChore& chore, bx::Millis begin_by = in_time) {
    queue.add(chore, begin_by);
}

// What begins, as its kind's number and its id; "-": none does.
std::string begin(ChoreQueue& queue, bx::Millis now) {
    const auto one = queue.begin(now);
    return one ? std::to_string(number_of(one->what)) + "/" + std::to_string(one->id) : "-";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(chore_queue)

BOOST_AUTO_TEST_CASE(each_kind_has_its_turn) {
    ChoreQueue queue;
    BOOST_TEST(queue.is_idle());
    for (const bx::InstallationId id : {1, 2, 3}) add(queue, taken(Chore::bind, id));
    for (const bx::InstallationId id : {4, 5}) add(queue, taken(Chore::renew, id));
    add(queue, taken(Chore::adopt, 6));
    BOOST_TEST(queue.lacks(Chore::verify));
    BOOST_TEST(!queue.lacks(Chore::bind));
    std::string begun;
    for (int i = 0; i < 7; ++i) begun += begin(queue, 0) + " ";
    BOOST_TEST(begun == "3/6 2/1 1/4 2/2 1/5 2/3 - ");
    BOOST_TEST(queue.lacks(Chore::bind));
    BOOST_TEST(!queue.is_idle());
    for (const bx::InstallationId id : {1, 2, 3}) queue.end(taken(Chore::bind, id));
    for (const bx::InstallationId id : {4, 5}) queue.end(taken(Chore::renew, id));
    BOOST_TEST(!queue.is_idle());
    queue.end(taken(Chore::adopt, 6));
    BOOST_TEST(queue.is_idle());
}

BOOST_AUTO_TEST_CASE(verifications_wait_for_each_other_and_hold_nothing_else) {
    ChoreQueue queue;
    for (const bx::InstallationId id : {1, 2, 3}) add(queue, taken(Chore::verify, id));
    for (const bx::InstallationId id : {4, 5}) add(queue, taken(Chore::bind, id));
    BOOST_TEST(begin(queue, 1000) == "0/1");
    BOOST_TEST(begin(queue, 1000) == "2/4");
    BOOST_TEST(begin(queue, 1199) == "2/5");
    BOOST_TEST(begin(queue, 1199) == "-");
    BOOST_TEST(queue.next_verification() == 1200);
    BOOST_TEST(begin(queue, 1200) == "0/2");
    BOOST_TEST(begin(queue, 1500) == "0/3");
    BOOST_TEST(queue.next_verification() == bx::Timer::never);
}

BOOST_AUTO_TEST_CASE(one_that_is_under_way_is_not_begun_beside_itself) {
    ChoreQueue queue;
    add(queue, taken(Chore::adopt, 1, 100));
    const DueChore first = queue.begin(0).value();
    add(queue, taken(Chore::adopt, 1, 200));
    add(queue, taken(Chore::bind, 1));
    add(queue, taken(Chore::adopt, 2));
    BOOST_TEST(begin(queue, 0) == "2/1");
    BOOST_TEST(begin(queue, 0) == "3/2");
    BOOST_TEST(begin(queue, 0) == "-");
    queue.end(first);
    BOOST_TEST(queue.begin(0).value().again_at == 200);
}

BOOST_AUTO_TEST_CASE(one_that_is_taken_twice_is_begun_once_as_taken_last) {
    ChoreQueue queue;
    add(queue, taken(Chore::bind, 1, 100));
    add(queue, taken(Chore::bind, 1, 200));
    BOOST_TEST(queue.begin(0).value().again_at == 200);
    BOOST_TEST(begin(queue, 0) == "-");
}

BOOST_AUTO_TEST_CASE(what_waits_too_long_begins_no_more) {
    ChoreQueue queue;
    add(queue, taken(Chore::bind, 1), 100);
    add(queue, taken(Chore::bind, 2), 100);
    add(queue, taken(Chore::renew, 3), 200);
    add(queue, taken(Chore::bind, 4), 100);
    add(queue, taken(Chore::bind, 4), 200);  // taken anew
    BOOST_TEST(begin(queue, 99) == "2/1");
    BOOST_TEST(queue.take_late(99).empty());
    const auto late = queue.take_late(100);
    BOOST_TEST(late.size() == 1U);
    BOOST_TEST((late.at(0).id == 2 && late.at(0).what == Chore::bind));
    BOOST_TEST(queue.take_late(100).empty());
    BOOST_TEST(begin(queue, 100) == "1/3");
    BOOST_TEST(begin(queue, 100) == "2/4");
    BOOST_TEST(begin(queue, 100) == "-");
    BOOST_TEST(!queue.is_idle());
}

BOOST_AUTO_TEST_CASE(what_was_not_begun_is_given_out_once) {
    ChoreQueue queue;
    for (const bx::InstallationId id : {1, 2}) add(queue, taken(Chore::verify, id));
    add(queue, taken(Chore::renew, 3));
    BOOST_TEST(begin(queue, 0) == "0/1");
    const auto rest = queue.clear();
    BOOST_TEST(rest.size() == 2U);
    BOOST_TEST((rest.at(0).id == 2 && rest.at(1).id == 3));
    BOOST_TEST(queue.clear().empty());
    BOOST_TEST(begin(queue, 1000) == "-");
    BOOST_TEST(!queue.is_idle());
}

BOOST_AUTO_TEST_SUITE_END()
