/* login and logout. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

enum { LONGEST_PASSWORD = 65536 };

/* Not memset, which a compiler may leave out before a free. */
static void wipe(char *text, size_t size) {
  volatile char *at = text;
  while (size-- > 0) *at++ = 0;
}

/* All of standard input, without the newline at its end. */
static void read_password(char *password) {
  size_t size = 0;
  ssize_t more;
  struct termios as_it_was, silent;
  bool terminal = isatty(STDIN_FILENO);
  if (terminal && tcgetattr(STDIN_FILENO, &as_it_was) == 0) {
    silent = as_it_was;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* Before the question, so that no quick answer is echoed. */
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fputs("Password: ", stderr);
    fflush(stderr);
  }
  while (size < LONGEST_PASSWORD && !interrupted()) {
    more = read(STDIN_FILENO, password + size, LONGEST_PASSWORD - size);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) break;
    size += (size_t)more;
    if (terminal && password[size - 1] == '\n') break;
  }
  if (terminal) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &as_it_was);
    fputc('\n', stderr);
  }
  if (interrupted()) leave(EXIT_FAILED);
  if (size == LONGEST_PASSWORD) fail(CLDOCI_ERROR_ARGUMENT, "the password on standard input is too long");
  if (size > 0 && password[size - 1] == '\n') size--;
  if (size > 0 && password[size - 1] == '\r') size--;
  password[size] = 0;
  if (size == 0) fail(CLDOCI_ERROR_ARGUMENT, "standard input has no password: cldoci login HOST USER < FILE");
  if (strlen(password) != size || strpbrk(password, "\r\n") != NULL) {
    fail(CLDOCI_ERROR_ARGUMENT, "standard input has more than one line, so it is not a password");
  }
}

/* A registry is HOST or HOST:PORT. */
static const char *registry_argument(void) {
  const char *registry = tool.arguments[0];
  if (strstr(registry, "://") != NULL) usage_error("'%s' is a URL: write HOST or HOST:PORT", registry);
  name_registry(registry);
  return registry;
}

void run_login(void) {
  const char *registry = registry_argument(), *user = flag_value(FLAG_USERNAME);
  char *password;
  cldoci_result *result;
  cldoci_status status;
  if (tool.argument_count > 1) {
    if (user != NULL) usage_error("the user is given twice, as '%s' and as '%s'", tool.arguments[1], user);
    user = tool.arguments[1];
  }
  if (user == NULL) usage_error("login needs a user: cldoci login %s USER", registry);
  password = grown(NULL, LONGEST_PASSWORD + 1);
  read_password(password);
  status = cldoci_login_start(client(), registry, user, password, tool.call_options, &tool.operation, &tool.error);
  wipe(password, LONGEST_PASSWORD);
  free(password);
  check(status);
  result = finish();
  if (!tool.json) {
    note("logged in; kept in %s", cldoci_result_credential_source(result, NULL));
  } else {
    json_start(stdout);
    json_object(NULL);
    json_text("registry", registry);
    json_text("username", user);
    json_result_end(result);
  }
  cldoci_result_free(result);
}

void run_logout(void) {
  const char *registry = registry_argument();
  cldoci_result *result;
  bool was;
  check(cldoci_logout_start(client(), registry, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  was = cldoci_result_exists(result) == 1;
  if (!tool.json) {
    note(was ? "logged out" : "was not logged in");
  } else {
    json_start(stdout);
    json_object(NULL);
    json_text("registry", registry);
    json_bool("wasLoggedIn", was);
    json_result_end(result);
  }
  cldoci_result_free(result);
}
