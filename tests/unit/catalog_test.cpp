#include "event/catalog.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "base/text.h"
#include "form/form.h"

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
    BOOST_TEST(events.size() == 214U);
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
        std::string found = bx::id_of(event.code, tree.root()["data"]);
        std::vector<std::string> fields = bx::field_paths(event);
        BOOST_TEST(found.empty() == event.id_paths.empty(), event.code);
        BOOST_TEST(found != "0", event.code);
        auto in_sample = [&](std::string_view part) {
            return part == "." || std::ranges::find(fields, part) != fields.end();
        };
        bool first_found = event.id_paths.empty() ||
                           std::ranges::any_of(event.id_paths, [&](std::string_view path) {
                               return std::ranges::all_of(bx::split(path, '+'), in_sample);
                           });
        BOOST_TEST(first_found, event.code);
    }
}

BOOST_AUTO_TEST_CASE(zero_is_no_id_anywhere) {
    for (const bx::CatalogEvent& event : bx::catalog()) {
        // What the sample has at the places of its id, all of it 0.
        for (std::string_view path : event.id_paths) {
            std::string body = path == "." ? "data=0" : "";
            if (body.empty()) {
                for (std::string_view part : bx::split(path, '+')) {
                    body += "&data";
                    for (std::string_view key : bx::split(part, '.')) {
                        body.append("[").append(key).append("]");
                    }
                    body += "=0";
                }
            }
            BOOST_TEST(id(std::string(event.code), body) == "", body);
        }
    }
    BOOST_TEST(id("X", "data[FIELDS][ID]=0&data[ID]=2") == "2");
    BOOST_TEST(id("X", "data[FIELDS][ID]=0") == "");
    BOOST_TEST(id("X", "data[FIELDS][ID]=00") == "00");
    BOOST_TEST(id("X", "data[FIELDS][ID]=10") == "10");
}

BOOST_AUTO_TEST_CASE(a_comment_of_the_new_task_card_has_the_id_of_its_message) {
    std::string after = "data[FIELDS_BEFORE]=undefined&data[FIELDS_AFTER][TASK_ID]=555";
    BOOST_TEST(id("ONTASKCOMMENTADD", after + "&data[FIELDS_AFTER][ID]=123") == "123");
    BOOST_TEST(id("ONTASKCOMMENTADD", after + "&data[FIELDS_AFTER][ID]=0"
                                              "&data[FIELDS_AFTER][MESSAGE_ID]=1458") == "1458");
    BOOST_TEST(id("ONTASKCOMMENTADD", "data[FIELDS_AFTER]=undefined&data[FIELDS_BEFORE][ID]=0"
                                      "&data[FIELDS_BEFORE][MESSAGE_ID]=7") == "7");
    BOOST_TEST(id("ONTASKCOMMENTADD", after + "&data[FIELDS_AFTER][ID]=0") == "");
}

BOOST_AUTO_TEST_CASE(a_message_has_its_dialog_as_id) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"ONIMBOTMESSAGEADD", "27"},         {"ONIMBOTMESSAGEUPDATE", "27"},
        {"ONIMBOTMESSAGEDELETE", "27"},      {"ONIMCOMMANDADD", "27"},
        {"ONIMBOTV2MESSAGEADD", "chat5"},    {"ONIMBOTV2MESSAGEUPDATE", "chat5"},
        {"ONIMBOTV2MESSAGEDELETE", "chat5"}, {"ONIMBOTV2COMMANDADD", "chat5"},
        {"ONIMV2MESSAGEADD", "chat5"},       {"ONIMV2MESSAGEDELETE", "chat5"},
        {"ONOPENLINEMESSAGEADD", "10585"},   {"ONOPENLINEMESSAGEUPDATE", "10585"},
        {"ONOPENLINEMESSAGEDELETE", "10585"}, {"ONIMCONNECTORMESSAGEADD", "1807"},
        {"ONIMCONNECTORMESSAGEUPDATE", "1807"}, {"ONIMCONNECTORMESSAGEDELETE", "1807"},
        {"ONIMCONNECTORDIALOGSTART", "1807"}, {"ONIMCONNECTORDIALOGFINISH", "1807"},
        {"ONSESSIONSTART", "42"},            {"ONSESSIONFINISH", "42"},
        {"ONIMCONNECTORLINEDELETE", "107"},
    };
    for (const auto& [code, expected] : table) {
        const bx::CatalogEvent& event = *bx::find_event(code);
        bx::Tree tree = bx::decode_json("{\"data\":" + std::string(event.sample) + "}", {});
        BOOST_TEST(bx::id_of(code, tree.root()["data"]) == expected, code);
    }
}

BOOST_AUTO_TEST_CASE(an_id_may_be_of_several_values) {
    std::string line = "data[CONNECTOR]=my_connector&data[LINE]=107";
    BOOST_TEST(id("ONIMCONNECTORMESSAGEADD", line + "&data[MESSAGES][0][chat][id]=c-1") ==
               "my_connector:107:c-1");
    BOOST_TEST(id("ONIMCONNECTORDIALOGSTART", line + "&data[DATA][0][user][id]=27") ==
               "my_connector:107:27");
    // A part that is missing, or no id, leaves none.
    BOOST_TEST(id("ONIMCONNECTORDIALOGSTART", line + "&data[DATA][0][user][id]=0") == "");
    BOOST_TEST(id("ONIMCONNECTORMESSAGEADD", line) == "");
    BOOST_TEST(id("ONIMCONNECTORMESSAGEADD",
                  "data[LINE]=107&data[MESSAGES][0][chat][id]=c-1") == "");
    std::string connector = "data[DATA][0][connector][connector_id]=livechat"
                            "&data[DATA][0][connector][line_id]=128"
                            "&data[DATA][0][connector][user_id]=";
    BOOST_TEST(id("ONOPENLINEMESSAGEADD", connector + "1985") == "livechat:128:1985");
    // 255 bytes in all.
    std::string prefix = "livechat:128:";
    std::string user(255 - prefix.size(), '1');
    BOOST_TEST(id("ONOPENLINEMESSAGEADD", connector + user) == prefix + user);
    BOOST_TEST(id("ONOPENLINEMESSAGEADD", connector + user + "1") == "");
    BOOST_TEST(id("ONCRMADDRESSREGISTER", "data[FIELDS][TYPE_ID]=1&data[FIELDS][ENTITY_TYPE_ID]=8"
                                          "&data[FIELDS][ENTITY_ID]=961") == "1:8:961");
    BOOST_TEST(id("ONIMCONNECTORSTATUSDELETE", "data[connector]=c&data[line]=107") == "c:107");
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
    BOOST_TEST(id("ONIMV2MESSAGEDELETE", "data[messageId]=5012&data[chat][id]=5") == "5");
    BOOST_TEST(id("ONIMV2REACTIONCHANGE", "data[messageId]=5012&data[user][id]=1") == "5012");
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
    BOOST_TEST(id("X", "data[0][ID]=42") == "");
    BOOST_TEST(id("X", "data=107") == "");
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
