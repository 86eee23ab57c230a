/* No thread can be started (F-12): each verb, under each limit of processes, ends with its result or with an IO error
 * that names the cause, never with a hang or a caught panic; no signal stays blocked; and the next call works once
 * the limit is gone. The limit does not bind root, so each round runs as a user that has no other process.
 *
 *   nproc DIRECTORY ROUNDS    DIRECTORY: empty, and every user's to write */
#include "check.h"
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The most that one round may take; the verbs' own work is some milliseconds. */
#define LIMIT_S 20

static char directory[4096], tree[4200], layout[4200], closed[] = "localhost:9/x:y";

typedef struct {
  cldoci_client *client;
  cldoci_error *error;
  int n;
} call;

static cldoci_reference *parse(const char *text) {
  cldoci_reference *reference = NULL;
  cldoci_error *error = NULL;
  OK(cldoci_reference_parse(text, &reference, &error));
  return reference;
}

static cldoci_status resolve_registry(call *c) {
  cldoci_reference *reference = parse(closed);
  cldoci_status status = cldoci_resolve(c->client, reference, NULL, NULL, &c->error);
  CHECK(cldoci_reference_free(reference) == CLDOCI_OK);
  return status;
}

static cldoci_status on_layout(call *c, int verb) {
  char name[4400];
  cldoci_reference *reference = parse(layout), *target;
  cldoci_artifact *artifact = NULL;
  cldoci_result *result = NULL;
  cldoci_status status = CLDOCI_ERROR_INTERNAL;
  switch (verb) {
    case 0: status = cldoci_exists(c->client, reference, NULL, NULL, &c->error); break;
    case 1:
      snprintf(name, sizeof name, "%s/pulled-%d-%d", directory, (int)getpid(), c->n++);
      status = cldoci_pull(c->client, reference, name, NULL, NULL, &c->error);
      break;
    case 2:
      status = cldoci_build(c->client, tree, "application/vnd.test", NULL, 0, NULL, &result, &c->error);
      if (status == CLDOCI_OK) {
        snprintf(name, sizeof name, "ocidir://%s/pushed-%d-%d:v1", directory, (int)getpid(), c->n++);
        target = parse(name);
        CHECK(cldoci_result_artifact(result, &artifact, NULL) == CLDOCI_OK);
        status = cldoci_push(c->client, artifact, target, NULL, NULL, &c->error);
        CHECK(cldoci_artifact_free(artifact) == CLDOCI_OK && cldoci_reference_free(target) == CLDOCI_OK);
        CHECK(cldoci_result_free(result) == CLDOCI_OK);
      }
      break;
    case 3: status = cldoci_pull_config(c->client, reference, NULL, NULL, &c->error); break;
  }
  CHECK(cldoci_reference_free(reference) == CLDOCI_OK);
  return status;
}

static cldoci_status exists(call *c) { return on_layout(c, 0); }
static cldoci_status pull(call *c) { return on_layout(c, 1); }
static cldoci_status build_and_push(call *c) { return on_layout(c, 2); }
static cldoci_status pull_config(call *c) { return on_layout(c, 3); }

