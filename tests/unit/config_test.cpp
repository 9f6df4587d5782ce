#include "config/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "config/config_file.h"
#include "config/info.h"
#include "config/keys.h"
#include "config/print.h"
#include "config/secrets.h"
#include "config/value.h"
#include "config_keys.h"

using namespace std::literals;

namespace {

// A directory of its own with a config file in it.
class Scratch {
public:
    Scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "config-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir_ = name;
    }
    ~Scratch() { std::filesystem::remove_all(dir_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    std::string path(const std::string& name = "bxhook.conf") const { return dir_ + "/" + name; }
    std::string write(const std::string& text, const std::string& name = "bxhook.conf") const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    // As editors do: another inode under the same name.
    void replace(const std::string& text, const std::string& name = "bxhook.conf") const {
        std::filesystem::rename(write(text, name + ".new"), path(name));
    }

private:
    std::string dir_;
};

bx::ConfigPtr load(const std::string& text, bx::ConfigPart part = bx::ConfigPart::all) {
    Scratch scratch;
    return bx::load_config(scratch.write(text), part);
}

// All problems of TEXT, one a line, empty when it is valid; the scratch directory taken off.
std::string problems(const std::string& text, bx::ConfigPart part = bx::ConfigPart::all) {
    Scratch scratch;
    try {
        bx::load_config(scratch.write(text), part);
        return {};
    } catch (const bx::ConfigError& error) {
        std::string all;
        for (const bx::Problem& problem : error.problems()) {
            std::string line = to_string(problem);
            std::size_t dir = line.find(scratch.path(""));
            if (dir != std::string::npos) line.erase(dir, scratch.path("").size());
            all += line + "\n";
        }
        return all;
    }
}

bool names(const std::string& text, const std::string& part) {
    std::string found = problems(text);
    BOOST_TEST_MESSAGE(text << " -> " << found);
    return found.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(a_host_s_files_of_a_postgresql_store_lie_where_systemd_lets_it_write) {
    const std::string url = "store postgresql://u@h/b\n";
    BOOST_TEST(load(url)->store.worker_files.ends_with("/state/worker"));
    for (const char* given : {"/var/lib/bxhook", "/var/lib/bxhook:/var/lib/other"}) {
        ::setenv("STATE_DIRECTORY", given, 1);
        BOOST_TEST(load(url)->store.worker_files == "/var/lib/bxhook/worker");
        BOOST_TEST(load("store x.db\n")->store.worker_files.ends_with("/x.db"));
    }
    for (const char* given : {"", "relative"}) {
        ::setenv("STATE_DIRECTORY", given, 1);
        BOOST_TEST(load(url)->store.worker_files.ends_with("/state/worker"));
    }
    ::unsetenv("STATE_DIRECTORY");
}

BOOST_AUTO_TEST_CASE(an_empty_file_has_every_default) {
    Scratch scratch;
    bx::ConfigPtr config = bx::load_config(scratch.write(""), bx::ConfigPart::all);
    BOOST_TEST(config->path == scratch.path());
    BOOST_TEST(config->store.address == scratch.path("state/queue.db"));
    BOOST_TEST(config->hooks_dir == scratch.path("hooks"));
    BOOST_TEST(config->portals.empty());
    BOOST_TEST(config->worker.auto_start);
    BOOST_TEST(config->limits.body == 1048576U);
    BOOST_TEST(config->log.file == "");
}

BOOST_AUTO_TEST_CASE(every_default_is_allowed_and_printed) {
    std::string printed = bx::print_config(*load(""));
    for (const bx::ConfigKey& key : bx::config_keys()) {
        const bool is_setting = key.path.find('.') != std::string::npos &&
                                !key.path.starts_with("portal.") &&
                                !key.path.starts_with("app.") && !key.path.starts_with("post.");
        // Neither has a value that a file could say.
        if (!is_setting || key.path == "rest.cacert" || key.path == "rest.proxy") continue;
        std::string problem;
        auto value = bx::parse_value(key.spec, key.fallback, "/", problem);
        BOOST_REQUIRE_MESSAGE(value.has_value(), key.path << ' ' << problem);
        std::string line = " " + std::string(key.spec.name) + " " +
                           bx::info_value(bx::format_value(key.spec, *value)) + "\n";
        BOOST_TEST(printed.find(line) != std::string::npos, key.path << ": " << line);
    }
}

BOOST_AUTO_TEST_CASE(a_portals_values_are_printed_but_for_its_tokens) {
    std::string printed = bx::print_config(
        *load("portal { token t1 token t2 domain A.x member_id m }\nportal { token t3 }\n"));
    const std::string limits = "    rate 2\n    burst 50\n}\n";
    BOOST_TEST(printed.find("\nportal {\n    member_id m\n    domain a.x\n    token ***\n"
                            "    token ***\n" + limits + "\nportal {\n    token ***\n" + limits) !=
                   std::string::npos,
               printed);
}

BOOST_AUTO_TEST_CASE(a_secret_to_sign_with_is_printed_nowhere) {
    const std::string printed = bx::print_config(*load(R"(
defaults { env { FORWARD_SECRET whsec_0123456789abcdef } }
hook a { event X run /srv/a arg 0123456789abcdef arg fedcba9876543210 env { FORWARD_SECRET fedcba9876543210 } }
)"));
    BOOST_TEST(printed.find("0123456789abcdef") == std::string::npos, printed);
    BOOST_TEST(printed.find("fedcba9876543210") == std::string::npos, printed);
    BOOST_TEST(printed.find("arg ***") != std::string::npos, printed);
}

BOOST_AUTO_TEST_CASE(reads_every_key) {
    bx::ConfigPtr config = load(R"(
store /srv/bx/queue.db
hooks_dir /srv/bx/hooks
portal {
    member_id m1
    domain Some-Domain.bitrix24.com
    token t1
    token t2
    webhook "https://Some-Domain.bitrix24.com/rest/1/abc123"
    rate 5
    burst 250
}
app {
    client_id local.67f0c1a2b3c4d5.01234567
    client_secret s3cret
    url https://site.example/bitrix24
    events ONCRMDEAL*
    events ONTASKADD
    catch_up 10m
    server https://OAuth.example:8443/rest/
    rate 3
    burst 30
    page install.html
}
app { }
rest { curl bin/curl  cacert ca.pem  proxy http://proxy.example:3128  timeout 5s }
hook crm-sync {
    event ONCRMDEAL*
    event ONCRMLEADADD
    when { data.FIELDS.ENTITY_TYPE_ID 1220 data.FIELDS.ID "1 2" }
    unless { auth.user_id 17 }
    run /usr/local/bin/crm-sync
    arg --id
    arg "{data.FIELDS.ID}"
    timeout 5m
    attempts 3
    backoff 500ms
    backoff_max 1h
    concurrency 2
    order none
    coalesce yes
    delay 10s
    env { API_URL https://erp.example }
    dir work
    disabled yes
    own skip
    call any
}
worker { start manual  concurrency 8  shutdown_grace 5s }
limits { body 64K  fields 10  depth 3  queue 5  output 2K }
retention { done 1d  dead 2d }
log { level debug  format json  file log/x.log  outputs yes }
)");
    BOOST_TEST(config->store.address == "/srv/bx/queue.db");
    BOOST_TEST(config->portals.at(0).domain == "some-domain.bitrix24.com");
    BOOST_TEST(config->portals.at(0).tokens.size() == 2U);
    BOOST_TEST(config->portals.at(0).webhook == "https://some-domain.bitrix24.com/rest/1/abc123/");
    BOOST_TEST(config->portals.at(0).rate == 5);
    BOOST_TEST(config->portals.at(0).burst == 250);
    const bx::App& app = config->apps.at(0);
    BOOST_TEST(app.client_id == "local.67f0c1a2b3c4d5.01234567");
    BOOST_TEST(app.client_secret == "s3cret");
    BOOST_TEST(app.url == "https://site.example/bitrix24");
    BOOST_TEST(app.events == std::vector<std::string>({"ONCRMDEAL*", "ONTASKADD"}),
               boost::test_tools::per_element());
    BOOST_TEST(app.catch_up == 10 * bx::minute);
    BOOST_TEST(app.server == "https://oauth.example:8443");
    BOOST_TEST(app.rate == 3);
    BOOST_TEST(app.burst == 30);
    BOOST_TEST(app.page.ends_with("/install.html"));
    BOOST_TEST(config->apps.at(1).client_id == "");
    BOOST_TEST(config->rest.curl.ends_with("/bin/curl"));
    BOOST_TEST(config->rest.curl.starts_with("/"));
    BOOST_TEST(config->rest.cacert.ends_with("/ca.pem"));
    BOOST_TEST(config->rest.proxy == "http://proxy.example:3128");
    BOOST_TEST(config->rest.timeout == 5 * bx::second);
    const bx::HookBlock& hook = config->hooks.at(0);
    BOOST_TEST((hook.settings.own == bx::Own::skip));
    BOOST_TEST((hook.settings.call == bx::Calls::any));
    BOOST_TEST(hook.events.size() == 2U);
    BOOST_TEST(hook.when.at(1).glob == "1 2");
    BOOST_TEST(hook.unless.at(0).path == "auth.user_id");
    BOOST_TEST(hook.args.at(1) == "{data.FIELDS.ID}");
    BOOST_TEST(hook.settings.timeout == 5 * bx::minute);
    BOOST_TEST(hook.settings.backoff == 500);
    BOOST_TEST((hook.settings.order == bx::Order::none));
    BOOST_TEST(hook.settings.coalesce);
    BOOST_TEST(hook.settings.env.at(0).second == "https://erp.example");
    BOOST_TEST(hook.settings.dir.ends_with("/work"));
    BOOST_TEST(hook.settings.disabled);
    BOOST_TEST(!config->worker.auto_start);
    BOOST_TEST(config->worker.shutdown_grace == 5 * bx::second);
    BOOST_TEST(config->limits.body == 65536U);
    BOOST_TEST(config->limits.queue == 5);
    BOOST_TEST(config->retention.dead == 2 * bx::day);
    BOOST_TEST((config->log.level == bx::LogLevel::debug));
    BOOST_TEST(config->log.json);
    BOOST_TEST(config->log.file.ends_with("/log/x.log"));
    BOOST_TEST(config->log.outputs);
}

BOOST_AUTO_TEST_CASE(a_hook_inherits_the_defaults_wherever_they_stand) {
    bx::ConfigPtr config = load(
        "hook a { attempts 3\n env { B two } }\n"
        "defaults { timeout 5s attempts 7\n env { A one B one } }\n");
    const bx::HookSettings& settings = config->hooks.at(0).settings;
    BOOST_TEST(settings.timeout == 5 * bx::second);
    BOOST_TEST(settings.attempts == 3);
    BOOST_TEST(settings.env.size() == 2U);
    BOOST_TEST(settings.env.at(1).second == "two");
}

BOOST_AUTO_TEST_CASE(a_problem_names_the_path_of_its_key) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"hook crm { timeout 5x }", "hook crm: timeout: '5x' is not a duration (500ms 30s 5m 6h 30d)"},
        {"hook crm { timout 5s }", "hook crm: timout: unknown key, did you mean 'timeout'?"},
        {"hok crm { }", "hok: unknown key, did you mean 'hook'?"},
        {"limits { body 0 }", "limits: body: '0' is not allowed: it must be more than 0"},
        {"limits { body 1G }", "limits: body: '1G' is not a size (64K 1M)"},
        {"limits { body 129M }", "limits: body: '129M' is too large: at most 128M"},
        {"limits { output 1 }", "limits: output: '1' is too small: at least 1K"},
        {"limits { depth 6.5 }", "limits: depth: '6.5' is not a whole number"},
        {"hook a { timeout 0s }", "hook a: timeout: '0s' is not allowed"},
        {"hook a { attempts 0 }", "hook a: attempts: '0' is not allowed"},
        {"hook a { backoff 0s }", "hook a: backoff:"},
        {"hook a { coalesce true }", "hook a: coalesce: 'true' must be one of: no yes"},
        {"hook a { order fifo }", "hook a: order: 'fifo' must be one of: entity none"},
        {"worker { start yes }", "worker: start: 'yes' must be one of: manual auto"},
        {"log { level loud }", "log: level: 'loud' must be one of: debug info warning error"},
        {"retention { dead 0d }", "retention: dead:"},
        {"hook a { timeout 5s timeout 6s }", "hook a: timeout: is given twice"},
        {"worker { }\nworker { }", "worker: is given twice"},
        {"hook a { }\nhook a { }", "hook a: is given twice"},
        {"hook a { }\nhook a { timout 5s }", "hook a: timout: unknown key"},
        {"worker { }\nworker { start x }", "worker: start: 'x'"},
        {"defaults { timeout x }\ndefaults { }", "defaults: timeout: 'x'"},
        {"hook \"a b\" { }", "'a b' is not a hook name"},
        {"hook .a { }", "'.a' is not a hook name"},
        {"hook a { run /bin/true }", "hook a: has 'run' but no 'event'"},
        {"hook a { event X }", "hook a: event: needs 'run'"},
        {"hook a { event \"\" run /x }", "hook a: event: '' cannot match any event"},
        {"hook a { event \"A B\" run /x }", "hook a: event: 'A B' cannot match any event"},
        {"hook a { run \" \" event X }", "hook a: run: is empty"},
        {"hook a { env { BX_EVENT 1 } }", "hook a: env: BX_EVENT: names that begin with BX_"},
        {"hook a { env { bx_x 1 } }", "hook a: env: bx_x: names that begin with BX_"},
        {"hook a { env { 1A x } }", "hook a: env: 1A: is not a variable name"},
        {"hook a { env { A 1 A 2 } }", "hook a: env: A: is given twice"},
        {"hook a { env { A \"x\\0y\" } }", "hook a: env: A: contains a NUL byte"},
        {"hook a { timeout { } }", ""},
        {"hook a { timeout 5s { x y } }", "hook a: timeout: takes a value, not a block"},
        {"limits 5", "limits: takes a block, not a value: it needs braces: limits {"},
        {"defaults { event X }", "defaults: event: unknown key"},
        {"defaults { run /x }", "defaults: run: unknown key"},
        {"store \"\"", "store: '' is not a file path"},
        {"store mysql://x", "store: must be a path or a postgresql:// URL"},
        {"hooks_dir \" \"", "hooks_dir: is empty"},
        {"portal { token x\nhook a { } }", "portal 1: hook: is not allowed here: is a '}' missing"},
    };
    for (const auto& [text, expected] : table) {
        BOOST_TEST(names(text, expected), text << " must name: " << expected);
    }
}

BOOST_AUTO_TEST_CASE(an_app_block_names_what_it_lacks) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"app { client_id a }", "app 1: has no client_secret: Bitrix24 shows it beside the client_id"},
        {"app { client_id a client_secret s events X }", "app 1: has 'events' but no 'url'"},
        {"app { client_secret s }", "app 1: client_secret: needs 'client_id' in this block"},
        {"app { catch_up no }", "app 1: catch_up: needs 'client_id' in this block"},
        {"app { url https://a.b/ }", "app 1: url: needs 'client_id' in this block"},
        {"app { }\napp { }", "app 2: has no client_id, which only one app block may: app 1"},
        {"app { client_id a client_secret s }\napp { client_id a client_secret t }",
         "app 2: client_id 'a' is already used by app 1"},
        {"app { client_id a client_id b client_secret s }", "app 1: client_id: is given twice"},
        {"app { client_id a/b client_secret s }", "app 1: client_id: 'a/b' may contain only"},
        {"app { client_id a client_secret \"a b\" }", "app 1: client_secret: contains a space"},
        {"app { client_id a client_secret \"\" }", "app 1: client_secret: is empty"},
        {"app { client_id a client_secret 'x' }", "app 1: client_secret: contains quotes"},
        {"app { client_id a client_secret s url a.b/x }", "app 1: url: 'a.b/x' is not a URL"},
        {"app { client_id a client_secret s url https://u:p@a.b/x }", "is not a URL (https://"},
        {"app { client_id a client_secret s url https://a.b/ events \"A B\" }",
         "app 1: events: 'A B' cannot match any event"},
        {"app { client_id a client_secret s catch_up never }",
         "app 1: catch_up: 'never' is not a duration (500ms 30s 5m 6h 30d) or 'no'"},
        {"app { client_id a client_secret s catch_up 0s }", "app 1: catch_up: '0s' is not allowed"},
        {"app { client_id a client_secret s catch_up 500ms }", "at least 1s"},
        {"app { client_id a client_secret s rate 0 }", "app 1: rate: '0' is not allowed"},
        {"app { client_id a client_secret s burst 1.5 }", "app 1: burst: '1.5' is not a whole"},
        {"app { client_id a client_secret s page \"\" }", "app 1: page: is empty"},
        {"app { client_id a client_secret s\n rate 1 secret x }", "app 1: secret: unknown key"},
        {"app { client_id a client_sekret s }", "client_sekret: unknown key, did you mean"},
        {"app x", "app 1: takes a block, not a value: it needs braces: app {"},
        {"app { client_id a\nhook b { }\n}", "app 1: hook: is not allowed here: is a '}' missing"},
        {"limits {\napp { }\n}", "limits: app: is not allowed here: is a '}' missing"},
    };
    for (const auto& [text, expected] : table) {
        BOOST_TEST(names(text, expected), text << " must name: " << expected);
    }
    BOOST_TEST(problems("app { }") == "");
    BOOST_TEST(problems("app { server https://oauth.example  page x.html }") == "");
    BOOST_TEST(problems("app { }\napp { client_id a client_secret s }") == "");
    BOOST_TEST(load("app { client_id a client_secret s catch_up no }")->apps.at(0).catch_up == 0);
}

