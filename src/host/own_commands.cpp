#include "host/own_commands.h"

#include <cstdlib>

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

}  // namespace bx
