/* a good guest, in a process with closed standard descriptors, a small stack, a moving
   working directory, SIGPIPE at its default, and a registry that resets. */
#include "silent.h"
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

static const char *work;
static cldoci_client *client;

/* Everything on a layout, from a thread with 64 KiB of stack. */
static void *workflow(void *unused) {
  char path[4096];
  cldoci_error *error = NULL;
  cldoci_reference *version = NULL, *latest = NULL;
  cldoci_operation *operation = NULL;
  cldoci_result *result = NULL;
  cldoci_artifact *artifact = NULL;
  (void)unused;

  snprintf(path, sizeof path, "ocidir://%s/layout:v1", work);
  OK(cldoci_reference_parse(path, &version, &error));
  snprintf(path, sizeof path, "ocidir://%s/layout:latest", work);
  OK(cldoci_reference_parse(path, &latest, &error));
  /* A relative path means what it meant when the verb was started. */
  CHECK(chdir(work) == 0);
  OK(cldoci_build_start(client, "tree", "component", NULL, 0, NULL, &operation, &error));
  CHECK(chdir("/") == 0);
  OK(cldoci_operation_wait(operation, -1, &error));
  OK(cldoci_operation_result(operation, &result, &error));
  OK(cldoci_operation_free(operation));
  OK(cldoci_result_artifact(result, &artifact, &error));
  OK(cldoci_result_free(result));
  OK(cldoci_push(client, artifact, version, NULL, NULL, &error));
  OK(cldoci_tag(client, version, latest, NULL, NULL, &error));
  OK(cldoci_exists(client, latest, NULL, &result, &error));
  CHECK(cldoci_result_exists(result) == 1);
  OK(cldoci_result_free(result));
  snprintf(path, sizeof path, "%s/pulled", work);
  OK(cldoci_pull(client, latest, path, NULL, NULL, &error));
  OK(cldoci_read_layer(client, artifact, 0, NULL, &result, &error));
  OK(cldoci_result_free(result));
  OK(cldoci_inspect(client, latest, NULL, &result, &error));
  OK(cldoci_result_free(result));
  OK(cldoci_artifact_free(artifact));
  OK(cldoci_reference_free(latest));
  OK(cldoci_reference_free(version));
  return NULL;
}

/* Takes connections, reads a little and resets them. */
static void *resetting(void *listener) {
  char bytes[64];
  struct linger now_ = {1, 0};
  for (;;) {
    int fd = accept(*(int *)listener, NULL, NULL);
    if (fd < 0) return NULL;
    if (read(fd, bytes, sizeof bytes) >= 0) {
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &now_, sizeof now_);
    }
    close(fd);
  }
}

int main(int argc, char **argv) {
  struct sigaction before[65], after;
  char place[64], cwd[4096], cwd_after[4096];
  cldoci_error *error = NULL;
  pthread_attr_t small;
  pthread_t thread, server;
  mode_t mask = umask(0027);
  extern char **environ;
  char **environment = environ;
  int i, listener = silent_listen(place, sizeof place, 16);

  CHECK(argc == 2);
  work = argv[1];
  umask(0027);
  for (i = 1; i < 65; i++) sigaction(i, NULL, &before[i]);
  CHECK(chdir("/") == 0 && getcwd(cwd, sizeof cwd) != NULL);
  (void)mask;
  if (getenv("CLOSE_STANDARD") != NULL) {
    close(0);
    close(1);
    close(2);
  }
  client = quiet_client();
  CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 65536) == 0);
  CHECK(pthread_create(&thread, &small, workflow, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);

  /* SIGPIPE would kill this process. */
  static uint8_t content[8 << 20];
  cldoci_artifact_builder *builder = NULL;
  cldoci_artifact *artifact = NULL;
  cldoci_reference *reference = NULL;
  CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  CHECK(pthread_create(&server, NULL, resetting, &listener) == 0);
  OK(cldoci_artifact_builder_new(client, "component", &builder, &error));
  OK(cldoci_artifact_builder_add_bytes(builder, NULL, content, sizeof content, &error));
  OK(cldoci_artifact_builder_finish(builder, &artifact, &error));
  OK(cldoci_reference_parse(place, &reference, &error));
  for (i = 0; i < 5; i++) {
    CHECK(cldoci_push(client, artifact, reference, NULL, NULL, &error) < 0);
    CHECK(cldoci_error_free(error) == CLDOCI_OK);
    error = NULL;
  }
  shutdown(listener, SHUT_RDWR);
  pthread_join(server, NULL);
  close(listener);
  OK(cldoci_artifact_free(artifact));
  OK(cldoci_artifact_builder_free(builder));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));

  CHECK(getcwd(cwd_after, sizeof cwd_after) != NULL && strcmp(cwd, cwd_after) == 0);
  CHECK(umask(0) == 0027 && environ == environment);
  for (i = 1; i < 65; i++) {
    /* glibc takes two real-time signals for its own threads. */
    if (sigaction(i, NULL, &after) == 0 && i != 32 && i != 33) CHECK(after.sa_handler == before[i].sa_handler);
  }
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
