/* the environment is read when a client is made and not later, so a host may change it while verbs run. While
   a client is made it may not: that is the race of getenv and setenv itself. glibc asks for its own
   names while it resolves a host's. */
#include "silent.h"
#include <pthread.h>
#include <sys/stat.h>

extern char **environ;
static int asked, stop, show;

/* In the place of the C library's: counts what the library asks for. */
char *getenv(const char *name) {
  size_t length = strlen(name);
  char **at;
  __atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&show, __ATOMIC_SEQ_CST)) fprintf(stderr, "asked for %s\n", name);
  for (at = environ; at != NULL && *at != NULL; at++) {
    if (strncmp(*at, name, length) == 0 && (*at)[length] == '=') return *at + length + 1;
  }
  return NULL;
}

static void *change(void *unused) {
  char value[64];
  unsigned round = 0;
  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
    snprintf(value, sizeof value, "/nowhere/%u", round++);
    CHECK(setenv("CLDOCI_STORE", value, 1) == 0 && setenv("CLDOCI_PARALLEL", value, 1) == 0);
    CHECK(setenv("HOME", value, 1) == 0 && setenv("TMPDIR", value, 1) == 0);
    CHECK(unsetenv("CLDOCI_PARALLEL") == 0 && unsetenv("TMPDIR") == 0);
  }
  return NULL;
}

int main(int argc, char **argv) {
  char store[2048], other[2048], tree[2048], place[2048];
  cldoci_error *error = NULL;
  cldoci_client *client = NULL, *later = NULL;
  cldoci_reference *reference = NULL, *nobody = NULL;
  cldoci_result *result = NULL;
  cldoci_artifact *artifact = NULL;
  struct stat status;
  pthread_t thread;
  int i, before;

  CHECK(argc == 2);
  snprintf(store, sizeof store, "%s/store", argv[1]);
  snprintf(other, sizeof other, "%s/other", argv[1]);
  snprintf(tree, sizeof tree, "%s/tree", argv[1]);
  snprintf(place, sizeof place, "%s/layout", argv[1]);
  OK(cldoci_reference_layout(place, "v1", NULL, &reference, &error));

  CHECK(setenv("CLDOCI_STORE", store, 1) == 0);
  OK(cldoci_client_new(NULL, &client, &error));
  CHECK(setenv("CLDOCI_STORE", other, 1) == 0);
  OK(cldoci_client_new(NULL, &later, &error));
  /* What the library would call is ours. */
  before = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);
  CHECK(before > 0);
  __atomic_store_n(&show, 1, __ATOMIC_SEQ_CST);

  /* Registries where nobody listens, by http and by https: certificates are loaded for the second. */
  for (i = 0; i < 2; i++) {
    const char *host = i == 0 ? "127.0.0.1:1" : "0.0.0.0:1";
    char text[64];
    snprintf(text, sizeof text, "%s/app:v1", host);
    OK(cldoci_reference_parse(text, &nobody, &error));
    FAILS(cldoci_exists(client, nobody, NULL, NULL, &error), NETWORK, host);
    OK(cldoci_reference_free(nobody));
  }

  /* Each client has the store that the environment named when it was made. */
  OK(cldoci_build(client, tree, "component", NULL, 0, NULL, &result, &error));
  CHECK(stat(store, &status) == 0 && stat(other, &status) != 0);
  OK(cldoci_result_artifact(result, &artifact, &error));
  OK(cldoci_result_free(result));
  OK(cldoci_push(client, artifact, reference, NULL, NULL, &error));
  OK(cldoci_artifact_free(artifact));
  OK(cldoci_build(later, tree, "component", NULL, 0, NULL, NULL, &error));
  CHECK(stat(other, &status) == 0);

  CHECK(pthread_create(&thread, NULL, change, NULL) == 0);
  for (i = 0; i < 200; i++) {
    OK(cldoci_exists(client, reference, NULL, &result, &error));
    CHECK(cldoci_result_exists(result) == 1);
    OK(cldoci_result_free(result));
    OK(cldoci_inspect(i % 2 ? client : later, reference, NULL, NULL, &error));
  }
  OK(cldoci_build(client, tree, "component", NULL, 0, NULL, NULL, &error));
  CHECK(__atomic_load_n(&asked, __ATOMIC_SEQ_CST) == before);
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  CHECK(pthread_join(thread, NULL) == 0);

  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  OK(cldoci_client_free(later));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
