/* double free, use after free, wrong types, made-up tokens; and nothing grows.
     handles [ROUNDS]      CLDOCI_SOAK=1: a million of each type, and the figures are printed */
#include "silent.h"
#include <pthread.h>

static cldoci_client *client;
static cldoci_reference *missing, *demanding;
static cldoci_artifact_builder *parts;
static cldoci_operation *ended;

static long resident_pages(void) {
  long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%ld %ld", &size, &resident) == 2);
  fclose(file);
  return resident;
}

/* One of each type: made, used, freed. */

static void one_error(void) {
  cldoci_error *error = NULL;
  cldoci_reference *none = NULL;
  CHECK(cldoci_reference_parse("", &none, &error) == CLDOCI_ERROR_ARGUMENT);
  CHECK(cldoci_error_message(error, NULL)[0] != 0 && cldoci_error_free(error) == CLDOCI_OK);
}

static void one_options(void) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set(options, "retries", "1", &error));
  OK(cldoci_options_free(options));
}

static void one_reference(void) {
  cldoci_error *error = NULL;
  cldoci_reference *reference = NULL;
  OK(cldoci_reference_parse("localhost:5000/app:v1", &reference, &error));
  CHECK(strcmp(cldoci_reference_tag(reference, NULL), "v1") == 0 && cldoci_reference_free(reference) == CLDOCI_OK);
}

static void one_config(void) {
  cldoci_error *error = NULL;
  cldoci_config *config = NULL;
  OK(cldoci_config_new("component", &config, &error));
  OK(cldoci_config_set(config, "name", "api", &error));
  CHECK(cldoci_config_json(config, NULL) != NULL && cldoci_config_free(config) == CLDOCI_OK);
}

static void one_builder(void) {
  cldoci_error *error = NULL;
  cldoci_artifact_builder *builder = NULL;
  OK(cldoci_artifact_builder_new(client, "component", &builder, &error));
  OK(cldoci_artifact_builder_set_annotation(builder, "key", "value", &error));
  OK(cldoci_artifact_builder_free(builder));
}

static void one_artifact(void) {
  cldoci_error *error = NULL;
  cldoci_artifact *artifact = NULL;
  OK(cldoci_artifact_builder_finish(parts, &artifact, &error));
  CHECK(cldoci_artifact_layer_count(artifact) == 1 && cldoci_artifact_free(artifact) == CLDOCI_OK);
}

static void one_result(void) {
  cldoci_error *error = NULL;
  cldoci_result *result = NULL;
  OK(cldoci_operation_result(ended, &result, &error));
  CHECK(cldoci_result_exists(result) == 0 && cldoci_result_free(result) == CLDOCI_OK);
}

static void one_operation(void) {
  cldoci_error *error = NULL;
  cldoci_operation *operation = NULL;
  OK(cldoci_exists_start(client, missing, NULL, &operation, &error));
  CHECK(cldoci_operation_wait(operation, -1, NULL) == CLDOCI_OK && cldoci_operation_free(operation) == CLDOCI_OK);
}

/* One that makes an artifact; X-13 has those that work. */
static void one_client(void) {
  cldoci_error *error = NULL;
  cldoci_client *other = quiet_client();
  cldoci_artifact_builder *builder = NULL;
  OK(cldoci_artifact_builder_new(other, "component", &builder, &error));
  OK(cldoci_artifact_builder_free(builder));
  OK(cldoci_client_free(other));
}

/* Of its making a registry is part, which asks for it. */
static int32_t give(const char *registry, const char *repository, cldoci_credential *credential, void *asked) {
  (void)registry;
  (void)repository;
  CHECK(cldoci_credential_set_failure(credential, "none", NULL) == CLDOCI_OK);
  __atomic_add_fetch((int *)asked, 1, __ATOMIC_SEQ_CST);
  return -1;
}

static int asked;
static cldoci_client *asking;

static void one_credential(void) {
  int before = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);
  CHECK(cldoci_exists(asking, demanding, NULL, NULL, NULL) == CLDOCI_ERROR_CREDENTIALS);
  CHECK(__atomic_load_n(&asked, __ATOMIC_SEQ_CST) == before + 1);
}

