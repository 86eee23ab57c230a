/* each callback calls back: cancel, start, wait, ask, free, the client's end. None may hang: ten seconds, then the
   alarm ends the program. */
#include "silent.h"
#include <pthread.h>
#include <semaphore.h>

enum which { PROGRESS, LOG, CREDENTIAL };
enum what { CANCEL, START, WAIT, WAIT_A_LITTLE, ASK, BLOCKING, FREE, FREE_AND_WAIT, CLIENT_FREE, EVERYTHING, WHATS };

static cldoci_client *client;
static cldoci_reference *reference, *elsewhere;

struct seen {
  enum what what;
  cldoci_operation *operation;
  sem_t known, done;
  int calls, finalized;
  cldoci_status status, asked;
};

static void finalizer(void *user_data) { __atomic_add_fetch(&((struct seen *)user_data)->finalized, 1, __ATOMIC_SEQ_CST); }

static void call_back(struct seen *seen) {
  cldoci_operation *other = NULL;
  if (__atomic_add_fetch(&seen->calls, 1, __ATOMIC_SEQ_CST) > 1) return;
  while (sem_wait(&seen->known) != 0) {} /* until the handle is */
  switch (seen->what) {
    case CANCEL: seen->status = cldoci_operation_cancel(seen->operation, NULL); break;
    case START:
      seen->status = cldoci_exists_start(client, elsewhere, NULL, &other, NULL);
      CHECK(cldoci_operation_free(other) == CLDOCI_OK);
      break;
    case WAIT: seen->status = cldoci_operation_wait(seen->operation, -1, NULL); break;
    case WAIT_A_LITTLE: seen->status = cldoci_operation_wait(seen->operation, 100, NULL); break;
    case ASK: seen->status = cldoci_operation_wait(seen->operation, 0, NULL); break;
    case BLOCKING: seen->status = cldoci_exists(client, elsewhere, NULL, NULL, NULL); break;
    case FREE: seen->status = cldoci_operation_free(seen->operation); break;
    case FREE_AND_WAIT:
      CHECK(cldoci_operation_free(seen->operation) == CLDOCI_OK);
      seen->status = cldoci_operation_wait(seen->operation, -1, NULL);
      break;
    case CLIENT_FREE: seen->status = cldoci_client_free(client); break;
    default:
      CHECK(cldoci_exists_start(client, elsewhere, NULL, &other, NULL) == CLDOCI_OK);
      CHECK(cldoci_operation_cancel(other, NULL) == CLDOCI_OK);
      CHECK(cldoci_operation_free(other) == CLDOCI_OK);
      CHECK(cldoci_operation_cancel(seen->operation, NULL) == CLDOCI_OK);
      CHECK(cldoci_client_free(client) == CLDOCI_OK);
      seen->status = cldoci_operation_free(seen->operation);
      break;
  }
  sem_post(&seen->done);
}

static int32_t progress_callback(const cldoci_progress *progress, void *user_data) {
  (void)progress;
  call_back(user_data);
  return 0;
}

static void log_callback(int32_t level, const char *line, void *user_data) {
  (void)level;
  (void)line;
  call_back(user_data);
}

static int32_t credential_callback(const char *registry, const char *repository, cldoci_credential *credential,
                                   void *user_data) {
  (void)registry;
  (void)credential;
  /* That of the client's other operations is given at once: none. */
  if (strcmp(repository, "name") == 0) call_back(user_data);
  return 0;
}

/* A registry that says 401 to one name, and nothing to another. */
static void *demand(void *listener) {
  static const char answer[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic "
                               "realm=\"x\"\r\nConnection: close\r\n\r\n";
  char request[8192];
  ssize_t size;
  int fd;
  while ((fd = accept(*(int *)listener, NULL, NULL)) >= 0) {
    size = read(fd, request, sizeof request - 1);
    request[size < 0 ? 0 : size] = 0;
    /* One that was cancelled meanwhile has gone. */
    if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) size = 0;
    close(fd);
  }
  return NULL;
}

