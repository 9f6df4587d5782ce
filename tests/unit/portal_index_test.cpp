#include "config/portal_index.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/text.h"
#include "config/portals.h"
#include "config/posts.h"
#include "event/gate.h"
#include "form/form.h"
#include "gateway/intake.h"

namespace bx {

namespace {

constexpr Millis later = 5 * second;  // than the files, as the index wants it

// A portals file, and the configuration beside it.
struct Fixture {
    Fixture() {
        std::string name = (std::filesystem::temp_directory_path() / "portals-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
        write("bxhook.conf", "portals portals.txt\nstore queue.db\n");
    }
    ~Fixture() { std::filesystem::remove_all(dir); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::string at(const std::string& name) const { return dir + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(at(name), std::ios::binary) << text;
        BOOST_REQUIRE(::chmod(at(name).c_str(), 0600) == 0);
    }

    PortalIndex::Stamps stamps() const {
        return {stamp_of(at("bxhook.conf")), stamp_of(at("portals.txt"))};
    }
    std::vector<Portal> all() const {
        std::vector<Portal> portals;
        Problems problems;
        std::vector<Writer> writers;
        read_portals_file(at("portals.txt"), portals, problems, writers);
        BOOST_REQUIRE(problems.empty());
        return portals;
    }
    void make(Millis after = later) const {
        PortalIndex::write(at("queue.db.portals"), stamps(), at("portals.txt"), all(),
                           wall_now() + after);
    }
    std::shared_ptr<const PortalIndex> open() const {
        return PortalIndex::open(at("queue.db.portals"), stamps(), at("portals.txt"));
    }

    std::string dir;
};

std::string outcome(const Gate& gate, const Tree& body) {
    const GateResult result = gate.check(body);
    return std::string(describe(result.verdict)) + (result.known ? " known " : " unknown ") +
           (result.renamed ? "renamed " : "") + std::string(result.sender.member_id) + " " +
           std::string(result.sender.domain);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(portal_index, Fixture)

BOOST_AUTO_TEST_CASE(the_gate_says_the_same_of_those_that_are_found) {
    std::mt19937 random(5);  // the same on every run
    const std::vector<std::string> ids{"m1", "M1", "m2", "a.example", "nobody", "", "m7", "-"};
    const std::vector<std::string> domains{"a.example", "A.Example", "b.example", "m2",
                                           "nobody.example", ""};
    const std::vector<std::string> tokens{"t1", "t2", "t3", "t4", "t5", "t6", "wrong"};
    const std::vector<std::string> files{
        "m1 a.example t1 t2\n# a remark\n\n- b.example t3\nm2 - t4\nM1 a.example t5\n",
        "m1 a.example t1\n- - t6\nm7 a.example t2\n- a.example t3\n",
        "- - t1\n",
        "m3 c.example t1\nm4 c.example t2",
        "\r\nm1\tA.Example  t1\r\n-  B.EXAMPLE t2\n",
        "# nobody\n"};
    const std::vector<std::vector<Portal>> blocks{
        {}, {{"", "", {"t5"}, "portal 1"}}, {{"m9", "b.example", {"t5", "t1"}, "portal 1"}}};
    for (const std::string& text : files) {
        write("portals.txt", text);
        make();
        const auto index = open();
        BOOST_REQUIRE(index);
        for (const std::vector<Portal>& block : blocks) {
            std::vector<Portal> portals = all();
            BOOST_TEST(index->empty() == portals.empty());
            portals.insert(portals.end(), block.begin(), block.end());
            const Gate gate(portals);
            for (int i = 0; i < 300; ++i) {
                const std::string& id = ids[random() % ids.size()];
                const std::string& domain = domains[random() % domains.size()];
                const Tree body = decode_urlencoded(
                    "auth[member_id]=" + id + "&auth[domain]=" + domain +
                        "&auth[application_token]=" + tokens[random() % tokens.size()], {});
                std::vector<Portal> few = index->find(id, domain);
                BOOST_TEST(few.empty() == index->empty());
                few.insert(few.end(), block.begin(), block.end());
                BOOST_TEST_INFO(text << "as sent: " << id << " " << domain);
                BOOST_TEST(outcome(Gate(few), body) == outcome(gate, body));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_post_by_key_is_of_the_portal_that_the_whole_list_has) {
    write("portals.txt", "m1 a.example t1\n- b.example t2\nm2 - t3\nm3 a.example t4\n- - t5\n");
    make();
    const auto index = open();
    BOOST_REQUIRE(index);
    for (const std::string name : {"a.example", "A.Example", "b.example", "m1", "m2", "M2", "m3",
                                   "c.example"}) {
        PostBlock by_all{"p", "", name};
        PostBlock by_index = by_all;
        find_portal_of(by_all, all());
        find_portal_of(by_index, index->find(name, lower(name)));
        BOOST_TEST(by_index.member_id == by_all.member_id, name);
        BOOST_TEST(by_index.domain == by_all.domain, name);
        BOOST_TEST((by_all.member_id.empty() == (name == "b.example" || name == "c.example" ||
                                                 name == "M2")), name);
    }
    Config config;
    config.portal_index = index;
    config.posts = {{"p", "", "A.example", "", "a.example"}};
    const Tree body = decode_urlencoded("a=1", {});
    const NewEvent event =
        Intake(config).make_keyed_event(body, kind_of_post(body), config.posts[0]);
    BOOST_TEST(event.facts.member_id == "m1");
    BOOST_TEST(event.facts.domain == "a.example");
}

BOOST_AUTO_TEST_CASE(of_many_lines_few_are_read) {
    std::string text;
    for (int i = 0; i < 5000; ++i) {
        text += "m" + std::to_string(i) + " common.example t" + std::to_string(i) + "\n";
    }
    write("portals.txt", text);
    make();
    const auto index = open();
    BOOST_REQUIRE(index);
    BOOST_TEST(index->find("m4711", "common.example").size() <= 2U);
    BOOST_TEST(index->find("m4711", "").at(0).tokens.at(0) == "t4711");
    BOOST_TEST(index->find("stranger", "stranger.example").size() == 1U);
}

BOOST_AUTO_TEST_CASE(it_counts_while_nothing_has_changed) {
    write("portals.txt", "m1 a.example t1\n");
    make();
    BOOST_TEST(bool(open()));
    write("portals.txt", "m1 a.example t2\n");
    BOOST_TEST(!open());
    make();
    BOOST_TEST(bool(open()));
    ::chmod(at("portals.txt").c_str(), 0644);
    BOOST_TEST(!open());
    make();
    write("bxhook.conf", "portals portals.txt\nstore queue.db\n\n");
    BOOST_TEST(!open());
    make();
    std::filesystem::remove(at("portals.txt"));
    BOOST_TEST(!open());
}

// Two changes within a tick of the clock of file systems would look like one.
BOOST_AUTO_TEST_CASE(there_is_none_of_files_that_have_just_changed) {
    write("portals.txt", "m1 a.example t1\n");
    make(0);
    BOOST_TEST(!std::filesystem::exists(at("queue.db.portals")));
    make();
    BOOST_TEST(std::filesystem::exists(at("queue.db.portals")));
}

BOOST_AUTO_TEST_CASE(one_that_is_damaged_or_of_another_kind_does_not_count) {
    write("portals.txt", "m1 a.example t1\nm2 b.example t2\n");
    make();
    std::string good;
    {
        std::ifstream file(at("queue.db.portals"), std::ios::binary);
        good.assign(std::istreambuf_iterator<char>(file), {});
    }
    for (std::size_t size : {std::size_t{0}, std::size_t{8}, good.size() - 1, good.size() - 16}) {
        write("queue.db.portals", good.substr(0, size));
        BOOST_TEST(!open(), size);
    }
    write("queue.db.portals", good + std::string(16, '\0'));
    BOOST_TEST(!open());
    std::string other = good;
    other[6] = '9';
    write("queue.db.portals", other);
    BOOST_TEST(!open());
    write("queue.db.portals", std::string(good.size(), '\0'));
    BOOST_TEST(!open());
    std::filesystem::remove(at("queue.db.portals"));
    std::filesystem::create_directory(at("queue.db.portals"));
    BOOST_TEST(!open());
}

BOOST_AUTO_TEST_CASE(a_file_that_is_being_changed_gives_no_portal) {
    write("portals.txt", "m1 a.example t1\n");
    make();
    const auto index = open();
    BOOST_REQUIRE(index);
    write("portals.txt", "m1 a.example t1 t2\n");
    BOOST_CHECK_THROW(index->find("m1", ""), Error);
}

// The body of an event may come for long; by a token, and by a key.
BOOST_AUTO_TEST_CASE(a_list_that_was_replaced_meanwhile_is_read_once_more) {
    const std::string key = "0123456789abcdef";
    for (const std::string body : {"event=E&auth[member_id]=m1&auth[application_token]=right", "a=1"}) {
        write("portals.txt", "m1 a.example right\n");
        make();
        Config config;
        config.posts = {{"p", key, "A.example", "", "a.example"}};
        config.portal_index = open();
        BOOST_REQUIRE(config.portal_index);
        Intake intake(config);
        write("new.txt", "m1 a.example right\nm2 b.example other\n");
        std::filesystem::rename(at("new.txt"), at("portals.txt"));
        Request request;
        request.method = "POST";
        request.content_type = "application/x-www-form-urlencoded";
        request.body = body;
        request.post_key = key;
        const auto no = [] { return false; };
        BOOST_CHECK_THROW(intake.take(request, {.installations = no, .renewal = no}),
                          PortalsChanged);
        int renewals = 0;
        request.body = body;
        const auto renew = [&] {
            ++renewals;
            make();
            config.portal_index = open();
            intake.renew(config);
            return true;
        };
        const Intake::Decision decision =
            intake.take(request, {.installations = no, .renewal = renew});
        BOOST_TEST(std::holds_alternative<Post>(decision), body);
        BOOST_TEST(renewals == 1);
    }
}

BOOST_AUTO_TEST_CASE(there_is_none_of_a_line_that_is_longer_than_is_read) {
    const std::string line = "m1 a.example " + std::string((64 << 10) - 19, 't') + " last";
    write("portals.txt", "m0 - t\n" + line + "\n");
    make();
    BOOST_REQUIRE(bool(open()));
    BOOST_TEST(open()->find("m1", "").at(0).tokens.back() == "last");
    std::filesystem::remove(at("queue.db.portals"));
    write("portals.txt", "m0 - t\n" + line + "t\n");
    make();
    BOOST_TEST(!std::filesystem::exists(at("queue.db.portals")));
}

BOOST_AUTO_TEST_CASE(where_it_cannot_be_made_there_is_none) {
    write("portals.txt", "m1 a.example t1\n");
    const std::vector<Portal> portals = all();
    const auto try_it = [&] {
        PortalIndex::write(at("queue.db.portals"), stamps(), at("portals.txt"), portals,
                           wall_now() + later);
        BOOST_TEST(!std::filesystem::exists(at("queue.db.portals")));
    };
    std::filesystem::remove(at("portals.txt"));
    try_it();
    BOOST_REQUIRE(::mkfifo(at("portals.txt").c_str(), 0600) == 0);
    try_it();  // nobody writes into it
    std::filesystem::remove(at("portals.txt"));
    std::filesystem::create_directory(at("portals.txt"));
    try_it();
}

BOOST_AUTO_TEST_CASE(the_configuration_of_one_request_goes_by_it) {
    write("portals.txt", "m1 a.example t1\n");
    const auto load = [&] { return load_config(at("bxhook.conf"), ConfigPart::request); };
    BOOST_TEST(load()->portals.size() == 1U);
    make();
    const ConfigPtr config = load();
    const bool root = ::geteuid() == 0;  // which reads everything
    BOOST_TEST(bool(config->portal_index) == !root);
    BOOST_TEST(config->portals.size() == (root ? 1U : 0U));
    BOOST_TEST(config->has_portals());
    BOOST_TEST(!load_config(at("bxhook.conf"), ConfigPart::gateway)->portal_index);
    write("portals.txt", "m1 a.example t1\nm1 b.example t2\n");
    BOOST_CHECK_THROW(load(), ConfigError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace bx
