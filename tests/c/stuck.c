/* A disk that does not answer: each call that flushes is held back until it is let go. Who waits for a verb is back
 * within a second of a cancel and of the deadline, the call ends in the background, `cldoci_wait_idle` waits for it, and
 * nothing is left behind. The kernel hands the calls to this program (seccomp), so that no call can pass by.
 *
 *   stuck DIRECTORY VERB    DIRECTORY: empty; VERB: pull, build_and_push or copy */
#include "check.h"
#include "place.h"
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 700, SOON_MS = 1000, LONG_MS = 30000 };

static int listener;

/* What the kernel has handed over. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Calls that still pass before one is held; none is, where it is below 0. */
static int passing = -1;
static int held;

#define FLUSHES(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

/* Before there is a second thread, so that all have the filter. */
static void intercept(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      FLUSHES(fsync),
      FLUSHES(fdatasync),
      FLUSHES(syncfs),
      FLUSHES(sync_file_range),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  CHECK(listener >= 0);
}

/* One call: it goes on as it is, now or once it is let go. */
static void *serve(void *request) {
  struct seccomp_notif_resp answer = {.id = ((struct seccomp_notif *)request)->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  free(request);
  CHECK(pthread_mutex_lock(&lock) == 0);
  if (passing > 0) {
    passing--;
  } else if (passing == 0) {
    held++;
    CHECK(pthread_cond_broadcast(&changed) == 0);
    while (passing == 0) CHECK(pthread_cond_wait(&changed, &lock) == 0);
    held--;
  }
  CHECK(pthread_mutex_unlock(&lock) == 0);
  CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
  return NULL;
}

static void *take(void *unused) {
  for (;;) {
    pthread_t thread;
    struct seccomp_notif *request = calloc(1, sizeof *request);
    CHECK(request != NULL);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, request) != 0) {
      CHECK(errno == EINTR || errno == ENOENT);
      free(request);
      continue;
    }
    CHECK(pthread_create(&thread, NULL, serve, request) == 0);
    CHECK(pthread_detach(thread) == 0);
  }
  return unused;
}

static void let_pass(int calls) {
  CHECK(pthread_mutex_lock(&lock) == 0);
  passing = calls;
  CHECK(pthread_cond_broadcast(&changed) == 0);
  CHECK(pthread_mutex_unlock(&lock) == 0);
}

static int is_held(void) {
  CHECK(pthread_mutex_lock(&lock) == 0);
  int some = held > 0;
  CHECK(pthread_mutex_unlock(&lock) == 0);
  return some;
}

