/* CLDOCI_LOG: a verb that fails, with a log callback (`callback`, whose lines go to standard output) or without one. */
#include "check.h"

static void write_line(int32_t level, const char *line, void *user_data) {
  (void)user_data;
  printf("%d %s\n", (int)level, line);
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;
  int round;

  (void)argv;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set(options, "store", "off", &error));
  if (argc == 2) OK(cldoci_options_set_log_callback(options, CLDOCI_LOG_WARNING, write_line, NULL, NULL, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_reference_parse("ocidir:///nowhere/at/all:v1", &reference, &error));
  for (round = 0; round < 2; round++) FAILS(cldoci_resolve(client, reference, NULL, NULL, &error), NOT_FOUND, "nowhere");
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  OK(cldoci_options_free(options));
  return 0;
}
