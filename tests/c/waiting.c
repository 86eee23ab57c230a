/* The callbacks of a verb that is waited for run on the thread that waits, those of an operation do not: a runtime with
   one interpreter thread, or one lock around it, can't hang. The lock here is the interpreter's. An alarm ends a hang. */
#include "demanding.h"
#include "silent.h"
#include <pthread.h>
#include <sys/syscall.h>

static pthread_mutex_t interpreter;
static cldoci_client *client;
static cldoci_reference *demanding, *layout, *silent;
static const char *tree;

static pid_t self(void) { return (pid_t)syscall(SYS_gettid); }

/* One verb's callbacks, and the thread that they must be called on; 0: on any but that of `not_on`. */
struct seen {
  pid_t on, not_on;
  int progress, done, lines, ended, asked, finalized;
  cldoci_status idle, nested, inner;
  int calls_back, slow_ms, answer, give;
};

/* As a runtime's own trampoline does it. A thread that has the lock passes. */
static void enter(struct seen *seen) {
  CHECK(pthread_mutex_lock(&interpreter) == 0);
  if (seen->on != 0) CHECK(self() == seen->on);
  if (seen->not_on != 0) CHECK(self() != seen->not_on);
}
static void leave(void) { CHECK(pthread_mutex_unlock(&interpreter) == 0); }

static int32_t on_progress(const cldoci_progress *progress, void *user_data) {
  struct seen *seen = user_data;
  enter(seen);
  seen->done += progress->phase == CLDOCI_PHASE_DONE;
  if (seen->progress++ == 0 && seen->calls_back) {
    cldoci_operation *operation = NULL;
    seen->idle = cldoci_wait_idle(1000, NULL);
    /* A verb within the callback, on the same thread, of the same client. */
    seen->nested = cldoci_exists(client, demanding, NULL, NULL, NULL);
    CHECK(cldoci_exists_start(client, demanding, NULL, &operation, NULL) == CLDOCI_OK);
    /* Its own credential callback wants the lock, so it can't be waited for here. */
    seen->inner = cldoci_operation_wait(operation, 0, NULL);
    CHECK(cldoci_operation_free(operation) == CLDOCI_OK);
  }
  if (seen->slow_ms) poll(NULL, 0, seen->slow_ms);
  leave();
  return seen->answer;
}

static void on_line(int32_t level, const char *line, void *user_data) {
  struct seen *seen = user_data;
  (void)level;
  enter(seen);
  seen->lines++;
  if (strstr(line, ": done in") != NULL) __atomic_add_fetch(&seen->ended, 1, __ATOMIC_SEQ_CST);
  leave();
}

static struct seen *asking; /* the client's callback has one user_data for all its calls */

static int32_t on_credential(const char *registry, const char *repository, cldoci_credential *credential, void *user_data) {
  cldoci_error *error = NULL;
  struct seen *seen;
  (void)registry;
  (void)repository;
  CHECK(user_data == &asking);
  CHECK(pthread_mutex_lock(&interpreter) == 0);
  seen = asking;
  if (seen->on != 0) CHECK(self() == seen->on);
  seen->asked++;
  if (seen->calls_back) seen->nested = cldoci_exists(client, demanding, NULL, NULL, NULL);
  OK(cldoci_credential_set_basic(credential, "user", seen->give ? "secret" : "wrong", &error));
  leave();
  return 1;
}

static void finalizer(void *user_data) { __atomic_add_fetch(&((struct seen *)user_data)->finalized, 1, __ATOMIC_SEQ_CST); }

static cldoci_client *new_client(void) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *made = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_credentials(options, CLDOCI_CREDENTIALS_EXPLICIT, &error));
  OK(cldoci_options_set_credential_callback(options, on_credential, &asking, NULL, &error));
  OK(cldoci_client_new(options, &made, &error));
  OK(cldoci_options_free(options));
  return made;
}

static cldoci_options *with_callbacks(struct seen *seen) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_progress_callback(options, on_progress, seen, finalizer, &error));
  OK(cldoci_options_set_log_callback(options, CLDOCI_LOG_DEBUG, on_line, seen, finalizer, &error));
  return options;
}

/* All three, under the lock. */
static void waited_for(void) {
  cldoci_error *error = NULL;
  struct seen seen = {.on = self(), .give = 1};
  cldoci_options *options = with_callbacks(&seen);
  client = new_client();
  asking = &seen;
  CHECK(pthread_mutex_lock(&interpreter) == 0);
  OK(cldoci_exists(client, demanding, options, NULL, &error));
  CHECK(seen.asked == 1 && seen.done == 1 && seen.ended == 1 && seen.lines >= 3);
  OK(cldoci_build_and_push(client, tree, "component", NULL, 0, layout, options, NULL, &error));
  CHECK(seen.done == 2 && seen.ended == 2);
  /* One that fails tells its end too. */
  OK(cldoci_options_set_timeout_ms(options, 50, &error));
  FAILS(cldoci_exists(client, silent, options, NULL, &error), TIMEOUT, "timeout_ms");
  CHECK(seen.done == 3 && seen.ended == 2);
  /* The last hold on the callbacks is this one: the finalisers come here, and now. */
  OK(cldoci_options_free(options));
  CHECK(__atomic_load_n(&seen.finalized, __ATOMIC_SEQ_CST) == 2);
  OK(cldoci_client_free(client));
  leave();
}

