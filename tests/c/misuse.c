/* one place for two outputs, outputs after failures, and strings that are none. */
#include "silent.h"
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char work[2048];
static cldoci_error *error;

static const char *in_work(const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", work, name);
  return path;
}

/* A failed verb leaves NULL in each output, whatever was there. */
static void outputs_of_failures(const cldoci_client *client, const cldoci_reference *missing) {
  cldoci_result *result = (cldoci_result *)8;
  cldoci_operation *operation = (cldoci_operation *)8;
  cldoci_reference *reference = (cldoci_reference *)8;
  cldoci_error *before = NULL;

  FAILS(cldoci_pull(client, missing, in_work("nothing"), NULL, &result, &error), NOT_FOUND, "");
  CHECK(result == NULL);
  FAILS(cldoci_pull_start(client, missing, "", NULL, &operation, &error), ARGUMENT, "empty path");
  CHECK(operation == NULL);
  FAILS(cldoci_reference_parse("", &reference, &error), ARGUMENT, "");
  CHECK(reference == NULL);

  /* A call that succeeds sets the error to NULL, without freeing the one that was there. */
  CHECK(cldoci_reference_parse("", &reference, &error) == CLDOCI_ERROR_ARGUMENT && error != NULL);
  before = error;
  OK(cldoci_reference_parse("localhost:5000/app:v1", &reference, &error));
  CHECK(error == NULL && cldoci_error_free(before) == CLDOCI_OK);
  CHECK(cldoci_reference_free(reference) == CLDOCI_OK);

  /* One place for the result and the error holds what was written last: the error of a failed call, ... */
  void *both = (void *)8;
  CHECK(cldoci_reference_parse("", (cldoci_reference **)&both, (cldoci_error **)&both) == CLDOCI_ERROR_ARGUMENT);
  CHECK(cldoci_error_status(both) == CLDOCI_ERROR_ARGUMENT && cldoci_error_free(both) == CLDOCI_OK);
  /* ... and the result of one that succeeded. */
  both = (void *)8;
  CHECK(cldoci_reference_parse("localhost/app", (cldoci_reference **)&both, (cldoci_error **)&both) == CLDOCI_OK);
  CHECK(cldoci_reference_free(both) == CLDOCI_OK);
}

static void strings(const cldoci_client *client) {
  static char long_text[(1 << 20) + 1];
  static const char utf16[] = "g\0h\0c\0r\0.\0i\0o\0/\0a\0\0";
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;
  cldoci_artifact_builder *builder = NULL;
  cldoci_result *result = NULL;

  OK(cldoci_options_new(&options, &error));
  FAILS(cldoci_reference_parse("ghcr.io/\xff\xfe:v1", &reference, &error), ARGUMENT, "not UTF-8 at byte 8");
  FAILS(cldoci_reference_parse("\xc3", &reference, &error), ARGUMENT, "not UTF-8 at byte 0");
  FAILS(cldoci_options_set(options, "user_\xff", "x", &error), ARGUMENT, "'name' is not UTF-8");
  FAILS(cldoci_build(client, work, "\xff", NULL, 0, NULL, &result, &error), ARGUMENT, "not UTF-8");

  /* UTF-16 ends at its first zero byte: "g" is all there is, which the caller sees in what was read. */
  OK(cldoci_reference_parse(utf16, &reference, &error));
  CHECK(strcmp(cldoci_reference_string(reference, NULL), "docker.io/library/g:latest") == 0);
  CHECK(cldoci_reference_free(reference) == CLDOCI_OK);
  FAILS(cldoci_options_set(options, "r\0e\0t\0", "1", &error), ARGUMENT, "known are");

  FAILS(cldoci_reference_parse("", &reference, &error), ARGUMENT, "");
  FAILS(cldoci_reference_layout("", "v1", NULL, &reference, &error), ARGUMENT, "empty path");
  FAILS(cldoci_reference_from_parts("ghcr.io", "Org/app", "v1", NULL, &reference, &error), ARGUMENT, "repository");
  FAILS(cldoci_reference_from_parts("ghcr.io", "org/app", "v 1", NULL, &reference, &error), ARGUMENT, "tag");
  FAILS(cldoci_reference_layout("layout", "", NULL, &reference, &error), ARGUMENT, "invalid tag ''");
  FAILS(cldoci_build(client, "", "component", NULL, 0, NULL, &result, &error), ARGUMENT, "empty path");
  FAILS(cldoci_build(client, work, "", NULL, 0, NULL, &result, &error), ARGUMENT, "");
  FAILS(cldoci_artifact_builder_new(client, "", &builder, &error), ARGUMENT, "");
  FAILS(cldoci_options_set(options, "", "1", &error), ARGUMENT, "known are");
  FAILS(cldoci_options_set(options, "retries", "", &error), ARGUMENT, "retries");
  FAILS(cldoci_options_set_host(options, "", "username", "x", &error), ARGUMENT, "");

  /* A mebibyte: refused where it can't be right, and taken where it can. */
  memset(long_text, 'a', sizeof long_text - 1);
  FAILS(cldoci_reference_parse(long_text, &reference, &error), ARGUMENT, "");
  FAILS(cldoci_reference_layout("layout", long_text, NULL, &reference, &error), ARGUMENT, "of a layout");
  FAILS(cldoci_options_set(options, long_text, "1", &error), ARGUMENT, "known are");
  FAILS(cldoci_options_set(options, "retries", long_text, &error), ARGUMENT, "retries");
  FAILS(cldoci_build(client, long_text, "component", NULL, 0, NULL, &result, &error), IO, "");
  OK(cldoci_options_set_pair(options, "annotation", "key", long_text, &error));

  /* Control bytes, none of which reach a terminal or a log as they are. */
  static const char *const controls[] = {"ghcr.io/a\nb:v1", "ghcr.io/a\x1b[2J:v1", "ghcr.io/a:v\r1", "gh\tcr.io/a", "a\x7f"};
  size_t i;
  for (i = 0; i < sizeof controls / sizeof *controls; i++) {
    const char *message, *at;
    CHECK(cldoci_reference_parse(controls[i], &reference, &error) == CLDOCI_ERROR_ARGUMENT && reference == NULL);
    message = cldoci_error_message(error, NULL);
    for (at = message; *at != 0; at++) CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
    CHECK(cldoci_error_free(error) == CLDOCI_OK);
  }
  OK(cldoci_options_free(options));
}

