/* callbacks call back, block, come to an end with their operation; finalisers run once. */
#include "silent.h"
#include <pthread.h>
#include <semaphore.h>

static cldoci_client *client;
static cldoci_reference *reference;

struct seen {
  cldoci_operation *operation;
  sem_t entered, leave;
  int calls, finalized, block, answer, freed, late;
  cldoci_status waited, asked, started;
};

static void finalizer(void *user_data) { __atomic_add_fetch(&((struct seen *)user_data)->finalized, 1, __ATOMIC_SEQ_CST); }

static int32_t progress_callback(const cldoci_progress *progress, void *user_data) {
  struct seen *seen = user_data;
  CHECK(progress->struct_size >= sizeof *progress && progress->phase <= CLDOCI_PHASE_DONE);
  if (__atomic_add_fetch(&seen->calls, 1, __ATOMIC_SEQ_CST) == 1) {
    sem_post(&seen->entered);
    if (seen->block) sem_wait(&seen->leave);
  }
  return seen->answer;
}

/* Calls everything that a callback may be tempted to call. */
static int32_t calling_back(const cldoci_progress *progress, void *user_data) {
  struct seen *seen = user_data;
  cldoci_operation *other = NULL;
  (void)progress;
  if (__atomic_add_fetch(&seen->calls, 1, __ATOMIC_SEQ_CST) > 1) return 0;
  sem_wait(&seen->leave); /* until the handle is known */
  seen->asked = cldoci_operation_wait(seen->operation, 0, NULL);
  seen->waited = cldoci_operation_wait(seen->operation, -1, NULL);
  seen->started = cldoci_exists_start(client, reference, NULL, &other, NULL);
  CHECK(cldoci_operation_free(other) == CLDOCI_OK);
  CHECK(cldoci_operation_cancel(seen->operation, NULL) == CLDOCI_OK);
  sem_post(&seen->entered);
  return 0;
}

static cldoci_options *with_callback(cldoci_progress_callback callback, struct seen *seen) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  sem_init(&seen->entered, 0, 0);
  sem_init(&seen->leave, 0, 0);
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_progress_callback(options, callback, seen, finalizer, &error));
  return options;
}

static int lines;
static void log_line(int32_t level, const char *line, void *user_data) {
  CHECK(level >= CLDOCI_LOG_ERROR && level <= CLDOCI_LOG_DEBUG && strchr(line, '\n') == NULL && user_data == &lines);
  __atomic_add_fetch(&lines, 1, __ATOMIC_SEQ_CST);
}

/* what a callback uses goes with the finaliser, so that a call after it is a use after free, to a checker too. */
enum { ALIVE = 0x600d, GONE = 0xdead };
struct used {
  int state, calls;
};
static int given_back;

static int32_t using(const cldoci_progress *progress, void *user_data) {
  struct used *used = user_data;
  CHECK(__atomic_load_n(&used->state, __ATOMIC_SEQ_CST) == ALIVE && progress->struct_size >= sizeof *progress);
  __atomic_add_fetch(&used->calls, 1, __ATOMIC_SEQ_CST);
  CHECK(__atomic_load_n(&used->state, __ATOMIC_SEQ_CST) == ALIVE);
  return 0;
}

static void give_back(void *user_data) {
  CHECK(__atomic_exchange_n(&((struct used *)user_data)->state, GONE, __ATOMIC_SEQ_CST) == ALIVE);
  free(user_data);
  __atomic_add_fetch(&given_back, 1, __ATOMIC_SEQ_CST);
}

/* Operations that end by themselves at once, freed a little earlier or later than their last call. */
static void last_calls(int count) {
  cldoci_error *error = NULL;
  cldoci_reference *nowhere = NULL;
  int i, spin, ended = 0, told = 0;
  OK(cldoci_reference_layout("/nowhere/at/all", "v1", NULL, &nowhere, &error));
  for (i = 0; i < count; i++) {
    struct used *used = calloc(1, sizeof *used);
    cldoci_operation *operation = NULL;
    cldoci_options *options = NULL;
    CHECK(used != NULL);
    used->state = ALIVE;
    OK(cldoci_options_new(&options, &error));
    OK(cldoci_options_set_progress_callback(options, using, used, give_back, &error));
    OK(cldoci_exists_start(client, nowhere, options, &operation, &error));
    if (i % 8 == 0) {
      /* Its end is told after its last call; the options still hold the callback here. */
      OK(cldoci_operation_wait(operation, -1, &error));
      told += __atomic_load_n(&used->calls, __ATOMIC_SEQ_CST) > 0;
    }
    OK(cldoci_options_free(options));
    for (spin = i % 64; spin > 0; spin--) ended += cldoci_operation_wait(operation, 0, NULL) == CLDOCI_OK;
    OK(cldoci_operation_free(operation));
    while (i - __atomic_load_n(&given_back, __ATOMIC_SEQ_CST) > 500) poll(NULL, 0, 1);
  }
  EVENTUALLY(__atomic_load_n(&given_back, __ATOMIC_SEQ_CST) == count);
  CHECK(told == (count + 7) / 8 && ended > 0);
  OK(cldoci_reference_free(nowhere));
}

