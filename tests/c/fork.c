/* in a child of fork the parent's handles are FORKED and new ones work; descriptors are close-on-exec. */
#include "silent.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static cldoci_client *client;
static cldoci_reference *reference;
static cldoci_operation *operation;
static char place[64];
static int stop;

static void *churn(void *unused) {
  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
    cldoci_options *options = NULL;
    CHECK(cldoci_options_new(&options, NULL) == CLDOCI_OK);
    CHECK(cldoci_options_set(options, "retries", "1", NULL) == CLDOCI_OK);
    CHECK(cldoci_options_free(options) == CLDOCI_OK);
  }
  return NULL;
}

/* What a child does; the parent looks at its exit status. */
static void child(int work) {
  cldoci_error *error = NULL;
  cldoci_client *mine;
  cldoci_reference *my_reference = NULL;
  cldoci_options *options = NULL;
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  FAILS(cldoci_exists(client, reference, NULL, NULL, &error), FORKED, "before fork");
  FAILS(cldoci_operation_wait(operation, 0, &error), FORKED, "before fork");
  CHECK(cldoci_operation_free(operation) == CLDOCI_ERROR_FORKED);
  CHECK(cldoci_client_free(client) == CLDOCI_ERROR_FORKED);
  CHECK(cldoci_reference_string(reference, NULL) == NULL);
  mine = quiet_client();
  OK(cldoci_reference_parse(place, &my_reference, &error));
  FAILS(cldoci_exists(mine, reference, NULL, NULL, &error), FORKED, "before fork");
  if (work) {
    OK(cldoci_options_new(&options, &error));
    OK(cldoci_options_set_timeout_ms(options, 50, &error));
    FAILS(cldoci_exists(mine, my_reference, options, NULL, &error), TIMEOUT, "timeout_ms");
    OK(cldoci_options_free(options));
  }
  OK(cldoci_reference_free(my_reference));
  OK(cldoci_client_free(mine));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  _exit(0);
}

static void fork_one(int work) {
  int status = 0;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) child(work);
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
  cldoci_error *error = NULL;
  pthread_t threads[4];
  int i, fd, listener = silent_listen(place, sizeof place, 256);
  int32_t watched = -1;
  char inherited[256];

  /* What whoever runs the test left open is not the library's. */
  for (fd = 0; fd < 256; fd++) inherited[fd] = fcntl(fd, F_GETFD) != -1;
  client = quiet_client();
  OK(cldoci_reference_parse(place, &reference, &error));
  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  OK(cldoci_operation_open_descriptor(operation, &watched, &error));
  CHECK(cldoci_operation_wait(operation, 100, &error) == CLDOCI_PENDING);

  /* Every descriptor of the library and those that it gave are close-on-exec. */
  for (fd = 3; fd < 256; fd++) {
    int flags = fcntl(fd, F_GETFD);
    CHECK(inherited[fd] || flags == -1 || (flags & FD_CLOEXEC));
  }

  for (i = 0; i < 10; i++) fork_one(1);
  for (i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
  for (i = 0; i < 100; i++) fork_one(i % 10 == 0);
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  for (i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);

  /* The parent's operation goes on, and its end is told although children held copies of the descriptors. */
  CHECK(cldoci_operation_wait(operation, 0, &error) == CLDOCI_PENDING);
  pid_t holder = fork();
  if (holder == 0) {
    pause();
    _exit(0);
  }
  OK(cldoci_operation_cancel(operation, &error));
  struct pollfd watch = {.fd = watched, .events = POLLIN};
  CHECK(poll(&watch, 1, 5000) == 1);
  CHECK(kill(holder, SIGKILL) == 0 && waitpid(holder, NULL, 0) == holder);
  FAILS(cldoci_operation_wait(operation, -1, &error), CANCELLED, "cancelled");
  OK(cldoci_operation_free(operation));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  close(watched);
  close(listener);
  return 0;
}
