#include "cli/commands/templates.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>

#include "base/text.h"
#include "config/info.h"
#include "config/keys.h"
#include "config/value.h"
#include "config_keys.h"
#include "event/catalog.h"

namespace {

// The template with the ';' taken from every setting, which has no blank or four behind it; prose
// has one.
std::string uncommented() {
    std::string text;
    for (std::string_view line : bx::split(bx::config_template(), '\n')) {
        bool setting = line.starts_with(";    ") || (line.size() > 1 && line[1] != ' ');
        if (setting) text += std::string(line.substr(1)) + "\n";
    }
    return text;
}

const bx::Setting* find(const std::vector<bx::Setting>& settings, std::string_view key) {
    auto found = std::ranges::find(settings, key, &bx::Setting::key);
    return found == settings.end() ? nullptr : &*found;
}

// True when VALUE is the default of KEY: "60s" is "1m".
bool means(const bx::ConfigKey& key, const std::string& value) {
    std::string problem;
    std::optional<bx::KeyValue> parsed = bx::parse_value(key.spec, value, "", problem);
    return value == key.fallback || (parsed && bx::format_value(key.spec, *parsed) == key.fallback);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(templates)

BOOST_AUTO_TEST_CASE(the_config_of_init_is_valid_as_it_is) {
    BOOST_TEST(bx::check_syntax(bx::config_template(), "x").problems.empty());
    BOOST_TEST(bx::parse_info(std::string(bx::config_template()), "x").empty());
}

BOOST_AUTO_TEST_CASE(the_config_of_init_shows_every_key_with_its_default) {
    std::vector<bx::Setting> settings = bx::parse_info(uncommented(), "x");
    BOOST_TEST(find(settings, "portal") != nullptr);
    for (const bx::ConfigKey& key : bx::config_keys()) {
        const std::string& path = key.path;
        std::size_t dot = path.find('.');
        std::string block = dot == std::string::npos ? "" : path.substr(0, dot);
        if (block == "hook") block = "defaults";
        const std::set<std::string> examples{"portals", "hook.dir", "rest.cacert", "rest.proxy"};
        const std::set<std::string> blocks{"portal", "app", "post"};
        if (blocks.contains(block) || examples.contains(path)) continue;
        const bx::Setting* outer = block.empty() ? nullptr : find(settings, block);
        BOOST_REQUIRE(block.empty() == (outer == nullptr));
        const bx::Setting* shown =
            find(outer != nullptr ? outer->children : settings, key.spec.name);
        BOOST_TEST((shown != nullptr && means(key, shown->value)), path);
    }
}

BOOST_AUTO_TEST_CASE(each_sample_hook_is_a_script_named_after_an_event) {
    for (const bx::SampleHook& hook : bx::sample_hooks()) {
        std::string code(hook.name.substr(0, hook.name.find('.')));
        BOOST_TEST((code == "any" || bx::find_event(code) != nullptr), code);
        BOOST_TEST(hook.name.ends_with(".sample"));
        BOOST_TEST(hook.text.starts_with("#!/"));
    }
}

BOOST_AUTO_TEST_CASE(the_public_script_survives_any_path) {
    std::string text = bx::public_script("/b x/it's", "/c$(id)");
    BOOST_TEST(text.find("\nhome='/c$(id)'\nprogram='/b x/it'\\''s'\n") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
