/* A good handle of every type, for calls with one that is bad. */
#ifndef CALLS_H
#define CALLS_H

#include "silent.h"
#include <semaphore.h>
#include <sys/stat.h>

#define TYPES 11

static cldoci_error *error;
static void *good[TYPES]; /* by CLDOCI_HANDLE_… */
static cldoci_options *settings;
static void *out[16];
static uint64_t spare_number[8];
static size_t number;
static int32_t number32;
static cldoci_progress progress;
static cldoci_counters counters;
static int panics; /* every call panics inside */
static int calls;
static char said[512]; /* what the call before said */

static inline void finalizer(void *user_data) { (void)user_data; }

static inline int32_t callback(const cldoci_progress *told, void *user_data) {
  (void)told;
  (void)user_data;
  return 0;
}

static inline void log_line(int32_t level, const char *line, void *user_data) {
  (void)level;
  (void)line;
  (void)user_data;
}

static inline int32_t credential(const char *registry, const char *repository, cldoci_credential *filled, void *user_data) {
  (void)registry;
  (void)repository;
  (void)filled;
  (void)user_data;
  return 0;
}

static inline int64_t reader(uint8_t *buffer, size_t size, void *user_data) {
  (void)buffer;
  (void)size;
  (void)user_data;
  return 0;
}

#define MUST(condition, name)                                                                                        \
  do {                                                                                                               \
    if (!(condition)) {                                                                                              \
      fprintf(stderr, "%s: not so: %s (error: %s, before: %s)\n", name, #condition,                                 \
              cldoci_error_message(error, NULL), said);                                                              \
      abort();                                                                                                       \
    }                                                                                                                \
  } while (0)

static cldoci_status release(int type, void *handle) {
  switch (type) {
    case CLDOCI_HANDLE_ERROR: return cldoci_error_free(handle);
    case CLDOCI_HANDLE_OPTIONS: return cldoci_options_free(handle);
    case CLDOCI_HANDLE_REFERENCE: return cldoci_reference_free(handle);
    case CLDOCI_HANDLE_CONFIG: return cldoci_config_free(handle);
    case CLDOCI_HANDLE_ARTIFACT: return cldoci_artifact_free(handle);
    case CLDOCI_HANDLE_ARTIFACT_BUILDER: return cldoci_artifact_builder_free(handle);
    case CLDOCI_HANDLE_CLIENT: return cldoci_client_free(handle);
    case CLDOCI_HANDLE_OPERATION: return cldoci_operation_free(handle);
    case CLDOCI_HANDLE_RESULT: return cldoci_result_free(handle);
    default: return CLDOCI_OK;
  }
}

/* Keeps its credential until it is let go, so that there is a good handle of that type, too. */
static sem_t asked, let_go;
static int32_t keep(const char *registry, const char *repository, cldoci_credential *filled, void *user_data) {
  (void)registry;
  (void)repository;
  (void)user_data;
  good[CLDOCI_HANDLE_CREDENTIAL] = filled;
  sem_post(&asked);
  sem_wait(&let_go);
  return 0;
}

/* A fresh handle, whose use works out. */
static void *make(int type) {
  void *made = NULL;
  cldoci_options *options = NULL;
  cldoci_error *why = NULL;
  if (panics) return NULL;
  switch (type) {
    case CLDOCI_HANDLE_ERROR: CHECK(cldoci_reference_parse("", (cldoci_reference **)&options, &why) != CLDOCI_OK); return why;
    case CLDOCI_HANDLE_OPTIONS: CHECK(cldoci_options_new((cldoci_options **)&made, NULL) == CLDOCI_OK); return made;
    case CLDOCI_HANDLE_REFERENCE:
      CHECK(cldoci_reference_layout("layout", "v1", NULL, (cldoci_reference **)&made, NULL) == CLDOCI_OK);
      return made;
    case CLDOCI_HANDLE_CONFIG: CHECK(cldoci_config_new("component", (cldoci_config **)&made, NULL) == CLDOCI_OK); return made;
    case CLDOCI_HANDLE_ARTIFACT:
      CHECK(cldoci_artifact_builder_finish(good[CLDOCI_HANDLE_ARTIFACT_BUILDER], (cldoci_artifact **)&made, NULL) == CLDOCI_OK);
      return made;
    case CLDOCI_HANDLE_ARTIFACT_BUILDER:
      CHECK(cldoci_artifact_builder_new(good[CLDOCI_HANDLE_CLIENT], "application/vnd.example.thing",
                                        (cldoci_artifact_builder **)&made, NULL) == CLDOCI_OK);
      CHECK(cldoci_artifact_builder_add_bytes(made, NULL, (const uint8_t *)"layer", 5, NULL) == CLDOCI_OK);
      CHECK(cldoci_artifact_builder_set_annotation(made, "text", "value", NULL) == CLDOCI_OK);
      return made;
    case CLDOCI_HANDLE_CLIENT:
      CHECK(cldoci_options_new(&options, NULL) == CLDOCI_OK);
      CHECK(cldoci_options_set_environment(options, 0, NULL) == CLDOCI_OK);
      CHECK(cldoci_options_set_store(options, "store", NULL) == CLDOCI_OK);
      CHECK(cldoci_options_set_retries(options, 0, NULL) == CLDOCI_OK);
      CHECK(cldoci_options_set_timeout_ms(options, 20000, NULL) == CLDOCI_OK);
      CHECK(cldoci_options_set_credentials(options, CLDOCI_CREDENTIALS_ANONYMOUS, NULL) == CLDOCI_OK);
      CHECK(cldoci_client_new(options, (cldoci_client **)&made, NULL) == CLDOCI_OK);
      CHECK(cldoci_options_free(options) == CLDOCI_OK);
      return made;
    case CLDOCI_HANDLE_OPERATION:
      CHECK(cldoci_build_start(good[CLDOCI_HANDLE_CLIENT], "text", "component", NULL, 0, NULL,
                               (cldoci_operation **)&made, NULL) == CLDOCI_OK);
      CHECK(cldoci_operation_wait(made, -1, NULL) == CLDOCI_OK);
      return made;
    case CLDOCI_HANDLE_RESULT:
      CHECK(cldoci_operation_result(good[CLDOCI_HANDLE_OPERATION], (cldoci_result **)&made, NULL) == CLDOCI_OK);
      return made;
    default: return NULL;
  }
}

/* In an order in which each finds what it is made of. */
static const int order[] = {CLDOCI_HANDLE_ERROR, CLDOCI_HANDLE_OPTIONS, CLDOCI_HANDLE_REFERENCE, CLDOCI_HANDLE_CONFIG,
                            CLDOCI_HANDLE_CLIENT, CLDOCI_HANDLE_ARTIFACT_BUILDER, CLDOCI_HANDLE_ARTIFACT,
                            CLDOCI_HANDLE_OPERATION, CLDOCI_HANDLE_RESULT};

static void make_all(void) {
  size_t i;
  for (i = 0; i < sizeof order / sizeof *order; i++) good[order[i]] = make(order[i]);
}

static void release_all(void) {
  size_t i;
  for (i = 0; i < sizeof order / sizeof *order; i++) CHECK(release(order[i], good[order[i]]) == CLDOCI_OK);
}

#endif
