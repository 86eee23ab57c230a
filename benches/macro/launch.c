/*
 * launch REPORT COMMAND ARGUMENT... — runs a command and writes to REPORT its wall time in nanoseconds, user and
 * system time in microseconds, its peak resident memory in KiB, and how often its threads waited. A child's peak
 * begins with what its parent had at the fork, so the parent has to be a small program: this one.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long micros(struct timeval time) { return time.tv_sec * 1000000LL + time.tv_usec; }

int main(int argc, char **argv) {
  struct rusage usage;
  pid_t child;
  int status;
  long long started = now(), ended;
  FILE *report;

  if (argc < 3 || posix_spawnp(&child, argv[2], NULL, NULL, argv + 2, environ) != 0 ||
      wait4(child, &status, 0, &usage) != child) {
    perror(argc < 3 ? "launch REPORT COMMAND ARGUMENT..." : argv[2]);
    return 127;
  }
  ended = now();
  report = fopen(argv[1], "w");
  if (report == NULL || fprintf(report, "%lld %lld %lld %ld %ld\n", ended - started, micros(usage.ru_utime),
                                micros(usage.ru_stime), usage.ru_maxrss, usage.ru_nvcsw) < 0 || fclose(report) != 0) {
    perror(argv[1]);
    return 127;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
