// This program's commands, as a person can type them where this process runs.
#pragma once

#include <string>

namespace bx {

// The program: by its name alone only when PATH leads to it, else by its path.
std::string typed_program();

class OwnCommands {
public:
    // CONFIG_PATH is named in every command; empty: the commands find the configuration themselves.
    explicit OwnCommands(const std::string& config_path = "");

    // "bxhook WORDS --config PATH"
    std::string line(const std::string& words) const;
    // FIX, which may be one of our commands as any host has it: "bxhook events".  Other fixes stay.
    std::string typed(const std::string& fix) const;

private:
    std::string config_option_;
};

}  // namespace bx
