/*
 * A small command-line tool on cldoci, and an example of most of its interface.
 *
 *   cldoci build DIR REF --kind component|datacenter|module|MEDIA-TYPE [--config FILE]
 *   cldoci push REF REF         copies what is at the first to the second (a layout to a registry, say)
 *   cldoci pull REF DIR
 *   cldoci tag REF REF
 *   cldoci exists REF           ends with 0 for yes, 1 for no, 2 when it could not tell
 *   cldoci resolve REF
 *   cldoci config REF           the config's exact bytes
 *   cldoci tags REPOSITORY
 *   cldoci inspect REF
 *   cldoci gc REF               removes from a layout what nothing leads to, and prints the bytes it freed
 *   cldoci login REGISTRY USER  the password comes from standard input, never from an argument
 *   cldoci logout REGISTRY
 *   cldoci options              what --option knows
 *
 *   --json                      prints JSON
 *   --option NAME=VALUE         sets an option of cldoci, for the client or the call as it belongs
 *   --host HOST NAME=VALUE      sets an option of one registry
 *
 * A REF is registry/repository[:tag][@digest] or ocidir://PATH[:TAG]. Errors are one line on stderr.
 */
#include <cldoci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
  cldoci_client *client;
  cldoci_options *client_options;
  cldoci_options *call_options;
  cldoci_error *error;
  const char *kind;
  const char *config;
  const char *arguments[3];
  int argument_count;
  int json;
} tool;

/* Ends the program with the error's one line. `exists` promises 2 for "could not tell". */
static void fail(void) {
  int code = tool.argument_count > 0 && strcmp(tool.arguments[0], "exists") == 0 ? 2 : 1;
  const char *message = cldoci_error_message(tool.error, NULL);
  fprintf(stderr, "cldoci: %s\n", message != NULL ? message : "out of room for an error");
  exit(code);
}

static void check(cldoci_status status) {
  if (status != CLDOCI_OK) {
    fail();
  }
}

static void usage(const char *why) {
  fprintf(stderr, "cldoci: %s\nusage: cldoci build|push|pull|tag|exists|resolve|config|tags|inspect|gc|login|logout|options ...\n", why);
  exit(2);
}

static cldoci_reference *reference(const char *text) {
  cldoci_reference *reference = NULL;
  check(cldoci_reference_parse(text, &reference, &tool.error));
  return reference;
}

/* Waits for an operation; on a terminal with a bar. The operation is freed, the result is the caller's. */
static cldoci_result *finish(cldoci_operation *operation) {
  static const char *phases[] = {"waiting", "resolving", "packing", "uploading", "downloading", "publishing", "done"};
  int terminal = isatty(STDERR_FILENO) && !tool.json, drawn = 0;
  cldoci_result *result = NULL;
  cldoci_status status;

  while ((status = cldoci_operation_wait(operation, terminal ? 100 : -1, &tool.error)) == CLDOCI_PENDING) {
    cldoci_progress progress = {.struct_size = sizeof progress};
    if (cldoci_operation_progress(operation, &progress, NULL) == CLDOCI_OK) {
      const char *phase = progress.phase >= 0 && progress.phase <= CLDOCI_PHASE_DONE ? phases[progress.phase] : "";
      double part = progress.bytes_total ? (double)progress.bytes_done / (double)progress.bytes_total : 0;
      int filled = (int)((part > 1 ? 1 : part) * 30), i;
      fprintf(stderr, "\r%-11s [", phase);
      for (i = 0; i < 30; i++) fputc(i < filled ? '#' : ' ', stderr);
      fprintf(stderr, "] %.1f MB, %llu entries ", (double)progress.bytes_done / 1e6,
              (unsigned long long)progress.entries_done);
      drawn = 1;
    }
  }
  if (drawn) fprintf(stderr, "\r%70s\r", "");
  check(status);
  check(cldoci_operation_result(operation, &result, &tool.error));
  cldoci_operation_free(operation);
  for (size_t i = 0; i < cldoci_result_warning_count(result); i++) {
    fprintf(stderr, "cldoci: warning: %s\n", cldoci_result_warning(result, i, NULL));
  }
  return result;
}

/* A JSON string of any bytes; those that are no UTF-8 are passed on as they are. */
static void json_string(const char *text) {
  putchar('"');
  for (; text != NULL && *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') printf("\\%c", c);
    else if (c < 0x20) printf("\\u%04x", c);
    else putchar(c);
  }
  putchar('"');
}

