#include "rest/endpoint.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "base/url.h"

using namespace bx;

namespace {

Config named() {
    Config config;
    config.apps.push_back({});
    config.apps.back().server = "https://oauth.box.example:8443";
    config.portals.push_back({});
    config.portals.back().webhook = "https://10.0.0.7/rest/1/c0de/";
    return config;
}

// Why URL may not be asked; empty when it may.
std::string refusal(const std::string& url, const Config& config = named()) {
    std::string why;
    const std::optional<Endpoint> endpoint = Endpoints(config).find(url, why);
    BOOST_TEST(endpoint.has_value() == why.empty());
    return why;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_endpoint)

BOOST_AUTO_TEST_CASE(a_public_name_is_asked_at_443_and_nothing_else) {
    for (const char* url : {"https://a.bitrix24.com/rest/", "https://oauth.bitrix.info/rest/",
                            "HTTPS://A.Bitrix24.COM:443/rest/", "https://a-b.xn--p1ai/"}) {
        BOOST_TEST(refusal(url) == "", url);
    }
    std::string why;
    const std::optional<Endpoint> endpoint =
        Endpoints(named()).find("https://A.Bitrix24.com/rest/?x", why);
    BOOST_REQUIRE(endpoint.has_value());
    BOOST_TEST(endpoint->host == "a.bitrix24.com");
    BOOST_TEST(endpoint->port == 443);
    BOOST_TEST(endpoint->must_be_public);
}

BOOST_AUTO_TEST_CASE(what_leads_elsewhere_is_refused_with_its_host_alone) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"http://a.bitrix24.com/rest/SECRET", "the URL of 'a.bitrix24.com' is not https"},
        {"ftp://a.bitrix24.com/", "the URL of 'a.bitrix24.com' is not https"},
        {"https://oauth.bitrix.info@evil.example/SECRET", "the URL of 'evil.example' has a user in it"},
        {"https://u:SECRET@a.bitrix24.com/", "the URL of 'a.bitrix24.com' has a user in it"},
        {"https://@a.bitrix24.com/", "the URL of 'a.bitrix24.com' has a user in it"},
        {"https://a.bitrix24.com:8443/", "'a.bitrix24.com' is asked at port 8443, not at 443"},
        {"https://a.bitrix24.com:80/", "'a.bitrix24.com' is asked at port 80, not at 443"},
        {"https://127.0.0.1/", "'127.0.0.1' is an address, not a name"},
        {"https://8.8.8.8/", "'8.8.8.8' is an address, not a name"},
        {"https://127.1/", "'127.1' is an address, not a name"},
        {"https://2130706433/", "'2130706433' is an address, not a name"},
        {"https://0x7f000001/", "'0x7f000001' is an address, not a name"},
        {"https://0x7f.1/", "'0x7f.1' is an address, not a name"},
        {"https://a.0X7f/", "'a.0x7f' is an address, not a name"},
        {"https://[::1]/", "'[::1]' is an address, not a name"},
        {"https://[2606:4700::1]/", "'[2606:4700::1]' is an address, not a name"},
        {"https://a.bitrix24.com./", "'a.bitrix24.com.' is not a host name"},
        {"https://a..bitrix24.com/", "'a..bitrix24.com' is not a host name"},
        {"https://.bitrix24.com/", "'.bitrix24.com' is not a host name"},
        {"https://-a.bitrix24.com/", "'-a.bitrix24.com' is not a host name"},
        {"https://a_b.bitrix24.com/", "'a_b.bitrix24.com' is not a host name"},
        {"https://localhost/", "'localhost' is a name of the local network"},
        {"https://a.localhost/", "'a.localhost' is a name of the local network"},
        {"https://erp/", "'erp' is a name of the local network"},
        {"https://printer.local/", "'printer.local' is a name of the local network"},
        {"https://metadata.google.internal/", "is a name of the local network"},
        {"https://10.0.0.7:444/", "'10.0.0.7' is asked at port 444, not at 443"},
        {"https://10.0.0.8/", "'10.0.0.8' is an address, not a name"},
        {"https://oauth.box.example:8444/", "'oauth.box.example' is asked at port 8444, not at 443"},
        {"http://oauth.box.example:8443/", "the URL of 'oauth.box.example' is not https"},
        {"https://u@oauth.box.example:8443/", "the URL of 'oauth.box.example' has a user in it"},
    };
    for (const auto& [url, expected] : table) {
        const std::string why = refusal(url);
        BOOST_TEST(why.find(expected) != std::string::npos, url << ": " << why);
        BOOST_TEST(why.find("SECRET") == std::string::npos, why);
    }
    BOOST_TEST(refusal("https://" + std::string(250, 'a') + ".com/").find("is not a host name") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_two_programs_may_read_as_two_hosts_is_no_url) {
    for (const char* url :
         {"", "https://", "https:///x", "//a.bitrix24.com/", "a.bitrix24.com", "https:a.bitrix24.com",
          "https://a.bitrix24.com\\@evil.example/", "https://a.bitrix24.com\n.evil.example/",
          "https://a.bitrix24.com /", "https://a%2eb.com/", "https://\xD0\xB0.com/", "https://a.com:/",
          "https://a.com:99999/", "https://a.com:443x/", "https://a.com:0443443/", "https://[::1/",
          "https://[a.com]/", "https://a.com\"/", "https://a b@c.com/", "https://a.com;b.com/"}) {
        BOOST_TEST(refusal(url) == "it is not a URL", url);
    }
}

BOOST_AUTO_TEST_CASE(a_host_that_the_configuration_names_may_be_anywhere) {
    std::string why;
    for (const char* url : {"https://oauth.box.example:8443/oauth/token/", "https://10.0.0.7/rest/",
                            "https://OAuth.box.example:8443/", "https://10.0.0.7:443/"}) {
        const std::optional<Endpoint> endpoint = Endpoints(named()).find(url, why);
        BOOST_REQUIRE_MESSAGE(endpoint.has_value(), url);
        BOOST_TEST(!endpoint->must_be_public, url);
    }
}

BOOST_AUTO_TEST_CASE(an_address_is_public_when_it_is_one_machine_of_the_internet) {
    for (const char* address : {"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255",
                                "100.128.0.0", "169.253.0.1", "223.255.255.255", "2606:4700::1",
                                "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
                                "2002:808:808::1", "2001:200::1"}) {
        BOOST_TEST(is_public_address(address), address);
    }
    for (const char* address :
         {"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254",
          "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1",
          "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
          "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
          "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::1", "2001::1",
          "2001:db8::1", "3fff::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "4000::1",
          "127.1", "0x7f.1", "8.8.8.8 ", "", "localhost", "[::1]"}) {
        BOOST_TEST(!is_public_address(address), address);
    }
}

BOOST_AUTO_TEST_SUITE_END()
