/* A host that takes every child's end for itself, or does not want to know of any; a credential helper answers all
 * the same, and the host's own children are left to it.
 *
 *   reaping HOW HOST/REPOSITORY:TAG [COUNT]    HOW: handler, thread or ignore */
#include "silent.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static int reaped;

static void reap(int signal) {
  int kept = errno;
  (void)signal;
  while (waitpid(-1, NULL, WNOHANG) > 0) __atomic_add_fetch(&reaped, 1, __ATOMIC_SEQ_CST);
  errno = kept;
}

static void *reap_for_ever(void *stop) {
  while (!__atomic_load_n((int *)stop, __ATOMIC_SEQ_CST)) {
    if (waitpid(-1, NULL, 0) > 0)
      __atomic_add_fetch(&reaped, 1, __ATOMIC_SEQ_CST);
    else
      poll(NULL, 0, 1);
  }
  return NULL;
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_reference *reference = NULL;
  pthread_t thread;
  int stop = 0;
  CHECK(argc >= 3);
  int thread_reaps = strcmp(argv[1], "thread") == 0, ignores = strcmp(argv[1], "ignore") == 0;
  int count = argc > 3 ? atoi(argv[3]) : 1;

  if (thread_reaps) {
    CHECK(pthread_create(&thread, NULL, reap_for_ever, &stop) == 0);
  } else {
    struct sigaction action = {.sa_handler = ignores ? SIG_IGN : reap, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
  }
  OK(cldoci_reference_parse(argv[2], &reference, &error));
  /* A client each time, so that the helper is asked each time. */
  for (int i = 0; i < count; i++) {
    cldoci_options *options = NULL;
    cldoci_client *client = NULL;
    cldoci_result *result = NULL;
    OK(cldoci_options_new(&options, &error));
    OK(cldoci_options_set_store(options, "off", &error));
    OK(cldoci_client_new(options, &client, &error));
    OK(cldoci_exists(client, reference, NULL, &result, &error));
    CHECK(strstr(cldoci_result_credential_source(result, NULL), "credsStore") != NULL);
    OK(cldoci_result_free(result));
    OK(cldoci_client_free(client));
    OK(cldoci_options_free(options));
  }
  OK(cldoci_reference_free(reference));

  /* The host's own way with its children is as it was. */
  if (ignores) {
    struct sigaction now_is;
    CHECK(sigaction(SIGCHLD, NULL, &now_is) == 0 && now_is.sa_handler == SIG_IGN);
    pid_t child = fork();
    if (child == 0) _exit(0);
    CHECK(waitpid(child, NULL, 0) == -1 && errno == ECHILD);
  } else {
    int before = __atomic_load_n(&reaped, __ATOMIC_SEQ_CST);
    pid_t child = fork();
    if (child == 0) _exit(0);
    EVENTUALLY(__atomic_load_n(&reaped, __ATOMIC_SEQ_CST) > before);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    if (thread_reaps) CHECK(pthread_join(thread, NULL) == 0);
  }
  printf("%d\n", reaped);
  return 0;
}