/* The twin: those of an operation run elsewhere, and wait for the lock. */
static void started(void) {
  cldoci_error *error = NULL;
  cldoci_operation *operation = NULL;
  struct seen seen = {.not_on = self(), .give = 1};
  cldoci_options *options = with_callbacks(&seen);
  client = new_client();
  asking = &seen;
  OK(cldoci_exists_start(client, demanding, options, &operation, &error));
  OK(cldoci_operation_wait(operation, -1, &error));
  CHECK(seen.asked == 1 && seen.done == 1);
  /* The last lines may come after the end. */
  EVENTUALLY(__atomic_load_n(&seen.ended, __ATOMIC_SEQ_CST) == 1);
  OK(cldoci_operation_free(operation));
  OK(cldoci_options_free(options));
  OK(cldoci_client_free(client));
  OK(cldoci_wait_idle(10000, &error));
  CHECK(__atomic_load_n(&seen.finalized, __ATOMIC_SEQ_CST) == 2);
}

/* An operation asks for a credential, and its callback waits for the lock: a verb that is waited for under the lock
   must not wait for the answer. */
static void beside_an_operation(void) {
  cldoci_error *error = NULL;
  cldoci_operation *operation = NULL;
  struct seen seen = {.give = 1};
  client = new_client();
  asking = &seen;
  CHECK(pthread_mutex_lock(&interpreter) == 0);
  OK(cldoci_exists_start(client, demanding, NULL, &operation, &error));
  poll(NULL, 0, 100); /* most likely it asks by now; either way this must end */
  OK(cldoci_exists(client, demanding, NULL, NULL, &error));
  leave();
  OK(cldoci_operation_wait(operation, -1, &error));
  OK(cldoci_operation_free(operation));
  CHECK(seen.asked == 1 || seen.asked == 2);
  OK(cldoci_client_free(client));
}

/* Callbacks that call back. */
static void nested(void) {
  cldoci_error *error = NULL;
  struct seen seen = {.on = self(), .calls_back = 1}, answers = {.on = self(), .give = 1};
  cldoci_options *options = with_callbacks(&seen);
  client = new_client();
  asking = &answers;
  CHECK(pthread_mutex_lock(&interpreter) == 0);
  OK(cldoci_exists(client, demanding, options, NULL, &error));
  CHECK(seen.idle == CLDOCI_ERROR_REENTRANT && seen.nested == CLDOCI_OK);
  CHECK(seen.inner == CLDOCI_PENDING || seen.inner == CLDOCI_OK);
  OK(cldoci_options_free(options));
  OK(cldoci_client_free(client));

  client = new_client();
  answers.calls_back = 1;
  OK(cldoci_exists(client, demanding, NULL, NULL, &error));
  CHECK(answers.nested == CLDOCI_ERROR_REENTRANT);
  OK(cldoci_client_free(client));
  leave();
}

/* A callback that takes its time ends with the call, which comes back with its own end; one may cancel. */
static void slow_and_refusing(void) {
  cldoci_error *error = NULL;
  struct seen seen = {.on = self(), .slow_ms = 400}, refusing = {.on = self(), .answer = 1};
  cldoci_options *options = with_callbacks(&seen);
  double began = now();
  client = new_client();
  asking = &seen;
  OK(cldoci_options_set_timeout_ms(options, 100, &error));
  FAILS(cldoci_exists(client, silent, options, NULL, &error), TIMEOUT, "timeout_ms");
  CHECK(now() - began < 5 && seen.done == 1);
  OK(cldoci_options_free(options));
  options = with_callbacks(&refusing);
  FAILS(cldoci_exists(client, silent, options, NULL, &error), CANCELLED, "cancelled");
  CHECK(refusing.progress == 1);
  OK(cldoci_options_free(options));
  OK(cldoci_client_free(client));
}

/* Several threads wait at once, each with callbacks of its own. */
static void *one_of_many(void *unused) {
  cldoci_error *error = NULL;
  struct seen seen = {.on = self()};
  cldoci_options *options = with_callbacks(&seen);
  int i;
  for (i = 0; i < 20; i++) {
    OK(cldoci_exists(client, layout, options, NULL, &error));
    CHECK(seen.done == i + 1 && seen.ended == i + 1);
  }
  OK(cldoci_options_free(options));
  CHECK(__atomic_load_n(&seen.finalized, __ATOMIC_SEQ_CST) == 2);
  return unused;
}

static void many(void) {
  pthread_t threads[8];
  int i;
  client = new_client();
  for (i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], NULL, one_of_many, NULL) == 0);
  for (i = 0; i < 8; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(cldoci_client_free(client) == CLDOCI_OK);
}

int main(int argc, char **argv) {
  char place[64];
  char path[4096];
  cldoci_error *error = NULL;
  pthread_t server;
  pthread_mutexattr_t recursive;
  int listener, quiet;

  CHECK(argc == 2);
  alarm((unsigned)(60 * slowness()));
  listener = silent_listen(place, sizeof place, 64);
  OK(cldoci_reference_parse(place, &demanding, &error));
  CHECK(pthread_create(&server, NULL, demand_credential, &listener) == 0);
  quiet = silent_listen(place, sizeof place, 64);
  OK(cldoci_reference_parse(place, &silent, &error));
  snprintf(path, sizeof path, "%s/layout", argv[1]);
  OK(cldoci_reference_layout(path, "v1", NULL, &layout, &error));
  snprintf(path, sizeof path, "%s/tree", argv[1]);
  tree = path;
  pthread_mutexattr_init(&recursive);
  pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
  CHECK(pthread_mutex_init(&interpreter, &recursive) == 0);

  waited_for();
  started();
  beside_an_operation();
  nested();
  slow_and_refusing();
  many();

  OK(cldoci_reference_free(demanding));
  OK(cldoci_reference_free(silent));
  OK(cldoci_reference_free(layout));
  OK(cldoci_wait_idle(10000, &error));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  shutdown(listener, SHUT_RDWR);
  pthread_join(server, NULL);
  close(listener);
  close(quiet);
  return 0;
}
