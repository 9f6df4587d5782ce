#include "event/catalog.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "event/form.h"

namespace {

// `data` of a body.
class Data {
public:
    explicit Data(const std::string& body) : tree_(bx::decode_urlencoded(body, {})) {}
    bx::Value get() const { return tree_.root()["data"]; }

private:
    bx::Tree tree_;
};

std::string kind(const std::string& code, const std::string& body = "") {
    return bx::kind_of(code, Data(body).get());
}

std::string id(const std::string& code, const std::string& body) {
    Data data(body);
    return std::string(bx::id_of(code, data.get()));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(catalog)

BOOST_AUTO_TEST_CASE(is_sorted_and_complete) {
    auto events = bx::catalog();
    BOOST_TEST(events.size() == 212U);
    BOOST_TEST(std::ranges::is_sorted(events, {}, &bx::CatalogEvent::code));
    for (const bx::CatalogEvent& event : events) {
        BOOST_TEST(!event.name.empty(), event.code);
        BOOST_TEST(!event.scope.empty(), event.code);
        BOOST_TEST(bx::find_event(event.code) == &event, event.code);
    }
}

BOOST_AUTO_TEST_CASE(each_sample_is_json_and_has_its_id_where_the_catalog_says) {
    for (const bx::CatalogEvent& event : bx::catalog()) {
        bx::Tree tree = bx::decode_json("{\"data\":" + std::string(event.sample) + "}", {});
        std::string_view found = bx::id_of(event.code, tree.root()["data"]);
        std::vector<std::string> fields = bx::field_paths(event);
        BOOST_TEST(found.empty() == event.id_paths.empty(), event.code);
        bool first_found = event.id_paths.empty() ||
                           std::ranges::any_of(event.id_paths, [&](std::string_view path) {
                               return std::ranges::find(fields, path) != fields.end();
                           });
        BOOST_TEST(first_found, event.code);
    }
}

BOOST_AUTO_TEST_CASE(codes_are_found_in_any_case) {
    BOOST_TEST(bx::find_event("onCrmDealAdd")->code == "ONCRMDEALADD");
    BOOST_TEST(bx::find_event("catalog.price.on.add")->scope == "catalog");
    BOOST_TEST(bx::find_event("ONNOSUCHEVENT") == nullptr);
    BOOST_TEST(bx::find_event("") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_code_of_one_type_finds_the_general_one) {
    BOOST_TEST(bx::find_event("ONCRMDYNAMICITEMUPDATE_1220")->code == "ONCRMDYNAMICITEMUPDATE");
    BOOST_TEST(bx::find_event("ONCRMDYNAMICITEMUPDATE_31")->code == "ONCRMDYNAMICITEMUPDATE_31");
    BOOST_TEST(bx::find_event("ONCRMDYNAMICITEMUPDATE_") == nullptr);
    BOOST_TEST(bx::find_event("ONCRMDYNAMICITEMUPDATE_12x") == nullptr);
    BOOST_TEST(bx::find_event("ONCRMDEALUPDATE_7") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_kind_is_the_code_without_its_verb) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"ONCRMDEALADD", "ONCRMDEAL"},
        {"onCrmDealUpdate", "ONCRMDEAL"},
        {"ONCRMDEALMOVETOCATEGORY", "ONCRMDEAL"},
        {"ONCRMDEALUSERFIELDADD", "ONCRMDEALUSERFIELD"},
        {"ONCRMDEALUSERFIELDSETENUMVALUES", "ONCRMDEALUSERFIELD"},
        {"ONORDERENTITYSAVED", "ONORDER"},
        {"ONORDERDELETED", "ONORDER"},
        {"ONSALEORDERSAVED", "ONSALEORDER"},
        {"ONCRMADDRESSREGISTER", "ONCRMADDRESS"},
        {"ONCRMADDRESSUNREGISTER", "ONCRMADDRESS"},
        {"ONCRMINVOICESETSTATUS", "ONCRMINVOICE"},
        {"ONCRMDEALRECURRINGEXPOSE", "ONCRMDEALRECURRING"},
        {"ONVOXIMPLANTCALLINIT", "ONVOXIMPLANTCALL"},
        {"ONVOXIMPLANTCALLSTART", "ONVOXIMPLANTCALL"},
        {"ONVOXIMPLANTCALLEND", "ONVOXIMPLANTCALL"},
        {"ONIMBOTV2REACTIONCHANGE", "ONIMBOTV2REACTION"},
        {"ONSESSIONFINISH", "ONSESSION"},
        {"CATALOG.PRICE.ON.ADD", "CATALOG.PRICE"},
        {"CATALOG.PRICE.TYPE.ON.DELETE", "CATALOG.PRICE.TYPE"},
        {"ONAPPTEST", "ONAPPTEST"},
        {"SOMETHINGADD_7", "SOMETHING"},
        {"SOMETHING_7", "SOMETHING_7"},
        {"SOMETHINGADD_7X", "SOMETHINGADD_7X"},
        {"ADD", "ADD"},
        {"UPDATE_7", "UPDATE_7"},
    };
    for (const auto& [code, expected] : table) BOOST_TEST(kind(code) == expected, code);
}

BOOST_AUTO_TEST_CASE(a_dynamic_item_is_a_kind_of_its_type) {
    std::string data = "data[FIELDS][ID]=24&data[FIELDS][ENTITY_TYPE_ID]=1220";
    BOOST_TEST(kind("ONCRMDYNAMICITEMUPDATE", data) == "ONCRMDYNAMICITEM_1220");
    BOOST_TEST(kind("ONCRMDYNAMICITEMUPDATE_1220", data) == "ONCRMDYNAMICITEM_1220");
    BOOST_TEST(kind("ONCRMDYNAMICITEMDELETE", data) == "ONCRMDYNAMICITEM_1220");
    BOOST_TEST(kind("ONCRMDYNAMICITEMADD_1220") == "ONCRMDYNAMICITEM_1220");
    BOOST_TEST(kind("ONCRMDYNAMICITEMADD") == "ONCRMDYNAMICITEM");
}

BOOST_AUTO_TEST_CASE(verbs_are_told) {
    BOOST_TEST(bx::verb_of("ONORDERDELETED") == "DELETED");
    BOOST_TEST(bx::verb_of("onCrmDealAdd") == "ADD");
    BOOST_TEST(bx::verb_of("ONCRMDYNAMICITEMDELETE_31") == "DELETE");
    BOOST_TEST(bx::verb_of("ONAPPTEST") == "");
}

BOOST_AUTO_TEST_CASE(an_id_is_looked_for_where_the_catalog_says_first) {
    BOOST_TEST(id("ONLIVEFEEDPOSTADD", "data[FIELDS][POST_ID]=209&data[ID]=1") == "209");
    BOOST_TEST(id("ONCRMTIMELINECOMMENTUPDATE", "data[ID]=999") == "999");
    BOOST_TEST(id("ONCRMTIMELINECOMMENTUPDATE", "data[FIELDS][ID]=998") == "998");
    BOOST_TEST(id("ONVOXIMPLANTCALLEND", "data[CALL_ID]=c.1&data[ID]=2") == "c.1");
    BOOST_TEST(id("ONIMV2MESSAGEDELETE", "data[messageId]=5012&data[user][id]=1") == "5012");
    BOOST_TEST(id("ONTASKADD", "data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][ID]=1") == "1");
    BOOST_TEST(id("ONTASKDELETE", "data[FIELDS_BEFORE][ID]=2&data[FIELDS_AFTER]=undefined") == "2");
}

BOOST_AUTO_TEST_CASE(an_unknown_code_has_its_id_in_the_usual_places) {
    BOOST_TEST(id("X", "data[FIELDS][ID]=1&data[ID]=2") == "1");
    BOOST_TEST(id("X", "data[FIELDS_BEFORE][ID]=3&data[ID]=2") == "3");
    BOOST_TEST(id("X", "data[ID]=2&data[id]=4") == "2");
    BOOST_TEST(id("X", "data[id]=4") == "4");
    BOOST_TEST(id("X", "data[Id]=4") == "");
}

BOOST_AUTO_TEST_CASE(what_is_no_id_is_passed_over) {
    BOOST_TEST(id("X", "data[FIELDS][ID]=&data[ID]=2") == "2");
    BOOST_TEST(id("X", "data[FIELDS][ID]=undefined&data[ID]=2") == "2");
    BOOST_TEST(id("X", "data[FIELDS][ID][]=1&data[ID]=2") == "2");
    BOOST_TEST(id("X", "data[FIELDS][ID]=" + std::string(256, '1') + "&data[ID]=2") == "2");
    BOOST_TEST(id("X", "data[ID]=" + std::string(255, '1')) == std::string(255, '1'));
    BOOST_TEST(id("ONSESSIONSTART", "data[DATA][0][session][id]=42") == "");
    BOOST_TEST(id("ONIMCONNECTORLINEDELETE", "data=107") == "");
}

BOOST_AUTO_TEST_CASE(fields_are_all_scalars_of_the_sample) {
    std::vector<std::string> fields = bx::field_paths(*bx::find_event("ONCRMDEALMOVETOCATEGORY"));
    BOOST_TEST(fields == (std::vector<std::string>{"FIELDS.ID", "FIELDS.CATEGORY_ID",
                                                   "FIELDS.STAGE_ID"}),
               boost::test_tools::per_element());
    fields = bx::field_paths(*bx::find_event("ONUSERADD"));
    BOOST_TEST((std::ranges::find(fields, "UF_DEPARTMENT.1") != fields.end()));
}

BOOST_AUTO_TEST_SUITE_END()