/* A size that no object has, with a pointer to where nothing can be read: refused before it is read. */
static void impossible_sizes(const cldoci_client *client) {
  cldoci_result *result = NULL;
  cldoci_operation *operation = NULL;
  cldoci_artifact_builder *builder = NULL;
  const uint8_t *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const size_t sizes[] = {SIZE_MAX, (size_t)PTRDIFF_MAX + 1};
  size_t i;
  CHECK(nowhere != MAP_FAILED);
  OK(cldoci_artifact_builder_new(client, "application/vnd.example.thing", &builder, &error));
  for (i = 0; i < 2; i++) {
    FAILS(cldoci_build(client, work, "component", nowhere, sizes[i], NULL, &result, &error), ARGUMENT, "PTRDIFF_MAX");
    FAILS(cldoci_build_start(client, work, "component", nowhere, sizes[i], NULL, &operation, &error), ARGUMENT,
          "PTRDIFF_MAX");
    FAILS(cldoci_artifact_builder_set_config(builder, "application/json", nowhere, sizes[i], &error), ARGUMENT,
          "PTRDIFF_MAX");
  }
  OK(cldoci_artifact_builder_free(builder));
  CHECK(munmap((void *)(uintptr_t)nowhere, 4096) == 0);
}

/* Structs where they can't be: refused, and nothing is written. */
static void unaligned_structs(const cldoci_client *client) {
  static uint64_t space[16];
  void *unaligned = (unsigned char *)space + 1;
  cldoci_operation *operation = NULL;
  cldoci_result *result = NULL;
  size_t i;
  CHECK(mkdir(in_work("empty"), 0777) == 0);
  OK(cldoci_build_start(client, in_work("empty"), "component", NULL, 0, NULL, &operation, &error));
  OK(cldoci_operation_wait(operation, -1, &error));
  OK(cldoci_operation_result(operation, &result, &error));
  FAILS(cldoci_operation_progress(operation, unaligned, &error), ARGUMENT, "not aligned");
  FAILS(cldoci_result_counters(result, unaligned, &error), ARGUMENT, "not aligned");
  for (i = 0; i < sizeof space / sizeof *space; i++) CHECK(space[i] == 0);
  OK(cldoci_result_free(result));
  OK(cldoci_operation_free(operation));
}

/* a caller older or newer than the library, by its structs, which only go out: flags and reserved members have no
   way in. */