BOOST_AUTO_TEST_CASE(an_authorization_server_is_a_host_and_nothing_else) {
    const auto server = [](const std::string& text) {
        return load("app { server \"" + text + "\" }")->apps.at(0).server;
    };
    BOOST_TEST(server("https://oauth.example") == "https://oauth.example");
    BOOST_TEST(server("https://OAUTH.example/rest/") == "https://oauth.example");
    BOOST_TEST(server("https://10.0.0.1:8443/") == "https://10.0.0.1:8443");
    BOOST_TEST(server("https://[::1]:8443") == "https://[::1]:8443");
    for (const char* text : {"http://oauth.example", "oauth.example", "https://u@oauth.example",
                             "https://u:p@oauth.example", "https://oauth.example/oauth/token/",
                             "https://oauth.example?x", "https://oauth.example#x", "https://",
                             "https://oauth.example:0", "https://oauth.example:65536",
                             "https://oauth.example:", "https://oauth.example:44x",
                             "https://oauth.example\\\\@evil", "https://oauth example", ""}) {
        BOOST_TEST(names("app { server \"" + std::string(text) + "\" }",
                         "app 1: server: must be the address of an authorization server"),
                   text);
    }
}

BOOST_AUTO_TEST_CASE(a_webhook_is_taken_as_it_was_copied) {
    const auto webhook = [](const std::string& text) {
        return load("portal { token x domain a.bitrix24.com webhook \"" + text + "\" }")
            ->portals.at(0).webhook;
    };
    const std::string plain = "https://a.bitrix24.com/rest/1/c0de/";
    for (const char* text :
         {"https://a.bitrix24.com/rest/1/c0de/", "https://a.bitrix24.com/rest/1/c0de",
          "https://A.Bitrix24.com/rest/1/c0de/profile.json",
          "https://a.bitrix24.com/rest/1/c0de/profile/",
          "https://a.bitrix24.com/rest/1/c0de/crm.deal.get?id=1/2",
          "https://a.bitrix24.com/rest/api/1/c0de/"}) {
        BOOST_TEST(webhook(text) == plain, text);
    }
    for (const char* text :
         {"http://a.bitrix24.com/rest/1/c0de/", "https://u@a.bitrix24.com/rest/1/c0de/",
          "https://a.bitrix24.com/rest/c0de/", "https://a.bitrix24.com/rest/1/", "1/c0de",
          "https://a.bitrix24.com/rest/x/c0de/", "https://a.bitrix24.com/rest/1/../c0de/",
          "https://a.bitrix24.com/rest/1/c0de/a/b/c", "https://a.bitrix24.com/1/c0de/", "c0de"}) {
        const std::string found = problems("portal { token x domain a.bitrix24.com webhook \"" +
                                           std::string(text) + "\" }");
        BOOST_TEST(found.starts_with("bxhook.conf:1: portal 1: webhook: must be the URL of an incoming webhook"),
                   text << ": " << found);
        BOOST_TEST(found.find("c0de") == std::string::npos, found);
    }
}

