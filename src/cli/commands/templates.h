// The files `bxhook init` makes.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bx {

// conf/bxhook.conf: every setting, commented out.
std::string_view config_template();

struct SampleHook {
    std::string_view name;  // in hooks/; ends in .sample, so that it does not run
    std::string_view text;
};
// Those of conf/hooks.
std::span<const SampleHook> sample_hooks();

// conf/bxhook.fcgi for a document root: starts BINARY with the bxhook.conf in the directory HOME.
std::string public_script(const std::string& binary, const std::string& home);
// .htaccess beside it: lets Apache run it, touches nothing else.
std::string_view public_htaccess();
// .htaccess in a directory that must not be served.
std::string_view deny_htaccess();

}  // namespace bx
