/*
 * verbs VERB REFERENCE DIRECTORY AT-ONCE OPERATIONS — one verb again and again in a warm program, by the library that
 * the loader finds. Builds and pushes are of DIRECTORY, pulls go below it; a push to a new place takes REFERENCE with
 * a number before its tag. `tree` makes by plain calls a copy of the files of DIRECTORY below it, as a measure.
 * Prints one line of JSON: seconds, and for each operation.
 */
#define _GNU_SOURCE
#include <cldoci.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 64, PATH = 1024 };

typedef void verb(int thread, int number);

static cldoci_client *client;
static cldoci_reference *reference, *again;
static cldoci_artifact *artifact;
static const char *place, *directory;
static verb *run;
static int operations, next;
static double *took;

static void want(int fine, const char *what, cldoci_error *error) {
  if (fine) return;
  fprintf(stderr, "verbs: %s: %s\n", what, error ? cldoci_error_message(error, NULL) : "failed");
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static cldoci_reference *parsed(const char *text) {
  cldoci_reference *found = NULL;
  cldoci_error *error = NULL;
  want(cldoci_reference_parse(text, &found, &error) == CLDOCI_OK, text, error);
  return found;
}

/* REFERENCE with something before its tag. */
static void beside(char *text, const char *what, int number) {
  const char *tag = strrchr(place, ':');
  snprintf(text, PATH, "%.*s%s%d%s", (int)(tag - place), place, what, number, tag);
}

static cldoci_result *built(void) {
  static const char config[] = "{\"name\":\"a\"}";
  cldoci_result *result = NULL;
  cldoci_error *error = NULL;
  want(cldoci_build(client, directory, "component", (const uint8_t *)config, sizeof config - 1, NULL, &result, &error) ==
           CLDOCI_OK,
       "build", error);
  return result;
}

static void build(int thread, int number) {
  (void)thread, (void)number;
  cldoci_result_free(built());
}

static void push_to(const cldoci_reference *to) {
  cldoci_error *error = NULL;
  want(cldoci_push(client, artifact, to, NULL, NULL, &error) == CLDOCI_OK, "push", error);
}

static void push(int thread, int number) {
  char text[PATH];
  cldoci_reference *to;
  (void)thread;
  beside(text, number < 0 ? "-warm" : "-r", number < 0 ? -number : number);
  to = parsed(text);
  push_to(to);
  cldoci_reference_free(to);
}

static void push_again(int thread, int number) {
  (void)thread, (void)number;
  push_to(reference);
}

static void pull_into(char kind, int number) {
  char out[PATH];
  cldoci_error *error = NULL;
  snprintf(out, sizeof out, "%s/%c%d", directory, kind, number);
  want(cldoci_pull(client, reference, out, NULL, NULL, &error) == CLDOCI_OK, "pull", error);
}

static void pull(int thread, int number) {
  (void)thread;
  pull_into('n', number);
}

static void pull_again(int thread, int number) {
  (void)number;
  pull_into('t', thread);
}

static void config(int thread, int number) {
  cldoci_error *error = NULL;
  (void)thread, (void)number;
  want(cldoci_pull_config(client, reference, NULL, NULL, &error) == CLDOCI_OK, "config", error);
}

static void tag(int thread, int number) {
  cldoci_error *error = NULL;
  (void)thread, (void)number;
  want(cldoci_tag(client, reference, again, NULL, NULL, &error) == CLDOCI_OK, "tag", error);
}

static void exists(int thread, int number) {
  cldoci_result *result = NULL;
  cldoci_error *error = NULL;
  (void)thread, (void)number;
  want(cldoci_exists(client, reference, NULL, &result, &error) == CLDOCI_OK, "exists", error);
  cldoci_result_free(result);
}

/* What the files of `from` are made of again below `to`. */
static void copied(const char *from, const char *to) {
  DIR *entries = opendir(from);
  struct dirent *entry;
  static __thread char bytes[1 << 16];
  want(entries != NULL && mkdir(to, 0755) == 0, to, NULL);
  while ((entry = readdir(entries)) != NULL) {
    char source[PATH], target[PATH];
    if (entry->d_name[0] == '.') continue;
    snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
    snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
    if (entry->d_type == DT_DIR) {
      copied(source, target);
    } else {
      int in = open(source, O_RDONLY), out = open(target, O_WRONLY | O_CREAT | O_EXCL, 0644);
      ssize_t count;
      want(in >= 0 && out >= 0, target, NULL);
      while ((count = read(in, bytes, sizeof bytes)) > 0) want(write(out, bytes, (size_t)count) == count, target, NULL);
      close(in);
      close(out);
    }
  }
  closedir(entries);
}

static void tree(int thread, int number) {
  char out[PATH];
  (void)thread;
  snprintf(out, sizeof out, "%s/n%d", directory, number);
  copied(place, out);
}

static const struct {
  const char *name;
  verb *run;
} VERBS[] = {{"build", build}, {"push", push},     {"push-again", push_again}, {"pull", pull}, {"pull-again", pull_again},
             {"config", config}, {"tag", tag}, {"exists", exists},         {"tree", tree}};

static void *work(void *argument) {
  int thread = (int)(intptr_t)argument, number;
  while ((number = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < operations) {
    double started = now();
    run(thread, number);
    took[number] = now() - started;
  }
  return NULL;
}

static void *warm(void *argument) {
  int thread = (int)(intptr_t)argument;
  run(thread, -1 - thread);
  return NULL;
}

static void all(void *(*what)(void *), int count) {
  pthread_t threads[THREADS];
  int i;
  for (i = 0; i < count; i++) want(pthread_create(&threads[i], NULL, what, (void *)(intptr_t)i) == 0, "a thread", NULL);
  for (i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The process's own peak: that of getrusage begins with what its parent had. */
static double peak(void) {
  FILE *status = fopen("/proc/self/status", "r");
  char line[256];
  long kilobytes = 0;
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1) break;
  if (status) fclose(status);
  return (double)kilobytes * 1024;
}

static double cpu(const struct rusage *usage) {
  return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
         (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  struct rusage before, after;
  double started, wall;
  cldoci_error *error = NULL;
  char text[PATH];
  int at_once;
  size_t i;

  want(argc == 6, "VERB REFERENCE DIRECTORY AT-ONCE OPERATIONS", NULL);
  for (i = 0; i < sizeof VERBS / sizeof *VERBS; i++)
    if (strcmp(argv[1], VERBS[i].name) == 0) run = VERBS[i].run;
  place = argv[2];
  directory = argv[3];
  at_once = atoi(argv[4]);
  operations = atoi(argv[5]);
  want(run != NULL && at_once > 0 && at_once <= THREADS && operations > 0, argv[1], NULL);
  took = calloc((size_t)operations, sizeof *took);
  if (run != tree) {
    want(cldoci_client_new(NULL, &client, &error) == CLDOCI_OK, "client_new", error);
    reference = parsed(place);
    snprintf(text, sizeof text, "%.*s:again", (int)(strrchr(place, ':') - place), place);
    again = parsed(text);
  }
  if (run == push || run == push_again) {
    cldoci_result *result = built();
    want(cldoci_result_artifact(result, &artifact, &error) == CLDOCI_OK, "result_artifact", error);
    cldoci_result_free(result);
  }
  /* Warm: connections, threads, what is asked once. */
  all(warm, at_once);
  getrusage(RUSAGE_SELF, &before);
  started = now();
  all(work, at_once);
  wall = now() - started;
  getrusage(RUSAGE_SELF, &after);
  qsort(took, (size_t)operations, sizeof *took, ascending);
  printf("{\"wall\":%.9f,\"p50\":%.9f,\"p99\":%.9f,\"cpu\":%.9f,\"waits\":%.2f,\"rss\":%.0f}\n", wall / operations,
         took[operations / 2], took[operations * 99 / 100], (cpu(&after) - cpu(&before)) / operations,
         (double)(after.ru_nvcsw - before.ru_nvcsw) / operations, peak());
  cldoci_artifact_free(artifact);
  cldoci_reference_free(again);
  cldoci_reference_free(reference);
  cldoci_client_free(client);
  free(took);
  return 0;
}
