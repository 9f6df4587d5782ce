#include "hooks/hooks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "form/form.h"

namespace fs = std::filesystem;

namespace {

// A hooks_dir and the config that names it.
struct Fixture {
    Fixture() {
        std::string name = (fs::temp_directory_path() / "hooks-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        top = name;
        config.hooks_dir = top + "/hooks";
        fs::create_directory(config.hooks_dir);
    }
    ~Fixture() { fs::remove_all(top); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::string file(const std::string& path, mode_t mode = 0755,
                     const std::string& text = "#!/bin/sh\n") {
        std::string full = config.hooks_dir + "/" + path;
        fs::create_directories(fs::path(full).parent_path());
        std::ofstream(full) << text;
        BOOST_REQUIRE(::chmod(full.c_str(), mode) == 0);
        return full;
    }

    bx::HookBlock& block(const std::string& name, std::vector<std::string> events = {},
                         const std::string& run = "") {
        bx::HookBlock& hook = config.hooks.emplace_back();
        hook.name = name;
        hook.events = std::move(events);
        hook.run = run;
        return hook;
    }

    // The names that load() finds, with what keeps one from running: "a b(not executable)".
    std::string names() {
        std::string all;
        bx::HookSet set = bx::HookSet::load(config);
        for (const bx::Hook& hook : set.hooks()) {
            all += (all.empty() ? "" : " ") + hook.name;
            if (hook.problem) all += "(" + hook.problem->reason + ")";
            if (hook.settings.disabled) all += "(" + disabled_reason(hook) + ")";
        }
        return all;
    }

    // Who takes BODY, and who refuses and why: "a b | c: unless data.x 1".
    std::string match(const std::string& body) {
        bx::Tree tree = bx::decode_urlencoded(body, {});
        bx::HookSet set = bx::HookSet::load(config);
        bx::HookSet::Match match = set.match(bx::read_event(tree), tree);
        std::string text;
        for (const bx::Hook* hook : match.taken) text += hook->name + " ";
        for (const bx::Refusal& refusal : match.refused) {
            text += "| " + refusal.hook + ": " + refusal.reason + " ";
        }
        if (!text.empty()) text.pop_back();
        return text;
    }

    std::string problem(const std::string& name) {
        bx::HookSet set = bx::HookSet::load(config);
        const bx::Hook* hook = set.find(name);
        BOOST_REQUIRE(hook);
        auto found = bx::start_problem(*hook, config.hooks_dir);
        return found ? found->reason : "";
    }

    std::string top;
    bx::Config config;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hooks, Fixture)

BOOST_AUTO_TEST_CASE(names_follow_the_path_without_extension) {
    file("ONCRMDEALADD.sh");
    file("onCrmLeadAdd");
    file("ONCRMDEALUPDATE.d/notify.php");
    file("ONCRMDEALUPDATE.d/crm-sync");
    file("any.py");
    file("any.d/audit.js");
    file("CATALOG.PRICE.ON.ADD");
    BOOST_TEST(names() ==
               "CATALOG.PRICE.ON.ADD ONCRMDEALADD ONCRMDEALUPDATE.d.crm-sync "
               "ONCRMDEALUPDATE.d.notify any any.d.audit onCrmLeadAdd");
}

BOOST_AUTO_TEST_CASE(codes_of_posts_name_hooks_too) {
    config.posts = {{"site-form", "0123456789abcdef", "a.example"}};
    file("ROBOT.MY_ROBOT.sh");
    file("sms.my_sms.d/log");
    file("POST.SITE-FORM.php");
    file("WEBHOOK.site-form");
    BOOST_TEST(bx::HookSet::load(config).warnings().empty());
    BOOST_TEST(match("workflow_id=w&code=my_robot&event_token=t") == "ROBOT.MY_ROBOT");
    BOOST_TEST(match("type=SMS&message_id=1&code=MY_SMS") == "sms.my_sms.d.log");
    file("POST.OTHER.sh");
    file("ROBOT.");
    const bx::HookSet set = bx::HookSet::load(config);
    BOOST_REQUIRE(set.warnings().size() == 2u);
    BOOST_TEST(set.warnings()[0].message.find("no post block has the name that 'POST.OTHER'") == 0u,
               set.warnings()[0].message);
    BOOST_TEST(set.warnings()[1].message.find("'ROBOT.' is not a known event") == 0u);
}

BOOST_AUTO_TEST_CASE(samples_backups_and_hidden_files_are_no_hooks) {
    for (const char* name :
         {"ONCRMDEALADD.sample", "ONCRMDEALADD~", ".ONCRMDEALADD", "ONCRMDEALADD.d/x.sh~",
          "ONCRMDEALADD.sh.sample.dpkg-new", "ONCRMDEALADD.d/x.sh.dpkg-new", "any.sh.dpkg-tmp",
          "ONCRMDEALADD.d/.x", "lib/ONCRMDEALADD", "ONCRMDEALADD.sample.disabled",
          ".ONCRMDEALADD.disabled", ".disabled"}) {
        file(name);
    }
    file("README.md", 0644);
    file("README.md.disabled");  // of a file system without bits, each has all
    BOOST_TEST(names() == "");
}

BOOST_AUTO_TEST_CASE(a_file_renamed_to_disabled_is_a_disabled_hook) {
    file("ONCRMDEALADD.sh.disabled", 0644);
    file("ONCRMDEALADD.d/mail.php.disabled");
    file("any.d.disabled/log.sh");
    BOOST_TEST(names() == "ONCRMDEALADD(disabled: ONCRMDEALADD.sh.disabled) "
                          "ONCRMDEALADD.d.mail(disabled: ONCRMDEALADD.d/mail.php.disabled) "
                          "any.d.log(disabled: any.d.disabled/log.sh)");
    BOOST_TEST(match("event=ONCRMDEALADD") ==
               "| ONCRMDEALADD: disabled: ONCRMDEALADD.sh.disabled "
               "| ONCRMDEALADD.d.mail: disabled: ONCRMDEALADD.d/mail.php.disabled "
               "| any.d.log: disabled: any.d.disabled/log.sh");
    block("ONCRMDEALADD").settings.attempts = 3;
    const bx::HookSet set = bx::HookSet::load(config);
    BOOST_TEST(set.warnings().empty());
    BOOST_TEST(set.find("ONCRMDEALADD")->settings.attempts == 3);
    BOOST_TEST(set.find("ONCRMDEALADD")->settings.disabled);
}

BOOST_AUTO_TEST_CASE(what_is_disabled_may_lead_nowhere_or_be_closed) {
    file("any.sh");
    fs::create_directory(config.hooks_dir + "/any.d.disabled");
    fs::create_symlink("nowhere", config.hooks_dir + "/any.d.disabled/log.sh");
    BOOST_TEST(bx::HookSet::load(config).warnings().empty());
    for (const std::string& path : {top, config.hooks_dir}) {
        BOOST_REQUIRE(::chmod(path.c_str(), 0755) == 0);
    }
    const uid_t user = ::geteuid();
    const std::string closed = config.hooks_dir + "/any.d.disabled";
    BOOST_REQUIRE(::chmod(closed.c_str(), 0) == 0);
    if (user == 0) BOOST_REQUIRE(::seteuid(65534) == 0);  // root may enter it
    BOOST_TEST(names() == "any");
    if (user == 0) BOOST_REQUIRE(::seteuid(0) == 0);
    fs::rename(closed, config.hooks_dir + "/any.d");
    if (user == 0) BOOST_REQUIRE(::seteuid(65534) == 0);
    BOOST_CHECK_THROW(names(), bx::Error);
    if (user == 0) BOOST_REQUIRE(::seteuid(0) == 0);
    BOOST_REQUIRE(::chmod((config.hooks_dir + "/any.d").c_str(), 0700) == 0);
}

BOOST_AUTO_TEST_CASE(a_disabled_file_says_nothing_beside_a_hook_of_its_name) {
    file("ONCRMDEALADD.php.disabled");
    file("ONCRMLEADADD.disabled");
    file("ONCRMDEALADD.sh");
    block("ONCRMLEADADD", {"ONCRMLEAD*"}, "/bin/true");
    BOOST_TEST(names() == "ONCRMDEALADD ONCRMLEADADD");
    file("ONCRMDEALADD.sh", 0644);
    BOOST_TEST(names() == "ONCRMDEALADD(not executable) ONCRMLEADADD");
}

BOOST_AUTO_TEST_CASE(the_stamp_changes_with_a_file_that_is_disabled) {
    const std::string path = file("any.sh");
    const std::string before = bx::HookSet::stamp_of(config.hooks_dir);
    fs::rename(path, path + ".disabled");
    const std::string after = bx::HookSet::stamp_of(config.hooks_dir);
    BOOST_TEST(after != before);
    fs::remove(path + ".disabled");
    BOOST_TEST(bx::HookSet::stamp_of(config.hooks_dir) != after);
}

BOOST_AUTO_TEST_CASE(a_hooks_dir_that_is_missing_is_empty) {
    config.hooks_dir = top + "/nowhere";
    BOOST_TEST(names() == "");
}

BOOST_AUTO_TEST_CASE(a_file_without_execute_bit_is_known_but_asleep) {
    file("ONCRMDEALADD", 0644);
    BOOST_TEST(names() == "ONCRMDEALADD(not executable)");
    BOOST_TEST(match("event=ONCRMDEALADD") == "| ONCRMDEALADD: not executable");
}

BOOST_AUTO_TEST_CASE(two_hooks_of_one_name_take_events_and_say_that_they_are_two) {
    file("ONCRMDEALADD.sh");
    file("ONCRMDEALADD.php");
    file("any");
    const bx::HookSet set = bx::HookSet::load(config);
    BOOST_TEST(set.find("ONCRMDEALADD")->conflict ==
               "two hooks have this name: ONCRMDEALADD.php, ONCRMDEALADD.sh");
    BOOST_TEST(set.find("any")->conflict == "");
    BOOST_REQUIRE(set.duplicates().size() == 1U);
    const bx::Problem& problem = set.duplicates()[0];
    BOOST_TEST(problem.place == "hook ONCRMDEALADD");
    BOOST_TEST(problem.message.starts_with("two hooks are named 'ONCRMDEALADD', so neither runs: "));
    BOOST_TEST(problem.message.ends_with(": keep one, rename the other to *.disabled"));
    const std::string php = config.hooks_dir + "/ONCRMDEALADD.php";
    fs::last_write_time(php, fs::last_write_time(php) - std::chrono::hours(1));
    BOOST_TEST(bx::HookSet::load(config).duplicates()[0].fix ==
               "mv -nT " + php + " " + php + ".disabled");
    fs::last_write_time(php, fs::last_write_time(php) + std::chrono::hours(2));
    BOOST_TEST(bx::HookSet::load(config).duplicates()[0].fix ==
               "mv -nT " + config.hooks_dir + "/ONCRMDEALADD.sh " + config.hooks_dir +
                   "/ONCRMDEALADD.sh.disabled");
    BOOST_TEST(match("event=ONCRMDEALADD") == "ONCRMDEALADD any");  // once
    BOOST_TEST(match("event=ONCRMLEADADD") == "any");
    file("ONCRMDEALADD.php", 0644);
    BOOST_TEST(names() == "ONCRMDEALADD any");
    BOOST_TEST(bx::HookSet::load(config).find("ONCRMDEALADD")->conflict == "");
}

BOOST_AUTO_TEST_CASE(a_file_and_a_block_that_both_run_take_what_either_of_them_takes) {
    file("ONCRMDEALADD.sh");
    block("ONCRMDEALADD", {"ONCRMDEAL*"}, "/bin/true");
    const bx::HookSet set = bx::HookSet::load(config);
    BOOST_TEST(set.find("ONCRMDEALADD")->conflict ==
               "two hooks have this name: ONCRMDEALADD.sh, a block with run");
    BOOST_TEST(match("event=ONCRMDEALUPDATE") == "ONCRMDEALADD");
    BOOST_TEST(match("event=ONCRMLEADADD") ==
               "| ONCRMDEALADD: other event (wants ONCRMDEALADD)");
}

BOOST_AUTO_TEST_CASE(of_three_hooks_of_one_name_each_says_it) {
    for (const char* name : {"any.sh", "any.php", "any.py"}) file(name);
    const bx::HookSet set = bx::HookSet::load(config);
    BOOST_TEST(set.duplicates().size() == 2U);
    for (const bx::Hook& hook : set.hooks()) BOOST_TEST(hook.conflict != "", hook.program);
}

BOOST_AUTO_TEST_CASE(a_block_without_run_holds_the_settings_of_its_script) {
    std::string path = file("any.d/log.sh");
    bx::HookBlock& settings = block("any.d.log");
    settings.settings.attempts = 3;
    settings.args = {"{event}"};
    settings.unless = {{"auth.user_id", "17"}};
    bx::HookSet set = bx::HookSet::load(config);
    BOOST_REQUIRE(set.hooks().size() == 1U);
    BOOST_TEST(set.hooks()[0].program == path);
    BOOST_TEST(set.hooks()[0].settings.attempts == 3);
    BOOST_TEST(set.hooks()[0].args.front() == "{event}");
    BOOST_TEST(match("event=X&auth[user_id]=17") == "| any.d.log: unless auth.user_id 17");
}

BOOST_AUTO_TEST_CASE(a_script_without_a_block_has_the_defaults) {
    file("any");
    config.defaults.timeout = 7 * bx::second;
    BOOST_TEST(bx::HookSet::load(config).hooks()[0].settings.timeout == 7 * bx::second);
}

BOOST_AUTO_TEST_CASE(a_block_whose_script_is_missing_is_a_warning) {
    block("crm-log");
    BOOST_TEST(names() == "crm-log(missing: no file named crm-log)");
    BOOST_REQUIRE(bx::HookSet::load(config).warnings().size() == 1U);
    BOOST_TEST(bx::HookSet::load(config).warnings()[0].place == "hook crm-log");
    BOOST_TEST(match("event=X") == "| crm-log: missing: no file named crm-log");
}

BOOST_AUTO_TEST_CASE(an_unknown_code_runs_and_is_a_warning) {
    file("ONCRMDEALUPDAT.sh");
    bx::HookSet set = bx::HookSet::load(config);
    BOOST_REQUIRE(set.warnings().size() == 1U);
    BOOST_TEST(set.warnings()[0].fix.find("ONCRMDEALUPDATE") != std::string::npos);
    BOOST_TEST(match("event=onCrmDealUpdat") == "ONCRMDEALUPDAT");
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_hook_is_told_as_one_and_takes_no_event) {
    file("ONCRMDEALUPDATE.sh");
    for (const char* end : {".old", ".bak", ".orig", ".save", ".copy", ".rej", ".dpkg-dist", ".dpkg-old",
                            ".dpkg-bak", ".ucf-dist", ".ucf-new", ".ucf-old"}) {
        const std::string copy = file("ONCRMDEALUPDATE.sh" + std::string(end));
        const bx::HookSet set = bx::HookSet::load(config);
        BOOST_TEST_CONTEXT(end) {
            BOOST_REQUIRE(set.warnings().size() == 1U);
            BOOST_TEST(set.warnings()[0].message ==
                       "looks like a copy of 'ONCRMDEALUPDATE.sh' and takes no event: to disable a "
                       "hook, rename its file *.disabled");
            BOOST_TEST(set.warnings()[0].fix == "mv -nT " + copy + " " + copy + ".disabled");
            BOOST_TEST(match("event=ONCRMDEALUPDATE") == "ONCRMDEALUPDATE");
        }
        fs::remove(copy);
    }
    file("POST.FORM.sh.bak");
    const bx::HookSet set = bx::HookSet::load(config);
    BOOST_REQUIRE(set.warnings().size() == 1U);
    BOOST_TEST(set.warnings()[0].message.find("looks like a copy of 'POST.FORM.sh'") == 0U);
}

BOOST_AUTO_TEST_CASE(a_name_that_cannot_be_a_hooks_is_a_warning) {
    file("my hook");
    BOOST_TEST(names() == "");
    BOOST_TEST(bx::HookSet::load(config).warnings().size() == 1U);
}

BOOST_AUTO_TEST_CASE(scripts_take_their_code_in_any_case_and_no_other) {
    file("onCrmDealUpdate.sh");
    file("ONCRMDYNAMICITEMUPDATE");
    BOOST_TEST(match("event=ONCRMDEALUPDATE") == "onCrmDealUpdate");
    BOOST_TEST(match("event=oncrmdealupdate") == "onCrmDealUpdate");
    BOOST_TEST(match("event=ONCRMDYNAMICITEMUPDATE") == "ONCRMDYNAMICITEMUPDATE");
    BOOST_TEST(match("event=ONCRMDYNAMICITEMUPDATE_1220") ==
               "| ONCRMDYNAMICITEMUPDATE: other event (wants ONCRMDYNAMICITEMUPDATE) "
               "| onCrmDealUpdate: other event (wants ONCRMDEALUPDATE)");
}

BOOST_AUTO_TEST_CASE(several_hooks_take_one_event) {
    file("ONCRMDEALADD.d/a");
    file("ONCRMDEALADD.d/b.sh");
    file("any.d/c");
    block("d", {"ONCRMLEAD*", "oncrmdeal[a-z]*"}, "/bin/true");
    file("ONCRMLEADADD");
    BOOST_TEST(match("event=ONCRMDEALADD") == "ONCRMDEALADD.d.a ONCRMDEALADD.d.b any.d.c d");
}

BOOST_AUTO_TEST_CASE(every_hook_tells_why_when_none_takes_it) {
    file("ONCRMLEADADD");
    block("deals", {"ONCRMDEAL*", "ONCRMQUOTE*"}, "/bin/true");
    block("off", {"*"}, "/bin/true").settings.disabled = true;
    BOOST_TEST(
        match("event=ONTASKADD") ==
        "| ONCRMLEADADD: other event (wants ONCRMLEADADD) "
        "| deals: other event (wants ONCRMDEAL* ONCRMQUOTE*) | off: disabled");
}

BOOST_AUTO_TEST_CASE(with_one_taken_only_rules_and_disabled_ones_are_told) {
    file("ONCRMLEADADD");
    file("any");
    block("off", {"*"}, "/bin/true").settings.disabled = true;
    block("guarded", {"*"}, "/bin/true").unless = {{"auth.user_id", "1*"}};
    BOOST_TEST(match("event=ONTASKADD&auth[user_id]=17") ==
               "any | guarded: unless auth.user_id 1* | off: disabled");
}

// Who is for other events by its codes is not asked; the answer is that of asking everybody.
BOOST_AUTO_TEST_CASE(those_that_are_not_asked_would_have_said_no) {
    std::mt19937 random(3);  // the same on every run
    const std::vector<std::string> events = {"ONCRMDEALADD", "onCrmDealAdd", "ONCRMLEADADD", "*",
                                             "ONCRM*",       "ONCRMDEAL?DD", "[OX]NCRMLEADADD",
                                             "ONCRMDEALUPDATE", "[", "ONTASKADD"};
    const auto any_of = [&](const std::vector<std::string>& words) {
        return words[random() % words.size()];
    };
    for (int i = 0; i < 200; ++i) {
        std::vector<std::string> own;
        for (auto count = 1 + random() % 3; count > 0; --count) own.push_back(any_of(events));
        bx::HookBlock& hook = block("h" + std::to_string(random() % 120), own, "/bin/true");
        if (random() % 4 == 0) hook.unless.push_back({"data.x", "1"});
        hook.settings.disabled = random() % 8 == 0;
    }
    for (const char* name : {"ONCRMDEALADD.d/a", "oncrmleadadd", "any", "h5.sh", "ONTASKADD.d/b"}) {
        file(name);
    }
    file("ONCRMDEALADD", 0644);
    const bx::HookSet set = bx::HookSet::load(config);
    for (const char* code : {"ONCRMDEALADD", "ONCRMLEADADD", "ONTASKADD", "ONCRMDEALUPDATE", "H5",
                             "ANY", "["}) {
        const bx::Tree tree = bx::decode_urlencoded("event=X&data[x]=1", {});
        bx::EventFacts facts;
        facts.code = code;
        const bx::HookSet::Match match = set.match(facts, tree);
        std::set<std::string> taken, wanted, named;
        for (const bx::Hook* hook : match.taken) taken.insert(hook->name);
        for (const bx::Hook& hook : set.hooks()) {
            named.insert(hook.name);
            if (bx::takes(hook, facts, tree) && !hook.problem) wanted.insert(hook.name);
        }
        BOOST_TEST_INFO(code);
        BOOST_TEST((taken == wanted));
        BOOST_TEST(taken.size() == match.taken.size());
        BOOST_TEST(std::ranges::is_sorted(match.taken, {}, &bx::Hook::name));
        BOOST_TEST(std::ranges::is_sorted(match.refused, {}, &bx::Refusal::hook));
        if (taken.empty()) BOOST_TEST(match.refused.size() == named.size());
    }
}

BOOST_AUTO_TEST_CASE(nobody_takes_it_and_everybody_is_told_once_by_name) {
    block("b", {"ONCRMLEADADD"}, "/bin/true");
    block("a", {"ONCRM*"}, "/bin/true").settings.disabled = true;
    block("c", {"ONTASK?DD"}, "/bin/true");
    file("ONTASKADD");
    BOOST_TEST(match("event=ONCRMDEALADD") ==
               "| ONTASKADD: other event (wants ONTASKADD) | a: disabled "
               "| b: other event (wants ONCRMLEADADD) | c: other event (wants ONTASK?DD)");
}

BOOST_AUTO_TEST_CASE(when_and_unless) {
    bx::HookBlock& hook = block("h", {"*"}, "/bin/true");
    hook.when = {{"data.FIELDS.ENTITY_TYPE_ID", "1220"},
                 {"auth.user_id", "?*"},
                 {"data.FIELDS.ENTITY_TYPE_ID", "13[0-4]"}};
    hook.unless = {{"data.skip", "*"}, {"auth.user_id", "17"}};
    struct Case {
        const char* body;
        const char* expected;
    };
    const std::string type = "event=X&data[FIELDS][ENTITY_TYPE_ID]=";
    const Case cases[] = {
        {"1220&auth[user_id]=1", "h"},
        {"132&auth[user_id]=1", "h"},
        {"135&auth[user_id]=1", "| h: when data.FIELDS.ENTITY_TYPE_ID 1220 13[0-4]"},
        {"1220", "| h: when auth.user_id ?*"},
        {"1220&auth[user_id]=", "| h: when auth.user_id ?*"},
        {"1220&auth[user_id][]=1", "| h: when auth.user_id ?*"},
        {"1220&auth[user_id]=17", "| h: unless auth.user_id 17"},
        {"1220&auth[user_id]=1&data[skip]=", "| h: unless data.skip *"},
        {"1220&auth[user_id]=1&data[skip][]=1", "h"},
    };
    for (const Case& c : cases) BOOST_TEST(match(type + c.body) == c.expected, c.body);
    BOOST_TEST(match("event=X&auth[user_id]=1") ==
               "| h: when data.FIELDS.ENTITY_TYPE_ID 1220 13[0-4]");
}

BOOST_AUTO_TEST_CASE(a_refusal_tells_its_rule) {
    block("a", {"X"}, "/bin/true").settings.disabled = true;
    block("b", {"X"}, "/bin/true").when = {{"data.x", "2"}};
    block("c", {"X"}, "/bin/true").unless = {{"data.x", "1"}};
    block("d", {"Y"}, "/bin/true");
    block("e", {"X"});
    file("ONCRMDEALADD", 0644);
    const auto rules = [&](const std::string& body) {
        bx::Tree tree = bx::decode_urlencoded(body, {});
        bx::HookSet set = bx::HookSet::load(config);
        bx::HookSet::Match match = set.match(bx::read_event(tree), tree);
        std::string text;
        for (const bx::Refusal& refusal : match.refused) {
            text += refusal.hook + std::to_string(static_cast<int>(refusal.rule)) + ' ';
        }
        return text + (match.broken ? "broken" : "");
    };
    using enum bx::HookRule;
    const auto digit = [](bx::HookRule rule) { return std::to_string(static_cast<int>(rule)); };
    BOOST_TEST(rules("event=X&data[x]=1") ==
               "ONCRMDEALADD" + digit(event) + " a" + digit(disabled) + " b" + digit(when) +
                   " c" + digit(unless) + " d" + digit(event) + " e" + digit(unable) + " broken");
}

BOOST_AUTO_TEST_CASE(a_rule_on_the_portal_looks_at_what_was_proven) {
    block("h", {"*"}, "/bin/true").when = {{"portal", "B.example"}};
    block("i", {"*"}, "/bin/true").unless = {{"member_id", "m2"}};
    block("j", {"*"}, "/bin/true").when = {{"auth.domain", "b.example"}};
    // Portal A sends the names of B, in each place where a rule might look for them.
    bx::Tree tree = bx::decode_urlencoded(
        "event=X&auth[domain]=b.example&auth[member_id]=m2&portal=b.example&member_id=m2", {});
    auto match = [&](const std::string& member_id, const std::string& domain) {
        bx::EventFacts facts = bx::read_event(tree);
        facts.member_id = member_id;
        facts.domain = domain;
        bx::HookSet set = bx::HookSet::load(config);
        std::string taken;
        for (const bx::Hook* hook : set.match(facts, tree).taken) taken += hook->name;
        return taken;
    };
    BOOST_TEST(match("m1", "a.example") == "ij");
    BOOST_TEST(match("m1", "") == "ij");
    BOOST_TEST(match("", "") == "ij");
    BOOST_TEST(match("m2", "b.example") == "hj");
    BOOST_TEST(match("M2", "b.EXAMPLE") == "hij");  // domains in any case, member_ids as they are
}

BOOST_AUTO_TEST_CASE(a_rule_on_a_secret_is_told_without_it) {
    block("h", {"*"}, "/bin/true").when = {{"auth.application_token", "51856fef*"}};
    BOOST_TEST(match("event=X&auth[application_token]=zzz") ==
               "| h: when auth.application_token ***");
}

BOOST_AUTO_TEST_CASE(the_stamp_changes_with_what_load_sees) {
    std::string path = file("any.d/a");
    std::string before = bx::HookSet::load(config).stamp();
    BOOST_TEST(bx::HookSet::stamp_of(config.hooks_dir) == before);
    ::chmod(path.c_str(), 0644);
    BOOST_TEST(bx::HookSet::stamp_of(config.hooks_dir) != before);
    before = bx::HookSet::stamp_of(config.hooks_dir);
    const std::string added = file("ONCRMDEALADD");
    BOOST_TEST(bx::HookSet::stamp_of(config.hooks_dir) != before);
    before = bx::HookSet::stamp_of(config.hooks_dir);
    std::ofstream(added, std::ios::app) << "echo more\n";
    BOOST_TEST(bx::HookSet::stamp_of(config.hooks_dir) == before);
    fs::create_symlink("nowhere", config.hooks_dir + "/ONCRMLEADADD");
    BOOST_TEST(bx::HookSet::stamp_of(config.hooks_dir) != before);
}

BOOST_AUTO_TEST_CASE(the_inventory_is_of_hooks_alone) {
    const std::string path = file("any.sh");
    const auto inventory = [&] { return bx::HookSet::load(config).inventory(); };
    std::string before = inventory();
    file("deals.log", 0644);
    file("README", 0644);
    BOOST_TEST(inventory() == before);
    const auto changes = [&] { return std::exchange(before, inventory()) != before; };
    ::chmod(path.c_str(), 0644);
    BOOST_TEST(changes());
    file("any.php");
    BOOST_TEST(changes());  // it is the one that runs
    ::chmod(path.c_str(), 0755);
    BOOST_TEST(changes());  // two have the name
    fs::remove(path);
    BOOST_TEST(changes());
}

BOOST_AUTO_TEST_CASE(a_hook_that_cannot_run_says_so_also_where_another_takes_the_event) {
    file("any");
    file("ONCRMDEALADD", 0644);
    block("ONCRMLEADADD");
    BOOST_TEST(match("event=ONCRMDEALADD") == "any | ONCRMDEALADD: not executable");
    BOOST_TEST(match("event=ONCRMLEADADD") ==
               "any | ONCRMLEADADD: missing: no file named ONCRMLEADADD");
    BOOST_TEST(match("event=ONTASKADD") == "any");
}

BOOST_AUTO_TEST_CASE(starts_only_what_nobody_else_can_write) {
    std::string path = file("any.d/a.sh");
    auto mode = [](const std::string& what, mode_t bits) {
        BOOST_REQUIRE(::chmod(what.c_str(), bits) == 0);
    };
    BOOST_TEST(problem("any.d.a") == "");
    for (mode_t bad : {0775U, 0757U}) {
        for (const std::string& what : {path, config.hooks_dir + "/any.d", config.hooks_dir}) {
            mode(what, bad);
            BOOST_TEST(problem("any.d.a") == "unsafe permissions", what << " " << bad);
            mode(what, 0755);
        }
    }
    mode(top, 0777);  // above hooks_dir nothing is looked at
    BOOST_TEST(problem("any.d.a") == "");
}

BOOST_AUTO_TEST_CASE(a_fix_is_named) {
    std::string path = file("any", 0777);
    bx::HookSet set = bx::HookSet::load(config);
    auto found = bx::start_problem(*set.find("any"), config.hooks_dir);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->fix == "chmod go-w " + path);
}

BOOST_AUTO_TEST_CASE(a_links_target_must_be_safe_too) {
    std::string target = top + "/target";
    std::ofstream(target) << "#!/bin/sh\n";
    ::chmod(target.c_str(), 0755);
    fs::create_symlink(target, config.hooks_dir + "/any");
    BOOST_TEST(problem("any") == "");
    ::chmod(target.c_str(), 0757);
    BOOST_TEST(problem("any") == "unsafe permissions");
}

BOOST_AUTO_TEST_CASE(a_file_of_another_user_is_unsafe) {
    if (::geteuid() != 0) {
        BOOST_TEST_MESSAGE("skipped: needs root to give files away");
        return;
    }
    std::string path = file("any");
    BOOST_REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
    BOOST_TEST(problem("any") == "unsafe permissions");
    BOOST_REQUIRE(::chown(path.c_str(), 0, 0) == 0);
    BOOST_REQUIRE(::chown(config.hooks_dir.c_str(), 12345, 0) == 0);
    BOOST_TEST(problem("any") == "unsafe permissions");
}

BOOST_AUTO_TEST_CASE(of_run_the_file_alone_is_looked_at) {
    std::string path = file("tool");
    block("h", {"*"}, path);
    ::chmod(config.hooks_dir.c_str(), 0777);
    BOOST_TEST(problem("h") == "");
    ::chmod(path.c_str(), 0775);
    BOOST_TEST(problem("h") == "unsafe permissions");
}

BOOST_AUTO_TEST_CASE(what_cannot_start_is_told_before) {
    block("gone", {"*"}, top + "/nowhere");
    block("dir", {"*"}, config.hooks_dir);
    block("crlf", {"*"}, file("../crlf", 0755, "#!/bin/sh\r\nexit 0\r\n"));
    block("crlf-env", {"*"}, file("../crlf-env", 0755, "#!/usr/bin/env php\r\n<?php\r\n"));
    block("flag", {"*"}, file("../flag", 0755, "#!/usr/bin/env -S sh\r\n"));
    block("lost", {"*"}, file("../lost", 0755, "#! /no/such/interpreter -x\n"));
    block("plain", {"*"}, file("../plain", 0644));
    block("good", {"*"}, file("../good", 0755, "#! /usr/bin/env sh\n"));
    BOOST_TEST(problem("gone") == "missing");
    BOOST_TEST(problem("dir") == "not executable");
    BOOST_TEST(problem("crlf") ==
               "bad interpreter: the script has Windows line ends (CRLF), save it with Unix line "
               "ends (LF)");
    BOOST_TEST(problem("crlf-env") == problem("crlf"));
    BOOST_TEST(problem("flag") == "");  // what it takes for blanks is its own
    BOOST_TEST(problem("lost") == "bad interpreter '/no/such/interpreter'");
    BOOST_TEST(problem("plain") == "not executable");
    BOOST_TEST(problem("good") == "");
}

BOOST_AUTO_TEST_CASE(a_script_without_an_interpreter_hears_which_it_could_be) {
    block("sh", {"*"}, file("../sh", 0755, "echo 1\n"));
    block("js", {"*"}, file("../a.js", 0755, "console.log(1)\n"));
    block("binary", {"*"}, file("../binary", 0755, std::string("MZ\0\1", 4)));
    block("empty", {"*"}, file("../empty", 0755, ""));
    const std::string what = "bad interpreter: neither a binary nor a script that begins with #!; "
                             "its first line could be: ";
    BOOST_TEST(problem("sh") == what + "#!/bin/sh");
    config.hooks.at(1).settings.env = {{"PATH", top}};
    BOOST_TEST(problem("js") == what + "#!/WHERE/IT/IS/node (node is not in the hook's PATH)");
    std::ofstream(top + "/node") << "#!/bin/sh\n";
    ::chmod((top + "/node").c_str(), 0755);
    BOOST_TEST(problem("js") == what + "#!/usr/bin/env node");
    BOOST_TEST(problem("binary") == "");  // the kernel knows
    BOOST_TEST(problem("empty") == "");
}

// -- Events of our own

BOOST_FIXTURE_TEST_CASE(an_event_of_ours_goes_only_to_whom_names_it, Fixture) {
    file("any");
    file("any.d/all");
    file("BXHOOK.DEAD.sh");
    file("bxhook.dead.d/mail.sh");
    file("BXHOOK.PORTAL");
    block("all", {"*"}, "/bin/true");
    block("globs", {"BXHOOK.*", "BXHOOK.DEA?", "BXHOOK.[D]EAD"}, "/bin/true");
    block("mixed", {"ONCRM*", "bxhook.dead"}, "/bin/true");
    bx::HookSet set = bx::HookSet::load(config);
    BOOST_TEST(set.warnings().empty());
    const std::string taken = match("event=BXHOOK.DEAD");
    BOOST_TEST(taken.substr(0, taken.find(" |")) == "BXHOOK.DEAD bxhook.dead.d.mail mixed", taken);
    BOOST_TEST(match("event=BXHOOK.PORTAL").starts_with("BXHOOK.PORTAL"));
    BOOST_TEST(match("event=BXHOOK.OTHER").starts_with("| "));
    BOOST_TEST(match("event=ONCRMDEALADD").starts_with("all any any.d.all mixed"));
}

BOOST_FIXTURE_TEST_CASE(whether_an_event_is_named_is_known_beforehand, Fixture) {
    const auto named = [&](const char* code) { return bx::HookSet::load(config).is_named(code); };
    file("any");
    block("all", {"*", "BXHOOK.*"}, "/bin/true");
    BOOST_TEST(!named("BXHOOK.DEAD"));
    BOOST_TEST(named("ONCRMDEALADD"));
    file("BXHOOK.DEAD.sh.disabled");
    BOOST_TEST(!named("BXHOOK.DEAD"));
    file("BXHOOK.DEAD.sh", 0644);  // its event waits for the mistake's end
    BOOST_TEST(named("BXHOOK.DEAD"));
    BOOST_TEST(!named("BXHOOK.PORTAL"));
}

BOOST_AUTO_TEST_SUITE_END()