BOOST_AUTO_TEST_CASE(a_webhook_is_of_the_domain_of_its_block) {
    const std::string webhook = " webhook https://a.bitrix24.com/rest/1/c0de/ }";
    for (const char* block : {"portal { token x", "portal { token x member_id m"}) {
        BOOST_TEST(names(block + webhook, "portal 1: webhook: needs 'domain' in this block"));
    }
    for (const char* domain : {"b.bitrix24.com", "a.bitrix24.com:443", "a.bitrix24.co",
                               "evil-a.bitrix24.com"}) {
        BOOST_TEST(names("portal { token x domain " + std::string(domain) + webhook,
                         "portal 1: webhook: is of another host than '" + std::string(domain)),
                   domain);
    }
    BOOST_TEST(problems("portal { token x member_id m domain A.Bitrix24.com" + webhook) == "");
    BOOST_TEST(problems("portal { token x domain 10.0.0.1:8443 webhook "
                        "https://10.0.0.1:8443/rest/1/c0de/ }") == "");
    BOOST_TEST(problems("portal { token x burst 0 }") ==
               "bxhook.conf:1: portal 1: burst: '0' is not allowed: it must be more than 0\n");
}

BOOST_AUTO_TEST_CASE(the_way_to_bitrix24_is_checked) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"rest { curl \"\" }", "rest: curl: is empty"},
        {"rest { cacert \"\" }", "rest: cacert: is empty"},
        {"rest { proxy proxy.example:3128 }", "rest: proxy: must be a proxy's URL: http://host:port"},
        {"rest { proxy ftp://proxy.example }", "rest: proxy: must be a proxy's URL"},
        {"rest { proxy http://u:p@proxy.example/x }", "rest: proxy: must be a proxy's URL"},
        {"rest { timeout 0s }", "rest: timeout: '0s' is not allowed"},
        {"rest { timeout 1h }", "rest: timeout: '1h' is too large: at most 10m"},
        {"rest x", "rest: takes a block, not a value: it needs braces: rest {"},
    };
    for (const auto& [text, expected] : table) {
        BOOST_TEST(names(text, expected), text << " must name: " << expected);
    }
    BOOST_TEST(load("rest { curl /opt/curl }")->rest.curl == "/opt/curl");
    BOOST_TEST(load("rest { curl curl }")->rest.curl == "curl");
    BOOST_TEST(load("rest { proxy socks5h://u:p@127.0.0.1:1080 }")->rest.proxy ==
               "socks5h://u:p@127.0.0.1:1080");
}

