/* a host that changes its umask, its locale and its limits, and that closes descriptors of ours. */
#include "silent.h"
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *work;
static cldoci_error *error;

static const char *in_work(const char *name) {
  static char paths[4][4096];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, 4096, "%s/%s", work, name);
  return path;
}

static cldoci_client *client_with_store(void) {
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, in_work("store"), &error));
  OK(cldoci_options_set_credentials(options, CLDOCI_CREDENTIALS_ANONYMOUS, &error));
  OK(cldoci_options_set_retries(options, 0, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_options_free(options));
  return client;
}

static cldoci_artifact *build(const cldoci_client *client) {
  cldoci_result *result = NULL;
  cldoci_artifact *artifact = NULL;
  OK(cldoci_build(client, in_work("tree"), "component", NULL, 0, NULL, &result, &error));
  OK(cldoci_result_artifact(result, &artifact, &error));
  OK(cldoci_result_free(result));
  return artifact;
}

static mode_t mode_of(const char *path) {
  struct stat status;
  CHECK(stat(path, &status) == 0);
  return status.st_mode & 07777;
}

/* The umask of the moment decides what a pull makes, and stays what the host set. */
static void umasks(const cldoci_client *client, const cldoci_reference *reference) {
  const struct {
    mode_t mask, file, directory;
    const char *place;
  } all[] = {{0, 0644, 0755, "pulled-0"}, {077, 0600, 0700, "pulled-77"}, {0137, 0640, 0740, "pulled-137"}};
  size_t i;
  for (i = 0; i < sizeof all / sizeof *all; i++) {
    umask(all[i].mask);
    /* A directory that its owner can't enter could not be filled: that bit stays. */
    OK(cldoci_pull(client, reference, in_work(all[i].place), NULL, NULL, &error));
    CHECK(umask(022) == all[i].mask);
    char file[4200];
    snprintf(file, sizeof file, "%s/file", in_work(all[i].place));
    CHECK(mode_of(file) == all[i].file);
    CHECK(mode_of(in_work(all[i].place)) == all[i].directory || all[i].mask == 0137);
  }
}

/* No locale changes a digest or a message. */
static void locales(const cldoci_client *client, const char *digest) {
  const char *const names[] = {"C", "C.UTF-8", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8", ""};
  cldoci_reference *reference = NULL;
  size_t i, set = 0;
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    set += setlocale(LC_ALL, names[i]) != NULL;
    cldoci_artifact *artifact = build(client);
    CHECK(strcmp(cldoci_artifact_digest(artifact, NULL), digest) == 0);
    OK(cldoci_artifact_free(artifact));
    FAILS(cldoci_reference_layout(in_work("nothing"), "no such tag", NULL, &reference, &error), ARGUMENT, "");
    OK(cldoci_reference_layout(in_work("nothing"), "v1", NULL, &reference, &error));
    FAILS(cldoci_inspect(client, reference, NULL, NULL, &error), NOT_FOUND, "");
    OK(cldoci_reference_free(reference));
  }
  CHECK(set >= 3 && setlocale(LC_ALL, "C") != NULL);
}

static void soft(int resource, rlim_t value) {
  struct rlimit limit;
  CHECK(getrlimit(resource, &limit) == 0);
  limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
  CHECK(setrlimit(resource, &limit) == 0);
}

