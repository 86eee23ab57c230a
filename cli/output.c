/* Prints results on stdout; warnings, notes and errors on stderr. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* What is listed without --verbose. */
enum { FEW = 5, MOST_REASONS = 32 };

static const char *word(const char *plain, const char *colour, char *text, size_t size) {
  snprintf(text, size, "%s%s%s", coloured() ? colour : "", plain, coloured() ? "\033[0m" : "");
  return text;
}

void put_text(FILE *to, const char *text) {
  for (; text != NULL && *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c < 0x20 || c == 0x7f) fprintf(to, "\\x%02x", c);
    else fputc(c, to);
  }
}

void note(const char *format, ...) {
  va_list arguments;
  if (tool.quiet) return;
  progress_clear();
  fputs("cldoci: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

void say_warnings(const cldoci_result *result) {
  size_t count = cldoci_result_warning_count(result);
  char yellow[32];
  if (tool.quiet) return;
  for (size_t i = 0; i < count && (tool.verbose || i < FEW); i++) {
    fprintf(stderr, "cldoci: %s ", word("warning:", "\033[33m", yellow, sizeof yellow));
    put_text(stderr, cldoci_result_warning(result, i, NULL));
    fputc('\n', stderr);
  }
  if (!tool.verbose && count > FEW) note("and %zu more warnings; --verbose prints all", count - FEW);
}

/* One line that counts the reasons, the most frequent first; with --verbose a line for each path. */
void say_left_out(const cldoci_result *result) {
  struct {
    const char *reason;
    unsigned long long paths;
  } reasons[MOST_REASONS];
  size_t kinds = 0, listed = cldoci_result_left_out_count(result);
  unsigned long long total = cldoci_result_left_out_total(result), others = total;
  if (total == 0 || tool.quiet) return;
  for (size_t i = 0; i < listed; i++) {
    const char *reason = cldoci_result_left_out_reason(result, i, NULL);
    size_t at = 0;
    if (tool.verbose) {
      fputs("cldoci: left out: ", stderr);
      put_text(stderr, cldoci_result_left_out_path(result, i, NULL));
      fputs(" (", stderr);
      put_text(stderr, reason);
      fputs(")\n", stderr);
    }
    while (at < kinds && strcmp(reasons[at].reason, reason) != 0) at++;
    if (at == MOST_REASONS) continue;
    if (at == kinds) {
      reasons[kinds].reason = reason;
      reasons[kinds++].paths = 0;
    }
    reasons[at].paths++;
    others--;
  }
  fprintf(stderr, "cldoci: left out %llu path%s:", total, total == 1 ? "" : "s");
  for (size_t shown = 0; shown < FEW && shown < kinds; shown++) {
    size_t most = 0;
    for (size_t i = 1; i < kinds; i++) {
      if (reasons[i].paths > reasons[most].paths) most = i;
    }
    fprintf(stderr, "%s %llu (", shown ? "," : "", reasons[most].paths);
    put_text(stderr, reasons[most].reason);
    fputc(')', stderr);
    reasons[most].paths = 0;
  }
  for (size_t i = 0; i < kinds; i++) others += reasons[i].paths;
  if (others > 0) fprintf(stderr, ", %llu (other reasons)", others);
  fputs(tool.verbose ? "\n" : "; --verbose lists them\n", stderr);
}

void json_result_end(const cldoci_result *result) {
  cldoci_counters counters = {.struct_size = sizeof counters};
  size_t count = cldoci_result_warning_count(result);
  check(cldoci_result_counters(result, &counters, &tool.error));
  json_text("credentialSource", cldoci_result_credential_source(result, NULL));
  json_array("warnings");
  for (size_t i = 0; i < count; i++) json_text(NULL, cldoci_result_warning(result, i, NULL));
  json_end();
  json_object("counters");
  json_number("requests", counters.requests);
  json_number("bytesSent", counters.bytes_sent);
  json_number("bytesReceived", counters.bytes_received);
  json_number("blobsUploaded", counters.blobs_uploaded);
  json_number("blobsSkipped", counters.blobs_skipped);
  json_number("blobsMounted", counters.blobs_mounted);
  json_number("retries", counters.retries);
  json_number("elapsedMs", counters.elapsed_ms);
  json_end();
  json_end();
}

void print_result(const cldoci_result *result, const cldoci_reference *reference) {
  if (!tool.json) {
    printf("%s\n", cldoci_result_digest(result, NULL));
    return;
  }
  json_start(stdout);
  json_object(NULL);
  json_text("reference", cldoci_reference_string(reference, NULL));
  json_text("digest", cldoci_result_digest(result, NULL));
  json_text("mediaType", cldoci_result_media_type(result, NULL));
  json_number("size", cldoci_result_size(result));
  if (tool.verb->run == run_pull) json_bool("unchanged", cldoci_result_unchanged(result) == 1);
  json_result_end(result);
}

/* The members that describe an artifact, in an object that is open. */
void print_artifact(const cldoci_artifact *artifact) {
  size_t count = cldoci_artifact_layer_count(artifact);
  json_text("kind", cldoci_artifact_type(artifact, NULL));
  json_text("digest", cldoci_artifact_digest(artifact, NULL));
  json_text("mediaType", cldoci_artifact_media_type(artifact, NULL));
  json_text("subject", cldoci_artifact_subject(artifact, NULL));
  json_object("config");
  json_text("mediaType", cldoci_artifact_config_media_type(artifact, NULL));
  json_text("digest", cldoci_artifact_config_digest(artifact, NULL));
  json_number("size", cldoci_artifact_config_size(artifact));
  json_end();
  json_array("layers");
  for (size_t i = 0; i < count; i++) {
    size_t annotations = cldoci_artifact_layer_annotation_count(artifact, i);
    json_object(NULL);
    json_text("mediaType", cldoci_artifact_layer_media_type(artifact, i, NULL));
    json_text("digest", cldoci_artifact_layer_digest(artifact, i, NULL));
    json_number("size", cldoci_artifact_layer_size(artifact, i));
    json_object("annotations");
    for (size_t at = 0; at < annotations; at++) {
      json_text(cldoci_artifact_layer_annotation_key(artifact, i, at, NULL),
                cldoci_artifact_layer_annotation_value(artifact, i, at, NULL));
    }
    json_end();
    json_end();
  }
  json_end();
  json_object("annotations");
  count = cldoci_artifact_annotation_count(artifact);
  for (size_t i = 0; i < count; i++) {
    json_text(cldoci_artifact_annotation_key(artifact, i, NULL), cldoci_artifact_annotation_value(artifact, i, NULL));
  }
  json_end();
}

/* One line on stderr; with --json also one object on stdout, in the place of the result. */
void print_error(const cldoci_error *error, cldoci_status status, const char *message) {
  const char *name = cldoci_status_name(status);
  int32_t http = cldoci_error_http_status(error), number = cldoci_error_errno(error);
  int64_t after = cldoci_error_retry_after_ms(error);
  char red[32];
  if (message == NULL) message = cldoci_error_message(error, NULL);
  if (message == NULL) message = "out of room for an error";
  /* Who cancelled it needs not be told of an error. */
  if (!(interrupted() && status == CLDOCI_ERROR_CANCELLED)) {
    fprintf(stderr, "cldoci: %s %s\n", word("error:", "\033[31m", red, sizeof red), message);
  }
  if (!tool.json) return;
  json_start(stdout);
  json_object(NULL);
  json_object("error");
  json_text("status", name);
  json_signed("code", status);
  json_text("message", message);
  if (http != 0) json_number("httpStatus", (uint64_t)http);
  else json_null("httpStatus");
  json_text("registryCode", cldoci_error_registry_code(error, NULL));
  json_array("registryErrors");
  for (size_t i = 0; i < cldoci_error_registry_error_count(error); i++) {
    size_t size;
    const char *detail = cldoci_error_registry_error_detail(error, i, &size);
    json_object(NULL);
    json_text("code", cldoci_error_registry_error_code(error, i, NULL));
    json_text("message", cldoci_error_registry_error_message(error, i, NULL));
    if (detail != NULL) json_raw("detail", (const uint8_t *)detail, size);
    else json_null("detail");
    json_end();
  }
  json_end();
  if (number != 0) json_number("errno", (uint64_t)number);
  else json_null("errno");
  json_bool("retryable", cldoci_error_retryable(error) == 1);
  if (error != NULL && after >= 0) json_signed("retryAfterMs", after);
  else json_null("retryAfterMs");
  json_end();
  json_end();
}
