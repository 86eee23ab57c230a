/* Runs a program as on an older Linux: openat2 (5.6) and whatever else came after Linux 4.18 (RHEL 8, the oldest that
 * docs/install.md names), statx, copy_file_range, and renameat2 where it must not replace, give ENOSYS to it and to its
 * children. It may still exchange two names: nothing stands in for that, and what needs it is UNSUPPORTED without.
 *
 *   older PROGRAM [ARGUMENT...]
 */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the numbers below are those of x86-64"
#endif

/* Linux 4.18 has no call beyond this one. */
#define LAST __NR_rseq
#define OPENAT2 437
#define NOREPLACE 1

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define GIVE(what) BPF_STMT(BPF_RET | BPF_K, (what))
/* Gives what it says where the value is that one, and goes on elsewhere. */
#define WHERE(is, value, what) BPF_JUMP(BPF_JMP | (is) | BPF_K, (value), 0, 1), GIVE(what)

#define MISSING (SECCOMP_RET_ERRNO | ENOSYS)

static struct sock_filter filter[] = {
  LOAD(arch),
  /* The numbers of 32-bit programs are others, and we have none. */
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
  GIVE(SECCOMP_RET_ALLOW),
  LOAD(nr),
  WHERE(BPF_JGT, LAST, MISSING),
  /* These are in 4.18, but not in each sandbox. */
  WHERE(BPF_JEQ, __NR_statx, MISSING),
  WHERE(BPF_JEQ, __NR_copy_file_range, MISSING),
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_renameat2, 1, 0),
  GIVE(SECCOMP_RET_ALLOW),
  /* The lower half of the flags, which come first here. */
  LOAD(args[4]),
  WHERE(BPF_JEQ, NOREPLACE, MISSING),
  GIVE(SECCOMP_RET_ALLOW),
};

static const struct {
  const char *name;
  long number;
} proofs[] = {{"openat2", OPENAT2}, {"statx", __NR_statx}, {"copy_file_range", __NR_copy_file_range}, {"renameat2", __NR_renameat2}};

int main(int count, char **words)
{
  struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  size_t n;

  if (count < 2) {
    fprintf(stderr, "usage: older PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  /* The first is what makes it no privilege. */
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
    fprintf(stderr, "older: the filter is refused: %s\n", strerror(errno));
    return 1;
  }
  /* Nobody takes a filter away again: what holds here holds in the program. A call that is there says EFAULT or EBADF. */
  for (n = 0; n < sizeof(proofs) / sizeof(proofs[0]); n++) {
    errno = 0;
    if (syscall(proofs[n].number, -1L, 0L, -1L, 0L, (long)NOREPLACE, 0L) != -1 || errno != ENOSYS) {
      fprintf(stderr, "older: %s is still there: %s\n", proofs[n].name, strerror(errno));
      return 1;
    }
  }
  execvp(words[1], words + 1);
  fprintf(stderr, "older: %s: %s\n", words[1], strerror(errno));
  return 1;
}
