#include "base/file_system.h"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace bx {

bool is_shared_file_system(const std::string& dir) {
    // f_type of file systems that other hosts may write at the same time, or (FUSE) that may stand
    // for one.  linux/magic.h and the kernels' own sources; some are in no header.
    constexpr std::array<std::uint32_t, 15> shared = {
        0x00006969,  // NFS
        0x0000517B,  // SMB
        0xFE534D42,  // SMB2
        0xFF534D42,  // CIFS
        0x65735546,  // FUSE: GlusterFS, sshfs
        0x0000564C,  // NCP
        0x5346414F,  // OpenAFS
        0x6B414653,  // kAFS
        0x73757245,  // Coda
        0x01021997,  // 9P
        0x00C36400,  // Ceph
        0x0BD00BD0,  // Lustre
        0x01161970,  // GFS2
        0x7461636F,  // OCFS2
        0x19830326,  // BeeGFS
    };
    struct statfs status {};
    if (::statfs(dir.c_str(), &status) != 0) return false;
    const auto type = static_cast<std::uint32_t>(status.f_type);
    return std::ranges::find(shared, type) != shared.end();
}

}  // namespace bx
