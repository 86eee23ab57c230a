/* A registry that takes connections and never answers, and ways to look at the process. */
#ifndef SILENT_H
#define SILENT_H

#include "check.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Listens on a free port of loopback; the kernel takes the connections. */
static inline int silent_listen(char *reference, size_t size, int backlog) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, backlog) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
  snprintf(reference, size, "127.0.0.1:%d/name:tag", ntohs(address.sin_port));
  return fd;
}

/* Entries of a directory, such as /proc/self/fd. */
static inline int count_entries(const char *directory) {
  DIR *dir = opendir(directory);
  int count = 0;
  CHECK(dir != NULL);
  while (readdir(dir) != NULL) count++;
  closedir(dir);
  return count - 2;
}

static void *ends_at_once(void *nothing) { return nothing; }

static int checkers_threads;

/* ThreadSanitizer has a thread of its own, from the first that a program starts, and qemu has one from its start. */
__attribute__((constructor)) static void start_and_count_the_checkers_threads(void) {
  pthread_t thread;
  if (getenv("UNDER_TSAN") != NULL) {
    CHECK(pthread_create(&thread, NULL, ends_at_once, NULL) == 0 && pthread_join(thread, NULL) == 0);
  }
  /* The one that was joined may still be listed. */
  checkers_threads = getenv("UNDER_TSAN") != NULL ? 1 : count_entries("/proc/self/task") - 1;
}

static inline int count_threads(void) { return count_entries("/proc/self/task") - checkers_threads; }

/* By how much all takes longer, under qemu. */
static inline int slowness(void) { return getenv("CLDOCI_TEST_C_SLOWNESS") != NULL ? atoi(getenv("CLDOCI_TEST_C_SLOWNESS")) : 1; }

static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Waits up to ten seconds, times the slowness, for something that other threads bring about. */
#define EVENTUALLY(condition)                                       \
  do {                                                              \
    double end_ = now() + 10 * slowness();                          \
    while (!(condition) && now() < end_) poll(NULL, 0, 5);          \
    CHECK(condition);                                               \
  } while (0)

/* A client without a store that reads no environment. */
static inline cldoci_client *quiet_client(void) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_credentials(options, CLDOCI_CREDENTIALS_ANONYMOUS, &error));
  OK(cldoci_options_set_retries(options, 0, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_options_free(options));
  return client;
}

#endif
