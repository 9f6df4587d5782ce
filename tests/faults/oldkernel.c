// oldkernel PROGRAM ARGUMENTS...: runs it, and all it starts, as on Linux 3.10: newer system calls do
// not exist, nor do newer commands of fcntl.  Put in the place of a program, which is then FILE.real
// beside it, it runs that one.
//
// x86-64 numbers its calls in the order they came: the last one of 3.10 is finit_module, 313.  What is
// newer and has no number of its own is tried by name.
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { last_call = 313, f_ofd_first = 36, f_ofd_last = 38, f_add_seals = 1033 };

#define FIELD(name) offsetof(struct seccomp_data, name)
#define LOAD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(name))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
#define FAIL(error) ANSWER(SECCOMP_RET_ERRNO | (error))

static int forget_newer_calls(void) {
    struct sock_filter steps[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        FAIL(ENOSYS),
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last_call, 0, 1),
        FAIL(ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 5),
        LOAD(args[1]),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, f_add_seals, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, f_ofd_first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, f_ofd_last, 1, 0),
        FAIL(EINVAL),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    // Without privileges it may be set only by who gives up gaining any; root keeps what suEXEC needs.
    if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static const char *stood_in_for(void) {
    static char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof ".real");
    if (size < 0) return NULL;
    strcpy(path + size, ".real");
    return access(path, X_OK) == 0 ? path : NULL;
}

int main(int argc, char **argv) {
    const char *real = stood_in_for();
    if (real == NULL && argc < 2) {
        fputs("usage: oldkernel PROGRAM ARGUMENTS...\n", stderr);
        return 2;
    }
    if (forget_newer_calls() != 0) {
        fprintf(stderr, "oldkernel: no filter: %s\n", strerror(errno));
        return 2;
    }
    if (real != NULL) execv(real, argv);
    else execvp(argv[1], argv + 1);
    fprintf(stderr, "oldkernel: cannot run %s: %s\n", real ? real : argv[1], strerror(errno));
    return 127;
}