static void *demand(void *listener) {
  static const char answer[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic "
                               "realm=\"x\"\r\n\r\n";
  char request[8192];
  int fd;
  /* One connection at a time, kept; a request comes in one piece. */
  while ((fd = accept(*(int *)listener, NULL, NULL)) >= 0) {
    while (read(fd, request, sizeof request) > 0 && send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0) {}
    close(fd);
  }
  return NULL;
}

static const struct {
  const char *name;
  void (*one)(void);
  int share; /* of the rounds of an ordinary run */
} types[] = {{"error", one_error, 1},           {"options", one_options, 1},   {"reference", one_reference, 1},
             {"config", one_config, 10},        {"builder", one_builder, 10},  {"artifact", one_artifact, 10},
             {"result", one_result, 10},        {"client", one_client, 100},   {"operation", one_operation, 50},
             {"credential", one_credential, 100}};

/* many of one type; memory, descriptors and threads are what they were after the first few. */
static void many(size_t type, int rounds, int tell) {
  int count = tell ? rounds : rounds / types[type].share, first = count / 10 < 2000 ? count / 10 + 1 : 2000;
  int descriptors, threads, i;
  long before;
  double began;
  for (i = 0; i < first; i++) types[type].one();
  before = resident_pages();
  descriptors = count_entries("/proc/self/fd");
  threads = count_threads();
  began = now();
  for (i = first; i < count; i++) types[type].one();
  if (tell) {
    printf("%d of %s in %.1f s: %+ld KiB, %+d descriptors, %+d threads\n", count, types[type].name, now() - began,
           (resident_pages() - before) * 4, count_entries("/proc/self/fd") - descriptors,
           count_threads() - threads);
    fflush(stdout);
  }
  /* Of a few rounds, what begins and is kept is most; AddressSanitizer keeps freed memory. */
  CHECK(resident_pages() - before < 256 || rounds < 100000 || getenv("UNDER_ASAN") != NULL);
  /* Both ends of the connection to the registry may have been closed then, and open now. */
  EVENTUALLY(count_entries("/proc/self/fd") <= descriptors + (types[type].one == one_credential ? 2 : 0));
  /* A thread more that waits for work to come goes by itself. */
  EVENTUALLY(count_threads() <= threads);
}

int main(int argc, char **argv) {
  int soak = getenv("CLDOCI_SOAK") != NULL, rounds = soak ? 1000000 : argc > 1 ? atoi(argv[1]) : 100000;
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;
  uint64_t random = 88172645463325252u;
  char place[64];
  int i, listener, threads;
  size_t type;
  pthread_t registry;

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

  /* a client, what is made of it, and a registry that demands a credential. */
  listener = silent_listen(place, sizeof place, 16);
  CHECK(pthread_create(&registry, NULL, demand, &listener) == 0);
  threads = count_threads();
  client = quiet_client();
  OK(cldoci_artifact_builder_new(client, "component", &parts, &error));
  OK(cldoci_artifact_builder_add_bytes(parts, NULL, (const uint8_t *)"layer", 5, &error));
  OK(cldoci_reference_layout("/nonexistent/layout", "v1", NULL, &missing, &error));
  OK(cldoci_reference_parse(place, &demanding, &error));
  OK(cldoci_exists_start(client, missing, NULL, &ended, &error));
  OK(cldoci_operation_wait(ended, -1, &error));
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_credential_callback(options, give, &asked, NULL, &error));
  OK(cldoci_client_new(options, &asking, &error));
  OK(cldoci_options_free(options));
  for (type = 0; type < sizeof types / sizeof *types; type++) many(type, rounds, soak);
  OK(cldoci_operation_free(ended));
  OK(cldoci_artifact_builder_free(parts));
  OK(cldoci_reference_free(missing));
  OK(cldoci_reference_free(demanding));
  OK(cldoci_client_free(asking));
  OK(cldoci_client_free(client));
  EVENTUALLY(count_threads() == threads);
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  shutdown(listener, SHUT_RDWR);
  CHECK(pthread_join(registry, NULL) == 0);
  close(listener);
  return 0;
}
