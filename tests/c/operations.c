/* operations that run are waited for, watched, cancelled and freed, in any order. */
#include "silent.h"
#include <pthread.h>
#include <sys/resource.h>

static cldoci_operation *shared;

static void *wait_for_shared(void *status) {
  *(cldoci_status *)status = cldoci_operation_wait(shared, -1, NULL);
  return NULL;
}

/* Starts eight threads that wait, lets `end` end the operation, and gives the status that all of them got. */
static cldoci_status eight_waiters(cldoci_operation *operation, int free_it) {
  pthread_t threads[8];
  cldoci_status statuses[8];
  int i;
  shared = operation;
  for (i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], NULL, wait_for_shared, &statuses[i]) == 0);
  poll(NULL, 0, 50); /* most of them wait by now; those that do not must end all the same */
  if (free_it) {
    CHECK(cldoci_operation_free(operation) == CLDOCI_OK);
  } else {
    CHECK(cldoci_operation_cancel(operation, NULL) == CLDOCI_OK);
  }
  for (i = 0; i < 8; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    /* One that came late finds the handle freed. */
    if (free_it && statuses[i] == CLDOCI_ERROR_HANDLE) statuses[i] = CLDOCI_ERROR_CANCELLED;
    CHECK(statuses[i] == statuses[0]);
  }
  return statuses[0];
}