BOOST_AUTO_TEST_CASE(a_post_block_names_what_it_lacks) {
    const std::string key = "0123456789abcdef";
    const std::vector<std::pair<std::string, std::string>> table{
        {"post a { portal a.b }", "post a: has no key: 'openssl rand -hex 16' makes one"},
        {"post a { key " + key + " }", "post a: has no portal: write the domain"},
        {"post a { key " + key.substr(1) + " portal a.b }", "post a: key: has 15 characters"},
        {"post a { key " + std::string(129, 'a') + " portal a.b }", "key: has 129 characters"},
        {"post a { key " + key + "+ portal a.b }", "post a: key: may contain only letters, digits"},
        {"post a { key \"\" portal a.b }", "post a: key: has 0 characters"},
        {"post a { key " + key + " portal https://a.b }", "post a: portal: 'https://a.b' may contain"},
        {"post a { key " + key + " portal a.b key " + key + " }", "post a: key: is given twice"},
        {"post a/b { }", "post: 'a/b' is not the name of a post block"},
        {"post { key " + key + " portal a.b }", "post: '' is not the name of a post block"},
        {"post " + std::string(201, 'a') + " { }", "is not the name of a post block"},
        {"post a { key " + key + " portal a.b }\npost a { key x" + key + " portal a.b }",
         "post a: is given twice"},
        {"post a { key " + key + " portal a.b }\npost A { key x" + key + " portal a.b }",
         "post A: differs from post a in upper and lower case alone"},
        {"post a { key " + key + " portal a.b }\npost b { key " + key + " portal c.d }",
         "post b: has the key of post a: each needs its own"},
        {"limits {\npost a { }\n}", "limits: post: is not allowed here: is a '}' missing"},
    };
    for (const auto& [text, expected] : table) {
        BOOST_TEST(names(text, expected), text << " must name: " << expected);
        BOOST_TEST(problems(text).find(key) == std::string::npos, problems(text));
    }
    BOOST_TEST(problems("post a { key " + std::string(128, '-') + " portal a.b }") == "");
    BOOST_TEST(load("post a { key " + key + " portal a.b }", bx::ConfigPart::gateway)->has_portals());
}

BOOST_AUTO_TEST_CASE(a_post_is_of_the_portal_that_its_block_names) {
    const std::string portals = "portal { token t member_id m1 domain a.b }\n"
                                "portal { token t2 domain C.d }\n";
    const auto of = [&](const std::string& portal) {
        const bx::PostBlock post =
            load("post p { key 0123456789abcdef portal " + portal + " }\n" + portals)->posts.at(0);
        return post.member_id + " " + post.domain;
    };
    BOOST_TEST(of("A.b") == "m1 a.b");
    BOOST_TEST(of("m1") == "m1 a.b");
    BOOST_TEST(of("c.D") == " c.d");
    BOOST_TEST(of("Other.Example") == " other.example");
}

