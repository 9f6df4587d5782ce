// The unit tests: one suite a unit, one file a suite.
#define BOOST_TEST_MODULE bxhook
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

// A config that the group may write is refused, whatever the umask of who runs the tests.
struct Umask {
    Umask() { ::umask(022); }
};
BOOST_TEST_GLOBAL_FIXTURE(Umask);