int main(void) {
  char place[64];
  cldoci_error *error = NULL;
  cldoci_client *client;
  cldoci_reference *reference = NULL;
  cldoci_operation *operation = NULL;
  cldoci_result *result = NULL;
  cldoci_progress progress = {.struct_size = sizeof progress};
  int i, threads_before = count_threads(), fds_before;
  int listener = silent_listen(place, sizeof place, 64);
  int32_t fd = 0;
  char byte;
  double began;

  client = quiet_client();
  OK(cldoci_reference_parse(place, &reference, &error));
  CHECK(count_threads() == threads_before); /* no thread before the first verb */

  /* With the last client and operation all is gone. */
  fds_before = count_entries("/proc/self/fd");
  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  OK(cldoci_operation_free(operation));
  OK(cldoci_client_free(client));
  EVENTUALLY(count_threads() == threads_before);
  EVENTUALLY(count_entries("/proc/self/fd") == fds_before);
  client = quiet_client();

  /* Pending: no error object, no result. */
  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  CHECK(cldoci_operation_wait(operation, 0, &error) == CLDOCI_PENDING && error == NULL);
  began = now();
  CHECK(cldoci_operation_wait(operation, 200, &error) == CLDOCI_PENDING && error == NULL);
  CHECK(now() - began > 0.15 && now() - began < 5);
  CHECK(cldoci_operation_result(operation, &result, &error) == CLDOCI_PENDING && result == NULL && error == NULL);
  OK(cldoci_operation_progress(operation, &progress, &error));
  CHECK(progress.phase >= CLDOCI_PHASE_WAITING && progress.phase < CLDOCI_PHASE_DONE && progress.reserved == 0);

  /* A descriptor is not readable before the end, and at its end for good after it. */
  OK(cldoci_operation_open_descriptor(operation, &fd, &error));
  struct pollfd watch = {.fd = fd, .events = POLLIN};
  CHECK(poll(&watch, 1, 50) == 0);
  OK(cldoci_operation_cancel(operation, &error));
  began = now();
  CHECK(poll(&watch, 1, 5000) == 1 && now() - began < 1);
  CHECK(read(fd, &byte, 1) == 0 && read(fd, &byte, 1) == 0 && poll(&watch, 1, 0) == 1);
  FAILS(cldoci_operation_wait(operation, -1, &error), CANCELLED, "cancelled");
  FAILS(cldoci_operation_result(operation, &result, &error), CANCELLED, "cancelled");
  CHECK(result == NULL);
  OK(cldoci_operation_progress(operation, &progress, &error));
  CHECK(progress.phase == CLDOCI_PHASE_DONE);
  /* again, and after the end. */
  OK(cldoci_operation_cancel(operation, &error));
  OK(cldoci_operation_cancel(operation, &error));
  int32_t late = -1;
  OK(cldoci_operation_open_descriptor(operation, &late, &error));
  CHECK(read(late, &byte, 1) == 0);
  close(late);
  /* The descriptor is the caller's own. */
  OK(cldoci_operation_free(operation));
  CHECK(read(fd, &byte, 1) == 0);
  close(fd);
  FAILS(cldoci_operation_wait(operation, 0, &error), HANDLE, "was freed");

  /* cancelled after a success, twice: it stays one, with its result. */
  cldoci_reference *nothing = NULL;
  OK(cldoci_reference_layout("/nonexistent/layout", "v1", NULL, &nothing, &error));
  OK(cldoci_exists_start(client, nothing, NULL, &operation, &error));
  OK(cldoci_operation_wait(operation, -1, &error));
  OK(cldoci_operation_cancel(operation, &error));
  OK(cldoci_operation_cancel(operation, &error));
  OK(cldoci_operation_wait(operation, -1, &error));
  OK(cldoci_operation_result(operation, &result, &error));
  CHECK(cldoci_result_exists(result) == 0);
  OK(cldoci_result_free(result));
  result = NULL;
  OK(cldoci_operation_free(operation));
  FAILS(cldoci_operation_cancel(operation, &error), HANDLE, "was freed");
  /* Free without wait, of one that is done and of one that is not. */
  OK(cldoci_exists_start(client, nothing, NULL, &operation, &error));
  EVENTUALLY(cldoci_operation_progress(operation, &progress, NULL) == CLDOCI_OK && progress.phase == CLDOCI_PHASE_DONE);
  OK(cldoci_operation_free(operation));
  CHECK(cldoci_operation_free(operation) == CLDOCI_ERROR_HANDLE);
  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  OK(cldoci_operation_free(operation));
  CHECK(cldoci_operation_free(operation) == CLDOCI_ERROR_HANDLE);
  OK(cldoci_reference_free(nothing));

  /* all waiters wake, by a cancel and by a free. */
  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  CHECK(eight_waiters(operation, 0) == CLDOCI_ERROR_CANCELLED);
  OK(cldoci_operation_free(operation));
  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  CHECK(eight_waiters(operation, 1) == CLDOCI_ERROR_CANCELLED);

  /* A deadline is the operation's own failure, not a wait that was too short. */
  cldoci_options *options = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_timeout_ms(options, 100, &error));
  FAILS(cldoci_exists(client, reference, options, &result, &error), TIMEOUT, "timeout_ms");
  OK(cldoci_options_free(options));

  /* No descriptors to be had: an error, and waiting works all the same. valgrind keeps descriptors for itself. */
  struct rlimit limit, low;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  /* The operation has all that it needs once it is connected. */
  char there[64];
  cldoci_reference *connected = NULL;
  struct pollfd knocks = {.fd = silent_listen(there, sizeof there, 1), .events = POLLIN};
  OK(cldoci_reference_parse(there, &connected, &error));
  OK(cldoci_exists_start(client, connected, NULL, &operation, &error));
  OK(cldoci_reference_free(connected));
  CHECK(poll(&knocks, 1, 10000) == 1);
  low = limit;
  low.rlim_cur = 3;
  if (getenv("UNDER_VALGRIND") == NULL) {
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    FAILS(cldoci_operation_open_descriptor(operation, &fd, &error), IO, "descriptor");
    CHECK(fd == -1);
  }
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  OK(cldoci_operation_cancel(operation, &error));
  FAILS(cldoci_operation_wait(operation, 5000, &error), CANCELLED, "cancelled");
  OK(cldoci_operation_free(operation));
  close(knocks.fd);

  /* the client goes while a hundred run; X-13: nothing stays. */
  cldoci_operation *many[100];
  for (i = 0; i < 100; i++) OK(cldoci_exists_start(client, reference, NULL, &many[i], &error));
  OK(cldoci_client_free(client));
  OK(cldoci_reference_free(reference));
  for (i = 0; i < 100; i++) CHECK(cldoci_operation_wait(many[i], 0, NULL) == CLDOCI_PENDING);
  began = now();
  for (i = 0; i < 100; i++) OK(cldoci_operation_free(many[i]));
  CHECK(now() - began < 1);
  EVENTUALLY(count_threads() == threads_before);
  EVENTUALLY(count_entries("/proc/self/fd") == fds_before);

  /* a thousand clients, most of which never work. */
  for (i = 0; i < 1000; i++) {
    client = quiet_client();
    if (i % 50 == 0) {
      OK(cldoci_reference_parse(place, &reference, &error));
      OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
      OK(cldoci_operation_free(operation));
      OK(cldoci_reference_free(reference));
    }
    OK(cldoci_client_free(client));
  }
  EVENTUALLY(count_threads() == threads_before);
  EVENTUALLY(count_entries("/proc/self/fd") == fds_before);
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  close(listener);
  return 0;
}
