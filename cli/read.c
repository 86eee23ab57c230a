/* What only looks: exists, resolve, inspect, manifest, config, tags, referrers. */
#include "cli.h"

void run_exists(void) {
  cldoci_reference *what = reference(tool.arguments[0], SOURCE);
  cldoci_result *result;
  bool yes;
  check(cldoci_exists_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  yes = cldoci_result_exists(result) == 1;
  if (!tool.json) {
    puts(yes ? "yes" : "no");
  } else {
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(what, NULL));
    json_bool("exists", yes);
    json_text("digest", yes ? cldoci_result_digest(result, NULL) : NULL);
    json_result_end(result);
  }
  cldoci_result_free(result);
  cldoci_reference_free(what);
  if (!yes) leave(EXIT_FAILED);
}

void run_resolve(void) {
  cldoci_reference *what = reference(tool.arguments[0], SOURCE);
  cldoci_result *result;
  check(cldoci_resolve_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  print_result(result, what);
  cldoci_result_free(result);
  cldoci_reference_free(what);
}

static void print_annotation(const char *of, const char *key, const char *value) {
  printf("%-11s", of);
  put_text(stdout, key);
  putchar('=');
  put_text(stdout, value);
  putchar('\n');
}

static void print_inspected(const cldoci_artifact *artifact, const cldoci_reference *what) {
  const char *subject = cldoci_artifact_subject(artifact, NULL);
  size_t count = cldoci_artifact_layer_count(artifact);
  printf("reference  %s\n", cldoci_reference_string(what, NULL));
  printf("kind       ");
  put_text(stdout, cldoci_artifact_type(artifact, NULL));
  printf("\ndigest     %s\n", cldoci_artifact_digest(artifact, NULL));
  printf("config     %s  ", cldoci_artifact_config_digest(artifact, NULL));
  put_text(stdout, cldoci_artifact_config_media_type(artifact, NULL));
  printf("  %llu\n", (unsigned long long)cldoci_artifact_config_size(artifact));
  for (size_t i = 0; i < count; i++) {
    printf("layer %-4zu %s  ", i, cldoci_artifact_layer_digest(artifact, i, NULL));
    put_text(stdout, cldoci_artifact_layer_media_type(artifact, i, NULL));
    printf("  %llu\n", (unsigned long long)cldoci_artifact_layer_size(artifact, i));
  }
  if (subject != NULL) printf("subject    %s\n", subject);
  count = cldoci_artifact_annotation_count(artifact);
  for (size_t i = 0; i < count; i++) {
    print_annotation("annotation", cldoci_artifact_annotation_key(artifact, i, NULL),
                     cldoci_artifact_annotation_value(artifact, i, NULL));
  }
}

void run_inspect(void) {
  cldoci_reference *what = reference(tool.arguments[0], SOURCE);
  cldoci_artifact *artifact = NULL;
  cldoci_result *result;
  check(cldoci_inspect_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  check(cldoci_result_artifact(result, &artifact, &tool.error));
  if (!tool.json) {
    print_inspected(artifact, what);
  } else {
    size_t size;
    const uint8_t *manifest = cldoci_artifact_manifest(artifact, &size);
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(what, NULL));
    print_artifact(artifact);
    json_raw("manifest", manifest, size);
    json_result_end(result);
  }
  cldoci_artifact_free(artifact);
  cldoci_result_free(result);
  cldoci_reference_free(what);
}

/* Prints a result's bytes as they are; with --json it begins an object that says what they are, and gives true. */
static bool print_bytes(const cldoci_reference *what, const cldoci_result *result, const uint8_t **bytes, size_t *size) {
  *bytes = cldoci_result_bytes(result, size);
  if (!tool.json) {
    /* A failure is told at the end. */
    if (*size > 0) fwrite(*bytes, 1, *size, stdout);
    return false;
  }
  json_start(stdout);
  json_object(NULL);
  json_text("reference", cldoci_reference_string(what, NULL));
  json_text("digest", cldoci_result_digest(result, NULL));
  json_text("mediaType", cldoci_result_media_type(result, NULL));
  json_number("size", *size);
  return true;
}

void run_manifest(void) {
  cldoci_reference *what = reference(tool.arguments[0], SOURCE);
  cldoci_result *result;
  const uint8_t *bytes;
  size_t size, count;
  check(cldoci_read_manifest_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  if (print_bytes(what, result, &bytes, &size)) {
    json_array("entries");
    count = cldoci_result_entry_count(result);
    for (size_t i = 0; i < count; i++) {
      json_object(NULL);
      json_text("digest", cldoci_result_entry_digest(result, i, NULL));
      json_text("mediaType", cldoci_result_entry_media_type(result, i, NULL));
      json_number("size", cldoci_result_entry_size(result, i));
      json_text("platform", cldoci_result_entry_platform(result, i, NULL));
      json_text("kind", cldoci_result_entry_artifact_type(result, i, NULL));
      json_end();
    }
    json_end();
    json_raw("manifest", bytes, size);
    json_result_end(result);
  }
  cldoci_result_free(result);
  cldoci_reference_free(what);
}

void run_config(void) {
  cldoci_reference *what = reference(tool.arguments[0], SOURCE);
  cldoci_result *result;
  const uint8_t *bytes;
  size_t size;
  check(cldoci_pull_config_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  if (print_bytes(what, result, &bytes, &size)) {
    json_base64("data", bytes, size);
    json_result_end(result);
  }
  cldoci_result_free(result);
  cldoci_reference_free(what);
}

void run_tags(void) {
  cldoci_reference *where = reference(tool.arguments[0], SOURCE);
  cldoci_result *result;
  size_t count;
  check(cldoci_list_tags_start(client(), where, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  count = cldoci_result_tag_count(result);
  if (!tool.json) {
    for (size_t i = 0; i < count; i++) {
      put_text(stdout, cldoci_result_tag(result, i, NULL));
      putchar('\n');
    }
  } else {
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(where, NULL));
    json_array("tags");
    for (size_t i = 0; i < count; i++) json_text(NULL, cldoci_result_tag(result, i, NULL));
    json_end();
    json_result_end(result);
  }
  cldoci_result_free(result);
  cldoci_reference_free(where);
}

void run_referrers(void) {
  cldoci_reference *what = reference(tool.arguments[0], SOURCE);
  cldoci_result *result;
  size_t count;
  check(cldoci_referrers_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  count = cldoci_result_referrer_count(result);
  if (tool.json) {
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(what, NULL));
    json_array("referrers");
  }
  for (size_t i = 0; i < count; i++) {
    const char *kind = cldoci_result_referrer_artifact_type(result, i, NULL);
    unsigned long long size = cldoci_result_referrer_size(result, i);
    size_t annotations = cldoci_result_referrer_annotation_count(result, i);
    if (!tool.json) {
      printf("%s  ", cldoci_result_referrer_digest(result, i, NULL));
      put_text(stdout, kind ? kind : "-");
      printf("  %llu\n", size);
      continue;
    }
    json_object(NULL);
    json_text("digest", cldoci_result_referrer_digest(result, i, NULL));
    json_text("mediaType", cldoci_result_referrer_media_type(result, i, NULL));
    json_text("kind", kind);
    json_number("size", size);
    json_object("annotations");
    for (size_t at = 0; at < annotations; at++) {
      json_text(cldoci_result_referrer_annotation_key(result, i, at, NULL),
                cldoci_result_referrer_annotation_value(result, i, at, NULL));
    }
    json_end();
    json_end();
  }
  if (tool.json) {
    json_end();
    json_result_end(result);
  }
  cldoci_result_free(result);
  cldoci_reference_free(what);
}