static void json_field(const char *name, const char *value, const char *after) {
  json_string(name);
  putchar(':');
  if (value != NULL) json_string(value);
  else fputs("null", stdout);
  fputs(after, stdout);
}

/* What most verbs print: the digest, or it with media type, size and cost as JSON. */
static void print_result(const cldoci_result *result) {
  cldoci_counters counters = {.struct_size = sizeof counters};
  if (!tool.json) {
    printf("%s\n", cldoci_result_digest(result, NULL));
    return;
  }
  check(cldoci_result_counters(result, &counters, &tool.error));
  putchar('{');
  json_field("digest", cldoci_result_digest(result, NULL), ",");
  json_field("mediaType", cldoci_result_media_type(result, NULL), ",");
  printf("\"size\":%llu,\"unchanged\":%s,\"requests\":%llu,\"bytesSent\":%llu,\"bytesReceived\":%llu,"
         "\"blobsUploaded\":%llu,\"blobsSkipped\":%llu,\"blobsMounted\":%llu,\"retries\":%llu,\"elapsedMs\":%llu}\n",
         (unsigned long long)cldoci_result_size(result), cldoci_result_unchanged(result) ? "true" : "false",
         (unsigned long long)counters.requests, (unsigned long long)counters.bytes_sent,
         (unsigned long long)counters.bytes_received, (unsigned long long)counters.blobs_uploaded,
         (unsigned long long)counters.blobs_skipped, (unsigned long long)counters.blobs_mounted,
         (unsigned long long)counters.retries, (unsigned long long)counters.elapsed_ms);
}

/* A whole file. */
static uint8_t *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  uint8_t *bytes = NULL;
  size_t room = 0;
  *size = 0;
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  do {
    room += 65536;
    bytes = realloc(bytes, room);
    if (bytes == NULL) {
      perror(path);
      exit(1);
    }
    *size += fread(bytes + *size, 1, room - *size, file);
  } while (*size == room);
  if (ferror(file)) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return bytes;
}

/* One line of standard input, without its newline. */
static void read_password(char *password, int size) {
  if (fgets(password, size, stdin) == NULL || password[strcspn(password, "\n")] != '\n') {
    fprintf(stderr, "cldoci: standard input has no line with a password, or too long a one\n");
    exit(1);
  }
  password[strcspn(password, "\n")] = 0;
}

static void build(const char *directory, const char *where) {
  cldoci_reference *target = reference(where);
  cldoci_operation *operation = NULL;
  cldoci_artifact *artifact = NULL;
  cldoci_result *built;
  uint8_t *config = NULL;
  size_t size = 0, i, listed;

  if (tool.kind == NULL) usage("build needs --kind");
  if (tool.config != NULL) config = read_file(tool.config, &size);
  check(cldoci_build_and_push_start(tool.client, directory, tool.kind, config, size, target, tool.call_options, &operation, &tool.error));
  built = finish(operation);
  check(cldoci_result_artifact(built, &artifact, &tool.error));

  listed = cldoci_result_left_out_count(built);
  if (tool.json) {
    putchar('{');
    json_field("digest", cldoci_artifact_digest(artifact, NULL), ",");
    json_field("reference", cldoci_reference_string(target, NULL), ",");
    json_field("type", cldoci_artifact_type(artifact, NULL), ",");
    json_field("layerDigest", cldoci_artifact_layer_digest(artifact, 0, NULL), ",");
    printf("\"layerSize\":%llu,\"leftOutTotal\":%llu,\"leftOut\":[",
           (unsigned long long)cldoci_artifact_layer_size(artifact, 0),
           (unsigned long long)cldoci_result_left_out_total(built));
    for (i = 0; i < listed; i++) {
      fputs(i ? ",{" : "{", stdout);
      json_field("path", cldoci_result_left_out_path(built, i, NULL), ",");
      json_field("reason", cldoci_result_left_out_reason(built, i, NULL), "}");
    }
    puts("]}");
  } else {
    printf("%s\n", cldoci_artifact_digest(artifact, NULL));
    for (i = 0; i < listed; i++) {
      fprintf(stderr, "left out: %s (%s)\n", cldoci_result_left_out_path(built, i, NULL),
              cldoci_result_left_out_reason(built, i, NULL));
    }
  }
  free(config);
  cldoci_artifact_free(artifact);
  cldoci_result_free(built);
  cldoci_reference_free(target);
}

