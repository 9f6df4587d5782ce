#include "host/own_commands.h"

#include <cstdlib>
#include <string_view>

#include "base/fd.h"
#include "base/shell.h"

namespace bx {

std::string typed_program() {
    const std::string binary = own_binary();
    const char* path = std::getenv("PATH");
    const std::string places = ":" + std::string(path == nullptr ? "" : path) + ":";
    const bool found = places.find(":" + directory_of(binary) + ":") != std::string::npos;
    return found && binary.ends_with("/bxhook") ? "bxhook" : shell_word(binary);
}

OwnCommands::OwnCommands(const std::string& config_path)
    : config_option_(config_path.empty() ? "" : " --config " + shell_word(config_path)) {}

std::string OwnCommands::line(const std::string& words) const {
    return typed_program() + " " + words + config_option_;
}

std::string OwnCommands::typed(const std::string& fix) const {
    constexpr std::string_view name = "bxhook ";
    return fix.starts_with(name) ? line(fix.substr(name.size())) : fix;
}

}  // namespace bx
