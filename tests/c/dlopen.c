/* loaded and unloaded a thousand times, with work in between. Not linked to the library. */
#include "silent.h"
#include <dlfcn.h>

typedef cldoci_status (*new_client)(const cldoci_options *, cldoci_client **, cldoci_error **);
typedef cldoci_status (*free_client)(cldoci_client *);
typedef cldoci_status (*parse)(const char *, cldoci_reference **, cldoci_error **);
typedef cldoci_status (*start)(const cldoci_client *, const cldoci_reference *, const cldoci_options *,
                               cldoci_operation **, cldoci_error **);
typedef cldoci_status (*free_operation)(cldoci_operation *);
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

int main(int argc, char **argv) {
  char place[64];
  int i, listener = silent_listen(place, sizeof place, 64);
  CHECK(argc == 2);
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
  EVENTUALLY(count_entries("/proc/self/task") == 1);
  close(listener);
  return 0;
}