static void inspect(const cldoci_result *result) {
  cldoci_artifact *artifact = NULL;
  size_t i, count;
  check(cldoci_result_artifact(result, &artifact, &tool.error));
  if (tool.json) {
    /* The manifest is JSON already. */
    const uint8_t *manifest = cldoci_artifact_manifest(artifact, &count);
    fwrite(manifest, 1, count, stdout);
    putchar('\n');
  } else {
    printf("reference  %s\ntype       %s\ndigest     %s\nconfig     %s %s %llu\n",
           cldoci_artifact_reference(artifact, NULL), cldoci_artifact_type(artifact, NULL),
           cldoci_artifact_digest(artifact, NULL), cldoci_artifact_config_digest(artifact, NULL),
           cldoci_artifact_config_media_type(artifact, NULL), (unsigned long long)cldoci_artifact_config_size(artifact));
    count = cldoci_artifact_layer_count(artifact);
    for (i = 0; i < count; i++) {
      printf("layer      %s %s %llu\n", cldoci_artifact_layer_digest(artifact, i, NULL),
             cldoci_artifact_layer_media_type(artifact, i, NULL),
             (unsigned long long)cldoci_artifact_layer_size(artifact, i));
    }
    count = cldoci_artifact_annotation_count(artifact);
    for (i = 0; i < count; i++) {
      printf("annotation %s=%s\n", cldoci_artifact_annotation_key(artifact, i, NULL),
             cldoci_artifact_annotation_value(artifact, i, NULL));
    }
  }
  cldoci_artifact_free(artifact);
}

static void print_tags(const cldoci_result *result) {
  size_t i, count = cldoci_result_tag_count(result);
  if (tool.json) putchar('[');
  for (i = 0; i < count; i++) {
    if (tool.json) {
      if (i) putchar(',');
      json_string(cldoci_result_tag(result, i, NULL));
    } else {
      printf("%s\n", cldoci_result_tag(result, i, NULL));
    }
  }
  if (tool.json) puts("]");
}

static void print_options(void) {
  size_t i, count = cldoci_option_count();
  for (i = 0; i < count; i++) {
    printf("%-20s %-6s %-6s %-12s %s\n", cldoci_option_name(i), cldoci_option_scope(i), cldoci_option_type(i),
           cldoci_option_default(i), cldoci_option_help(i));
  }
}

/* NAME=VALUE goes to the client or to the call, as the option belongs. */
static void set_option(const char *host, char *pair) {
  char *value = strchr(pair, '=');
  size_t i, count = cldoci_option_count();
  cldoci_options *options = tool.client_options;
  if (value == NULL) usage("an option is NAME=VALUE");
  *value++ = 0;
  if (host != NULL) {
    check(cldoci_options_set_host(options, host, pair, value, &tool.error));
    return;
  }
  for (i = 0; i < count; i++) {
    if (strcmp(cldoci_option_name(i), pair) == 0 && strcmp(cldoci_option_scope(i), "call") == 0) {
      options = tool.call_options;
    }
  }
  check(cldoci_options_set(options, pair, value, &tool.error));
}

static void read_arguments(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    int left = argc - i - 1;
    if (strcmp(argv[i], "--json") == 0) tool.json = 1;
    else if (strcmp(argv[i], "--kind") == 0 && left >= 1) tool.kind = argv[++i];
    else if (strcmp(argv[i], "--config") == 0 && left >= 1) tool.config = argv[++i];
    else if (strcmp(argv[i], "--option") == 0 && left >= 1) set_option(NULL, argv[++i]);
    else if (strcmp(argv[i], "--host") == 0 && left >= 2) set_option(argv[i + 1], argv[i + 2]), i += 2;
    else if (strncmp(argv[i], "--", 2) == 0) usage("an unknown flag, or one without its value");
    else if (tool.argument_count == 3) usage("too many arguments");
    else tool.arguments[tool.argument_count++] = argv[i];
  }
}