#define SIZES(type, call)                                                                                              \
  do {                                                                                                                 \
    union {                                                                                                            \
      type known;                                                                                                      \
      unsigned char bytes[5000];                                                                                       \
    } space;                                                                                                           \
    const size_t wrong[] = {0, 1, sizeof(size_t), sizeof(type) - 1, 4097, (size_t)PTRDIFF_MAX + 1, SIZE_MAX};          \
    const size_t right[] = {sizeof(type), sizeof(type) + 1, sizeof(type) + 8, 4096};                                   \
    size_t i_, j_;                                                                                                     \
    for (i_ = 0; i_ < sizeof wrong / sizeof *wrong; i_++) {                                                            \
      memset(&space, 0xaa, sizeof space);                                                                              \
      space.known.struct_size = wrong[i_];                                                                             \
      FAILS(call, ARGUMENT, "has struct_size");                                                                        \
      CHECK(space.known.struct_size == wrong[i_]);                                                                     \
      for (j_ = sizeof(size_t); j_ < sizeof space; j_++) CHECK(space.bytes[j_] == 0xaa);                               \
    }                                                                                                                  \
    for (i_ = 0; i_ < sizeof right / sizeof *right; i_++) {                                                            \
      memset(&space, 0xaa, sizeof space);                                                                              \
      space.known.struct_size = right[i_];                                                                             \
      OK(call);                                                                                                        \
      CHECK(space.known.struct_size == right[i_]);                                                                     \
      for (j_ = sizeof(type); j_ < sizeof space; j_++) CHECK(space.bytes[j_] == (j_ < right[i_] ? 0 : 0xaa));          \
    }                                                                                                                  \
  } while (0)

static void sizes_of_structs(const cldoci_client *client) {
  cldoci_operation *operation = NULL;
  cldoci_result *result = NULL;
  cldoci_progress progress;
  OK(cldoci_build_start(client, in_work("empty"), "component", NULL, 0, NULL, &operation, &error));
  OK(cldoci_operation_wait(operation, -1, &error));
  OK(cldoci_operation_result(operation, &result, &error));
  SIZES(cldoci_progress, cldoci_operation_progress(operation, &space.known, &error));
  SIZES(cldoci_counters, cldoci_result_counters(result, &space.known, &error));
  /* Garbage in the reserved member is overwritten. */
  memset(&progress, 0xff, sizeof progress);
  progress.struct_size = sizeof progress;
  OK(cldoci_operation_progress(operation, &progress, &error));
  CHECK(progress.reserved == 0 && progress.phase == CLDOCI_PHASE_DONE);
  OK(cldoci_result_free(result));
  OK(cldoci_operation_free(operation));
}

/* Paths are bytes: a tree, a layout and a destination whose names are no UTF-8. */
static void paths_of_any_bytes(const cldoci_client *client) {
  cldoci_reference *reference = NULL;
  cldoci_result *result = NULL;
  cldoci_artifact *artifact = NULL;
  char content[8] = "";
  FILE *file;

  CHECK(mkdir(in_work("tree\xff"), 0777) == 0);
  CHECK((file = fopen(in_work("tree\xff/file"), "w")) != NULL && fputs("content", file) >= 0 && fclose(file) == 0);
  OK(cldoci_build(client, in_work("tree\xff"), "component", NULL, 0, NULL, &result, &error));
  OK(cldoci_result_artifact(result, &artifact, &error));
  OK(cldoci_result_free(result));
  OK(cldoci_reference_layout(in_work("layout\xfe"), "v1", NULL, &reference, &error));
  CHECK(strcmp(cldoci_reference_path(reference, NULL), in_work("layout\xfe")) == 0);
  OK(cldoci_push(client, artifact, reference, NULL, NULL, &error));
  OK(cldoci_pull(client, reference, in_work("pulled\xc3"), NULL, NULL, &error));
  CHECK((file = fopen(in_work("pulled\xc3/file"), "r")) != NULL && fread(content, 1, 7, file) == 7);
  CHECK(fclose(file) == 0 && strcmp(content, "content") == 0);
  OK(cldoci_artifact_free(artifact));
  OK(cldoci_reference_free(reference));
}

int main(int argc, char **argv) {
  cldoci_client *client = quiet_client();
  cldoci_reference *missing = NULL;

  CHECK(argc == 2);
  snprintf(work, sizeof work, "%s", argv[1]);
  OK(cldoci_reference_layout(in_work("missing"), "v1", NULL, &missing, &error));
  outputs_of_failures(client, missing);
  strings(client);
  impossible_sizes(client);
  unaligned_structs(client);
  sizes_of_structs(client);
  paths_of_any_bytes(client);
  OK(cldoci_reference_free(missing));
  OK(cldoci_client_free(client));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
