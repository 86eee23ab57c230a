/*
 * A retry policy of one's own: cldoci tries each request again by itself (option `retries`); this is for an outage that
 * lasts longer. Only what another attempt can mend is tried again, and never sooner than the registry asks for.
 *
 *   ./retry ghcr.io/org/app:v1 ./downloaded 5
 */
#include "example.h"
#include <time.h>

static void sleep_ms(int64_t milliseconds) {
  struct timespec time;
  time.tv_sec = (time_t)(milliseconds / 1000);
  time.tv_nsec = (long)(milliseconds % 1000) * 1000000;
  nanosleep(&time, NULL);
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_reference *reference = NULL;
  cldoci_status status;
  int attempt, attempts;
  int64_t pause = 500, asked;

  if (argc != 4) {
    fprintf(stderr, "usage: %s REFERENCE DESTINATION ATTEMPTS\n", argv[0]);
    return 2;
  }
  attempts = atoi(argv[3]);
  check(cldoci_client_new(NULL, &client, &error), &error);
  check(cldoci_reference_parse(argv[1], &reference, &error), &error);

  for (attempt = 1;; attempt++) {
    status = cldoci_pull(client, reference, argv[2], NULL, NULL, &error);
    /* A failed pull left nothing at the destination; what it had of a large layer is kept, and the next goes on there. */
    if (status == CLDOCI_OK || attempt == attempts || cldoci_error_retryable(error) != 1) break;
    asked = cldoci_error_retry_after_ms(error);
    if (asked > pause) pause = asked;
    fprintf(stderr, "attempt %d: %s; again in %lld ms\n", attempt, cldoci_error_message(error, NULL), (long long)pause);
    cldoci_error_free(error);
    error = NULL;
    sleep_ms(pause);
    pause *= 2;
  }
  if (status != CLDOCI_OK) {
    fprintf(stderr, "after %d of %d attempts: %s\n", attempt, attempts, cldoci_error_message(error, NULL));
    cldoci_error_free(error);
  }

  cldoci_reference_free(reference);
  cldoci_client_free(client);
  return status == CLDOCI_OK ? 0 : 1;
}
