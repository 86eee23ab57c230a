/* Begins and ends the program. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

command tool;

static volatile sig_atomic_t signal_seen;

/* The first signal asks for a clean end, and says so; the second one ends the program at once. */
static void on_signal(int number) {
  static const char text[] = "cldoci: cancelling and cleaning up; once more ends at once\n";
  static const char clear[] = "\r\033[K";
  if (signal_seen != 0) _exit(128 + number);
  signal_seen = number;
  if ((progress_drawn && write(STDERR_FILENO, clear, sizeof clear - 1) < 0) ||
      write(STDERR_FILENO, text, sizeof text - 1) < 0) {
    return;
  }
}

int interrupted(void) { return signal_seen; }

static void watch_signals(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    /* What nohup ignores stays ignored. */
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(numbers[i], &action, NULL);
  }
}

/* A file that is opened must not get the number of a standard stream that is closed. */
static void hold_standard_streams(void) {
  for (int fd = 0; fd <= 2; fd++) {
    bool closed = fcntl(fd, F_GETFD) < 0 && errno == EBADF;
    if (closed && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) _exit(EXIT_USAGE);
  }
}

void *grown(void *memory, size_t size) {
  memory = realloc(memory, size ? size : 1);
  if (memory == NULL) {
    fputs("cldoci: out of memory\n", stderr);
    _exit(EXIT_USAGE);
  }
  return memory;
}

/* The end of a pipe that closes when the log has its last line; -1 without a log. */
static int log_end = -1;

static void on_log(int32_t level, const char *line, void *user_data) {
  (void)level;
  (void)user_data;
  fprintf(stderr, "cldoci: debug: %s\n", line);
}

static void on_log_end(void *writer) { close((int)(intptr_t)writer); }

static void start_log(void) {
  int ends[2];
  if (pipe(ends) != 0) fail(CLDOCI_ERROR_IO, "a pipe for the log: %s", strerror(errno));
  for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
  log_end = ends[0];
  check(cldoci_options_set_log_callback(tool.client_options, CLDOCI_LOG_DEBUG, on_log, (void *)(intptr_t)ends[1],
                                        on_log_end, &tool.error));
}

const cldoci_client *client(void) {
  if (tool.client == NULL) {
    if (flag_value(FLAG_DEBUG) != NULL) start_log();
    check(cldoci_client_new(tool.client_options, &tool.client, &tool.error));
  }
  return tool.client;
}

/* Frees all, so that the library's threads end. */
static void release(void) {
  cldoci_operation_free(tool.operation);
  cldoci_client_free(tool.client);
  cldoci_options_free(tool.call_options);
  cldoci_options_free(tool.client_options);
  cldoci_error_free(tool.error);
  /* What a cancelled verb made is gone then; a disk that hangs does not keep the tool for ever. */
  cldoci_wait_idle(5000, NULL);
  if (log_end >= 0) {
    struct pollfd last = {.fd = log_end, .events = POLLIN};
    poll(&last, 1, 2000);
  }
  if (tool.temporary != NULL) unlink(tool.temporary);
  free(tool.temporary);
  free(tool.given);
  free(tool.arguments);
}

_Noreturn void leave(int code) {
  progress_clear();
  release();
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "cldoci: standard output: %s\n", strerror(errno));
    code = code != EXIT_DONE ? code : EXIT_FAILED;
  }
  if (signal_seen != 0) {
    fputs(code == EXIT_DONE ? "cldoci: it was done before it could be cancelled\n" : "cldoci: cancelled\n", stderr);
    /* A shell sees that it was a signal, and ends its loops. */
    signal(signal_seen, SIG_DFL);
    raise(signal_seen);
  }
  exit(code);
}

/* `exists` promises that 1 means no. */
static int failure_code(void) {
  return tool.verb != NULL && tool.verb->run == run_exists ? EXIT_UNKNOWN : EXIT_FAILED;
}

void check(cldoci_status status) {
  if (status == CLDOCI_OK) return;
  progress_clear();
  print_error(tool.error, status, NULL);
  leave(failure_code());
}

_Noreturn void fail(cldoci_status status, const char *format, ...) {
  char message[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  progress_clear();
  print_error(NULL, status, message);
  leave(failure_code());
}

_Noreturn void usage_error(const char *format, ...) {
  char message[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  print_error(NULL, CLDOCI_ERROR_ARGUMENT, message);
  if (tool.verb != NULL) {
    print_usage(stderr, tool.verb);
    fprintf(stderr, "cldoci help %s explains it.\n", tool.verb->name);
  } else {
    fputs("usage: cldoci VERB [flags] ARGUMENTS...\ncldoci help lists the verbs.\n", stderr);
  }
  leave(EXIT_USAGE);
}

uint8_t *read_whole_file(const char *path, size_t *size) {
  bool standard = strcmp(path, "-") == 0;
  FILE *file = standard ? stdin : fopen(path, "rb");
  uint8_t *bytes = NULL;
  size_t room = 0;
  *size = 0;
  if (file == NULL) fail(CLDOCI_ERROR_IO, "%s: %s", path, strerror(errno));
  do {
    room += room + 65536;
    bytes = grown(bytes, room);
    *size += fread(bytes + *size, 1, room - *size, file);
  } while (*size == room);
  if (ferror(file)) fail(CLDOCI_ERROR_IO, "%s: %s", path, strerror(errno));
  if (!standard) fclose(file);
  return bytes;
}

int main(int argc, char **argv) {
  hold_standard_streams();
  /* Whole lines, so that those of the log don't mix with others. */
  setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
  watch_signals();
  read_arguments(argc, argv);
  check(cldoci_options_new(&tool.client_options, &tool.error));
  check(cldoci_options_new(&tool.call_options, &tool.error));
  apply_flags();
  tool.verb->run();
  leave(EXIT_DONE);
}
