// libFuzzer: the configuration file: syntax, checks, and what is printed of it.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/fd.h"
#include "config/config.h"
#include "config/print.h"
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

// The file, in a directory that nobody else can write: another is refused unread.
class FuzzedFile {
public:
    FuzzedFile() {
        bx::require(::mkdtemp(dir_) != nullptr);
        file_ = bx::Fd(::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        bx::require(static_cast<bool>(file_));
        write("portal {\n domain a.example\n token 51856fefc120afa4b628cc82d3935cce\n}\n");
        bx::load_config(path(), bx::ConfigPart::all);  // or nothing would be fuzzed
    }
    FuzzedFile(const FuzzedFile&) = delete;
    FuzzedFile& operator=(const FuzzedFile&) = delete;
    ~FuzzedFile() {
        std::error_code ignored;
        std::filesystem::remove_all(dir_, ignored);
    }

    void write(std::string_view text) {
        bx::require(::ftruncate(file_.get(), 0) == 0);
        bx::require(::pwrite(file_.get(), text.data(), text.size(), 0) ==
                    static_cast<ssize_t>(text.size()));
    }
    std::string path() const { return std::string(dir_) + "/bxhook.conf"; }

private:
    char dir_[32] = "/tmp/bxhook-fuzz-XXXXXX";
    bx::Fd file_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static FuzzedFile file;
    file.write(std::string_view(reinterpret_cast<const char*>(data), size));
    load(file.path(), bx::ConfigPart::gateway);
    load(file.path(), bx::ConfigPart::all);
    return 0;
}
