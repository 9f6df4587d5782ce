// The files `bxhook init` makes.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bx {

// A commented bxhook.conf; conf/bxhook.conf is the same.
std::string_view config_template();

struct SampleHook {
    std::string_view name;  // in hooks/; ends in .sample, so that it does not run
    std::string_view text;
};
std::span<const SampleHook> sample_hooks();

// bxhook.fcgi in the document root: starts BINARY with the config at CONFIG.
std::string public_script(const std::string& binary, const std::string& config);
// .htaccess beside it: lets Apache run it, touches nothing else.
std::string_view public_htaccess();
// .htaccess in a directory that must not be served.
std::string_view deny_htaccess();

}  // namespace bx