int main(void) {
  char place[64];
  cldoci_error *error = NULL;
  cldoci_operation *operation = NULL, *other = NULL;
  cldoci_options *options;
  int i, listener = silent_listen(place, sizeof place, 256);

  client = quiet_client();
  OK(cldoci_reference_parse(place, &reference, &error));

  /* */
  struct seen back = {0};
  options = with_callback(calling_back, &back);
  OK(cldoci_exists_start(client, reference, options, &back.operation, &error));
  OK(cldoci_options_free(options));
  sem_post(&back.leave);
  sem_wait(&back.entered);
  FAILS(cldoci_operation_wait(back.operation, 10000, &error), CANCELLED, "cancelled");
  CHECK(back.asked == CLDOCI_PENDING && back.waited == CLDOCI_ERROR_REENTRANT && back.started == CLDOCI_OK);
  OK(cldoci_operation_free(back.operation));
  EVENTUALLY(__atomic_load_n(&back.finalized, __ATOMIC_SEQ_CST) == 1);

  /* Non-zero cancels, also a call that blocks. */
  struct seen refusing = {.answer = 1};
  options = with_callback(progress_callback, &refusing);
  FAILS(cldoci_exists(client, reference, options, NULL, &error), CANCELLED, "cancelled");
  OK(cldoci_options_free(options));
  EVENTUALLY(__atomic_load_n(&refusing.finalized, __ATOMIC_SEQ_CST) == 1);

  /* one that blocks stalls no other operation and no other callback; cancel still works. */
  struct seen blocking = {.block = 1}, quick = {.answer = 1};
  options = with_callback(progress_callback, &blocking);
  OK(cldoci_exists_start(client, reference, options, &operation, &error));
  OK(cldoci_options_free(options));
  sem_wait(&blocking.entered);
  options = with_callback(progress_callback, &quick);
  FAILS(cldoci_exists(client, reference, options, NULL, &error), CANCELLED, "cancelled");
  OK(cldoci_options_free(options));
  OK(cldoci_exists_start(client, reference, NULL, &other, &error));
  OK(cldoci_operation_cancel(other, &error));
  FAILS(cldoci_operation_wait(other, 2000, &error), CANCELLED, "cancelled");
  OK(cldoci_operation_free(other));
  /* Its own work ends at once; its end is told when the callback is back, so that nothing calls after it. */
  OK(cldoci_operation_cancel(operation, &error));
  cldoci_progress progress = {.struct_size = sizeof progress};
  for (i = 0; i < 200 && progress.phase != CLDOCI_PHASE_DONE; i++) {
    OK(cldoci_operation_progress(operation, &progress, &error));
    poll(NULL, 0, 10);
  }
  CHECK(progress.phase == CLDOCI_PHASE_DONE);
  CHECK(cldoci_operation_wait(operation, 50, NULL) == CLDOCI_PENDING);
  sem_post(&blocking.leave);
  FAILS(cldoci_operation_wait(operation, 10000, &error), CANCELLED, "cancelled");
  CHECK(blocking.calls == 1); /* what came meanwhile was left out, as it was cancelled */
  OK(cldoci_operation_free(operation));
  EVENTUALLY(__atomic_load_n(&blocking.finalized, __ATOMIC_SEQ_CST) == 1);

  /* Free never waits, not even for a callback that blocks; the finaliser comes after it. */
  struct seen freed = {.block = 1};
  options = with_callback(progress_callback, &freed);
  OK(cldoci_exists_start(client, reference, options, &operation, &error));
  OK(cldoci_options_free(options));
  sem_wait(&freed.entered);
  double began = now();
  OK(cldoci_operation_free(operation));
  CHECK(now() - began < 1);
  poll(NULL, 0, 50);
  CHECK(__atomic_load_n(&freed.finalized, __ATOMIC_SEQ_CST) == 0);
  sem_post(&freed.leave);
  EVENTUALLY(__atomic_load_n(&freed.finalized, __ATOMIC_SEQ_CST) == 1);
  CHECK(freed.calls == 1);

  /* the race of the first call and free, many times: no call begins after free, one finaliser each. */
  for (i = 0; i < 2000; i++) {
    struct seen race = {0};
    int calls;
    options = with_callback(progress_callback, &race);
    OK(cldoci_exists_start(client, reference, options, &operation, &error));
    OK(cldoci_options_free(options));
    OK(cldoci_operation_free(operation));
    EVENTUALLY(__atomic_load_n(&race.finalized, __ATOMIC_SEQ_CST) == 1);
    calls = __atomic_load_n(&race.calls, __ATOMIC_SEQ_CST);
    CHECK(calls <= 1);
    sem_destroy(&race.entered);
    sem_destroy(&race.leave);
  }

  last_calls(getenv("CLDOCI_SOAK") != NULL ? 1000000 : 4000);

  /* A log line for begin and end; a finaliser also where setting fails. */
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_log_callback(options, CLDOCI_LOG_DEBUG, log_line, &lines, NULL, &error));
  OK(cldoci_options_set_timeout_ms(options, 50, &error));
  FAILS(cldoci_exists(client, reference, options, NULL, &error), TIMEOUT, "timeout_ms");
  EVENTUALLY(__atomic_load_n(&lines, __ATOMIC_SEQ_CST) >= 2);
  struct seen refused = {0};
  FAILS(cldoci_options_set_log_callback(options, 9, log_line, &refused, finalizer, &error), ARGUMENT, "1 to 4");
  CHECK(refused.finalized == 1);
  OK(cldoci_options_free(options));
  FAILS(cldoci_options_set_progress_callback(options, progress_callback, &refused, finalizer, &error), HANDLE, "freed");
  CHECK(refused.finalized == 2);

  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  EVENTUALLY(count_threads() == 1);
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  close(listener);
  return 0;
}