BOOST_AUTO_TEST_CASE(each_of_several_posts_is_of_the_portal_that_it_names) {
    const bx::ConfigPtr config = load(
        "portal { token t member_id m1 domain a.b }\nportal { token t2 domain C.d }\n"
        "portal { token t3 member_id a.b domain e.f }\n"
        "post one { key 0123456789abcde1 portal m1 }\npost two { key 0123456789abcde2 portal A.b }\n"
        "post three { key 0123456789abcde3 portal c.d }\npost four { key 0123456789abcde4 portal M1 }\n"
        "post five { key 0123456789abcde5 portal a.b }\n");
    std::vector<std::string> found;
    for (const bx::PostBlock& post : config->posts) found.push_back(post.member_id + " " + post.domain);
    const std::vector<std::string> wanted{"m1 a.b", "m1 a.b", " c.d", " m1", "m1 a.b"};
    BOOST_TEST(found == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_app_counts_as_somebody_who_may_send) {
    BOOST_TEST(!load("")->has_portals());
    BOOST_TEST(load("app { }", bx::ConfigPart::gateway)->has_portals());
    BOOST_TEST(load("app { client_id a client_secret s }", bx::ConfigPart::request)->has_portals());
}

BOOST_AUTO_TEST_CASE(all_problems_are_told_at_once) {
    std::string found = problems("limits { body x  fields y }\nhook a { timout 1s }\n");
    BOOST_TEST(std::count(found.begin(), found.end(), '\n') == 3);
}

BOOST_AUTO_TEST_CASE(a_syntax_error_names_file_and_line) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"\n# comment\n", "bxhook.conf:2: comments begin with ';', not with '#'"},
        {"hooks_dir x # comment", "bxhook.conf:1: comments begin with ';'"},
        {"#include \"/etc/passwd\"\n", "bxhook.conf:1: #include is not supported"},
        {"\xEF\xBB\xBFstore x", "bxhook.conf:1: begins with a byte order mark"},
        {"store a\0b"s, "bxhook.conf:1: contains a NUL byte"},
        {"store \"a\n", "bxhook.conf:1: a quote is not closed on this line"},
        {"store \"a\\qb\"\n", "bxhook.conf:1: unknown escape '\\q'"},
        {"store \"a\" \\\n\"b\"\n", "bxhook.conf:1: a value cannot continue on the next line"},
        {"store\n", "bxhook.conf:1: 'store' has no value"},
        {"}\n", "bxhook.conf:1: '}' without a '{' before it"},
        {"{\n}\n", "bxhook.conf:1: '{' without a key before it"},
        {"hooks_dir a;b\n", "bxhook.conf:1: ';' begins a comment"},
        {"hooks_dir a\\b\n", "bxhook.conf:1: the value of 'hooks_dir' must be in quotes"},
        {"worker { start auto}\n", "bxhook.conf:1: put a space before } in the value of 'start'"},
        {"worker{ start auto }\n", "bxhook.conf:1: put a space before { in 'worker{'"},
        {"hook a {\n arg {data.ID}\n}\n",
         "bxhook.conf:2: put a space before } in 'data.ID}', or put a value"},
        {"hook a {\n env {\n  MSG hello big world now\n }\n}\n",
         "bxhook.conf:3: more than one value on the line after 'MSG'"},
        {"hook a {\n env { MSG hello world }\n}\n", "unexpected word after 'MSG'"},
        {"hook a {\n when data.FIELDS.ID 5\n}\n",
         "bxhook.conf:2: unexpected word after 'when': it needs braces: when { PATH VALUE }"},
        {"limits body 1M\n",
         "bxhook.conf:1: unexpected word after 'limits': it needs braces: limits {"},
        {"hook a {\n event X Y\n}\n", "unexpected word after 'event': write each event as a line"},
         {"hook a {\n unless data.FIELDS.ID 5\n}\n", "it needs braces: unless { PATH VALUE }"},
         {"hook a {\n env A 5\n}\n", "it needs braces: env { NAME VALUE }"},
        {"worker {\n start auto\n\nhook a {\n}\n",
         "'}' is missing: the last block opened at top level is 'worker' in line 1"},
        {"worker { start auto }\nhook b {\n env {\n A b\n}\n",
         "'}' is missing: the last block opened at top level is 'hook b' in line 2"},
    };
    for (const auto& [text, expected] : table) {
        BOOST_TEST(names(text, expected), text << " must name: " << expected);
    }
}

BOOST_AUTO_TEST_CASE(an_unquoted_value_with_a_space_is_refused) {
    BOOST_TEST(names("hook a {\n event X\n run /usr/bin/php -f x\n}\n",
                     "hook a: -f: unknown key; if it belongs to the value of 'run': write each"));
    BOOST_TEST(names("hook a {\n event X\n run /usr/bin/php x.php\n}\n",
                     "bxhook.conf:3: unexpected word after 'run': write each argument"));
}

BOOST_AUTO_TEST_CASE(a_wrong_key_is_told_with_its_line) {
    BOOST_TEST(problems("; one\n\nnonsense 1\n") == "bxhook.conf:3: nonsense: unknown key\n");
    BOOST_TEST(problems("hook a { event X run /x }\ndefaults { tiemout 5s }\n\nhook a {\n"
                        "  run \"/x ; {\" ; }\n  event X\n  tiemout 5s\n  env { A 1\n BX_B 2\n }\n}\n") ==
               "bxhook.conf:2: defaults: tiemout: unknown key, did you mean 'timeout'?\n"
               "bxhook.conf:4: hook a: is given twice\n"
               "bxhook.conf:7: hook a: tiemout: unknown key, did you mean 'timeout'?\n"
               "bxhook.conf:9: hook a: env: BX_B: names that begin with BX_ are reserved for bxhook\n");
    // Two keys in a line, a brace in the next one; and what is seen when all blocks were read.
    BOOST_TEST(problems("portal { token x domain a.b rate 0 }\r\nportal\n{\n  token y\n  domain a.b\n}\n") ==
               "bxhook.conf:1: portal 1: rate: '0' is not allowed: it must be more than 0\n"
               "bxhook.conf:2: portal 2: domain 'a.b' without member_id is already used by portal 1\n");
    BOOST_TEST(problems("app { client_id a client_secret s }\n\napp { client_id a client_secret s }\n") ==
               "bxhook.conf:3: app 2: client_id 'a' is already used by app 1\n");
}

