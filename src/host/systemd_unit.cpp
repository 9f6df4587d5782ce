#include "host/systemd_unit.h"

#include <unistd.h>

#include <array>

#include "base/fd.h"

namespace bx {

bool unit_serves(const std::string& name, const std::string& config_path) {
    constexpr std::array<const char*, 4> places{"/etc", "/usr/local/lib", "/usr/lib", "/lib"};
    if (::access("/run/systemd/system", F_OK) != 0) return false;
    for (const std::string place : places) {  // the first one counts
        const std::string unit = read_file_or_nothing(place + "/systemd/system/" + name);
        if (unit.empty()) continue;
        return (unit + "\n").find("--config " + config_path + "\n") != std::string::npos;
    }
    return false;
}

}  // namespace bx
