// The units of systemd on this machine.
#pragma once

#include <string>

namespace bx {

// True when systemd runs here and has the unit NAME, which names the configuration at CONFIG_PATH.
bool unit_serves(const std::string& name, const std::string& config_path);

}  // namespace bx
