// The kinds of posts: what tells each, its code, kind and id.
#include "event/kinds.h"

#include <boost/test/unit_test.hpp>
#include <utility>
#include <vector>

#include "event/catalog.h"
#include "form/form.h"

using bx::PostKind;

namespace {

const std::string robot =
    "workflow_id=w.1&code=my_robot&document_id[0]=crm&document_id[1]=CCrmDocumentDeal"
    "&document_id[2]=DEAL_7303&event_token=t&ts=1767225600&auth[member_id]=m1&auth[user_id]=17";
const std::string sms = "type=SMS&code=my_sms&message_id=b0b1&message_to=1&ts=1767225600";

bx::Tree decoded(const std::string& body) { return bx::decode_urlencoded(body, {}); }

PostKind kind(const std::string& body) { return bx::kind_of_post(decoded(body)).kind; }

std::string refusal(const std::string& body) {
    try {
        bx::read_event(decoded(body));
        return {};
    } catch (const bx::BadEvent& error) {
        return error.what();
    }
}

// "KIND ID" of a robot's document_id; MODULE of its first part.
std::string entity(const std::string& document, const std::string& module = "crm") {
    const bx::EventFacts facts = bx::read_event(
        decoded("workflow_id=w&code=r&event_token=t&document_id[0]=" + module +
                "&document_id[1]=Bitrix%5CCrm%5CDocument&document_id[2]=" + document));
    return facts.kind + " " + facts.id;
}

bx::EventFacts keyed(const std::string& body) {
    const bx::Tree tree = decoded(body);
    return bx::read_keyed(tree, bx::kind_of_post(tree), "site-form");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kinds)

BOOST_AUTO_TEST_CASE(each_is_told_by_its_fields) {
    const std::vector<std::pair<PostKind, std::string>> bodies{
        {PostKind::page, "AUTH_ID=&member_id=m1"},
        {PostKind::settings, "event=OnAppSettingsInstall&auth[member_id]=m1"},
        {PostKind::settings, "event=ONAPPSETTINGSCHANGE&data[k]=v"},
        {PostKind::settings, "data[k]=v&auth[member_id]=m1&saveform=Y"},
        {PostKind::event, "event=ONCRMDEALADD"},
        {PostKind::event, "event=X&AUTH_ID=a&member_id=m1"},
        {PostKind::event, "event=X&" + robot},
        {PostKind::event, "event=X&BX_PAYSYSTEM_ID=1"},
        {PostKind::robot, robot},
        {PostKind::robot, robot + "&type=SMS&message_id=1"},
        {PostKind::sms, sms},
        {PostKind::sms, sms + "&workflow_id=w&document_id[2]=DEAL_1"},
        {PostKind::webhook_robot, "document_id[2]=DEAL_1"},
        {PostKind::webhook_robot, "type=sms&message_id=1&document_id[2]=DEAL_1"},
        {PostKind::pay_system, "phone=1&BX_PAYSYSTEM_ID=17&BX_RETURN_URL=u"},
        {PostKind::pay_system, "paymentId=1&BX_SYSTEM_PARAMS[PAYSYSTEM_ID]=17"},
        {PostKind::cashbox, "type=sell&cashbox_params[AUTH][LOGIN]=l"},
        {PostKind::cashbox, "calculated_sign=income&unique_id=85"},
        {PostKind::cashbox, "uuid=0011"},
        {PostKind::cashbox, "UUID=0011"},
        {PostKind::delivery, "SHIPMENT[ID]=85"},
        {PostKind::delivery, "SHIPMENTS[0][ID]=85"},
        {PostKind::delivery, "DELIVERY_ID=3&REQUEST_ID=r"},
        {PostKind::ai, "prompt=hello&callbackUrl=u"},
        {PostKind::bi, "connection[login]=l"},
        {PostKind::bi, "table=t&connection[login]=l&limit=100"},
        {PostKind::other, ""},
        {PostKind::other, "uuid=0011&name=n"},
        {PostKind::other, "connection=keep-alive"},
        {PostKind::other, "workflow_id=w&code=c"},
        {PostKind::other, "AUTH_ID=a"},
    };
    for (const auto& [expected, body] : bodies) {
        BOOST_TEST(static_cast<int>(kind(body)) == static_cast<int>(expected), body);
    }
}

BOOST_AUTO_TEST_CASE(whose_sender_waits) {
    for (const char* body : {"event=OnAppSettingsInstall", "BX_PAYSYSTEM_ID=1", "uuid=1",
                             "SHIPMENT[ID]=1", "prompt=p&callbackUrl=u", "connection[a]=b"}) {
        BOOST_TEST(bx::kind_of_post(decoded(body)).sender_waits, body);
    }
    for (const std::string& body : {std::string("event=X"), robot, sms, std::string("a=1")}) {
        BOOST_TEST(!bx::kind_of_post(decoded(body)).sender_waits, body);
    }
}

BOOST_AUTO_TEST_CASE(a_robot_has_the_lane_of_its_entity) {
    const bx::EventFacts facts = bx::read_event(decoded(robot));
    BOOST_TEST(facts.code == "ROBOT.MY_ROBOT");
    BOOST_TEST(facts.kind == bx::kind_of("ONCRMDEALUPDATE", {}));
    BOOST_TEST(facts.id == "7303");
    BOOST_TEST(facts.member_id == "m1");
    BOOST_TEST(facts.user_id == "17");
    BOOST_TEST(facts.ts == "1767225600");
    BOOST_TEST(entity("DYNAMIC_31_5") == bx::kind_of("ONCRMDYNAMICITEMUPDATE_31", {}) + " 5");
    BOOST_TEST(entity("LEAD_1") == "ONCRMLEAD 1");
    BOOST_TEST(entity("12", "lists") == "LISTS 12");
    BOOST_TEST(entity("TASK_5", "tasks") == "TASKS.TASK 5");
    BOOST_TEST(entity("SMART_INVOICE_9") == "ONCRMSMART_INVOICE 9");
}

BOOST_AUTO_TEST_CASE(without_a_number_there_is_no_entity) {
    for (const char* document : {"", "7", "_7", "DEAL", "DEAL_", "DEAL_0", "DEAL_7x", "DEAL_-7", "_", "0"}) {
        BOOST_TEST(entity(document) == " ", document);
    }
    BOOST_TEST(entity("DEAL_" + std::string(256, '7')) == " ");
    BOOST_TEST(entity(std::string(300, 'A') + "_7") == " ");
    for (const char* body : {"document_id=DEAL_7", "document_id[a]=DEAL_7", "document_id[2][]=DEAL_7"}) {
        BOOST_TEST(keyed(body).id == "", body);
    }
}

BOOST_AUTO_TEST_CASE(an_sms_has_its_message_as_id) {
    const bx::EventFacts facts = bx::read_event(decoded(sms));
    BOOST_TEST(facts.code == "SMS.MY_SMS");
    BOOST_TEST(facts.kind == "SMS");
    BOOST_TEST(facts.id == "b0b1");
    BOOST_TEST(bx::read_event(decoded("type=SMS&code=c&message_id=" + std::string(256, 'a'))).id == "");
}

BOOST_AUTO_TEST_CASE(other_bytes_of_a_code_become_a_mark) {
    BOOST_TEST(bx::make_code("ROBOT.", "a b/..\\\xD0\xBC") == "ROBOT.A_B_..___");
    BOOST_TEST(bx::make_code("ROBOT.", std::string(249, 'a')).size() == 255u);
    BOOST_CHECK_THROW(bx::make_code("ROBOT.", std::string(250, 'a')), bx::BadEvent);
}

BOOST_AUTO_TEST_CASE(refuses_a_code_that_is_none) {
    const std::string rest = "&workflow_id=w&event_token=t";
    BOOST_TEST(refusal("code=" + rest) == "'code' of a robot or activity is empty");
    BOOST_TEST(refusal("code[]=a" + rest) == "'code' of a robot or activity is an array");
    BOOST_TEST(refusal("type=SMS&message_id=1") == "'code' of an SMS is missing");
    BOOST_TEST(refusal("code=" + std::string(250, 'a') + rest).find("too long") != std::string::npos);
    BOOST_TEST(refusal("document_id[2]=DEAL_1").starts_with("'event' is missing"));
}

BOOST_AUTO_TEST_CASE(an_event_never_has_the_code_of_another_kind) {
    for (const std::string code : {"BXHOOK.DEAD", "robot.x", "Sms.", "WEBHOOK.A", "post.site"}) {
        BOOST_CHECK_EXCEPTION(bx::check_posted_code(code), bx::BadEvent, [](const bx::BadEvent& error) {
            return std::string(error.what()).find("as no event of Bitrix24 does") != std::string::npos;
        });
    }
    for (const std::string code : {"ROBOTS.X", "ROBOT", "SMSX", "APOST.X"}) {
        BOOST_CHECK_NO_THROW(bx::check_posted_code(code));
    }
}

BOOST_AUTO_TEST_CASE(by_a_key_the_name_is_the_code_and_nobody_is_believed) {
    BOOST_TEST(keyed("document_id[0]=crm&document_id[2]=DEAL_7").code == "WEBHOOK.SITE-FORM");
    BOOST_TEST(keyed("document_id[0]=crm&document_id[2]=DEAL_7").kind == "ONCRMDEAL");
    BOOST_TEST(keyed(sms).code == "SMS.MY_SMS");
    for (const std::string& body : {std::string("event=ONCRMDEALADD&data[FIELDS][ID]=7"), robot,
                                    std::string("event=ROBOT.X"), std::string("a=1"),
                                    std::string("event=a/b"), std::string("SHIPMENT[ID]=1")}) {
        const bx::EventFacts facts = keyed(body + "&auth[member_id]=m1&auth[domain]=d&auth[user_id]=1");
        BOOST_TEST(facts.code == "POST.SITE-FORM", body);
        BOOST_TEST(facts.kind + facts.id + facts.member_id + facts.domain + facts.user_id == "", body);
    }
}

BOOST_AUTO_TEST_CASE(codes_of_posts_are_known_by_their_beginning) {
    for (const char* code : {"ROBOT.X", "sms.y", "WEBHOOK.A", "POST.A.B"}) {
        BOOST_TEST(bx::is_posts_code(code), code);
    }
    for (const char* code : {"ROBOT.", "ROBOT", "BXHOOK.DEAD", "ONCRMDEALADD", ""}) {
        BOOST_TEST(!bx::is_posts_code(code), code);
    }
    BOOST_TEST(bx::post_name_of("post.Site-Form") == "Site-Form");
    BOOST_TEST(bx::post_name_of("WEBHOOK.a.b") == "a.b");
    BOOST_TEST(bx::post_name_of("ROBOT.a") == "");
    BOOST_TEST(bx::verb_of("ROBOT.ADD") == "");
    BOOST_TEST(bx::verb_of("SMS.MY_DELETE") == "");
}

BOOST_AUTO_TEST_SUITE_END()
