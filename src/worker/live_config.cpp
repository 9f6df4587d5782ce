#include "worker/live_config.h"

#include <unistd.h>

#include <utility>

#include "base/text.h"

namespace bx {

LogSettings log_settings(const Config& config, const WorkerOptions& options) {
    return options.detached ? background_log(config) : config.log;
}

LiveConfig::LiveConfig(ConfigFile& file, const StorePlace& store_place, const WorkerLock& lock,
                       const WorkerOptions& options, Log& log)
    : file_(file),
      log_(log),
      options_(options),
      store_place_(store_place),
      hooks_(log),
      place_(file.path(), store_place, lock) {}

void LiveConfig::refresh(Millis now) {
    if (!look_.every(second, now)) return;
    check_place();
    if (!lost_.empty()) return;
    has_new_program_ = options_.detached && place_.has_new_program(log_);
    look_at_config();
    if (!config()) return;
    hooks_.refresh(config(), now);
    if (!options_.once) hooks_.log_warnings();
}

void LiveConfig::look(Millis now) {
    check_place();
    if (!lost_.empty()) return;
    look_at_config();
    if (!config()) return;
    hooks_.refresh_if_changed(config(), now);
    if (!options_.once) hooks_.log_warnings();
}

void LiveConfig::look_at_config() {
    switch (file_.refresh(std::exchange(force_, false))) {
        case ConfigFile::Change::loaded:
            log_.configure(log_settings(*config(), options_));
            log_.info("config loaded", {{"config", path()}});
            loaded_ = true;
            break;
        case ConfigFile::Change::refused:
            log_.error("config refused, still using the old one", {{"problem", file_.error()}});
            break;
        case ConfigFile::Change::none: break;
    }
}

void LiveConfig::check_place() {
    if (!lost_.empty()) return;
    lost_ = place_.lost();
    if (!lost_.empty()) hooks_.stop(lost_);
}

void LiveConfig::load_next_time() {
    force_ = true;
    look_next_time();
}

bool LiveConfig::take_loaded() { return std::exchange(loaded_, false); }

const Hook* LiveConfig::find_hook(const std::string& name, Millis now) {
    const Hook* hook = hooks_.set().find(name);
    const bool there = hook && !hook->problem &&
                       (!hook->from_dir || ::access(hook->program.c_str(), F_OK) == 0);
    if (there || !lost_.empty()) return hook;
    hooks_.refresh(config(), now);  // it may have been corrected, or disabled, since the last look
    return hooks_.set().find(name);
}

const HookSettings& LiveConfig::settings_of(const std::string& hook) const {
    const Hook* known = hooks_.set().find(hook);
    return known ? known->settings : config()->defaults;
}

std::size_t LiveConfig::concurrency_of(const std::string& hook) const {
    const Hook* known = hooks_.set().find(hook);
    const bool stopped = known && !known->conflict.empty();
    const HookSettings& settings = settings_of(hook);
    return stopped || settings.disabled ? 0 : static_cast<std::size_t>(settings.concurrency);
}

bool LiveConfig::names_other_store() const {
    return config() && config()->store != store_place_;
}

const std::string& LiveConfig::problem() const {
    return file_.error().empty() ? hooks_.problem() : file_.error();
}

}  // namespace bx
