/*
 * startup LIBRARY ADDRESS PORT REPOSITORY TAG — loads the library, makes a client, counts this process's threads, and
 * asks a few hundred times whether the artifact exists: through the client, and by the same HEAD on a socket of its
 * own. Prints nanoseconds as JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <cldoci.h>
#include <dirent.h>
#include <dlfcn.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 300 };

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void want(int fine, const char *what) {
  if (!fine) {
    fprintf(stderr, "startup: %s\n", what);
    exit(1);
  }
}

static int threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  int count = 0;
  want(tasks != NULL, "no /proc");
  while ((entry = readdir(tasks)) != NULL) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static int ascending(const void *a, const void *b) {
  long long x = *(const long long *)a, y = *(const long long *)b;
  return (x > y) - (x < y);
}

static long long median(long long *times) {
  qsort(times, ROUNDS, sizeof *times, ascending);
  return times[ROUNDS / 2];
}

/* A pointer to a function is not one to an object, so it is copied (POSIX says that this works). */
static void find(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  want(symbol != NULL, name);
  memcpy(function, &symbol, sizeof symbol);
}

int main(int argc, char **argv) {
  cldoci_status (*client_new)(const cldoci_options *, cldoci_client **, cldoci_error **);
  cldoci_status (*parse)(const char *, cldoci_reference **, cldoci_error **);
  cldoci_status (*exists)(const cldoci_client *, const cldoci_reference *, const cldoci_options *, cldoci_result **, cldoci_error **);
  cldoci_client *client = NULL;
  cldoci_reference *reference = NULL;
  char text[1024], answer[8192];
  long long times[ROUNDS], load, made, warm, wire, started = now();
  struct sockaddr_in address = {.sin_family = AF_INET};
  int i, threads_before, on = 1, connection;
  void *library;

  want(argc == 6, "LIBRARY ADDRESS PORT REPOSITORY TAG");
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  want(library != NULL, argv[1]);
  load = now() - started;
  find(library, "cldoci_client_new", &client_new);
  find(library, "cldoci_reference_parse", &parse);
  find(library, "cldoci_exists", &exists);
  started = now();
  want(client_new(NULL, &client, NULL) == CLDOCI_OK, "client_new");
  made = now() - started;
  threads_before = threads();

  snprintf(text, sizeof text, "%s:%s/%s:%s", argv[2], argv[3], argv[4], argv[5]);
  want(parse(text, &reference, NULL) == CLDOCI_OK, text);
  want(exists(client, reference, NULL, NULL, NULL) == CLDOCI_OK, "exists");
  for (i = 0; i < ROUNDS; i++) {
    started = now();
    want(exists(client, reference, NULL, NULL, NULL) == CLDOCI_OK, "exists");
    times[i] = now() - started;
  }
  warm = median(times);

  connection = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_port = htons((uint16_t)atoi(argv[3]));
  inet_pton(AF_INET, argv[2], &address.sin_addr);
  want(connect(connection, (struct sockaddr *)&address, sizeof address) == 0, "connect");
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  snprintf(text, sizeof text,
           "HEAD /v2/%s/manifests/%s HTTP/1.1\r\nHost: %s:%s\r\nAccept: application/vnd.oci.image.manifest.v1+json\r\n\r\n",
           argv[4], argv[5], argv[2], argv[3]);
  for (i = 0; i < ROUNDS; i++) {
    ssize_t length = (ssize_t)strlen(text), had = 0;
    started = now();
    want(write(connection, text, (size_t)length) == length, "write");
    do {
      ssize_t count = read(connection, answer + had, sizeof answer - 1 - (size_t)had);
      want(count > 0, "read");
      had += count;
      answer[had] = 0;
    } while (strstr(answer, "\r\n\r\n") == NULL);
    times[i] = now() - started;
    want(strncmp(answer, "HTTP/1.1 200", 12) == 0, "an answer that is not 200");
  }
  wire = median(times);
  printf("{\"load\":%lld,\"client\":%lld,\"threads\":%d,\"exists\":%lld,\"wire\":%lld}\n", load, made, threads_before, warm, wire);
  return 0;
}
