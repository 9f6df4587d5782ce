#include "rest/pages.h"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/url.h"

using namespace bx;

namespace {

RestAnswer answer(const std::string& body) {
    HttpOutcome outcome;
    outcome.status = 200;
    outcome.body = body;
    outcome.may_have_run = true;
    return answer_of(std::move(outcome), {});
}

// [{"ID":"1"},...] of FIRST to LAST.
std::string rows(int first, int last, const std::string& key = "\"ID\"") {
    std::string text;
    for (int id = first; id <= last; ++id) {
        text += (text.empty() ? "{" : ",{") + key + ":\"" + std::to_string(id) + "\"}";
    }
    return "[" + text + "]";
}

// A method that answers what is prepared, in order, and what it was asked.
struct Method {
    std::string given;  // "1 2 3"
    std::vector<std::string> asked;
    MethodCall call{.method = "crm.deal.list"};

    ListEnd read(std::vector<std::string> answers) {
        std::size_t next = 0;
        return ListReader(
                   call,
                   [&](const MethodCall& one) {
                       asked.push_back(percent_decoded(one.body));
                       BOOST_REQUIRE(next < answers.size());
                       return answer(answers[next++]);
                   },
                   [&](const std::vector<JsonText>& items, std::size_t) {
                       for (const JsonText& item : items) {
                           const auto id = item.find("ID") ? item.find("ID") : item.find("id");
                           given += (given.empty() ? "" : " ") + (id ? id->string() : "-");
                       }
                   })
            .read();
    }
};

std::string result(const std::string& list, const std::string& more = "") {
    return "{\"result\":" + list + more + "}";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rest_pages)

BOOST_AUTO_TEST_CASE(a_list_that_fits_on_a_page_is_asked_for_once) {
    Method method;
    BOOST_TEST((method.read({result(rows(1, 3), ",\"total\":3")}).cause == RestCause::none));
    BOOST_TEST(method.given == "1 2 3");
    BOOST_TEST(method.asked.front() == "");
    Method empty;
    BOOST_TEST((empty.read({result("[]", ",\"total\":0")}).cause == RestCause::none));
    Method uncounted;
    BOOST_TEST((uncounted.read({result(rows(1, 49))}).cause == RestCause::none));
    BOOST_TEST(uncounted.asked.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_longer_one_is_read_by_id_until_a_page_is_empty) {
    Method method;
    method.call.body = "filter%5BSTAGE%5D=NEW";
    const ListEnd end = method.read({result(rows(1, 2), ",\"next\":2,\"total\":4"),
                                     result(rows(1, 2)), result(rows(5, 6)), result("[]")});
    BOOST_TEST((end.cause == RestCause::none));
    BOOST_TEST(method.given == "1 2 5 6");
    BOOST_TEST(method.asked[1] == "filter[STAGE]=NEW&order[ID]=ASC&start=-1");
    BOOST_TEST(method.asked[2] == "filter[STAGE]=NEW&order[ID]=ASC&filter[>ID]=2&start=-1");
    BOOST_TEST(method.asked[3] == "filter[STAGE]=NEW&order[ID]=ASC&filter[>ID]=6&start=-1");
}

// It knows no order by id, no `start` of -1, or neither.
BOOST_AUTO_TEST_CASE(a_method_that_gives_less_than_it_counted_is_no_success) {
    Method none;
    BOOST_TEST((none.read({result(rows(1, 2), ",\"total\":500"), result("[]")}).cause ==
                RestCause::refused));
    Method by_start;
    BOOST_TEST((by_start.read({result(rows(1, 2), ",\"next\":2,\"total\":3"), result("[]"),
                               result(rows(3, 3), ",\"total\":3")})
                    .cause == RestCause::none));
    BOOST_TEST(by_start.given == "1 2 3");
    Method one_page;
    const ListEnd end = one_page.read(
        {result(rows(1, 50), ",\"total\":500"), result(rows(1, 50)), result("[]")});
    BOOST_TEST((end.cause == RestCause::refused));
    BOOST_TEST(end.text == "50 of 500 came");
    Method without_ids;
    BOOST_TEST((without_ids.read({result("[\"a\",\"b\"]", ",\"total\":120")}).cause ==
                RestCause::refused));
}

BOOST_AUTO_TEST_CASE(a_page_that_comes_twice_ends_it) {
    Method method;
    const auto with = [&](int next) {
        return result("[\"a\",\"b\"]", ",\"next\":" + std::to_string(next));
    };
    const ListEnd end = method.read({with(2), with(4)});
    BOOST_TEST((end.cause == RestCause::refused));
    BOOST_TEST(method.given == "- -");
}

BOOST_AUTO_TEST_CASE(a_full_page_that_counts_nothing_may_have_others_behind_it) {
    Method method;
    BOOST_TEST((method.read({result(rows(1, 50)), result(rows(1, 50)), result("[]")}).cause ==
                RestCause::none));
    BOOST_TEST(method.asked.size() == 3U);
}

BOOST_AUTO_TEST_CASE(lists_lie_in_several_places_and_ids_are_called_by_two_names) {
    for (const std::string place : {"items", "tasks", "types"}) {
        Method method;
        const auto page = [&](const std::string& list) {
            return result("{\"" + place + "\":" + list + ",\"count\":9}");
        };
        const std::string more =
            result("{\"" + place + "\":" + rows(1, 1, "\"id\"") + "}", ",\"next\":50");
        method.read({more, page(rows(1, 1, "\"id\"")), page("[]")});
        BOOST_TEST(method.given == "1");
        BOOST_TEST(method.asked[1] == "order[id]=ASC&start=-1");
    }
    Method tasks;
    tasks.call.method = "tasks.task.list";
    const std::string list = "{\"tasks\":" + rows(1, 1, "\"id\"") + "}";
    tasks.read({result(list, ",\"next\":50"), result(list), result("{\"tasks\":[]}")});
    BOOST_TEST(tasks.asked[2] == "order[ID]=ASC&filter[>ID]=1&start=-1");
}

BOOST_AUTO_TEST_CASE(json_keeps_what_it_has) {
    Method method;
    method.call.json = true;
    method.call.body = R"({"FILTER":{"A":1.50,">ID":3},"select":["ID"]})";
    method.read({result(rows(4, 4), ",\"next\":1"), result(rows(4, 4)), result("[]")});
    BOOST_TEST(method.asked[1] ==
               R"({"FILTER":{"A":1.50,">ID":3},"select":["ID"],"order":{"ID":"ASC"},"start":-1})");
    BOOST_TEST(
        method.asked[2] ==
        R"({"select":["ID"],"FILTER":{"A":1.50,">ID":"4"},"order":{"ID":"ASC"},"start":-1})");
}

BOOST_AUTO_TEST_CASE(a_filter_is_added_to_as_it_is_spelled) {
    MethodCall call{.method = "crm.deal.list", .body = "FILTER%5BA%5D=1"};
    BOOST_TEST(percent_decoded(beyond(call, "ID", "7").body) ==
               "FILTER[A]=1&order[ID]=ASC&FILTER[>ID]=7&start=-1");
}

BOOST_AUTO_TEST_CASE(what_does_not_keep_to_filter_or_order_is_an_error_that_loses_nothing) {
    const std::string first = result(rows(1, 2), ",\"next\":2");
    for (const std::string& second :
         {rows(1, 2), rows(2, 3), std::string("[{\"ID\":\"4\"},{\"ID\":\"3\"}]"),
          std::string("[{\"TITLE\":\"x\"}]"), std::string("[null]")}) {
        Method method;
        const ListEnd end = method.read({first, result(rows(1, 2)), result(second)});
        BOOST_TEST((end.cause == RestCause::refused));
        BOOST_TEST(end.last_id == "2");
        BOOST_TEST(method.given == "1 2");
    }
    Method unordered;
    const ListEnd end = unordered.read({first, result("[{\"ID\":\"2\"},{\"ID\":\"1\"}]")});
    BOOST_TEST((end.cause == RestCause::refused));
    BOOST_TEST(unordered.given == "");
}

BOOST_AUTO_TEST_CASE(without_ids_next_leads_on_and_has_to_grow) {
    Method method;
    const std::string page = "[{\"NAME\":\"a\"}]";
    BOOST_TEST((method
                    .read({result(page, ",\"next\":50"),
                           result("[{\"NAME\":\"b\"}]", ",\"next\":100"), result(page)})
                    .cause == RestCause::none));
    BOOST_TEST(method.given == "- - -");
    BOOST_TEST(method.asked[2] == "start=100");
    Method stands;
    BOOST_TEST((stands
                    .read({result(page, ",\"next\":50"),
                           result("[{\"NAME\":\"b\"}]", ",\"next\":50")})
                    .cause == RestCause::refused));
    Method empty;
    BOOST_TEST((empty.read({result(page, ",\"next\":50"), result("[]", ",\"next\":100")}).cause ==
                RestCause::refused));
}

BOOST_AUTO_TEST_CASE(one_that_refuses_the_order_is_read_as_next_says) {
    Method method;
    const std::string refusal = R"({"error":"ERROR_CORE","error_description":"Unknown order"})";
    BOOST_TEST((
        method
            .read({result(rows(3, 4), ",\"next\":50"), refusal, result(rows(1, 2), ",\"total\":4")})
            .cause == RestCause::none));
    BOOST_TEST(method.given == "3 4 1 2");
    BOOST_TEST(method.asked[2] == "start=50");
    Method cut;
    const ListEnd end =
        cut.read({result(rows(3, 4), ",\"next\":50"), refusal, R"({"error":"ACCESS_DENIED"})"});
    BOOST_TEST((end.cause == RestCause::no_right));
    BOOST_TEST(end.last_id == "4");
    BOOST_TEST(end.name_of_id == "");
    Method without_next;
    BOOST_TEST((without_next.read({result(rows(1, 2), ",\"total\":4"), refusal}).cause ==
                RestCause::refused));
    BOOST_TEST(without_next.given == "");
}

BOOST_AUTO_TEST_CASE(one_that_is_cut_short_says_why_and_where) {
    Method method;
    const ListEnd end = method.read(
        {result(rows(1, 2), ",\"next\":2"), result(rows(1, 2)),
         R"({"error":"QUERY_LIMIT_EXCEEDED","error_description":"Too many requests"})"});
    BOOST_TEST((end.cause == RestCause::limit));
    BOOST_TEST(end.text == "QUERY_LIMIT_EXCEEDED: Too many requests");
    BOOST_TEST(end.last_id == "2");
    BOOST_TEST(end.name_of_id == "ID");
    Method none;
    BOOST_TEST((none.read({result("{\"a\":[],\"b\":[]}")}).cause == RestCause::refused));
    Method scalar;
    BOOST_TEST((scalar.read({result("7")}).cause == RestCause::refused));
}

BOOST_AUTO_TEST_CASE(what_the_order_depends_on_is_left_out) {
    for (const std::string body : {"start=0", "order%5BTITLE%5D=ASC", "ORDER%5BID%5D=DESC",
                                   "filter%5BA%5D=1&FILTER%5BB%5D=2"}) {
        BOOST_CHECK_THROW(check_list_call({.method = "crm.deal.list", .body = body}), UsageError);
    }
    check_list_call({.method = "crm.deal.list", .body = "filter%5BA%5D=1&filter%5BB%5D=2"});
    BOOST_CHECK_THROW(check_list_call({.method = "m", .body = R"({"start":1})", .json = true}),
                      UsageError);
}

BOOST_AUTO_TEST_SUITE_END()
