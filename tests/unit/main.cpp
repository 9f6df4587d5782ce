// The unit tests: one suite a unit, one file a suite.
#define BOOST_TEST_MODULE bxhook
#include <boost/test/unit_test.hpp>
