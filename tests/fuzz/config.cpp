// libFuzzer: the configuration file: syntax, checks, and what is printed of it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "base/fd.h"
#include "config/config.h"
#include "invariants.h"

namespace {

void load(const std::string& path, bx::ConfigPart part) {
    try {
        const bx::ConfigPtr config = bx::load_config(path, part);
        bx::require(config->limits.fields > 0 && config->worker.concurrency > 0);
        for (const bx::Portal& portal : config->portals) {
            bx::require(!portal.tokens.empty());
            for (const std::string& token : portal.tokens) {
                bx::require(!token.empty());
            }
        }
        bx::print_config(*config);
    } catch (const bx::Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const bx::Fd file(::memfd_create("bxhook.conf", MFD_CLOEXEC));
    static const std::string path = "/proc/self/fd/" + std::to_string(file.get());
    bx::require(::ftruncate(file.get(), 0) == 0);
    bx::require(::pwrite(file.get(), data, size, 0) == static_cast<ssize_t>(size));
    load(path, bx::ConfigPart::gateway);
    load(path, bx::ConfigPart::all);
    return 0;
}
