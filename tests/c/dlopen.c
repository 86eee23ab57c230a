/* loaded and unloaded a thousand times, with work in between; and twice at one time, as two copies. Not linked
   to the library. */
#include "silent.h"
#include <dlfcn.h>

typedef cldoci_status (*new_client)(const cldoci_options *, cldoci_client **, cldoci_error **);
typedef cldoci_status (*free_client)(cldoci_client *);
typedef cldoci_status (*parse)(const char *, cldoci_reference **, cldoci_error **);
typedef cldoci_status (*start)(const cldoci_client *, const cldoci_reference *, const cldoci_options *,
                               cldoci_operation **, cldoci_error **);
typedef cldoci_status (*free_operation)(cldoci_operation *);
typedef cldoci_status (*wait_for)(const cldoci_operation *, int64_t, cldoci_error **);
typedef uint64_t (*live_handles)(int32_t);
typedef cldoci_status (*free_reference)(cldoci_reference *);

/* ISO C has no cast from an object pointer to a function's. */
static void *look_up(void *library, const char *name) {
  void *found = dlsym(library, name);
  CHECK(found != NULL);
  return found;
}
#define FUNCTION(type, variable, name) \
  type variable;                       \
  do {                                 \
    void *found_ = look_up(library, name); \
    memcpy(&variable, &found_, sizeof variable); \
  } while (0)

/* The functions of one copy. */
struct copy {
  new_client client_new;
  free_client client_free;
  parse reference_parse;
  free_reference reference_free;
  start exists_start;
  free_operation operation_free;
  wait_for operation_wait;
  live_handles debug_live_handles;
};

static struct copy functions_of(void *library) {
  struct copy copy;
  FUNCTION(new_client, client_new, "cldoci_client_new");
  FUNCTION(free_client, client_free, "cldoci_client_free");
  FUNCTION(parse, reference_parse, "cldoci_reference_parse");
  FUNCTION(free_reference, reference_free, "cldoci_reference_free");
  FUNCTION(start, exists_start, "cldoci_exists_start");
  FUNCTION(free_operation, operation_free, "cldoci_operation_free");
  FUNCTION(wait_for, operation_wait, "cldoci_operation_wait");
  FUNCTION(live_handles, debug_live_handles, "cldoci_debug_live_handles");
  copy = (struct copy){client_new,   client_free,    reference_parse, reference_free,
                       exists_start, operation_free, operation_wait,  debug_live_handles};
  return copy;
}

/* Two copies at work at one time, in one process: each with threads, operations and handles of its own. */
static void two_copies(const char *first, const char *second, const char *place) {
  const char *const paths[2] = {first, second};
  struct copy copies[2];
  cldoci_client *clients[2] = {NULL, NULL};
  cldoci_reference *references[2] = {NULL, NULL};
  cldoci_operation *operations[2][20];
  int i, each;
  for (each = 0; each < 2; each++) {
    void *library = dlopen(paths[each], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    copies[each] = functions_of(library);
  }
  CHECK(copies[0].client_new != copies[1].client_new);
  for (each = 0; each < 2; each++) {
    CHECK(copies[each].client_new(NULL, &clients[each], NULL) == CLDOCI_OK);
    CHECK(copies[each].reference_parse(place, &references[each], NULL) == CLDOCI_OK);
  }
  for (i = 0; i < 20; i++) {
    for (each = 0; each < 2; each++) {
      operations[each][i] = NULL;
      CHECK(copies[each].exists_start(clients[each], references[each], NULL, &operations[each][i], NULL) == CLDOCI_OK);
    }
  }
  CHECK(copies[0].debug_live_handles(CLDOCI_HANDLE_ANY) == 22 && copies[1].debug_live_handles(CLDOCI_HANDLE_ANY) == 22);
  /* The first is done with, the second goes on. */
  for (i = 0; i < 20; i++) CHECK(copies[0].operation_free(operations[0][i]) == CLDOCI_OK);
  CHECK(copies[0].reference_free(references[0]) == CLDOCI_OK && copies[0].client_free(clients[0]) == CLDOCI_OK);
  CHECK(copies[0].debug_live_handles(CLDOCI_HANDLE_ANY) == 0 && copies[1].debug_live_handles(CLDOCI_HANDLE_ANY) == 22);
  for (i = 0; i < 20; i++) CHECK(copies[1].operation_wait(operations[1][i], 0, NULL) == CLDOCI_PENDING);
  for (i = 0; i < 20; i++) CHECK(copies[1].operation_free(operations[1][i]) == CLDOCI_OK);
  CHECK(copies[1].reference_free(references[1]) == CLDOCI_OK && copies[1].client_free(clients[1]) == CLDOCI_OK);
  CHECK(copies[1].debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
}

int main(int argc, char **argv) {
  char place[64];
  int i, listener = silent_listen(place, sizeof place, 64);
  CHECK(argc == 3);
  for (i = 0; i < 1000; i++) {
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    cldoci_client *client = NULL;
    cldoci_reference *reference = NULL;
    cldoci_operation *operation = NULL;
    CHECK(library != NULL);
    FUNCTION(new_client, client_new, "cldoci_client_new");
    FUNCTION(free_client, client_free, "cldoci_client_free");
    FUNCTION(parse, reference_parse, "cldoci_reference_parse");
    FUNCTION(free_reference, reference_free, "cldoci_reference_free");
    FUNCTION(start, exists_start, "cldoci_exists_start");
    FUNCTION(free_operation, operation_free, "cldoci_operation_free");
    CHECK(client_new(NULL, &client, NULL) == CLDOCI_OK);
    CHECK(reference_parse(place, &reference, NULL) == CLDOCI_OK);
    if (i % 20 == 0) {
      /* Threads of the library are at work when it is closed. */
      CHECK(exists_start(client, reference, NULL, &operation, NULL) == CLDOCI_OK);
      CHECK(operation_free(operation) == CLDOCI_OK);
    }
    CHECK(reference_free(reference) == CLDOCI_OK && client_free(client) == CLDOCI_OK);
    CHECK(dlclose(library) == 0);
  }
  EVENTUALLY(count_threads() == 1);
  two_copies(argv[1], argv[2], place);
  EVENTUALLY(count_threads() == 1);
  close(listener);
  return 0;
}
