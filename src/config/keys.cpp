#include "config/keys.h"

#include <array>
#include <string_view>
#include <type_traits>

#include "base/clock.h"

namespace bx {

namespace {

template <auto Member>
struct MemberOf;

template <typename B, typename T, T B::*Member>
struct MemberOf<Member> {
    using Block = B;
    using Type = T;
};

// A key whose value is the member MEMBER of its block.
template <auto Member>
constexpr auto key(KeySpec spec) {
    using Block = typename MemberOf<Member>::Block;
    using Type = typename MemberOf<Member>::Type;
    if constexpr (std::is_same_v<Type, std::vector<std::string>>) {
        return Key<Block>{
            spec,
            [](Block& block, const KeyValue& value) { (block.*Member).push_back(value.text); },
            [](const Block& block) {
                std::vector<KeyValue> values;
                for (const std::string& text : block.*Member) values.push_back({0, text});
                return values;
            }};
    } else if constexpr (std::is_same_v<Type, StorePlace>) {
        return Key<Block>{
            spec,
            [](Block& block, const KeyValue& value) {
                block.*Member = StorePlace::of(value.text);
            },
            [](const Block& block) { return std::vector{KeyValue{0, (block.*Member).address}}; }};
    } else if constexpr (std::is_same_v<Type, std::string>) {
        return Key<Block>{
            spec, [](Block& block, const KeyValue& value) { block.*Member = value.text; },
            [](const Block& block) { return std::vector{KeyValue{0, block.*Member}}; }};
    } else {
        return Key<Block>{
            spec,
            [](Block& block, const KeyValue& value) {
                block.*Member = static_cast<Type>(value.number);
            },
            [](const Block& block) {
                return std::vector{KeyValue{static_cast<std::int64_t>(block.*Member), {}}};
            }};
    }
}

// Long enough for everybody, short enough that a moment plus it cannot overflow.
constexpr Millis year = 365 * day;

constexpr std::int64_t kilobyte = 1024;
constexpr std::int64_t megabyte = 1024 * kilobyte;

constexpr std::string_view no_yes = "no yes";

// Of calls to a portal: more than any plan of Bitrix24 takes.
constexpr std::int64_t max_rate = 1000;
constexpr std::int64_t max_burst = 100000;

constexpr std::array top_table{
    key<&Config::store>({"store", Kind::store}),
    key<&Config::hooks_dir>({"hooks_dir", Kind::path}),
    key<&Config::portals_file>({"portals", Kind::path}),
};

constexpr std::array portal_table{
    key<&Portal::member_id>({"member_id", Kind::portal_name}),
    key<&Portal::domain>({"domain", Kind::host}),
    key<&Portal::tokens>({"token", Kind::token, 0, 0, {}, true}),
    key<&Portal::webhook>({"webhook", Kind::webhook}),
    key<&Portal::rate>({"rate", Kind::number, 1, max_rate}),
    key<&Portal::burst>({"burst", Kind::number, 1, max_burst}),
};

constexpr std::array app_table{
    key<&App::client_id>({"client_id", Kind::portal_name}),
    key<&App::client_secret>({"client_secret", Kind::secret}),
    key<&App::url>({"url", Kind::url}),
    key<&App::events>({"events", Kind::event, 0, 0, {}, true}),
    key<&App::catch_up>({"catch_up", Kind::interval, second, year}),
    key<&App::server>({"server", Kind::server}),
    key<&App::rate>({"rate", Kind::number, 1, max_rate}),
    key<&App::burst>({"burst", Kind::number, 1, max_burst}),
    key<&App::page>({"page", Kind::path}),
};

constexpr std::array post_table{
    key<&PostBlock::key>({"key", Kind::post_key}),
    key<&PostBlock::portal>({"portal", Kind::portal_name}),
};

constexpr std::array rest_table{
    key<&Rest::curl>({"curl", Kind::program}),
    key<&Rest::cacert>({"cacert", Kind::path}),
    key<&Rest::proxy>({"proxy", Kind::proxy}),
    key<&Rest::timeout>({"timeout", Kind::duration, second, 10 * minute}),
};

constexpr std::array hook_table{
    key<&HookSettings::timeout>({"timeout", Kind::duration, 1, year}),
    key<&HookSettings::attempts>({"attempts", Kind::number, 1, 100000}),
    key<&HookSettings::backoff>({"backoff", Kind::duration, 1, year}),
    key<&HookSettings::backoff_max>({"backoff_max", Kind::duration, 1, year}),
    key<&HookSettings::concurrency>({"concurrency", Kind::number, 1, 1000}),
    key<&HookSettings::order>({"order", Kind::choice, 0, 0, "entity none"}),
    key<&HookSettings::coalesce>({"coalesce", Kind::choice, 0, 0, no_yes}),
    key<&HookSettings::delay>({"delay", Kind::duration, 0, year}),
    key<&HookSettings::dir>({"dir", Kind::file}),
    key<&HookSettings::disabled>({"disabled", Kind::choice, 0, 0, no_yes}),
    key<&HookSettings::own>({"own", Kind::choice, 0, 0, "take skip"}),
    key<&HookSettings::call>({"call", Kind::choice, 0, 0, "own any"}),
};

constexpr std::array worker_table{
    key<&Config::Worker::auto_start>({"start", Kind::choice, 0, 0, "manual auto"}),
    key<&Config::Worker::concurrency>({"concurrency", Kind::number, 1, 1000}),
    key<&Config::Worker::shutdown_grace>({"shutdown_grace", Kind::duration, 0, year}),
};

constexpr std::array limits_table{
    key<&Config::Limits::body>({"body", Kind::size, 1, 128 * megabyte}),
    key<&Config::Limits::fields>({"fields", Kind::number, 1, 10000000}),
    key<&Config::Limits::depth>({"depth", Kind::number, 1, 1000}),
    key<&Config::Limits::queue>({"queue", Kind::number, 1, 1000000000}),
    key<&Config::Limits::output>({"output", Kind::size, kilobyte, 64 * megabyte}),
};

constexpr std::array retention_table{
    key<&Config::Retention::done>({"done", Kind::duration, 0, 100 * year}),
    key<&Config::Retention::dead>({"dead", Kind::duration, 1, 100 * year}),
};

constexpr std::array log_table{
    key<&LogSettings::level>({"level", Kind::choice, 0, 0, "debug info warning error"}),
    key<&LogSettings::json>({"format", Kind::choice, 0, 0, "text json"}),
    key<&LogSettings::file>({"file", Kind::file}),
    key<&LogSettings::outputs>({"outputs", Kind::choice, 0, 0, no_yes}),
};

}  // namespace

std::span<const Key<Config>> top_keys() { return top_table; }
std::span<const Key<Portal>> portal_keys() { return portal_table; }
std::span<const Key<App>> app_keys() { return app_table; }
std::span<const Key<PostBlock>> post_keys() { return post_table; }
std::span<const Key<Rest>> rest_keys() { return rest_table; }
std::span<const Key<HookSettings>> hook_keys() { return hook_table; }
std::span<const Key<Config::Worker>> worker_keys() { return worker_table; }
std::span<const Key<Config::Limits>> limits_keys() { return limits_table; }
std::span<const Key<Config::Retention>> retention_keys() { return retention_table; }
std::span<const Key<LogSettings>> log_keys() { return log_table; }

}  // namespace bx