static int64_t now_ms(void) {
  struct timespec time;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int entries_of(const char *path) {
  DIR *dir = opendir(path);
  int count = -2;
  if (dir == NULL) return -1;
  while (readdir(dir) != NULL) count++;
  closedir(dir);
  return count;
}

static void clear(const char *path) {
  char command[4500];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  CHECK(system(command) == 0);
}

static cldoci_reference *layout(const char *name) {
  cldoci_error *error = NULL;
  cldoci_reference *reference = NULL;
  OK(cldoci_reference_layout(at(name), "v1", NULL, &reference, &error));
  return reference;
}

static cldoci_operation *start(cldoci_client *client, int verb, const cldoci_options *options) {
  cldoci_error *error = NULL;
  cldoci_operation *operation = NULL;
  cldoci_reference *from = layout("layout"), *to = layout("work/made");
  const char *tree = at("tree"), *kind = "application/vnd.test";
  switch (verb) {
    case 0: OK(cldoci_pull_start(client, from, at("work/pulled"), options, &operation, &error)); break;
    case 1: OK(cldoci_build_and_push_start(client, tree, kind, NULL, 0, to, options, &operation, &error)); break;
    default: OK(cldoci_copy_start(client, from, to, options, &operation, &error)); break;
  }
  OK(cldoci_reference_free(from));
  OK(cldoci_reference_free(to));
  return operation;
}
static const char *const verbs[] = {"pull", "build_and_push", "copy"};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* What the verb made is there and whole, or not at all; nothing is beside it. */
static int made(cldoci_client *client, int verb) {
  cldoci_error *error = NULL;
  if (verb == 0) {
    int there = entries_of(at("work")) == 1;
    if (there) {
      CHECK(entries_of(at("work/pulled")) == 3);
    } else {
      CHECK(entries_of(at("work")) == 0);
    }
    return there;
  }
  cldoci_result *result = NULL;
  cldoci_reference *to = layout("work/made");
  cldoci_status status = cldoci_pull(client, to, at("checked"), NULL, &result, &error);
  if (status == CLDOCI_OK) CHECK(entries_of(at("checked")) == 3);
  CHECK(status == CLDOCI_OK || status == CLDOCI_ERROR_NOT_FOUND || entries_of(at("work/made")) <= 2);
  cldoci_error_free(error), cldoci_result_free(result);
  clear(at("checked"));
  OK(cldoci_reference_free(to));
  return status == CLDOCI_OK;
}

/* The verb meets a disk that does not answer at its nth flush; whether it came that far. */
static int stuck(int verb, int nth, int by_time) {
  char timeout[16];
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  OK(cldoci_client_new(NULL, &client, &error));
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_durable(options, 1, &error));
  snprintf(timeout, sizeof timeout, "%d", TIMEOUT_MS);
  if (by_time) OK(cldoci_options_set(options, "timeout_ms", timeout, &error));
  CHECK(mkdir(at("work"), 0755) == 0);
  let_pass(nth);
  int64_t begun = now_ms();
  cldoci_operation *operation = start(client, verb, options);
  while (!is_held() && cldoci_operation_wait(operation, 0, NULL) == CLDOCI_PENDING) usleep(1000);
  int came = is_held();
  if (came) {
    CHECK(cldoci_operation_wait(operation, 50, NULL) == CLDOCI_PENDING || by_time);
    if (!by_time) {
      begun = now_ms() - TIMEOUT_MS;
      OK(cldoci_operation_cancel(operation, &error));
    }
    cldoci_status status = cldoci_operation_wait(operation, LONG_MS, &error);
    int64_t took = now_ms() - begun - TIMEOUT_MS;
    CHECK(status == (by_time ? CLDOCI_ERROR_TIMEOUT : CLDOCI_ERROR_CANCELLED));
    CHECK(is_held());
    printf("%s, flush %d, %s: back after %d ms\n", verbs[verb], nth + 1, by_time ? "deadline" : "cancel", (int)took);
    CHECK(took <= SOON_MS);
    cldoci_error_free(error), error = NULL;
    OK(cldoci_operation_free(operation));
    /* It is still at work. */
    CHECK(cldoci_wait_idle(200, &error) == CLDOCI_PENDING);
  } else {
    /* By then its deadline may be over. */
    cldoci_status status = cldoci_operation_wait(operation, LONG_MS, NULL);
    CHECK(status == CLDOCI_OK || (by_time && status == CLDOCI_ERROR_TIMEOUT));
    OK(cldoci_operation_free(operation));
  }
  let_pass(-1);
  OK(cldoci_wait_idle(LONG_MS, &error));
  int there = made(client, verb);
  /* The same call, and the disk answers. */
  if (!there) {
    OK(cldoci_options_set(options, "timeout_ms", "0", &error));
    operation = start(client, verb, options);
    OK(cldoci_operation_wait(operation, LONG_MS, &error));
    OK(cldoci_operation_free(operation));
    OK(cldoci_wait_idle(LONG_MS, &error));
    CHECK(made(client, verb));
  }
  OK(cldoci_options_free(options));
  OK(cldoci_client_free(client));
  OK(cldoci_wait_idle(LONG_MS, &error));
  clear(at("work"));
  return came;
}

static void make(void) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_reference *reference = layout("layout");
  CHECK(mkdir(at("tree"), 0755) == 0);
  for (const char *const *name = (const char *const[]){"tree/a", "tree/b", "tree/c", NULL}; *name != NULL; name++) {
    FILE *file = fopen(at(*name), "w");
    CHECK(file != NULL && fprintf(file, "this is %s\n", *name) > 0 && fclose(file) == 0);
  }
  OK(cldoci_client_new(NULL, &client, &error));
  OK(cldoci_build_and_push(client, at("tree"), "application/vnd.test", NULL, 0, reference, NULL, NULL, &error));
  OK(cldoci_client_free(client));
  OK(cldoci_reference_free(reference));
  OK(cldoci_wait_idle(LONG_MS, &error));
}

int main(int argc, char **argv) {
  pthread_t thread;
  int met = 0, verb = 0;
  CHECK(argc == 3);
  snprintf(directory, sizeof directory, "%s", argv[1]);
  intercept();
  CHECK(pthread_create(&thread, NULL, take, NULL) == 0);
  make();
  while (verb < VERBS && strcmp(verbs[verb], argv[2]) != 0) verb++;
  CHECK(verb < VERBS);
  /* At each of its flushes, by turns a cancel and a deadline. */
  while (stuck(verb, met, met % 2)) met++;
  /* One for the content and one for the name, at least. */
  CHECK(met >= 2);
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  printf("%s: %d flushes held back\n", verbs[verb], met);
  return 0;
}
