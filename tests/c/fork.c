/* in a child of fork the parent's handles are FORKED and new ones work; no descriptor outlives an exec. */
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

/* After exec: what is open is what was open before the library was used, as the parent lists it. */
static int after_exec(const char *list) {
  int fd;
  for (fd = 3; fd < 1024; fd++) {
    char name[16];
    if (fcntl(fd, F_GETFD) == -1) continue;
    snprintf(name, sizeof name, ",%d,", fd);
    if (strstr(list, name) == NULL) {
      fprintf(stderr, "descriptor %d was left to a program\n", fd);
      return 1;
    }
  }
  return 0;
}

/* Forks and runs this program anew; 0 where no descriptor of the library's is open there. */
static int exec_one(const char *list) {
  int status = 0;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    execl("/proc/self/exe", "fork", list, (char *)NULL);
    _exit(9);
  }
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}

/* Descriptors come and go. */
static void *work(void *unused) {
  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
    cldoci_operation *one = NULL;
    int32_t fd = -1;
    CHECK(cldoci_exists_start(client, reference, NULL, &one, NULL) == CLDOCI_OK);
    CHECK(cldoci_operation_open_descriptor(one, &fd, NULL) == CLDOCI_OK);
    CHECK(cldoci_build(client, "/proc/self/fdinfo/none", "component", NULL, 0, NULL, NULL, NULL) < 0);
    CHECK(cldoci_operation_free(one) == CLDOCI_OK && close(fd) == 0);
  }
  return NULL;
}

/* A program that is started while verbs run and descriptors come and go gets none of them. */
static void started(const char *inherited) {
  char list[2048] = ",";
  pthread_t thread;
  int i, fd;
  for (fd = 3; fd < 256; fd++) {
    if (inherited[fd]) snprintf(list + strlen(list), sizeof list - strlen(list), "%d,", fd);
  }
  fd = open("/dev/null", O_RDONLY);
  CHECK(fd > 2 && exec_one(list) == 1); /* one that is not marked is seen */
  close(fd);
  CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
  for (i = 0; i < 50; i++) CHECK(exec_one(list) == 0);
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  CHECK(pthread_join(thread, NULL) == 0);
}

static void idle(void) {
  int i;
  for (i = 0; i < 10; i++) fork_one(0);
}

static void forked(void) {
  pthread_t threads[4];
  int i;
  for (i = 0; i < 10; i++) fork_one(1);
  for (i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
  for (i = 0; i < 100; i++) fork_one(i % 10 == 0);
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  for (i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* fork [exec | idle]    idle: children that start no verb */
int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  int fd, listener = silent_listen(place, sizeof place, 256);
  int32_t watched = -1;
  char inherited[256];

  if (argc > 1 && *argv[1] == ',') return after_exec(argv[1]);
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

  if (argc > 1 && strcmp(argv[1], "idle") == 0) {
    idle();
  } else if (argc > 1 && strcmp(argv[1], "exec") == 0) {
    started(inherited);
  } else {
    forked();
  }

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