static const struct {
  const char *name;
  cldoci_status (*run)(call *);
  cldoci_status otherwise;
} verbs[] = {
    {"resolve", resolve_registry, CLDOCI_ERROR_NETWORK}, {"exists", exists, CLDOCI_OK},
    {"pull", pull, CLDOCI_OK},                           {"build", build_and_push, CLDOCI_OK},
    {"pull_config", pull_config, CLDOCI_OK},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static void *second(void *argument) {
  call *c = argument;
  cldoci_status status = resolve_registry(c);
  if (status == CLDOCI_ERROR_IO) CHECK(strstr(cldoci_error_message(c->error, NULL), "no thread can be started"));
  CHECK(status == CLDOCI_ERROR_IO || status == CLDOCI_ERROR_NETWORK);
  cldoci_error_free(c->error);
  c->error = NULL;
  return NULL;
}

/* As another user, under the limit; exits 0 where it went well, 3 where a verb was refused and then worked. */
static int round_of(int verb, unsigned limit, uid_t user, const char *store) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  call c = {0};
  struct rlimit full, tight;
  /* The kernel fills in a part of them. */
  sigset_t before = {0}, after = {0};
  pthread_t thread;
  int refused = 0, started;
  CHECK(setgroups(0, NULL) == 0 && setgid(user) == 0 && setuid(user) == 0);
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_store(options, store, &error));
  OK(cldoci_options_set(options, "retries", "0", &error));
  OK(cldoci_client_new(options, &c.client, &error));
  OK(cldoci_options_free(options));
  CHECK(getrlimit(RLIMIT_NPROC, &full) == 0);
  tight = full;
  tight.rlim_cur = limit;
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &before) == 0);
  CHECK(setrlimit(RLIMIT_NPROC, &tight) == 0);
  cldoci_status status = verbs[verb].run(&c);
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &after) == 0);
  CHECK(memcmp(&before, &after, sizeof before) == 0);
  if (status == CLDOCI_ERROR_IO) {
    refused = 1;
    CHECK(strstr(cldoci_error_message(c.error, NULL), "no thread can be started") != NULL);
    CHECK(cldoci_error_errno(c.error) == EAGAIN);
    CHECK(cldoci_error_retryable(c.error) == 1);
  } else if (status != verbs[verb].otherwise) {
    fprintf(stderr, "%s with %u: %s: %s\n", verbs[verb].name, limit, cldoci_status_name(status),
            cldoci_error_message(c.error, NULL));
    return 1;
  }
  cldoci_error_free(c.error);
  c.error = NULL;
  CHECK(setrlimit(RLIMIT_NPROC, &full) == 0);
  /* In another thread too, and then as if nothing had been. */
  started = pthread_create(&thread, NULL, second, &c) == 0;
  CHECK(started && pthread_join(thread, NULL) == 0);
  status = verbs[verb].run(&c);
  if (status != verbs[verb].otherwise) {
    fprintf(stderr, "%s after %u: %s: %s\n", verbs[verb].name, limit, cldoci_status_name(status),
            cldoci_error_message(c.error, NULL));
    return 1;
  }
  cldoci_error_free(c.error);
  CHECK(cldoci_client_free(c.client) == CLDOCI_OK);
  return refused ? 3 : 0;
}

static void make_layout(void) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  cldoci_result *result = NULL;
  cldoci_artifact *artifact = NULL;
  cldoci_reference *reference = parse(layout);
  char name[4300];
  CHECK(mkdir(tree, 0755) == 0);
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "%s/file%d", tree, i);
    FILE *file = fopen(name, "w");
    CHECK(file != NULL && fprintf(file, "file %d\n", i) > 0 && fclose(file) == 0);
  }
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_build(client, tree, "application/vnd.test", NULL, 0, NULL, &result, &error));
  OK(cldoci_result_artifact(result, &artifact, &error));
  OK(cldoci_push(client, artifact, reference, NULL, NULL, &error));
  OK(cldoci_artifact_free(artifact));
  OK(cldoci_result_free(result));
  OK(cldoci_client_free(client));
  OK(cldoci_options_free(options));
  OK(cldoci_reference_free(reference));
}

int main(int argc, char **argv) {
  int refused = 0, rounds, runs = 0;
  CHECK(argc == 3 && geteuid() == 0);
  rounds = atoi(argv[2]);
  snprintf(directory, sizeof directory, "%s", argv[1]);
  snprintf(tree, sizeof tree, "%s/tree", directory);
  snprintf(layout, sizeof layout, "ocidir://%s/layout:v1", directory);
  pid_t maker = fork();
  if (maker == 0) {
    make_layout();
    _exit(0);
  }
  int status;
  CHECK(maker > 0 && waitpid(maker, &status, 0) == maker && status == 0);
  for (int round = 0; round < rounds; round++)
    for (int verb = 0; verb < VERBS; verb++)
      for (unsigned limit = 1; limit <= 8; limit++, runs++) {
        char store[4300];
        snprintf(store, sizeof store, "%s/store-%d", directory, runs);
        pid_t child = fork();
        /* A user of its own for each, so that no other process counts against its limit. */
        if (child == 0) _exit(round_of(verb, limit, 2000000 + (uid_t)getpid(), store));
        CHECK(child > 0);
        time_t end = time(NULL) + LIMIT_S;
        for (;;) {
          pid_t gone = waitpid(child, &status, WNOHANG);
          if (gone == child) break;
          if (time(NULL) > end) {
            kill(child, SIGKILL);
            CHECK(waitpid(child, &status, 0) == child);
            fprintf(stderr, "%s with %u hangs\n", verbs[verb].name, limit);
            return 1;
          }
          usleep(2000);
        }
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)) {
          fprintf(stderr, "%s with %u: status %x\n", verbs[verb].name, limit, status);
          return 1;
        }
        refused += WEXITSTATUS(status) == 3;
        /* The smallest limit lets no verb pass. */
        CHECK(limit > 1 || WEXITSTATUS(status) == 3);
      }
  printf("%d runs, %d refused for want of a thread\n", runs, refused);
  return 0;
}
