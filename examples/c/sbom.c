/*
 * Builds a directory into an artifact, pushes it, attaches an SBOM to it, and lists what is attached.
 *
 *   ./sbom ./my-component ghcr.io/org/app:v1 sbom.spdx.json
 */
#include "example.h"

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_options *signatures = NULL;
  cldoci_reference *reference = NULL;
  cldoci_artifact_builder *builder = NULL;
  cldoci_artifact *sbom = NULL;
  cldoci_result *result = NULL;
  size_t i;

  if (argc != 4) {
    fprintf(stderr, "usage: %s DIRECTORY REFERENCE SBOM-FILE\n", argv[0]);
    return 2;
  }
  check(cldoci_client_new(NULL, &client, &error), &error);
  check(cldoci_reference_parse(argv[2], &reference, &error), &error);

  /* Build and push in one pass: the layer is sent while it is packed. */
  check(cldoci_build_and_push(client, argv[1], "component", NULL, 0, reference, NULL, &result, &error), &error);
  printf("pushed   %s\n", cldoci_result_digest(result, NULL));
  cldoci_result_free(result);

  /* An artifact that holds the file, and refers to what was pushed. */
  check(cldoci_artifact_builder_new(client, "application/spdx+json", &builder, &error), &error);
  check(cldoci_artifact_builder_add_file(builder, "application/spdx+json", argv[3], &error), &error);
  check(cldoci_artifact_builder_finish(builder, &sbom, &error), &error);
  check(cldoci_attach(client, sbom, reference, NULL, &result, &error), &error);
  printf("attached %s\n", cldoci_result_digest(result, NULL));
  cldoci_result_free(result);

  /* What refers to it, of that type alone. */
  check(cldoci_options_new(&signatures, &error), &error);
  check(cldoci_options_set_artifact_type(signatures, "application/spdx+json", &error), &error);
  check(cldoci_referrers(client, reference, signatures, &result, &error), &error);
  for (i = 0; i < cldoci_result_referrer_count(result); i++) {
    printf("referrer %s %s\n", cldoci_result_referrer_digest(result, i, NULL),
           cldoci_result_referrer_artifact_type(result, i, NULL));
  }

  cldoci_result_free(result);
  cldoci_artifact_free(sbom);
  cldoci_artifact_builder_free(builder);
  cldoci_options_free(signatures);
  cldoci_reference_free(reference);
  cldoci_client_free(client);
  return 0;
}