BOOST_AUTO_TEST_CASE(a_message_never_shows_a_token) {
    for (const char* text : {"portal {\n token s3cret;x\n}\n", "portal {\n token s3\\cret\n}\n",
                             "portal {\n token a s3cret\n}\n", "portal {\n token a s3cret b\n}\n",
                             "portal {\n token \"s3cret x\"\n}\n", "portal {\n token s3cret}\n",
                             "store mysql://u:s3cret@h/x\n", "app {\n client_secret s3cret;x\n}\n",
                             "app {\n client_id a\n client_secret s s3cret b\n}\n",
                             "app {\n client_id a\n client_secret \"s3cret x\"\n}\n",
                             "portal {\n webhook https://a/rest/1/ s3cret x\n}\n",
                             "portal {\n token t\n webhook https://a.b/rest/1/s3cret/\n}\n",
                             "rest {\n proxy http://u:s3cret@h/x\n}\n",
                             "rest {\n proxy http://u: s3cret x\n}\n"}) {
        std::string found = problems(text);
        BOOST_TEST(!found.empty(), text);
        BOOST_TEST(found.find("s3") == std::string::npos, found);
    }
}

BOOST_AUTO_TEST_CASE(layout_is_free) {
    for (const char* text : {"worker\n{\n    start\tmanual\r\n}\n", "worker { start manual }",
                             "worker {\n start \"manual\" ; why\n} ; end", ";\n\nworker { start manual };x"}) {
        BOOST_TEST(problems(text) == "");
        BOOST_TEST(!load(text)->worker.auto_start);
    }
}

BOOST_AUTO_TEST_CASE(quotes_keep_any_value) {
    bx::ConfigPtr config =
        load("hook a { event X run /x arg \"a b;c {d} \\\"e\\\" \\\\\" arg x={data.ID} arg \"\" }");
    BOOST_TEST(config->hooks.at(0).args.at(0) == "a b;c {d} \"e\" \\");
    BOOST_TEST(config->hooks.at(0).args.at(1) == "x={data.ID}");
    BOOST_TEST(config->hooks.at(0).args.at(2) == "");
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused_without_recursion) {
    std::string deep;
    for (int i = 0; i < 200000; ++i) deep += "a {\n";
    BOOST_TEST(names(deep, "blocks are nested too deep"));
}

BOOST_AUTO_TEST_CASE(a_portal_needs_a_token_and_sound_words) {
    BOOST_TEST(names("portal { member_id x }", "portal 1: has no token"));
    BOOST_TEST(names("portal { token \"\" }", "portal 1: token: is empty"));
    BOOST_TEST(names("portal { token \"  \" }", "portal 1: token: is empty"));
    BOOST_TEST(names("portal { token \"a b\" }", "portal 1: token: contains a space"));
    BOOST_TEST(names("portal { token \"\\\"x\\\"\" }", "portal 1: token: contains quotes"));
    BOOST_TEST(names("portal { token 'x' }", "portal 1: token: contains quotes"));
    BOOST_TEST(names("portal { token https://a.bitrix24.com/rest/1/abc/ }",
                     "portal 1: token: is a URL or a path"));
    BOOST_TEST(names("portal { token x domain https://a/ }", "portal 1: domain: 'https://a/' must"));
    BOOST_TEST(names("portal { token x member_id \"\" }", "portal 1: member_id: is empty"));
    BOOST_TEST(names("portal { token x member_id a/b }",
                     "portal 1: member_id: 'a/b' may contain only letters, digits, '.', '_', "
                     "':' and '-'"));
    BOOST_TEST(names("portal { token x domain a@b }", "portal 1: domain: 'a@b' may contain only"));
    BOOST_TEST(names("portal { token x domain " + std::string(256, 'a') + " }",
                     "portal 1: domain: is longer than 255 bytes"));
    BOOST_TEST(problems("portal { token x domain a.b:8443 member_id A-1_2 }") == "");
    BOOST_TEST(names("portal { token x }\nportal { domain a domain b token x }",
                     "portal 2: domain: is given twice"));
}

BOOST_AUTO_TEST_CASE(portals_that_claim_the_same_are_refused_with_both_places) {
    BOOST_TEST(names("portal { member_id a token x }\nportal { member_id a token y }",
                     "portal 2: member_id 'a' is already used by portal 1"));
    BOOST_TEST(names("portal { domain A.x token x }\nportal { domain a.X token y }",
                     "portal 2: domain 'a.x' without member_id is already used by portal 1"));
    BOOST_TEST(names("portal { token x }\nportal { token y }",
                     "portal 2: has neither member_id nor domain, which only one portal may: "
                     "portal 1"));
    BOOST_TEST(problems("portal { member_id a domain d token x }\n"
                        "portal { member_id b domain d token x }\n"
                        "portal { domain d token x }\nportal { token x }") == "");
}

BOOST_AUTO_TEST_CASE(reads_the_portals_file) {
    Scratch scratch;
    scratch.write("# all\n; of them\n\nm1 a.example t1\n  -\tB.example   t2\r\n- - t3 t4\n", "p.txt");
    bx::ConfigPtr config =
        bx::load_config(scratch.write("portals p.txt\n"), bx::ConfigPart::gateway);
    BOOST_REQUIRE(config->portals.size() == 3U);
    BOOST_TEST(config->portals.at(0).member_id == "m1");
    BOOST_TEST(config->portals.at(1).domain == "b.example");
    BOOST_TEST(config->portals.at(1).tokens.at(0) == "t2");
    BOOST_TEST(config->portals.at(2).tokens == std::vector<std::string>({"t3", "t4"}),
               boost::test_tools::per_element());
    BOOST_TEST(config->portals.at(2).place == scratch.path("p.txt") + ":6");
}

BOOST_AUTO_TEST_CASE(a_bad_portals_file_is_refused) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"a b\n", ":1: needs at least three words"},
        {"a b c -\n", ":1: has no token"},
        {"\na b -\n", ":2: has no token"},
        {"a b t\na c t\n", ":2: member_id 'a' is already used by "},
        {"- b* t\n", ":1: domain: 'b*' may contain only letters"},
        {"\xEF\xBB\xBF" "a b t\n", ":1: begins with a byte order mark"},
    };
    for (const auto& row : table) {
        Scratch scratch;
        scratch.write(row.first, "p.txt");
        scratch.write("portals p.txt\n");
        BOOST_CHECK_EXCEPTION(bx::load_config(scratch.path(), bx::ConfigPart::all), bx::ConfigError,
                              [&](const bx::ConfigError& error) {
                                  std::string what = error.what();
                                  BOOST_TEST_MESSAGE(what);
                                  return what.find(row.second) != std::string::npos;
                              });
    }
    BOOST_TEST(names("portals nowhere.txt", "portals: cannot open"));
}

