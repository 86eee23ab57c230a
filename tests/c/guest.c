/* a good guest, in a process with closed standard descriptors, a small stack, a moving
   working directory, SIGPIPE at its default, and a registry that resets. */
#include "silent.h"
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

static const char *work;
static cldoci_client *client;

/* The end of a verb that was started. */
static cldoci_status end_of(cldoci_status started, cldoci_operation **operation) {
  cldoci_status ended = started == CLDOCI_OK ? cldoci_operation_wait(*operation, -1, NULL) : started;
  CHECK(cldoci_operation_free(*operation) == CLDOCI_OK);
  return ended;
}

/* Every other verb, in both forms. */
static void other_verbs(const cldoci_artifact *artifact, const cldoci_reference *reference, const cldoci_reference *target) {
  typedef cldoci_status (*asking)(const cldoci_client *, const cldoci_reference *, const cldoci_options *,
                                  cldoci_result **, cldoci_error **);
  typedef cldoci_status (*starting)(const cldoci_client *, const cldoci_reference *, const cldoci_options *,
                                    cldoci_operation **, cldoci_error **);
  const asking ask[] = {cldoci_resolve,   cldoci_pull_config, cldoci_list_tags,       cldoci_inspect,
                        cldoci_referrers, cldoci_exists,      cldoci_read_manifest,   cldoci_collect_garbage,
                        cldoci_delete};
  const starting start[] = {cldoci_resolve_start,         cldoci_pull_config_start, cldoci_list_tags_start,
                            cldoci_inspect_start,         cldoci_referrers_start,   cldoci_exists_start,
                            cldoci_read_manifest_start,   cldoci_collect_garbage_start, cldoci_delete_start};
  const cldoci_client *c = client;
  const char *nobody = "127.0.0.1:1";
  char tree[4096];
  cldoci_error *error = NULL;
  cldoci_operation *op = NULL;
  size_t i;
  FILE *file = tmpfile();
  snprintf(tree, sizeof tree, "%s/tree", work);
  CHECK(file != NULL);
  OK(cldoci_attach(c, artifact, reference, NULL, NULL, &error));
  OK(end_of(cldoci_attach_start(c, artifact, reference, NULL, &op, &error), &op));
  OK(cldoci_save_layer(c, artifact, 0, fileno(file), NULL, NULL, &error));
  OK(end_of(cldoci_save_layer_start(c, artifact, 0, fileno(file), NULL, &op, &error), &op));
  OK(end_of(cldoci_read_layer_start(c, artifact, 0, NULL, &op, &error), &op));
  for (i = 0; i < sizeof ask / sizeof *ask; i++) {
    /* The last of them deletes, so that each form has something there. */
    OK(cldoci_build_and_push(c, tree, "component", NULL, 0, target, NULL, NULL, &error));
    OK(ask[i](c, target, NULL, NULL, &error));
    OK(end_of(cldoci_build_and_push_start(c, tree, "component", NULL, 0, target, NULL, &op, &error), &op));
    OK(end_of(start[i](c, target, NULL, &op, &error), &op));
  }
  OK(cldoci_copy(c, reference, target, NULL, NULL, &error));
  OK(end_of(cldoci_copy_start(c, reference, target, NULL, &op, &error), &op));
  OK(end_of(cldoci_tag_start(c, reference, target, NULL, &op, &error), &op));
  OK(end_of(cldoci_push_start(c, artifact, target, NULL, &op, &error), &op));
  /* Nobody is there to log in to; it gets as far as asking. */
  CHECK(cldoci_login(c, nobody, "user", "canary", NULL, NULL, NULL) < 0);
  CHECK(end_of(cldoci_login_start(c, nobody, "user", "canary", NULL, &op, NULL), &op) < 0);
  CHECK(cldoci_logout(c, nobody, NULL, NULL, NULL) != CLDOCI_ERROR_PANIC);
  CHECK(end_of(cldoci_logout_start(c, nobody, NULL, &op, NULL), &op) != CLDOCI_ERROR_PANIC);
  CHECK(fclose(file) == 0);
}

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
  /* So does a destination, and a layout. */
  cldoci_reference *relative = NULL;
  OK(cldoci_reference_parse("ocidir://layout:v1", &relative, &error));
  CHECK(chdir(work) == 0);
  OK(cldoci_pull_start(client, relative, "pulled-relative", NULL, &operation, &error));
  CHECK(chdir("/") == 0);
  OK(cldoci_operation_wait(operation, -1, &error));
  OK(cldoci_operation_free(operation));
  OK(cldoci_reference_free(relative));
  snprintf(path, sizeof path, "%s/pulled-relative/file", work);
  CHECK(access(path, F_OK) == 0);
  snprintf(path, sizeof path, "ocidir://%s/other:v1", work);
  OK(cldoci_reference_parse(path, &relative, &error));
  other_verbs(artifact, version, relative);
  OK(cldoci_reference_free(relative));
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

/* Wants a credential of everybody. */
static void *demanding(void *listener) {
  const char answer[] = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n"
                        "Connection: close\r\n\r\n";
  char bytes[4096];
  for (;;) {
    int fd = accept(*(int *)listener, NULL, NULL);
    if (fd < 0) return NULL;
    if (read(fd, bytes, sizeof bytes) > 0) CHECK(write(fd, answer, sizeof answer - 1) > 0);
    close(fd);
  }
}

static void put_file(const char *name, const char *text, mode_t mode) {
  char path[4096];
  FILE *file;
  snprintf(path, sizeof path, "%s/%s", work, name);
  CHECK((file = fopen(path, "w")) != NULL && fputs(text, file) >= 0 && fclose(file) == 0 && chmod(path, mode) == 0);
}

/* A credential helper that ends before it is written to, in a process that SIGPIPE would kill. */
static void early_helper(void) {
  char place[64];
  pthread_t server;
  int i, listener = silent_listen(place, sizeof place, 16);
  cldoci_client *asking = NULL;
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;
  cldoci_error *error = NULL;
  CHECK(pthread_create(&server, NULL, demanding, &listener) == 0);
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_retries(options, 0, &error));
  OK(cldoci_client_new(options, &asking, &error));
  OK(cldoci_options_free(options));
  OK(cldoci_reference_parse(place, &reference, &error));
  for (i = 0; i < 20; i++) FAILS(cldoci_resolve(asking, reference, NULL, NULL, &error), CREDENTIALS, "early");
  shutdown(listener, SHUT_RDWR);
  pthread_join(server, NULL);
  close(listener);
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(asking));
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
  char search[8192];
  snprintf(search, sizeof search, "%s:%s", work, getenv("PATH"));
  CHECK(setenv("PATH", search, 1) == 0 && setenv("DOCKER_CONFIG", work, 1) == 0);
  put_file("docker-credential-early", "#!/bin/sh\nexec 0<&-\nexit 1\n", 0755);
  put_file("config.json", "{\"credsStore\":\"early\"}", 0600);
  environment = environ;
  for (i = 1; i < 65; i++) sigaction(i, NULL, &before[i]);
  CHECK(chdir("/") == 0 && getcwd(cwd, sizeof cwd) != NULL);
  (void)mask;
  if (getenv("CLOSE_STANDARD") != NULL) {
    close(0);
    close(1);
    close(2);
  }
  client = quiet_client();
  /* On some processors the least is more. */
  size_t least = (size_t)PTHREAD_STACK_MIN;
  CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, least > 65536 ? least : 65536) == 0);
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
  /* What a helper calls is not the library's. */
  if (getenv("UNDER_STRACE") == NULL) early_helper();
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
