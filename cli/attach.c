/* attach: files become an artifact that refers to another. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void annotate(cldoci_artifact_builder *builder, const char *pair) {
  char *key = grown(NULL, strlen(pair) + 1), *value;
  strcpy(key, pair);
  value = strchr(key, '=');
  if (value == NULL) usage_error("'%s' is not KEY=VALUE", pair);
  *value++ = 0;
  check(cldoci_artifact_builder_set_annotation(builder, key, value, &tool.error));
  free(key);
}

static cldoci_artifact *build(void) {
  cldoci_artifact_builder *builder = NULL;
  cldoci_artifact *artifact = NULL;
  const char *config = flag_value(FLAG_CONFIG);
  check(cldoci_artifact_builder_new(client(), flag_value(FLAG_KIND), &builder, &tool.error));
  if (config != NULL) {
    size_t size;
    uint8_t *bytes = read_whole_file(config, &size);
    check(cldoci_artifact_builder_set_config(builder, NULL, bytes, size, &tool.error));
    free(bytes);
  }
  for (int i = 1; i < tool.argument_count; i++) {
    const char *file = tool.arguments[i], *name = strrchr(file, '/');
    if (is_directory(file)) usage_error("'%s' is a directory: attach takes files", file);
    check(cldoci_artifact_builder_add_file(builder, flag_value(FLAG_MEDIA_TYPE), file, &tool.error));
    check(cldoci_artifact_builder_set_layer_annotation(builder, (size_t)i - 1, "org.opencontainers.image.title",
                                                       name ? name + 1 : file, &tool.error));
  }
  for (int i = 0; i < tool.given_count; i++) {
    if (tool.given[i].flag == FLAG_ANNOTATION) annotate(builder, tool.given[i].value);
  }
  check(cldoci_artifact_builder_finish(builder, &artifact, &tool.error));
  cldoci_artifact_builder_free(builder);
  return artifact;
}

void run_attach(void) {
  cldoci_reference *subject = reference(tool.arguments[0], SOURCE);
  cldoci_artifact *artifact = build(), *attached = NULL;
  cldoci_result *result;
  check(cldoci_attach_start(client(), artifact, subject, tool.call_options, &tool.operation, &tool.error));
  cldoci_artifact_free(artifact);
  result = finish();
  if (!tool.json) {
    printf("%s\n", cldoci_result_digest(result, NULL));
  } else {
    check(cldoci_result_artifact(result, &attached, &tool.error));
    json_start(stdout);
    json_object(NULL);
    print_artifact(attached);
    json_result_end(result);
    cldoci_artifact_free(attached);
  }
  cldoci_result_free(result);
  cldoci_reference_free(subject);
}