int main(int argc, char **argv) {
  const char *verb, *first, *second;
  cldoci_reference *one = NULL, *two = NULL;
  cldoci_operation *operation = NULL;
  cldoci_result *result = NULL;
  int code = 0;

  check(cldoci_options_new(&tool.client_options, &tool.error));
  check(cldoci_options_new(&tool.call_options, &tool.error));
  read_arguments(argc, argv);
  verb = tool.argument_count > 0 ? tool.arguments[0] : "";
  first = tool.argument_count > 1 ? tool.arguments[1] : NULL;
  second = tool.argument_count > 2 ? tool.arguments[2] : NULL;
  check(cldoci_client_new(tool.client_options, &tool.client, &tool.error));

#define WANT(count) if (tool.argument_count != (count) + 1) usage("wrong number of arguments")
#define START(call) check(call); result = finish(operation)
  if (strcmp(verb, "build") == 0) {
    WANT(2);
    build(first, second);
  } else if (strcmp(verb, "push") == 0) {
    WANT(2);
    START(cldoci_copy_start(tool.client, one = reference(first), two = reference(second), tool.call_options, &operation,
                            &tool.error));
    print_result(result);
  } else if (strcmp(verb, "pull") == 0) {
    WANT(2);
    START(cldoci_pull_start(tool.client, one = reference(first), second, tool.call_options, &operation, &tool.error));
    print_result(result);
  } else if (strcmp(verb, "tag") == 0) {
    WANT(2);
    START(cldoci_tag_start(tool.client, one = reference(first), two = reference(second), tool.call_options, &operation,
                           &tool.error));
    print_result(result);
  } else if (strcmp(verb, "exists") == 0) {
    WANT(1);
    START(cldoci_exists_start(tool.client, one = reference(first), tool.call_options, &operation, &tool.error));
    code = cldoci_result_exists(result) == 1 ? 0 : 1;
    if (tool.json) printf("{\"exists\":%s}\n", code == 0 ? "true" : "false");
    else puts(code == 0 ? "yes" : "no");
  } else if (strcmp(verb, "resolve") == 0) {
    WANT(1);
    START(cldoci_resolve_start(tool.client, one = reference(first), tool.call_options, &operation, &tool.error));
    print_result(result);
  } else if (strcmp(verb, "config") == 0) {
    size_t size;
    const uint8_t *bytes;
    WANT(1);
    START(cldoci_pull_config_start(tool.client, one = reference(first), tool.call_options, &operation, &tool.error));
    bytes = cldoci_result_bytes(result, &size);
    if (fwrite(bytes, 1, size, stdout) != size) code = 1;
  } else if (strcmp(verb, "tags") == 0) {
    WANT(1);
    START(cldoci_list_tags_start(tool.client, one = reference(first), tool.call_options, &operation, &tool.error));
    print_tags(result);
  } else if (strcmp(verb, "inspect") == 0) {
    WANT(1);
    START(cldoci_inspect_start(tool.client, one = reference(first), tool.call_options, &operation, &tool.error));
    inspect(result);
  } else if (strcmp(verb, "gc") == 0) {
    WANT(1);
    START(cldoci_collect_garbage_start(tool.client, one = reference(first), tool.call_options, &operation,
                                       &tool.error));
    printf(tool.json ? "{\"freedBytes\":%llu}\n" : "%llu\n", (unsigned long long)cldoci_result_size(result));
  } else if (strcmp(verb, "login") == 0) {
    char password[4096];
    WANT(2);
    read_password(password, sizeof password);
    check(cldoci_login_start(tool.client, first, second, password, tool.call_options, &operation, &tool.error));
    memset(password, 0, sizeof password);
    result = finish(operation);
    fprintf(stderr, "logged in; kept in %s\n", cldoci_result_credential_source(result, NULL));
  } else if (strcmp(verb, "logout") == 0) {
    WANT(1);
    START(cldoci_logout_start(tool.client, first, tool.call_options, &operation, &tool.error));
    fprintf(stderr, cldoci_result_exists(result) == 1 ? "logged out\n" : "was not logged in\n");
  } else if (strcmp(verb, "options") == 0) {
    print_options();
  } else {
    usage("which verb?");
  }

  cldoci_result_free(result);
  cldoci_reference_free(two);
  cldoci_reference_free(one);
  cldoci_client_free(tool.client);
  cldoci_options_free(tool.call_options);
  cldoci_options_free(tool.client_options);
  if (fflush(stdout) != 0) {
    perror("cldoci");
    code = code ? code : 1;
  }
  return code;
}
