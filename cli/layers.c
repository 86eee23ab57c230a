/* layers: lists an artifact's layers, or saves one. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static void list(const cldoci_artifact *artifact, const cldoci_reference *what, const cldoci_result *result) {
  size_t count = cldoci_artifact_layer_count(artifact);
  if (tool.json) {
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(what, NULL));
    print_artifact(artifact);
    json_result_end(result);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    printf("%zu  %s  ", i, cldoci_artifact_layer_digest(artifact, i, NULL));
    put_text(stdout, cldoci_artifact_layer_media_type(artifact, i, NULL));
    printf("  %llu\n", (unsigned long long)cldoci_artifact_layer_size(artifact, i));
  }
}

/* The layer of this number or digest. */
static size_t chosen(const cldoci_artifact *artifact, const char *which) {
  size_t count = cldoci_artifact_layer_count(artifact);
  char *end;
  unsigned long number = strtoul(which, &end, 10);
  for (size_t i = 0; i < count; i++) {
    if (strcmp(cldoci_artifact_layer_digest(artifact, i, NULL), which) == 0) return i;
  }
  if (*end == 0 && strspn(which, "0123456789") > 0) {
    if (number < count) return number;
    fail(CLDOCI_ERROR_NOT_FOUND, "layer %s: not found; the artifact has %zu layers, counted from 0", which, count);
  }
  fail(CLDOCI_ERROR_NOT_FOUND, "layer '%s': not found; cldoci layers lists numbers and digests", which);
}

/* A new file beside `path`, which takes its place once all is there. */
static int open_beside(const char *path) {
  size_t size = strlen(path) + sizeof ".XXXXXX";
  mode_t mask = umask(0);
  int fd;
  umask(mask);
  tool.temporary = grown(NULL, size);
  snprintf(tool.temporary, size, "%s.XXXXXX", path);
  fd = mkstemp(tool.temporary);
  if (fd < 0) {
    int why = errno;
    free(tool.temporary);
    tool.temporary = NULL;
    fail(CLDOCI_ERROR_IO, "%s: %s", path, strerror(why));
  }
  fchmod(fd, 0666 & ~mask);
  return fd;
}

static void save(const cldoci_artifact *artifact, const char *which, const char *path) {
  size_t layer = chosen(artifact, which);
  bool standard = path == NULL || strcmp(path, "-") == 0;
  cldoci_result *result;
  int fd = STDOUT_FILENO;
  if (!standard) {
    if (is_directory(path)) usage_error("'%s' is a directory: --output is a file", path);
    fd = open_beside(path);
  }
  check(cldoci_save_layer_start(client(), artifact, layer, fd, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  if (!standard) {
    if (close(fd) != 0 || rename(tool.temporary, path) != 0) fail(CLDOCI_ERROR_IO, "%s: %s", path, strerror(errno));
    free(tool.temporary);
    tool.temporary = NULL;
  }
  if (tool.json) {
    json_start(stdout);
    json_object(NULL);
    json_text("digest", cldoci_result_digest(result, NULL));
    json_number("size", cldoci_result_size(result));
    json_text("output", path);
    json_result_end(result);
  } else if (!standard) {
    note("saved %s as %s", cldoci_result_digest(result, NULL), path);
  }
  cldoci_result_free(result);
}

void run_layers(void) {
  const char *which = flag_value(FLAG_SAVE), *path = flag_value(FLAG_OUTPUT);
  cldoci_reference *what = reference(tool.arguments[0], SOURCE);
  cldoci_artifact *artifact = NULL;
  cldoci_result *result;
  if (which == NULL && path != NULL) usage_error("--output needs --save LAYER");
  if (which != NULL && (path == NULL || strcmp(path, "-") == 0)) {
    if (tool.json) usage_error("--json needs --output FILE: a layer and JSON can't both go to standard output");
    if (isatty(STDOUT_FILENO)) usage_error("standard output is a terminal: say --output FILE, or redirect it");
  }
  check(cldoci_options_set(tool.call_options, "fetch_config", "false", &tool.error));
  check(cldoci_inspect_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  check(cldoci_result_artifact(result, &artifact, &tool.error));
  if (which != NULL) save(artifact, which, path);
  else list(artifact, what, result);
  cldoci_artifact_free(artifact);
  cldoci_result_free(result);
  cldoci_reference_free(what);
}