BOOST_AUTO_TEST_CASE(the_gateway_refuses_only_what_it_uses) {
    const char* hooks_broken =
        "hook \"a b\" { timout 5 }\nhook x { }\nhook x { }\ndefaults { timeout x }\n"
        "retention { done x }\nhooks_dir \"\"\nworker { start manual concurrency x }\n"
        "rest { timeout x }\n";
    BOOST_TEST(problems(hooks_broken, bx::ConfigPart::gateway) == "");
    BOOST_TEST(!load(hooks_broken, bx::ConfigPart::gateway)->worker.auto_start);
    BOOST_TEST(problems(hooks_broken) != "");
    for (const char* text : {"hook a {", "limits { body x }", "portal { }", "app { client_id a }", "worker { start x }",
                             "log { level x }", "store \"\"", "nonsense 1"}) {
        BOOST_TEST(problems(text, bx::ConfigPart::gateway) != "", text);
    }
}

BOOST_AUTO_TEST_CASE(a_postgresql_store_is_read) {
    std::string url = "postgresql://user@host1,host2/bxhook?target_session_attrs=read-write";
    BOOST_TEST(load("store \"" + url + "\"")->store.address == url);
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_an_error_that_names_it) {
    BOOST_CHECK_EXCEPTION(bx::load_config("/nowhere/bxhook.conf", bx::ConfigPart::all), bx::Error,
                          [](const bx::Error& error) {
                              return std::string(error.what()) ==
                                     "cannot open '/nowhere/bxhook.conf': No such file or directory";
                          });
}

BOOST_AUTO_TEST_CASE(print_shows_no_secret_and_can_be_read_again) {
    bx::ConfigPtr config = load(
        "store \"postgresql://u:s3cret@h/b?password=s3cret&x=1\"\nportal { token s3cret }\n"
        "hook a { event X run /x arg \"a b\" when { data.ID \"\" } env { API_TOKEN s3cret N 1 "
        "REST https://x.bitrix24.com/rest/1/s3cret/ R1 /rest/v1/x R2 /rest/ R3 /rest/12 R4 /rest/12/ } }\n");
    std::string printed = bx::print_config(*config);
    BOOST_TEST(printed.find("s3cret") == std::string::npos, printed);
    for (const std::string_view shown : {"N 1\n", "R1 /rest/v1/x\n", "R2 /rest/\n", "R3 /rest/12\n",
                                         "R4 /rest/12/\n"}) {
        BOOST_TEST(printed.find(shown) != std::string::npos, shown);
    }
    bx::ConfigPtr again = load(printed);
    BOOST_TEST(again->hooks.at(0).args.at(0) == "a b");
    BOOST_TEST(again->limits.body == config->limits.body);
}

BOOST_AUTO_TEST_CASE(print_shows_a_token_nowhere) {
    const std::string token = "51856fefc120afa4b628cc82d3935cce";
    bx::ConfigPtr config = load("portal { token " + token + " token " + token + "9 }\n" +
                                "hook a { event X run /x arg --t=" + token + " env { A " + token +
                                " } dir /" + token + "\n" + " when { auth.application_token " +
                                token + " } unless { data.X.Client_Secret other-secret } }\n");
    std::string printed = bx::print_config(*config);
    BOOST_TEST(printed.find(token) == std::string::npos, printed);
    BOOST_TEST(printed.find("other-secret") == std::string::npos, printed);
    BOOST_TEST(printed.find("***9") == std::string::npos, printed);
    BOOST_TEST(printed.find("--t=***") != std::string::npos, printed);
}

BOOST_AUTO_TEST_CASE(print_shows_no_secret_of_an_application_anywhere) {
    bx::ConfigPtr config = load(
        "portal { token t domain a.b webhook https://a.b/rest/1/c0dec0de/ }\n"
        "app { client_id i client_secret s3cret-1 events ON* url https://c.d/ }\napp { }\n"
        "post p { key s3cret-0123456789 portal a.b }\n"
        "rest { proxy http://u:s3cret-2@h:1 }\n"
        "hook a { event X run /x arg s3cret-1 arg s3cret-2 arg https://a.b/rest/1/c0dec0de/x }\n");
    const std::string printed = bx::print_config(*config);
    for (const char* secret : {"s3cret", "c0dec0de"}) {
        BOOST_TEST(printed.find(secret) == std::string::npos, printed);
    }
    for (const char* line : {"    webhook ***\n", "    client_secret ***\n", "\npost p {\n    key ***\n    portal a.b\n", "    events ON*\n",
                             "    proxy http://u:***@h:1\n", "    catch_up 5m\n", "\napp {\n    "}) {
        BOOST_TEST(printed.find(line) != std::string::npos, line << printed);
    }
}

BOOST_AUTO_TEST_CASE(what_others_expand_or_match_is_told) {
    BOOST_TEST(names("hook a { event X run ~/bin/x }", "hook a: run: '~/bin/x': '~' is not expanded"));
    BOOST_TEST(names("hook a { event ^ONCRM(DEAL|LEAD) run /x }",
                     "use a glob (* ? [..]), not a regular expression"));
}

BOOST_AUTO_TEST_CASE(a_store_url_loses_its_password) {
    BOOST_TEST(bx::StorePlace::of("/a:b@c/q.db").for_people() == "/a:b@c/q.db");
    BOOST_TEST(bx::without_password("postgresql://u@h/b") == "postgresql://u@h/b");
    BOOST_TEST(bx::without_password("postgresql://u:p@h:5432/b") ==
               "postgresql://u:***@h:5432/b");
    BOOST_TEST(bx::without_password("postgresql://u:p/@x@h/b?a=1&password=p&c=2") ==
               "postgresql://u:***@h/b?a=1&password=***&c=2");
}

BOOST_AUTO_TEST_CASE(a_changed_file_is_loaded_and_a_bad_one_leaves_the_old) {
    using Change = bx::ConfigFile::Change;
    Scratch scratch;
    scratch.write("limits { fields 1 }");
    bx::ConfigFile file(scratch.path(), bx::ConfigPart::all);
    BOOST_TEST((file.refresh() == Change::none));
    scratch.replace("limits { fields 2 }");
    BOOST_TEST((file.refresh() == Change::loaded));
    BOOST_TEST(file.current()->limits.fields == 2U);
    scratch.replace("limits { fields x }");
    BOOST_TEST((file.refresh() == Change::refused));
    BOOST_TEST((file.refresh() == Change::none));  // told once
    BOOST_TEST(file.error() == scratch.path() + ":1: limits: fields: 'x' is not a whole number");
    BOOST_TEST(file.current()->limits.fields == 2U);
    BOOST_TEST((file.refresh(true) == Change::refused));
    scratch.replace("limits { fields 3 }");
    BOOST_TEST((file.refresh() == Change::loaded));
    BOOST_TEST(file.error() == "");
    BOOST_TEST((file.refresh(true) == Change::loaded));
    BOOST_TEST((file.refresh() == Change::none));
}

