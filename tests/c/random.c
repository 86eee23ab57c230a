/* Random calls from many threads, with handles of the right type, of a wrong one, freed or made up, and callbacks that
 * call on: each returns a status that is no defect, and at the end everything can be freed.
 *   random DIRECTORY SECONDS SEED
 */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum kind { CLIENT, OPTIONS, REFERENCE, OPERATION, RESULT, ARTIFACT, BUILDER, ERROR, KINDS };
enum { KEPT = 32, THREADS = 4, DEEPEST = 2 };

static _Atomic(void *) kept[KINDS][KEPT];
static atomic_ulong calls, callbacks;
static atomic_int over;
static const char *directory;
static _Thread_local unsigned long state;
static _Thread_local int depth;

static unsigned long below(unsigned long bound) {
  if (state == 0) state = (unsigned long)pthread_self() | 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % bound;
}

static void keep(enum kind kind, void *handle) {
  if (handle != NULL) atomic_store(&kept[kind][below(KEPT)], handle);
}

/* Mostly one of that kind; it may be freed already. */
static void *some(enum kind kind) {
  void *handle = atomic_load(&kept[kind][below(KEPT)]);
  switch (below(24)) {
    case 0: return NULL;
    case 1: return (void *)below(~0ul);
    case 2: return (void *)((unsigned long)handle ^ (8ul << below(40)));
    case 3: return atomic_load(&kept[below(KINDS)][below(KEPT)]);
    default: return handle;
  }
}

static const char *word(void) {
  static const char *const words[] = {"",        "latest", "ocidir://x",  "127.0.0.1:1/a/b:c", "component", "retries",
                                      "0",       "5",      "timeout_ms",  "\xff\xfe",          "existing",  "merge",
                                      "replace", "off",    "store",       "sha256:zz",         "a=b",       "parallel"};
  return below(20) == 0 ? NULL : words[below(sizeof words / sizeof *words)];
}

static _Thread_local char path[4096];
static const char *place(const char *what) {
  snprintf(path, sizeof path, "%s/%s%lu", directory, what, below(6));
  return path;
}

/* What a call gave, with its error. */
static void gave(cldoci_status status, cldoci_error *error) {
  atomic_fetch_add(&calls, 1);
  if (status == CLDOCI_ERROR_PANIC || status == CLDOCI_ERROR_INTERNAL) {
    fprintf(stderr, "%s: %s\n", cldoci_status_name(status), cldoci_error_message(error, NULL));
    abort();
  }
  CHECK(status != CLDOCI_OK || error == NULL);
  if (below(3) == 0) {
    keep(ERROR, error);
  } else {
    cldoci_error_free(error);
  }
}

static void act(void);

static int32_t on_progress(const cldoci_progress *progress, void *user_data) {
  (void)user_data;
  CHECK(progress != NULL);
  atomic_fetch_add(&callbacks, 1);
  act();
  return below(30) == 0;
}

static void on_log(int32_t level, const char *line, void *user_data) {
  (void)level, (void)user_data;
  CHECK(line != NULL);
  atomic_fetch_add(&callbacks, 1);
  act();
}

static int32_t on_credential(const char *registry, const char *scope, cldoci_credential *credential, void *user_data) {
  (void)registry, (void)scope, (void)credential, (void)user_data;
  atomic_fetch_add(&callbacks, 1);
  act();
  return (int32_t)below(3) - 1;
}

static void on_free(void *user_data) {
  (void)user_data;
  act();
}

static void make(cldoci_error **error) {
  cldoci_client *client = NULL;
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;
  cldoci_artifact *artifact = NULL;
  cldoci_artifact_builder *builder = NULL;
  cldoci_result *result = NULL;
  cldoci_status status;
  switch (below(8)) {
    case 0: status = cldoci_client_new(below(2) ? NULL : some(OPTIONS), &client, error); break;
    case 1: status = cldoci_options_new(&options, error); break;
    case 2: status = cldoci_reference_parse(word(), &reference, error); break;
    case 3: status = cldoci_reference_layout(place("layout"), "v1", NULL, &reference, error); break;
    case 4: status = cldoci_result_artifact(some(RESULT), &artifact, error); break;
    case 5: status = cldoci_artifact_builder_new(some(CLIENT), "component", &builder, error); break;
    case 6: status = cldoci_artifact_builder_finish(some(BUILDER), &artifact, error); break;
    default: status = cldoci_operation_result(some(OPERATION), &result, error); break;
  }
  gave(status, *error);
  keep(CLIENT, client), keep(OPTIONS, options), keep(REFERENCE, reference);
  keep(ARTIFACT, artifact), keep(BUILDER, builder), keep(RESULT, result);
}

