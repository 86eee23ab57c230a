/* cancelling on a signal as the header says it: the handler writes to a pipe, and whoever reads that cancels. Signals
   by themselves end no wait and no verb. */
#include "silent.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static int told[2];
static volatile sig_atomic_t alarms;

static void on_interrupt(int number) {
  char byte = 1;
  int before = errno;
  (void)number;
  if (write(told[1], &byte, 1) < 0) alarms = -1;
  errno = before;
}

static void on_alarm(int number) {
  (void)number;
  alarms++;
}

static cldoci_operation *operation;

static void *wait_for_it(void *status) {
  *(cldoci_status *)status = cldoci_operation_wait(operation, -1, NULL);
  return NULL;
}

int main(void) {
  char place[64];
  cldoci_error *error = NULL;
  cldoci_client *client = quiet_client();
  cldoci_reference *reference = NULL;
  cldoci_result *result = NULL;
  cldoci_status waited = CLDOCI_OK;
  pthread_t waiter;
  int32_t fd = -1;
  int listener = silent_listen(place, sizeof place, 64);
  /* Without SA_RESTART, so that every call that a signal meets is told so. */
  struct sigaction interrupt = {.sa_handler = on_interrupt}, ticks = {.sa_handler = on_alarm};
  struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  double began;

  CHECK(pipe2(told, O_CLOEXEC | O_NONBLOCK) == 0);
  CHECK(sigaction(SIGINT, &interrupt, NULL) == 0 && sigaction(SIGALRM, &ticks, NULL) == 0);
  OK(cldoci_reference_parse(place, &reference, &error));

  /* A thousand signals a second on the threads that wait: no wait ends early, none with EINTR. */
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
  began = now();
  CHECK(cldoci_operation_wait(operation, 300, &error) == CLDOCI_PENDING && error == NULL);
  CHECK(now() - began >= 0.3 && alarms > 0);

  /* An event loop over the operation's descriptor and the pipe. */
  OK(cldoci_operation_open_descriptor(operation, &fd, &error));
  CHECK(pthread_create(&waiter, NULL, wait_for_it, &waited) == 0);
  CHECK(kill(getpid(), SIGINT) == 0);
  for (;;) {
    struct pollfd watch[2] = {{.fd = told[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    char byte;
    if (poll(watch, 2, 10000) < 0) {
      CHECK(errno == EINTR);
      continue;
    }
    if (watch[0].revents && read(told[0], &byte, 1) == 1) {
      began = now();
      OK(cldoci_operation_cancel(operation, &error));
    }
    if (watch[1].revents) break;
    CHECK(watch[0].revents || watch[1].revents);
  }
  CHECK(now() - began < 1);
  CHECK(pthread_join(waiter, NULL) == 0 && waited == CLDOCI_ERROR_CANCELLED);
  FAILS(cldoci_operation_result(operation, &result, &error), CANCELLED, "cancelled");
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);

  /* The handlers are the program's own still. */
  struct sigaction after;
  CHECK(sigaction(SIGINT, NULL, &after) == 0 && after.sa_handler == on_interrupt && alarms > 0);
  close(fd);
  OK(cldoci_operation_free(operation));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  close(listener);
  return 0;
}