/* Files may not grow beyond 1 MiB: EFBIG, and no SIGXFSZ, which would kill this process. */
static void file_size(const cldoci_client *client, const cldoci_reference *reference, const char *digest) {
  cldoci_result *result = NULL;
  CHECK(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
  soft(RLIMIT_FSIZE, 1 << 20);
  CHECK(cldoci_build(client, in_work("tree"), "component", NULL, 0, NULL, &result, &error) == CLDOCI_ERROR_IO);
  CHECK(result == NULL && cldoci_error_errno(error) == EFBIG && cldoci_error_free(error) == CLDOCI_OK);
  CHECK(cldoci_pull(client, reference, in_work("too-large"), NULL, NULL, &error) == CLDOCI_ERROR_IO);
  CHECK(cldoci_error_errno(error) == EFBIG && cldoci_error_free(error) == CLDOCI_OK);
  CHECK(access(in_work("too-large"), F_OK) != 0);
  soft(RLIMIT_FSIZE, RLIM_INFINITY);
  cldoci_artifact *artifact = build(client);
  CHECK(strcmp(cldoci_artifact_digest(artifact, NULL), digest) == 0);
  OK(cldoci_artifact_free(artifact));
}

/* No descriptor can be had: an error that says so, and all is well once there are some. */
static void descriptors(const cldoci_client *client, const cldoci_reference *reference) {
  struct rlimit before;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  soft(RLIMIT_NOFILE, 3);
  CHECK(cldoci_pull(client, reference, in_work("no-descriptors"), NULL, NULL, &error) == CLDOCI_ERROR_IO);
  CHECK(cldoci_error_errno(error) == EMFILE && cldoci_error_free(error) == CLDOCI_OK);
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0 && access(in_work("no-descriptors"), F_OK) != 0);
  OK(cldoci_pull(client, reference, in_work("no-descriptors"), NULL, NULL, &error));
}

/* Which of the library's descriptors the host closes. */
enum { FILES = 1, QUEUE = 2, WAKER = 4 };
static int kind_of(int fd) {
  char link[64], target[64] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink(link, target, sizeof target - 1) <= 0) return 0;
  if (strstr(target, "[eventpoll]")) return QUEUE;
  return strstr(target, "[eventfd]") ? WAKER : FILES;
}

static int calls_that_ended, finalized;
static int32_t progress_callback(const cldoci_progress *progress, void *user_data) {
  (void)progress;
  (void)user_data;
  return 0;
}
static void finalizer(void *user_data) { __atomic_add_fetch((int *)user_data, 1, __ATOMIC_SEQ_CST); }

/* A question to a registry that says nothing ends in time, and with an error. */
static cldoci_status asks(const cldoci_client *client, const cldoci_reference *silent) {
  cldoci_options *options = NULL;
  cldoci_operation *operation = NULL;
  cldoci_status status;
  cldoci_error *why = NULL;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_timeout_ms(options, 200, &error));
  OK(cldoci_options_set_progress_callback(options, progress_callback, &finalized, finalizer, &error));
  status = cldoci_exists_start(client, silent, options, &operation, &why);
  if (status == CLDOCI_OK) status = cldoci_operation_wait(operation, 10000, &why);
  if (status >= 0 || status == CLDOCI_ERROR_PANIC) fprintf(stderr, "%d %s\n", (int)status, cldoci_error_message(why, NULL));
  CHECK(status < 0 && status != CLDOCI_ERROR_PANIC && cldoci_error_free(why) == CLDOCI_OK);
  CHECK(cldoci_operation_free(operation) == CLDOCI_OK && cldoci_options_free(options) == CLDOCI_OK);
  calls_that_ended++;
  return status;
}

/* A child of fork begins anew. */
static void in_a_child(const cldoci_reference *parents) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    cldoci_client *client = client_with_store();
    cldoci_reference *reference = NULL;
    FAILS(cldoci_pull(client, parents, in_work("child"), NULL, NULL, &error), FORKED, "before fork");
    OK(cldoci_reference_layout(in_work("layout"), "v1", NULL, &reference, &error));
    OK(cldoci_pull(client, reference, in_work("child"), NULL, NULL, &error));
    _exit(0);
  }
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* For a release of the library alone: in a debug build the standard library and tokio end a process whose descriptors
   were closed by others. The host closes descriptors that are not its own, with a request under way or when all is
   done: whatever comes of that client's requests, no call hangs or crashes, and nothing of the host's is written to.
   The next client works where the descriptors were files and sockets; where they were those that threads wait on, the
   rest of the process has errors. */