static void set(cldoci_error **error) {
  cldoci_options *options = some(OPTIONS);
  void (*freed)(void *) = below(2) ? on_free : NULL;
  switch (below(5)) {
    case 0: gave(cldoci_options_set(options, word(), word(), error), *error); break;
    case 1: gave(cldoci_options_set_host(options, "h", word(), word(), error), *error); break;
    case 2: gave(cldoci_options_set_progress_callback(options, on_progress, NULL, freed, error), *error); break;
    case 3: gave(cldoci_options_set_log_callback(options, 4, on_log, NULL, freed, error), *error); break;
    default: gave(cldoci_options_set_credential_callback(options, on_credential, NULL, freed, error), *error); break;
  }
}

static void start(cldoci_error **error) {
  cldoci_operation *made = NULL;
  cldoci_client *client = some(CLIENT);
  cldoci_reference *at = some(REFERENCE);
  cldoci_options *options = some(OPTIONS);
  const uint8_t *config = (const uint8_t *)"{}";
  cldoci_status status;
  switch (below(11)) {
    case 0: status = cldoci_pull_start(client, at, place("out"), options, &made, error); break;
    case 1: status = cldoci_build_start(client, directory, "component", config, 2, options, &made, error); break;
    case 2: status = cldoci_push_start(client, some(ARTIFACT), at, options, &made, error); break;
    case 3: status = cldoci_exists_start(client, at, options, &made, error); break;
    case 4: status = cldoci_tag_start(client, at, some(REFERENCE), options, &made, error); break;
    case 5: status = cldoci_copy_start(client, at, some(REFERENCE), options, &made, error); break;
    case 6: status = cldoci_collect_garbage_start(client, at, options, &made, error); break;
    case 7: status = cldoci_inspect_start(client, at, options, &made, error); break;
    case 8: status = cldoci_read_layer_start(client, some(ARTIFACT), below(3), options, &made, error); break;
    case 9: status = cldoci_list_tags_start(client, at, options, &made, error); break;
    default: status = cldoci_referrers_start(client, at, options, &made, error); break;
  }
  gave(status, *error);
  keep(OPERATION, made);
}

static void look(cldoci_error **error) {
  /* An older program has a smaller one. */
  cldoci_progress progress = {.struct_size = (uint32_t)(below(4) ? sizeof progress : below(sizeof progress))};
  switch (below(4)) {
    case 0: gave(cldoci_operation_wait(some(OPERATION), (int64_t)below(20), error), *error); break;
    case 1: gave(cldoci_operation_cancel(some(OPERATION), error), *error); break;
    case 2: gave(cldoci_operation_progress(some(OPERATION), &progress, error), *error); break;
    default:
      gave(cldoci_artifact_builder_add_bytes(some(BUILDER), NULL, (const uint8_t *)"abc", below(4), error), *error);
      cldoci_result_size(some(RESULT));
      cldoci_error_status(some(ERROR));
      break;
  }
}

static void release(enum kind kind, void *handle) {
  switch (kind) {
    case CLIENT: cldoci_client_free(handle); break;
    case OPTIONS: cldoci_options_free(handle); break;
    case REFERENCE: cldoci_reference_free(handle); break;
    case OPERATION: cldoci_operation_free(handle); break;
    case RESULT: cldoci_result_free(handle); break;
    case ARTIFACT: cldoci_artifact_free(handle); break;
    case BUILDER: cldoci_artifact_builder_free(handle); break;
    default: cldoci_error_free(handle); break;
  }
}

static void act(void) {
  cldoci_error *error = NULL;
  if (depth >= DEEPEST || atomic_load(&over)) return;
  depth++;
  switch (below(6)) {
    case 0: case 1: make(&error); break;
    case 2: set(&error); break;
    case 3: start(&error); break;
    case 4: look(&error); break;
    default: {
      enum kind kind = (enum kind)below(KINDS);
      /* A client is dear: without one little happens. */
      if (kind != CLIENT || below(8) == 0) release(kind, some(kind));
      atomic_fetch_add(&calls, 1);
    }
  }
  depth--;
}

static void *run(void *seed) {
  state = (unsigned long)seed * 0x9e3779b97f4a7c15ul | 1;
  while (!atomic_load(&over)) act();
  return NULL;
}

int main(int count, char **arguments) {
  pthread_t threads[THREADS];
  CHECK(count == 4);
  directory = arguments[1];
  mkdir(directory, 0700);
  /* Where a store named by a random word lies. */
  CHECK(chdir(directory) == 0);
  for (unsigned long n = 0; n < THREADS; n++) {
    unsigned long seed = strtoul(arguments[3], NULL, 10) * 100 + n + 1;
    CHECK(pthread_create(&threads[n], NULL, run, (void *)seed) == 0);
  }
  struct timespec time = {.tv_sec = atoi(arguments[2])};
  nanosleep(&time, NULL);
  atomic_store(&over, 1);
  for (int n = 0; n < THREADS; n++) CHECK(pthread_join(threads[n], NULL) == 0);
  for (int kind = 0; kind < KINDS; kind++) {
    for (int n = 0; n < KEPT; n++) release((enum kind)kind, atomic_load(&kept[kind][n]));
  }
  CHECK(atomic_load(&calls) > 100);
  printf("%lu calls, %lu callbacks\n", calls, callbacks);
  return 0;
}
