/* Waiting until nothing goes on: after it no staging directory is left, no thread, and nothing for a leak checker.
 *
 *   idle DIRECTORY ROUNDS    DIRECTORY: empty */
#include "place.h"
#include "silent.h"
#include <sys/stat.h>
#include <unistd.h>

static cldoci_client *client_of(void) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_options_free(options));
  return client;
}

static cldoci_reference *layout(void) {
  cldoci_error *error = NULL;
  cldoci_reference *reference = NULL;
  OK(cldoci_reference_layout(at("layout"), "v1", NULL, &reference, &error));
  return reference;
}

static void make_layout(void) {
  cldoci_error *error = NULL;
  cldoci_result *result = NULL;
  cldoci_client *client = client_of();
  cldoci_reference *reference = layout();
  char name[64];
  CHECK(mkdir(at("tree"), 0755) == 0);
  for (int i = 0; i < 2000; i++) {
    snprintf(name, sizeof name, "tree/file%d", i);
    FILE *file = fopen(at(name), "w");
    CHECK(file != NULL);
    for (int line = 0; line < 200; line++) fprintf(file, "file %d line %d %d\n", i, line, i * line);
    CHECK(fclose(file) == 0);
  }
  OK(cldoci_build_and_push(client, at("tree"), "application/vnd.test", NULL, 0, reference, NULL, &result, &error));
  OK(cldoci_result_free(result));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
}

/* The kernel forgets a thread that was waited for a moment later. */
static int alone(void) {
  for (int tries = 0; tries < 2000 && count_threads() != 1; tries++) usleep(1000);
  return count_threads() == 1;
}

/* A pull that is cancelled at some moment, by a cancel or by freeing its handle. */
static void cancelled(int round) {
  cldoci_error *error = NULL;
  cldoci_operation *operation = NULL;
  cldoci_client *client = client_of();
  cldoci_reference *reference = layout();
  CHECK(mkdir(at("into"), 0755) == 0);
  OK(cldoci_pull_start(client, reference, at("into/pulled"), NULL, &operation, &error));
  usleep((useconds_t)(rand() % 60000));
  CHECK(cldoci_wait_idle(0, &error) == CLDOCI_PENDING || cldoci_operation_wait(operation, 0, NULL) == CLDOCI_OK);
  CHECK(error == NULL);
  if (round % 2) OK(cldoci_operation_cancel(operation, &error));
  OK(cldoci_operation_free(operation));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  OK(cldoci_wait_idle(20000, &error));
  /* The whole tree where it was too late to cancel, else nothing. */
  int left = count_entries(at("into"));
  if (left == 1) {
    CHECK(count_entries(at("into/pulled")) == 2000);
    char command[4400];
    snprintf(command, sizeof command, "rm -rf '%s'", at("into"));
    CHECK(system(command) == 0);
  } else {
    CHECK(left == 0 && rmdir(at("into")) == 0);
  }
  CHECK(alone());
}

static int32_t waits(const cldoci_progress *progress, void *user_data) {
  cldoci_error *error = NULL;
  (void)progress;
  FAILS(cldoci_wait_idle(0, &error), REENTRANT, "callback");
  ++*(int *)user_data;
  return 0;
}

static void in_a_callback_and_beside_a_client(void) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = client_of();
  cldoci_reference *reference = layout();
  int called = 0;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_progress_callback(options, waits, &called, NULL, &error));
  OK(cldoci_pull_config(client, reference, options, NULL, &error));
  CHECK(called > 0);
  OK(cldoci_options_free(options));
  /* The client lives and does nothing; it goes on to work. */
  OK(cldoci_wait_idle(20000, &error));
  OK(cldoci_exists(client, reference, NULL, NULL, &error));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  OK(cldoci_wait_idle(-1, &error));
  CHECK(alone());
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  CHECK(argc == 3);
  snprintf(directory, sizeof directory, "%s", argv[1]);
  /* Nothing was ever begun. */
  OK(cldoci_wait_idle(0, &error));
  make_layout();
  in_a_callback_and_beside_a_client();
  for (int round = 0; round < atoi(argv[2]); round++) cancelled(round);
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