static void closed(const cldoci_reference *reference, int kinds, int under_way) {
  char place[64], content[8];
  int i, count, listener = silent_listen(place, sizeof place, 64);
  int own = open(in_work("own"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  char mine[256] = {0};
  cldoci_client *client;
  cldoci_operation *operation = NULL;
  cldoci_reference *silent = NULL;
  CHECK(own > 2 && own < 200 && write(own, "content", 7) == 7);
  for (i = 0; i < 256; i++) mine[i] = fcntl(i, F_GETFD) != -1;
  client = client_with_store();
  OK(cldoci_reference_parse(place, &silent, &error));
  calls_that_ended = finalized = 0;
  if (under_way) {
    OK(cldoci_exists_start(client, silent, NULL, &operation, &error));
    /* The connection is there. */
    CHECK(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 10000) == 1);
  } else {
    CHECK(asks(client, silent) == CLDOCI_ERROR_TIMEOUT);
  }
  for (i = 3, count = 0; i < 256; i++) {
    if (!mine[i] && (kind_of(i) & kinds)) count += close(i) == 0;
  }
  CHECK(count > 0 || (kinds == FILES && !under_way));
  if (under_way) {
    cldoci_status status = cldoci_operation_cancel(operation, &error);
    CHECK(status == CLDOCI_OK || status == CLDOCI_ERROR_IO);
    CHECK(cldoci_error_free(error) == CLDOCI_OK);
    error = NULL;
    CHECK(cldoci_operation_wait(operation, 10000, &error) < 0 && cldoci_error_free(error) == CLDOCI_OK);
    error = NULL;
    CHECK(cldoci_operation_free(operation) == CLDOCI_OK);
  }
  for (i = 0; i < 3; i++) asks(client, silent);
  if (kinds & (QUEUE | WAKER)) {
    /* It is over in this process, and it says so. */
    EVENTUALLY(asks(client, silent) == CLDOCI_ERROR_IO);
    FAILS(cldoci_exists(client, silent, NULL, NULL, &error), IO, "closed the descriptors");
  }
  OK(cldoci_client_free(client));
  EVENTUALLY(__atomic_load_n(&finalized, __ATOMIC_SEQ_CST) == calls_that_ended);
  client = client_with_store();
  if (kinds & (QUEUE | WAKER)) {
    FAILS(cldoci_pull(client, reference, in_work("after"), NULL, NULL, &error), IO, "closed the descriptors");
    in_a_child(reference);
  } else {
    OK(cldoci_pull(client, reference, in_work("after"), NULL, NULL, &error));
  }
  OK(cldoci_client_free(client));
  CHECK(pread(own, content, sizeof content, 0) == 7 && memcmp(content, "content", 7) == 0);
  if (!(kinds & (QUEUE | WAKER))) EVENTUALLY(count_threads() == 1);
  OK(cldoci_reference_free(silent));
  close(own);
  close(listener);
}

int main(int argc, char **argv) {
  cldoci_client *client;
  cldoci_reference *reference = NULL;
  cldoci_artifact *artifact;
  uint64_t random = 88172645463325252u;
  char digest[200];
  FILE *file;
  int i;

  CHECK(argc >= 2);
  work = argv[1];
  umask(022);
  CHECK(mkdir(in_work("tree"), 0777) == 0 && (file = fopen(in_work("tree/file"), "w")) != NULL);
  for (i = 0; i < 3 << 17; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    CHECK(fwrite(&random, 8, 1, file) == 1);
  }
  CHECK(fclose(file) == 0);
  client = client_with_store();
  OK(cldoci_reference_layout(in_work("layout"), "v1", NULL, &reference, &error));
  artifact = build(client);
  snprintf(digest, sizeof digest, "%s", cldoci_artifact_digest(artifact, NULL));
  OK(cldoci_push(client, artifact, reference, NULL, NULL, &error));
  OK(cldoci_artifact_free(artifact));

  umasks(client, reference);
  locales(client, digest);
  file_size(client, reference, digest);
  descriptors(client, reference);
  OK(cldoci_client_free(client));
  EVENTUALLY(count_threads() == 1);
  if (argc == 4) closed(reference, atoi(argv[2]), atoi(argv[3]));
  OK(cldoci_reference_free(reference));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