BOOST_AUTO_TEST_CASE(a_changed_portals_file_is_loaded_and_a_bad_one_leaves_the_old) {
    using Change = bx::ConfigFile::Change;
    Scratch scratch;
    scratch.write("a - t1\n", "p.txt");
    scratch.write("portals p.txt\n");
    bx::ConfigFile file(scratch.path(), bx::ConfigPart::gateway);
    BOOST_TEST((file.refresh() == Change::none));
    scratch.replace("a - t2\n", "p.txt");
    BOOST_TEST((file.refresh() == Change::loaded));
    BOOST_TEST(file.current()->portals.at(0).tokens.at(0) == "t2");
    scratch.replace("a - - \n", "p.txt");
    BOOST_TEST((file.refresh() == Change::refused));
    BOOST_TEST(file.current()->portals.at(0).tokens.at(0) == "t2");
    std::filesystem::remove(scratch.path("p.txt"));
    BOOST_TEST((file.refresh() == Change::refused));
    BOOST_TEST(file.current()->portals.size() == 1U);
    scratch.write("a - t3\n", "p.txt");
    BOOST_TEST((file.refresh() == Change::loaded));
    BOOST_TEST(file.current()->portals.at(0).tokens.at(0) == "t3");
}

// Until then REFRESHED is asked.
bool within(bx::Millis limit, const std::function<bool()>& refreshed) {
    for (const bx::Millis end = bx::steady_now() + limit; bx::steady_now() < end;) {
        if (refreshed()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

BOOST_AUTO_TEST_CASE(a_file_that_is_being_written_is_waited_for) {
    using Change = bx::ConfigFile::Change;
    Scratch scratch;
    scratch.write("portal { token abc }\nlimits { fields 2 }\n");
    bx::ConfigFile file(scratch.path(), bx::ConfigPart::gateway);
    const auto loaded = [&] { return file.refresh() == Change::loaded; };
    scratch.write("");  // in place, as `cat > FILE` begins
    BOOST_TEST((file.refresh() == Change::none));
    BOOST_TEST(within(10 * bx::second, [&] { return file.refresh() == Change::refused; }));
    BOOST_TEST(file.error().find("is empty") != std::string::npos);
    BOOST_TEST((file.refresh(true) == Change::refused));
    BOOST_TEST(file.current()->portals.size() == 1U);
    scratch.write("limits { fields 3 }\n");
    BOOST_TEST((file.refresh() == Change::none));
    BOOST_TEST(file.current()->portals.size() == 1U);
    // Whatever the clock says: it is waited for once.
    std::filesystem::last_write_time(scratch.path(), std::filesystem::file_time_type::clock::now() +
                                                         std::chrono::hours(1));
    BOOST_TEST(within(10 * bx::second, loaded));
    BOOST_TEST(file.current()->limits.fields == 3U);
    scratch.write("limits { fields 4 }");
    BOOST_TEST((file.refresh(true) == Change::loaded));
    BOOST_TEST(file.current()->limits.fields == 4U);
    scratch.write("limits {\n    fields 5\n}\n");  // larger
    BOOST_TEST((file.refresh() == Change::loaded));
}

BOOST_AUTO_TEST_CASE(a_portals_file_that_ends_within_a_line_is_waited_for) {
    using Change = bx::ConfigFile::Change;
    Scratch scratch;
    scratch.write("a - t1\n", "p.txt");
    scratch.write("portals p.txt\n");
    bx::ConfigFile file(scratch.path(), bx::ConfigPart::gateway);
    scratch.write("a - t1\nb - t", "p.txt");
    BOOST_TEST((file.refresh() == Change::none));
    BOOST_TEST(file.current()->portals.size() == 1U);
    scratch.write("a - t1\nb - t2\n", "p.txt");
    BOOST_TEST((file.refresh() == Change::loaded));
    BOOST_TEST(file.current()->portals.size() == 2U);
    scratch.write("a - t1\n", "p.txt");
    BOOST_TEST((file.refresh() == Change::none));
    BOOST_TEST(within(10 * bx::second, [&] { return file.refresh() == Change::loaded; }));
    scratch.write("a - t1\nb - t3", "p.txt");  // and so it stays
    BOOST_TEST(within(10 * bx::second, [&] { return file.refresh() == Change::loaded; }));
    BOOST_TEST(file.current()->portals.at(1).tokens.at(0) == "t3");
}

BOOST_AUTO_TEST_CASE(after_a_load_the_next_one_that_is_asked_for_has_to_wait) {
    Scratch scratch;
    scratch.write("limits { fields 1 }\n");
    bx::ConfigFile file(scratch.path(), bx::ConfigPart::gateway);
    BOOST_TEST(!file.is_worth_a_look());
    scratch.replace("limits { fields 2 }\n");
    BOOST_TEST(file.is_worth_a_look());
    const bx::Millis begun = bx::steady_now();
    BOOST_TEST((file.refresh() == bx::ConfigFile::Change::loaded));
    scratch.replace("limits { fields 3 }\n");
    BOOST_TEST((!file.is_worth_a_look() || bx::steady_now() - begun >= 100));
    BOOST_TEST(within(10 * bx::second, [&] { return file.is_worth_a_look(); }));
    BOOST_TEST((bx::steady_now() - begun >= 100));
}

BOOST_AUTO_TEST_CASE(a_pending_file_begins_without_a_config) {
    using Change = bx::ConfigFile::Change;
    Scratch scratch;
    bx::ConfigFile file = bx::ConfigFile::pending(scratch.path(), bx::ConfigPart::gateway);
    BOOST_TEST(!file.current());
    BOOST_TEST((file.refresh() == Change::refused));
    BOOST_TEST(!file.error().empty());
    scratch.write("");
    BOOST_TEST((file.refresh() == Change::loaded));
    BOOST_TEST(file.current());
}

BOOST_AUTO_TEST_CASE(an_explicit_path_is_made_absolute) {
    BOOST_TEST(bx::find_config("/a/b.conf") == "/a/b.conf");
    BOOST_TEST(bx::find_config("b.conf") == (std::filesystem::current_path() / "b.conf").string());
}

BOOST_AUTO_TEST_CASE(secrets_are_hidden_whatever_they_are) {
    BOOST_TEST(bx::without_secrets("token-1 b token-12", {"token-1", "token-12"}) == "*** b ***");
    BOOST_TEST(bx::without_secrets("invalid_grant", {""}) == "invalid_grant");
    BOOST_TEST(bx::without_secrets("a * b", {"*"}) == "a *** b");
}

BOOST_AUTO_TEST_SUITE_END()
