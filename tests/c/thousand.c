/* A thousand operations at once, within 64 threads and 256 descriptors (`ulimit -n 256`). */
#include "silent.h"
#include <sys/resource.h>

#define COUNT 1000

int main(int argc, char **argv) {
  char place[64], path[4096];
  cldoci_error *error = NULL;
  cldoci_client *client;
  cldoci_reference *reference = NULL, *layout = NULL, *absent = NULL;
  static cldoci_operation *operations[COUNT];
  struct rlimit limit = {256, 256};
  int i, most_threads = 0, most_fds = 0, listener;
  double began;

  CHECK(argc == 2 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
  listener = silent_listen(place, sizeof place, 256);
  client = quiet_client();
  OK(cldoci_reference_parse(place, &reference, &error));

  /* They all hang at a registry that never answers. */
  for (i = 0; i < COUNT; i++) OK(cldoci_exists_start(client, reference, NULL, &operations[i], &error));
  for (i = 0; i < 20; i++) {
    int threads = count_threads(), fds = count_entries("/proc/self/fd");
    if (threads > most_threads) most_threads = threads;
    if (fds > most_fds) most_fds = fds;
    poll(NULL, 0, 20);
  }
  for (i = 0; i < COUNT; i++) OK(cldoci_operation_cancel(operations[i], &error));
  began = now();
  for (i = 0; i < COUNT; i++) {
    CHECK(cldoci_operation_wait(operations[i], 10000, NULL) == CLDOCI_ERROR_CANCELLED);
    OK(cldoci_operation_free(operations[i]));
  }
  CHECK(now() - began < 5);

  /* A thousand that all come to their end: builds of a directory into a layout, and questions to it. */
  snprintf(path, sizeof path, "ocidir://%s/layout:v1", argv[1]);
  OK(cldoci_reference_parse(path, &layout, &error));
  snprintf(path, sizeof path, "ocidir://%s/layout:absent", argv[1]);
  OK(cldoci_reference_parse(path, &absent, &error));
  snprintf(path, sizeof path, "%s/tree", argv[1]);
  cldoci_result *result = NULL;
  cldoci_artifact *artifact = NULL;
  OK(cldoci_build(client, path, "component", NULL, 0, NULL, &result, &error));
  OK(cldoci_result_artifact(result, &artifact, &error));
  OK(cldoci_result_free(result));
  OK(cldoci_push(client, artifact, layout, NULL, NULL, &error));
  for (i = 0; i < COUNT; i++) {
    switch (i % 4) {
      case 0: OK(cldoci_build_start(client, path, "component", NULL, 0, NULL, &operations[i], &error)); break;
      case 1: OK(cldoci_push_start(client, artifact, layout, NULL, &operations[i], &error)); break;
      case 2: OK(cldoci_resolve_start(client, layout, NULL, &operations[i], &error)); break;
      default: OK(cldoci_exists_start(client, absent, NULL, &operations[i], &error)); break;
    }
  }
  for (i = 0; i < COUNT; i++) {
    int threads = count_threads(), fds = count_entries("/proc/self/fd");
    if (threads > most_threads) most_threads = threads;
    if (fds > most_fds) most_fds = fds;
    OK(cldoci_operation_wait(operations[i], 60000, &error));
    OK(cldoci_operation_result(operations[i], &result, &error));
    if (i % 4 < 3) {
      CHECK(strcmp(cldoci_result_digest(result, NULL), cldoci_artifact_digest(artifact, NULL)) == 0);
    } else {
      CHECK(cldoci_result_exists(result) == 0);
    }
    OK(cldoci_result_free(result));
    OK(cldoci_operation_free(operations[i]));
  }
  printf("most threads %d, most descriptors %d\n", most_threads, most_fds);
  CHECK(most_threads <= 64 && most_fds <= 256);

  OK(cldoci_artifact_free(artifact));
  OK(cldoci_reference_free(absent));
  OK(cldoci_reference_free(layout));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  close(listener);
  return 0;
}
