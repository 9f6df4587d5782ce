#include "cli/help.h"

#include <algorithm>

#include "base/text.h"
#include "cli/terminal/screen.h"

namespace bx {

namespace {

constexpr std::size_t help_width = 79;
constexpr std::size_t option_column = 24;

// Fills the paragraphs of a help text; lines that begin with a blank (examples) stay as they are.
std::string reflowed(std::string_view help) {
    std::string text;
    std::string paragraph;
    auto flush = [&] {
        if (!paragraph.empty()) text += fill("", paragraph, help_width, 0);
        paragraph.clear();
    };
    for (std::string_view line : split(help, '\n')) {
        if (line.empty() || line.front() == ' ') {
            flush();
            text += std::string(line) + "\n";
        } else {
            paragraph += (paragraph.empty() ? "" : " ") + std::string(line);
        }
    }
    flush();
    return text;
}

}  // namespace

std::string help_text() {
    std::string text =
        "usage: bxhook COMMAND [ARGUMENTS]\n"
        "\n"
        "Receives Bitrix24 events, keeps them durably and runs your hooks.\n"
        "\n";
    for (const Command& command : commands()) {
        if (command.hidden) continue;
        std::string name(command.name);
        name.resize(10, ' ');
        text += "  " + name + std::string(command.summary) + "\n";
    }
    return text +
           "\n'bxhook help COMMAND' shows more about one; every command takes --config FILE.\n";
}

std::string help_text(const Command& command) {
    std::string text = "usage: bxhook " + std::string(command.name);
    bool has_options = !command.options.empty() && command.synopsis.find("--") == std::string::npos;
    if (has_options) text += " [OPTIONS]";
    if (!command.synopsis.empty()) text += " " + std::string(command.synopsis);
    text += "\n\n" + reflowed(trim(command.help)) + "\nOptions:\n";
    for (const Option& option : all_options(command)) {
        if (option.help.empty()) continue;
        std::string line = "  " + std::string(option.name);
        if (!option.value.empty()) line += " " + std::string(option.value);
        line.resize(std::max(line.size() + 2, option_column), ' ');
        text += fill(line, option.help, help_width, option_column);
    }
    return text;
}

}  // namespace bx
