#include "worker/rematch.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/siphash.h"
#include "config/print.h"
#include "host/host_name.h"

namespace bx {

namespace {

constexpr std::size_t in_one_pass = 10'000;
constexpr std::size_t in_one_step = 100;
constexpr std::size_t reasons_in_one_step = 1000;
constexpr Millis pauses = 10;              // times what a pass took, before the next one

// Equal for equal hooks and settings.  Nobody gains by two that are equal by chance, so the key may
// be known.
std::string fingerprint_of(const Config& config, const HookSet& hooks) {
    const std::uint64_t hash =
        siphash(SipKey{1, 2}, print_config(config) + '\0' + hooks.inventory());
    std::array<char, 16> digits;
    return {digits.data(),
            std::to_chars(digits.data(), digits.data() + digits.size(), hash, 16).ptr};
}

}  // namespace

Rematch::Rematch(WorkerContext& context, MatchQueue& queue)
    : context_(context), queue_(queue), host_(host_name()) {}

void Rematch::work() {
    if (under_way_.empty() && (!next_.due(context_.now) || !has_changed())) return;
    if (under_way_.empty()) begin(fingerprint_of(*config_, context_.live.hooks().set()));
    if (renewing_) renew();
    else if (!under_way_.empty()) forget_reasons();
}

bool Rematch::has_changed() {
    const ConfigPtr& config = context_.live.config();
    const std::string& stamp = context_.live.hooks().set().stamp();
    if (config == config_ && stamp == stamp_) return false;
    config_ = config;
    stamp_ = stamp;
    return config_ != nullptr;
}

void Rematch::begin(std::string fingerprint) {
    try {
        if (queue_.fingerprint(host_) == fingerprint) return;
        range_ = {.received_from = wall_now() - rematched_for, .up_to = queue_.newest_retryable()};
    } catch (...) {
        config_.reset();  // look again
        throw;
    }
    under_way_ = std::move(fingerprint);
    renewing_ = true;
    renewed_ = 0;
    begun_ = steady_now();
}

void Rematch::renew() {
    const std::size_t most = std::min(in_one_step, in_one_pass - renewed_);
    const Renewed step = queue_.renew_skipped(range_, most);
    renewed_ += step.count;
    range_.after = step.last;
    renewing_ = step.more && renewed_ < in_one_pass;
    context_.more = true;
}

void Rematch::forget_reasons() {
    std::vector<std::string> stopped;
    for (const Hook& hook : context_.live.hooks().set().hooks()) {
        if (!hook.conflict.empty()) stopped.push_back(hook.name);
    }
    if (queue_.forget_reasons(stopped, reasons_in_one_step) == 0) return end();
    context_.more = true;
}

void Rematch::end() {
    queue_.keep_fingerprint(host_, under_way_, wall_now());
    under_way_.clear();
    next_.set(steady_now() + pauses * (steady_now() - begun_));
    if (renewed_ == 0) return;
    context_.progress = true;
    context_.log.info("skipped events are matched again",
                      {{"events", renewed_}, {"reason", "hooks or configuration changed"}});
}

}  // namespace bx
