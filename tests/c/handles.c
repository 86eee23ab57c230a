/* double free, use after free, wrong types, made-up tokens; and nothing grows. */
#include "silent.h"

static long resident_pages(void) {
  long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%ld %ld", &size, &resident) == 2);
  fclose(file);
  return resident;
}

/* The types that need a client. */
static void artifact(const cldoci_client *client) {
  cldoci_error *error = NULL;
  cldoci_artifact_builder *builder = NULL;
  cldoci_artifact *made = NULL;

  OK(cldoci_artifact_builder_new(client, "component", &builder, &error));
  OK(cldoci_artifact_builder_finish(builder, &made, &error));
  CHECK(cldoci_artifact_builder_free(builder) == CLDOCI_OK);
  CHECK(cldoci_artifact_free(made) == CLDOCI_OK);
}

/* An operation and its result. */
static void verb(const cldoci_client *client, const cldoci_reference *reference) {
  cldoci_error *error = NULL;
  cldoci_operation *operation = NULL;
  cldoci_result *result = NULL;

  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  CHECK(cldoci_operation_wait(operation, -1, NULL) == CLDOCI_OK);
  OK(cldoci_operation_result(operation, &result, &error));
  CHECK(cldoci_result_exists(result) == 0);
  CHECK(cldoci_result_free(result) == CLDOCI_OK && cldoci_operation_free(operation) == CLDOCI_OK);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 100000;
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;
  cldoci_client *client = NULL;
  uint64_t random = 88172645463325252u;
  long before;
  int descriptors = 0, threads = 0;
  int i;

  OK(cldoci_options_new(&options, &error));
  OK(cldoci_reference_parse("ghcr.io/org/app:v1", &reference, &error));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_OPTIONS) == 1);
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 2);

  /* A wrong type, which a cast or a binding without types lets through. */
  FAILS(cldoci_options_set((cldoci_options *)reference, "retries", "1", &error), HANDLE, "another type");
  CHECK(cldoci_reference_free((cldoci_reference *)options) == CLDOCI_ERROR_HANDLE);

  /* Use after free and double free. */
  CHECK(cldoci_options_free(options) == CLDOCI_OK);
  CHECK(cldoci_options_free(options) == CLDOCI_ERROR_HANDLE);
  FAILS(cldoci_options_set(options, "retries", "1", &error), HANDLE, "was freed");
  CHECK(cldoci_options_free(NULL) == CLDOCI_OK);

  /* Strings live as long as their handle, are NUL-terminated and sized. */
  size_t length = 0;
  const char *text = cldoci_reference_string(reference, &length);
  CHECK(strcmp(text, "ghcr.io/org/app:v1") == 0 && length == strlen(text));
  CHECK(cldoci_reference_free(reference) == CLDOCI_OK);
  CHECK(cldoci_reference_string(reference, &length) == NULL && length == 0);

  /* Numbers that were never given out; some near one that was. */
  for (i = 0; i < 200000; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    uint64_t number = i % 2 ? random : (uint64_t)(uintptr_t)options + (random % 4096) * 8 - 16384;
    CHECK(number == 0 || cldoci_options_free((cldoci_options *)(uintptr_t)number) == CLDOCI_ERROR_HANDLE);
  }

  /* The form that bindings rely on. */
  OK(cldoci_options_new(&options, &error));
  uint64_t token = (uint64_t)(uintptr_t)options;
  CHECK(token % 8 == 0 && token < ((uint64_t)1 << 53) && token > UINT32_MAX);
  CHECK((uint64_t)(double)token == token);
  cldoci_options_free(options);

  /* flat over many of each. */
  before = 0;
  OK(cldoci_client_new(NULL, &client, NULL));
  for (i = 0; i < rounds; i++) {
    OK(cldoci_options_new(&options, NULL));
    OK(cldoci_reference_parse("localhost:5000/app:v1", &reference, NULL));
    CHECK(cldoci_options_set(options, "nothing", "1", &error) == CLDOCI_ERROR_ARGUMENT);
    CHECK(cldoci_error_free(error) == CLDOCI_OK);
    CHECK(cldoci_options_free(options) == CLDOCI_OK);
    CHECK(cldoci_reference_free(reference) == CLDOCI_OK);
    if (i % 10 == 0) artifact(client);
    if (i == 1000) {
      before = resident_pages();
      descriptors = count_entries("/proc/self/fd");
      threads = count_entries("/proc/self/task");
    }
  }
  /* AddressSanitizer keeps freed memory. */
  CHECK(resident_pages() - before < 256 || getenv("UNDER_ASAN") != NULL);
  CHECK(descriptors > 2 && count_entries("/proc/self/fd") == descriptors);
  CHECK(threads > 0 && count_entries("/proc/self/task") == threads);
  /* Operations and results, which have threads; of clients X-13 makes a thousand. */
  OK(cldoci_reference_layout("/nonexistent/layout", "v1", NULL, &reference, &error));
  for (i = 0; i < rounds / 50; i++) {
    verb(client, reference);
    if (i == rounds / 500) before = resident_pages(), descriptors = count_entries("/proc/self/fd");
  }
  /* Of a few rounds, what begins and is kept is most. */
  CHECK(resident_pages() - before < 256 || rounds < 100000);
  CHECK(count_entries("/proc/self/fd") == descriptors);
  CHECK(cldoci_reference_free(reference) == CLDOCI_OK);
  CHECK(cldoci_client_free(client) == CLDOCI_OK);
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
