/* build and build-and-push. */
#include <stdlib.h>

#include "cli.h"

static void print_built(const cldoci_result *result, const cldoci_reference *target) {
  cldoci_artifact *artifact = NULL;
  size_t listed = cldoci_result_left_out_count(result);
  check(cldoci_result_artifact(result, &artifact, &tool.error));
  say_left_out(result);
  if (!tool.json) {
    printf("%s\n", cldoci_artifact_digest(artifact, NULL));
  } else {
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(target, NULL));
    print_artifact(artifact);
    json_bool("unchanged", cldoci_result_unchanged(result) == 1);
    json_number("leftOutTotal", cldoci_result_left_out_total(result));
    json_array("leftOut");
    for (size_t i = 0; i < listed; i++) {
      json_object(NULL);
      json_text("path", cldoci_result_left_out_path(result, i, NULL));
      json_text("reason", cldoci_result_left_out_reason(result, i, NULL));
      json_end();
    }
    json_end();
    json_result_end(result);
  }
  cldoci_artifact_free(artifact);
}

static void build(int role) {
  const char *tree = directory(tool.arguments[0]), *config = flag_value(FLAG_CONFIG);
  cldoci_reference *target = tool.argument_count > 1 ? reference(tool.arguments[1], role) : NULL;
  cldoci_result *result;
  uint8_t *bytes = NULL;
  size_t size = 0;

  if (config != NULL) bytes = read_whole_file(config, &size);
  if (target == NULL) {
    check(cldoci_build_start(client(), tree, flag_value(FLAG_KIND), bytes, size, tool.call_options, &tool.operation,
                             &tool.error));
  } else {
    check(cldoci_build_and_push_start(client(), tree, flag_value(FLAG_KIND), bytes, size, target, tool.call_options,
                                      &tool.operation, &tool.error));
  }
  free(bytes);
  result = finish();
  print_built(result, target);
  cldoci_result_free(result);
  cldoci_reference_free(target);
}

void run_build(void) { build(LAYOUT); }

void run_build_and_push(void) { build(TARGET); }
