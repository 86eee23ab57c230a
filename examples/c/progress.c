/*
 * Pulls with a progress bar, and with a log of what was asked of the registry.
 *
 *   ./progress ghcr.io/org/app:v1 ./downloaded 2>pull.log
 */
#include "example.h"

/* At most some ten times a second, and once at the end. */
static int32_t show(const cldoci_progress *progress, void *user_data) {
  static const char *const phases[] = {"waiting", "resolving", "packing", "uploading", "downloading", "publishing"};
  const char *phase = progress->phase >= 0 && progress->phase < CLDOCI_PHASE_DONE ? phases[progress->phase] : "done";
  const unsigned width = 40;
  unsigned filled = 0;
  (void)user_data;
  /* The total stays 0 until it is known. */
  if (progress->bytes_total > 0) filled = (unsigned)((double)width * progress->bytes_done / progress->bytes_total);
  printf("\r%-12s [%.*s%*s] %llu bytes", phase, (int)filled, "########################################",
         (int)(width - filled), "", (unsigned long long)progress->bytes_done);
  if (progress->phase == CLDOCI_PHASE_DONE) printf("\n");
  fflush(stdout);
  return 0; /* anything else cancels */
}

static void log_line(int32_t level, const char *line, void *user_data) {
  static const char *const names[] = {"", "error", "warning", "info", "debug"};
  (void)user_data;
  fprintf(stderr, "%-7s %s\n", level >= 1 && level <= 4 ? names[level] : "?", line);
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;

  if (argc != 3) {
    fprintf(stderr, "usage: %s REFERENCE DESTINATION\n", argv[0]);
    return 2;
  }
  check(cldoci_options_new(&options, &error), &error);
  check(cldoci_options_set_progress_callback(options, show, NULL, NULL, &error), &error);
  check(cldoci_options_set_log_callback(options, CLDOCI_LOG_DEBUG, log_line, NULL, NULL, &error), &error);
  check(cldoci_client_new(options, &client, &error), &error);
  check(cldoci_reference_parse(argv[1], &reference, &error), &error);
  /* Both functions run on this thread, which waits for the pull. */
  check(cldoci_pull(client, reference, argv[2], NULL, NULL, &error), &error);

  cldoci_reference_free(reference);
  cldoci_client_free(client);
  cldoci_options_free(options);
  return 0;
}
