/*
 * The full workflow: build a component from a directory, push it, tag it, pull it to another place.
 *
 *   cc workflow.c $(pkg-config --cflags --libs cldoci) -o workflow
 *   ./workflow ./my-component ghcr.io/myorg/api:v1.0.0 ghcr.io/myorg/api:latest ./downloaded
 *
 * Without a registry at hand, `ocidir:///tmp/layout:v1.0.0` and `ocidir:///tmp/layout:latest` do as well.
 */
#include "example.h"

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_options *options = NULL;
  cldoci_config *config = NULL;
  cldoci_reference *version = NULL, *latest = NULL;
  cldoci_artifact *artifact = NULL;
  cldoci_result *result = NULL;
  const uint8_t *json;
  size_t json_size;

  if (argc != 5) {
    fprintf(stderr, "usage: %s DIRECTORY REFERENCE OTHER-REFERENCE DESTINATION\n", argv[0]);
    return 2;
  }

  /* Credentials come from where docker and podman keep them. */
  check(cldoci_client_new(NULL, &client, &error), &error);
  check(cldoci_reference_parse(argv[2], &version, &error), &error);
  check(cldoci_reference_parse(argv[3], &latest, &error), &error);

  /* What the artifact says of itself. */
  check(cldoci_config_new("component", &config, &error), &error);
  check(cldoci_config_set(config, "schemaVersion", "v1", &error), &error);
  check(cldoci_config_set(config, "name", "api", &error), &error);
  check(cldoci_config_set(config, "description", "API component", &error), &error);
  json = cldoci_config_json(config, &json_size);

  /* Build. The layer's digest goes into the config as its sourceHash. */
  check(cldoci_options_new(&options, &error), &error);
  check(cldoci_options_set_fill_source_hash(options, 1, &error), &error);
  check(cldoci_build(client, argv[1], "component", json, json_size, options, &result, &error), &error);
  check(cldoci_result_artifact(result, &artifact, &error), &error);
  printf("built  %s (%zu paths left out)\n", cldoci_artifact_digest(artifact, NULL),
         (size_t)cldoci_result_left_out_total(result));
  cldoci_result_free(result);

  /* Push. */
  check(cldoci_push(client, artifact, version, NULL, &result, &error), &error);
  printf("pushed %s\n", cldoci_reference_string(version, NULL));
  cldoci_result_free(result);

  /* Tag as latest; no blob is sent again. */
  check(cldoci_tag(client, version, latest, NULL, NULL, &error), &error);
  printf("tagged %s\n", cldoci_reference_string(latest, NULL));

  /* Is it there? */
  check(cldoci_exists(client, latest, NULL, &result, &error), &error);
  printf("exists %s\n", cldoci_result_exists(result) == 1 ? "yes" : "no");
  cldoci_result_free(result);

  /* Pull to another location, verified, all or nothing. */
  check(cldoci_pull(client, version, argv[4], NULL, &result, &error), &error);
  printf("pulled %s\n", cldoci_result_digest(result, NULL));

  cldoci_result_free(result);
  cldoci_artifact_free(artifact);
  cldoci_options_free(options);
  cldoci_config_free(config);
  cldoci_reference_free(latest);
  cldoci_reference_free(version);
  cldoci_client_free(client);
  return 0;
}
