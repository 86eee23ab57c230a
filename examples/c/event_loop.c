/*
 * Many pulls in one thread: each reference is pulled into a directory of its own, all at once, and poll waits for them.
 *
 *   ./event_loop ./pulled ghcr.io/org/app:v1 docker.io/library/alpine ocidir:///tmp/layout:v1
 *
 * Each operation has a descriptor that becomes readable when it has ended; any event loop can watch it.
 */
#include "example.h"
#include <poll.h>
#include <unistd.h>

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_operation **pulls = NULL;
  struct pollfd *ends = NULL;
  int i, running, count = argc - 2, failed = 0;

  if (count < 1) {
    fprintf(stderr, "usage: %s DIRECTORY REFERENCE...\n", argv[0]);
    return 2;
  }
  pulls = calloc((size_t)count, sizeof *pulls);
  ends = calloc((size_t)count, sizeof *ends);
  if (pulls == NULL || ends == NULL) return 1;
  check(cldoci_client_new(NULL, &client, &error), &error);

  for (i = 0; i < count; i++) {
    cldoci_reference *reference = NULL;
    char destination[4096];
    snprintf(destination, sizeof destination, "%s/%d", argv[1], i);
    check(cldoci_reference_parse(argv[i + 2], &reference, &error), &error);
    check(cldoci_pull_start(client, reference, destination, NULL, &pulls[i], &error), &error);
    check(cldoci_operation_open_descriptor(pulls[i], &ends[i].fd, &error), &error);
    ends[i].events = POLLIN;
    cldoci_reference_free(reference); /* the operation has what it needs */
  }

  for (running = count; running > 0;) {
    if (poll(ends, (nfds_t)count, -1) < 0) continue;
    for (i = 0; i < count; i++) {
      cldoci_result *result = NULL;
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      if (cldoci_operation_result(pulls[i], &result, &error) == CLDOCI_OK) {
        printf("%s  %s\n", cldoci_result_digest(result, NULL), argv[i + 2]);
      } else {
        fprintf(stderr, "%s\n", cldoci_error_message(error, NULL));
        cldoci_error_free(error);
        error = NULL;
        failed = 1;
      }
      cldoci_result_free(result);
      cldoci_operation_free(pulls[i]);
      close(ends[i].fd); /* ours, and closed by us */
      ends[i].fd = -1;   /* poll looks at it no more */
      running--;
    }
  }

  free(pulls);
  free(ends);
  cldoci_client_free(client);
  cldoci_wait_idle(10000, NULL); /* an interrupted pull would leave nothing behind */
  return failed;
}
