#include <algorithm>
#include <array>
#include <limits>

#include "cli/command.h"
#include "cli/wishes.h"
#include "store/wake.h"

namespace bx {

namespace {

constexpr std::array<std::string_view, 3> states{"dead", "cancelled", "skipped"};

// `attempts` of HOOK, whether a block runs it or a script of that name.
int attempts_of(const Config& config, const std::string& hook) {
    auto block = std::ranges::find(config.hooks, hook, &HookBlock::name);
    return block == config.hooks.end() ? config.defaults.attempts : block->settings.attempts;
}

int run(const Arguments& args) {
    WishKind kind{"retry", "retried", states, {}};
    check_choice(args, kind);
    ConfigPtr config = config_of(args, ConfigPart::all);
    std::unique_ptr<Store> store = store_of(*config);
    kind.fulfil = [&](const DeliveryName& name) {
        auto extra = [&](const std::string& hook) { return attempts_of(*config, hook); };
        return store->retry(name, extra, wall_now());
    };
    std::vector<DeliveryName> names = choose(args, *store, kind);
    bool all = fulfil(args, names, kind);
    if (!names.empty()) summon_worker(config->seat, config->path, config->worker.auto_start);
    return all ? 0 : 1;
}

}  // namespace

Command retry_command() {
    Command command;
    command.name = "retry";
    command.synopsis = "N[/HOOK]... | FILTER... | --all";
    command.summary = "run deliveries again";
    command.help = R"(
Puts deliveries back: the dead and cancelled ones of event N, or the delivery
N/HOOK, also when it is done.  A skipped event N is matched anew.  Each gets as many
more attempts as 'attempts' says and keeps its place: it runs before unfinished
later ones of its lane.  The worker is started if none runs ('worker.start auto').

Filters choose in bulk: dead ones, or those of --state cancelled or skipped.  The
count is shown and confirmed; where nobody can be asked --yes must be given.

When one of several cannot be, the others are done and the exit status is 1.
)";
    command.options = bulk_options();
    command.max_words = std::numeric_limits<std::size_t>::max();
    command.run = run;
    return command;
}

}  // namespace bx