/* What the callback's call must give. */
static cldoci_status wanted(enum which which, enum what what) {
  switch (what) {
    case WAIT:
    case WAIT_A_LITTLE:
      if (which == LOG) return what == WAIT ? CLDOCI_ERROR_TIMEOUT : CLDOCI_PENDING;
      return CLDOCI_ERROR_REENTRANT;
    case ASK: return CLDOCI_PENDING;
    /* Another operation may be waited for, but where it may need this very callback. */
    case BLOCKING: return which == CREDENTIAL ? CLDOCI_ERROR_REENTRANT : CLDOCI_ERROR_TIMEOUT;
    case FREE_AND_WAIT: return CLDOCI_ERROR_HANDLE;
    default: return CLDOCI_OK;
  }
}

static void scenario(enum which which, enum what what, const char *demanding, const char *silent) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_operation *late = NULL;
  struct seen seen = {.what = what};
  int freed = what == FREE || what == FREE_AND_WAIT || what == EVERYTHING;
  int ends = what == BLOCKING || (which == LOG && what == WAIT);
  cldoci_status end;

  alarm((unsigned)(10 * slowness()));
  sem_init(&seen.known, 0, 0);
  sem_init(&seen.done, 0, 0);
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_retries(options, 0, &error));
  /* Where the callback's own wait is to end by itself; else nothing ends meanwhile. */
  if (ends) OK(cldoci_options_set_timeout_ms(options, 200, &error));
  if (which == PROGRESS) OK(cldoci_options_set_progress_callback(options, progress_callback, &seen, finalizer, &error));
  if (which == LOG) OK(cldoci_options_set_log_callback(options, CLDOCI_LOG_DEBUG, log_callback, &seen, finalizer, &error));
  if (which == CREDENTIAL) OK(cldoci_options_set_credential_callback(options, credential_callback, &seen, finalizer, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_options_free(options));
  OK(cldoci_reference_parse(which == CREDENTIAL ? demanding : silent, &reference, &error));
  OK(cldoci_reference_parse(silent, &elsewhere, &error));
  OK(cldoci_exists_start(client, reference, NULL, &seen.operation, &error));
  sem_post(&seen.known);
  while (sem_wait(&seen.done) != 0) {}
  if (seen.status != wanted(which, what)) fprintf(stderr, "callback %d, call %d gave %d\n", which, what, (int)seen.status);
  CHECK(seen.status == wanted(which, what));
  if (!freed) {
    if (what != CANCEL && !ends && which != CREDENTIAL) OK(cldoci_operation_cancel(seen.operation, &error));
    end = cldoci_operation_wait(seen.operation, -1, NULL);
    /* The end that it has without the call back, but for a cancel. */
    if (what != CANCEL && which == CREDENTIAL) {
      CHECK(end == CLDOCI_ERROR_UNAUTHORIZED || (ends && end == CLDOCI_ERROR_TIMEOUT));
    } else {
      CHECK(end == (ends ? CLDOCI_ERROR_TIMEOUT : CLDOCI_ERROR_CANCELLED));
    }
    CHECK(cldoci_operation_free(seen.operation) == CLDOCI_OK);
  }
  /* The client still works, if it was not freed; nothing hangs on behind it. */
  if (what == CLIENT_FREE || what == EVERYTHING) {
    CHECK(cldoci_exists_start(client, reference, NULL, &late, NULL) == CLDOCI_ERROR_HANDLE && late == NULL);
  } else {
    OK(cldoci_exists_start(client, elsewhere, NULL, &late, &error));
    OK(cldoci_operation_free(late));
    OK(cldoci_client_free(client));
  }
  OK(cldoci_reference_free(reference));
  OK(cldoci_reference_free(elsewhere));
  EVENTUALLY(__atomic_load_n(&seen.finalized, __ATOMIC_SEQ_CST) == 1);
  sem_destroy(&seen.known);
  sem_destroy(&seen.done);
}

int main(void) {
  char demanding[64], silent[64];
  int listener = silent_listen(demanding, sizeof demanding, 64), quiet = silent_listen(silent, sizeof silent, 256);
  int which, what;
  pthread_t registry;

  CHECK(pthread_create(&registry, NULL, demand, &listener) == 0);
  strcpy(strchr(silent, '/'), "/other:tag");
  for (which = PROGRESS; which <= CREDENTIAL; which++) {
    for (what = 0; what < WHATS; what++) scenario(which, what, demanding, silent);
  }
  alarm((unsigned)(10 * slowness()));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  shutdown(listener, SHUT_RDWR);
  CHECK(pthread_join(registry, NULL) == 0);
  EVENTUALLY(count_threads() == 1);
  close(listener);
  close(quiet);
  return 0;
}
