#include "host/identity.h"

#include <grp.h>
#include <linux/keyctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/error.h"

namespace bx {

namespace {

// As root still, or a user whose quota of keys is used up would keep root's.  Where the kernel has
// no keys there is nothing to leave.
void leave_keyring() {
    (void)::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
}

// What root gave itself of the processor is not meant for a user either.
void lower_priority() {
    if (::getpriority(PRIO_PROCESS, 0) < 0 && ::setpriority(PRIO_PROCESS, 0, 0) != 0) {
        throw_errno("cannot lower the priority");
    }
}

// To those the machine began with (as pam_limits does): what root raised for itself is not meant
// for a user.  But open files: a gateway is given more of them on purpose.
void lower_limits() {
    constexpr std::array limits{RLIMIT_AS,         RLIMIT_CORE,       RLIMIT_CPU,    RLIMIT_DATA,
                                RLIMIT_FSIZE,      RLIMIT_LOCKS,      RLIMIT_MEMLOCK,
                                RLIMIT_MSGQUEUE,   RLIMIT_NICE,       RLIMIT_NPROC,  RLIMIT_RSS,
                                RLIMIT_RTPRIO,     RLIMIT_SIGPENDING, RLIMIT_STACK};
    for (auto limit : limits) {
        struct rlimit first {};
        struct rlimit ours {};
        bool known = ::prlimit(1, limit, nullptr, &first) == 0 && ::getrlimit(limit, &ours) == 0;
        if (!known || ours.rlim_max <= first.rlim_max) continue;
        ours.rlim_max = first.rlim_max;
        ours.rlim_cur = std::min(ours.rlim_cur, ours.rlim_max);
        if (::setrlimit(limit, &ours) != 0) throw_errno("cannot lower a limit");
    }
}

}  // namespace

void become(const User& user) {
    leave_keyring();
    lower_limits();
    lower_priority();
    std::vector<gid_t> groups = groups_of(user);
    bool changed = ::setgroups(groups.size(), groups.data()) == 0 &&
                   ::setresgid(user.gid, user.gid, user.gid) == 0 &&
                   ::setresuid(user.uid, user.uid, user.uid) == 0;
    if (!changed) throw_errno("cannot become " + user_name(user.uid));
    uid_t real = 0, effective = 0, saved = 0;
    gid_t real_group = 0, effective_group = 0, saved_group = 0;
    bool known = ::getresuid(&real, &effective, &saved) == 0 &&
                 ::getresgid(&real_group, &effective_group, &saved_group) == 0;
    bool all = real == user.uid && effective == user.uid && saved == user.uid &&
               real_group == user.gid && effective_group == user.gid && saved_group == user.gid;
    if (!known || !all) throw Error("cannot become " + user_name(user.uid) + " completely");
}

ActingAs::ActingAs(const User& user) : gid_(::getegid()) {
    int count = ::getgroups(0, nullptr);
    groups_.resize(static_cast<std::size_t>(std::max(count, 0)));
    if (count < 0 || ::getgroups(count, groups_.data()) != count) {
        throw_errno("cannot read the groups of this process");
    }
    std::vector<gid_t> groups = groups_of(user);
    changes_ = user.uid != ::geteuid() || user.gid != gid_ ||
               !std::ranges::is_permutation(groups, groups_);
    if (!changes_) return;
    bool acts = ::setgroups(groups.size(), groups.data()) == 0 && ::setegid(user.gid) == 0 &&
                ::seteuid(user.uid) == 0;
    if (acts) return;
    int cause = errno;
    restore();
    throw system_error("cannot act as " + user_name(user.uid), cause);
}

ActingAs::~ActingAs() {
    if (changes_) restore();
}

// Who is neither root nor the user must not go on.
void ActingAs::restore() const {
    bool restored = ::seteuid(0) == 0 && ::setegid(gid_) == 0 &&
                    ::setgroups(groups_.size(), groups_.data()) == 0;
    if (!restored) std::abort();
}

}  // namespace bx
