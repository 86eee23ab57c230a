/* the test puts calls here, made from the header: one argument is bad, all others are good. */
#include "calls.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* What is put here may use some of them alone. */
#pragma GCC diagnostic ignored "-Wunused-function"

/* Garbage in every output. */
static inline void begin(void) {
  size_t i;
  for (i = 0; i < sizeof out / sizeof *out; i++) out[i] = (void *)8;
  number = 77;
  number32 = 77;
  memset(&progress, 0xaa, sizeof progress);
  memset(&counters, 0xaa, sizeof counters);
  progress.struct_size = sizeof progress;
  counters.struct_size = sizeof counters;
  error = NULL;
  calls++;
}

static inline void end(void) {
  CHECK(cldoci_error_free(error) == CLDOCI_OK || panics);
  error = NULL;
}

/* an output holds a handle of a call that succeeded, else NULL. */
static inline void gave(void *given, int type, cldoci_status status, const char *name) {
  MUST((given != NULL) == (status == CLDOCI_OK), name);
  if (status == CLDOCI_OK) MUST(release(type, given) == CLDOCI_OK, name);
}

static inline void gave_number32(cldoci_status status, const char *name) {
  MUST(status == CLDOCI_OK ? number32 > 2 && close(number32) == 0 : number32 == -1, name);
}

/* A struct is filled in, or zero but for its size. */
static inline void gave_struct(const void *place, size_t size, cldoci_status status, const char *name) {
  static const unsigned char zeroes[256];
  if (status != CLDOCI_OK) MUST(memcmp((const char *)place + sizeof(size_t), zeroes, size - sizeof(size_t)) == 0, name);
  MUST(memcmp(place, &size, sizeof size) == 0, name);
}

/* What is lent has its length told; where nothing is, 0. */
static inline void lent(const void *text, const char *name) { MUST(text == NULL ? number == 0 : number != 77, name); }

static inline void failed_if_panicked(cldoci_status status, const char *name) {
  if (panics) MUST(status == CLDOCI_ERROR_PANIC, name);
}

/* what must not be NULL is named; what may be is not. */
static inline void expect_null(cldoci_status status, int has_error, const char *name) {
  const char *message = cldoci_error_message(error, NULL);
  if (panics) return;
  MUST(status == CLDOCI_ERROR_ARGUMENT, name);
  if (has_error) MUST(message != NULL && strstr(message, "NULL") != NULL, name);
}

static inline void expect_no_null(cldoci_status status, const char *name) {
  const char *message = cldoci_error_message(error, NULL);
  if (panics) return;
  MUST(cldoci_status_name(status) != NULL, name);
  MUST(message == NULL || strstr(message, "NULL") == NULL, name);
}

/* an unaligned output is refused and not written to. */
static unsigned char *const unaligned = (unsigned char *)spare_number;

static inline void expect_unwritten(cldoci_status status, const char *name) {
  size_t i;
  for (i = 0; i < sizeof spare_number; i++) MUST(unaligned[i] == 0, name);
  MUST(status == CLDOCI_ERROR_ARGUMENT, name);
}

/* one place for a handle and the error. */
static inline void one_place(void *place, int type, cldoci_status status, const char *name) {
  if (status == CLDOCI_OK) {
    MUST(release(type, place) == CLDOCI_OK, name);
  } else if (status == CLDOCI_PENDING) {
    MUST(place == NULL, name);
  } else {
    MUST(cldoci_error_status(place) == status && cldoci_error_free(place) == CLDOCI_OK, name);
  }
}

static inline void check_is(cldoci_status status, cldoci_status wanted, const char *what) {
  if (status != wanted) {
    fprintf(stderr, "%s gave %d and not %d\n", what, (int)status, (int)wanted);
    abort();
  }
}

/* a number is taken or refused as an argument; none may be the least. */
static inline void check_number(cldoci_status status, int64_t value, const char *option) {
  MUST((status == CLDOCI_OK && value != INT64_MIN) || status == CLDOCI_ERROR_ARGUMENT, option);
}

/* A call whose argument is given by its caller: kind 's' returns a status, 'h' that of an error, 'p' a pointer, 'n' a
   number. */
struct handle_call {
  const char *name;
  int64_t (*call)(void *bad);
  int type;
  char kind;
};
struct string_call {
  const char *name;
  int64_t (*call)(const char *bad);
  char kind, class; /* 'u' UTF-8, 'p' a path, 'a' any bytes */
};
struct bytes_call {
  const char *name;
  int64_t (*call)(const uint8_t *bytes, size_t size);
  int least;
};

static inline void end_told(void) {
  const char *message = cldoci_error_message(error, NULL);
  snprintf(said, sizeof said, "%s", message == NULL ? "" : message);
  end();
}

/* CALLS */

/* each handle of each call freed, foreign, made up, or another process's. */
static inline void refused(const struct handle_call *of, void *bad, cldoci_status wanted) {
  int64_t given = of->call(bad);
  if (of->kind == 'h') {
    MUST(given == CLDOCI_ERROR_HANDLE, of->name);
  } else if (of->kind == 's') {
    if (given != wanted) fprintf(stderr, "%s gave %d for %p: %s\n", of->name, (int)given, bad, said);
    CHECK(given == wanted);
  } else {
    /* "None": NULL, 0, or what the call's comment says for a bad handle. */
    MUST(given == 0 || (of->kind == 'n' && (given == -1 || given == CLDOCI_ERROR_HANDLE)), of->name);
  }
}

static inline void bad_handles(const struct handle_call *list, size_t count) {
  uint64_t random = 88172645463325252u;
  void *freed[TYPES] = {NULL}, *parents[TYPES];
  size_t i;
  int type, j, status = 0;
  for (type = 1; type < TYPES; type++) {
    void *made = make(type);
    if (made == NULL) continue;
    CHECK(release(type, made) == CLDOCI_OK);
    CHECK(release(type, made) == CLDOCI_ERROR_HANDLE);
    freed[type] = made;
  }
  for (i = 0; i < count; i++) {
    if (freed[list[i].type] != NULL) refused(&list[i], freed[list[i].type], CLDOCI_ERROR_HANDLE);
    for (type = 1; type < TYPES; type++) {
      CHECK(good[type] != NULL);
      if (type != list[i].type) refused(&list[i], good[type], CLDOCI_ERROR_HANDLE);
    }
    for (j = 0; j < 100; j++) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      /* Any number; one near a good handle; one that has a bit changed. */
      uint64_t near = (uint64_t)(uintptr_t)good[list[i].type];
      uint64_t made_up = j % 3 == 0 ? random : j % 3 == 1 ? near + (random % 4096 + 1) * 8 * TYPES * 1024 : near ^ ((uint64_t)1 << random % 64);
      for (type = 1; type < TYPES && made_up != (uint64_t)(uintptr_t)good[type]; type++) {}
      if (type == TYPES && made_up != 0) refused(&list[i], (void *)(uintptr_t)made_up, CLDOCI_ERROR_HANDLE);
    }
  }
  /* In a child the parent's are FORKED, with others of its own beside them. */
  memcpy(parents, good, sizeof parents);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    make_all();
    settings = make(CLDOCI_HANDLE_OPTIONS);
    for (i = 0; i < count; i++) refused(&list[i], parents[list[i].type], CLDOCI_ERROR_FORKED);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A login takes any name and password, and finds here that there is no place to keep them. */
static inline int of_login(const char *name, int64_t given) {
  return strncmp(name, "cldoci_login", 12) == 0 && given == CLDOCI_ERROR_CREDENTIALS;
}

/* */
static inline void bad_strings(const struct string_call *list, size_t count) {
  static const char *const not_utf8[] = {"\xff\xfet\0e\0", "ok\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80", "a\x80"};
  static const char utf16[] = "t\0e\0x\0t\0\0";
  const size_t mebibyte = (size_t)1 << 20, gibibyte = (size_t)1 << 30;
  int memory = memfd_create("text", MFD_CLOEXEC);
  char *text, *huge, *last;
  size_t i, j;
  /* A gibibyte of text out of the same mebibyte, again and again, with a NUL behind it. */
  CHECK(memory >= 0 && ftruncate(memory, (off_t)mebibyte) == 0);
  text = mmap(NULL, mebibyte, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  CHECK(text != MAP_FAILED);
  memset(text, 'a', mebibyte);
  huge = mmap(NULL, gibibyte + 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(huge != MAP_FAILED);
  for (i = 0; i < gibibyte; i += mebibyte) {
    CHECK(mmap(huge + i, mebibyte, PROT_READ, MAP_SHARED | MAP_FIXED, memory, 0) == huge + i);
  }
  CHECK(strlen(huge) == gibibyte);
  last = huge + gibibyte - mebibyte + 16; /* a little less than a mebibyte */
  for (i = 0; i < count; i++) {
    const struct string_call *of = &list[i];
    for (j = 0; j < sizeof not_utf8 / sizeof *not_utf8; j++) {
      int64_t given = of->call(not_utf8[j]);
      if (of->class == 'u') {
        MUST(given == CLDOCI_ERROR_ARGUMENT, of->name);
        MUST(strstr(said, "is not UTF-8 at byte") != NULL, of->name);
      } else if (of->kind == 's') {
        MUST(strstr(said, "UTF-8") == NULL, of->name);
      } else {
        MUST(given == 0, of->name);
      }
    }
    /* UTF-16 ends at its first zero byte: the call is the one with "t". */
    int64_t given = of->call("t");
    char before[sizeof said];
    memcpy(before, said, sizeof before);
    MUST(of->call(utf16) == given && strcmp(said, before) == 0, of->name);

    given = of->call("");
    if (of->class == 'p') MUST(given == CLDOCI_ERROR_ARGUMENT && strstr(said, "empty path") != NULL, of->name);
    if (of->kind == 's') MUST(given == CLDOCI_OK || given == CLDOCI_ERROR_ARGUMENT || of_login(of->name, given), of->name);
    given = of->call(last);
    if (of->kind == 's') {
      MUST(given == CLDOCI_OK || given == CLDOCI_ERROR_ARGUMENT || of_login(of->name, given) || (of->class == 'p' && (given == CLDOCI_ERROR_IO || given == CLDOCI_ERROR_NOT_FOUND)), of->name);
    }
    given = of->call(huge);
    if (of->kind == 's') {
      MUST(given == CLDOCI_ERROR_ARGUMENT && strstr(said, "more than 67108864 bytes") != NULL, of->name);
    } else {
      MUST(given == 0, of->name);
    }
  }
}

/* */
static inline void bad_bytes(const struct bytes_call *list, size_t count) {
  const uint8_t *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  /* text without a NUL, with nothing behind it that can be read. */
  char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const uint8_t *last = (const uint8_t *)edge + 4094;
  size_t i, j;
  CHECK(nowhere != MAP_FAILED && edge != MAP_FAILED && mprotect(edge + 4096, 4096, PROT_NONE) == 0);
  for (i = 0; i < count; i++) {
    const struct bytes_call *of = &list[i];
    const size_t impossible[] = {SIZE_MAX, (size_t)PTRDIFF_MAX + 1};
    cldoci_status empty = of->least ? CLDOCI_ERROR_ARGUMENT : CLDOCI_OK;
    MUST(of->call((const uint8_t *)"x", 0) == empty, of->name);
    MUST(of->call(nowhere, 0) == empty, of->name);
    MUST(of->call(NULL, 0) == empty, of->name);
    MUST(of->call(NULL, 5) == CLDOCI_ERROR_ARGUMENT && strstr(said, "is NULL") != NULL, of->name);
    memcpy(edge + 4094, "{}", 2);
    MUST(of->call(last, 2) == CLDOCI_OK, of->name);
    /* A NUL among bytes of a declared size is a byte like another. */
    edge[4095] = 0;
    MUST(of->call(last, 2) == CLDOCI_OK, of->name);
    for (j = 0; j < 2; j++) {
      MUST(of->call(nowhere, impossible[j]) == CLDOCI_ERROR_ARGUMENT && strstr(said, "PTRDIFF_MAX") != NULL, of->name);
      MUST(of->call(NULL, impossible[j]) == CLDOCI_ERROR_ARGUMENT, of->name);
    }
  }
}

/* A registry that wants a credential, for as long as this process lives. */
static void *demand(void *listener) {
  static const char answer[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic realm=\"x\"\r\nConnection: close\r\n\r\n";
  char request[8192];
  int fd;
  while ((fd = accept(*(int *)listener, NULL, NULL)) >= 0) {
    if (read(fd, request, sizeof request) < 0 || write(fd, answer, sizeof answer - 1) < 0) perror("registry");
    close(fd);
  }
  return NULL;
}

int main(void) {
  char place[64];
  cldoci_options *options = NULL;
  cldoci_client *asking = NULL;
  cldoci_reference *demanding = NULL;
  cldoci_operation *operation = NULL;
  pthread_t registry;
  int listener = -1, type;
  uint64_t live[TYPES];
  (void)number32;

  panics = getenv("CLDOCI_FAILPOINT") != NULL;
  CHECK(mkdir("text", 0777) == 0 || panics);
  if (!panics) {
    listener = silent_listen(place, sizeof place, 16);
    CHECK(pthread_create(&registry, NULL, demand, &listener) == 0);
    sem_init(&asked, 0, 0);
    sem_init(&let_go, 0, 0);
    make_all();
    settings = make(CLDOCI_HANDLE_OPTIONS);
    OK(cldoci_options_new(&options, &error));
    OK(cldoci_options_set_environment(options, 0, &error));
    OK(cldoci_options_set_credential_callback(options, keep, NULL, NULL, &error));
    OK(cldoci_client_new(options, &asking, &error));
    OK(cldoci_options_free(options));
    OK(cldoci_reference_parse(place, &demanding, &error));
    OK(cldoci_exists_start(asking, demanding, NULL, &operation, &error));
    while (sem_wait(&asked) != 0) {}
    for (type = 0; type < TYPES; type++) live[type] = cldoci_debug_live_handles(type);
  }

  run_calls();
  CHECK(calls > 0);

  if (!panics) {
    /* No call left a handle behind. */
    for (type = 0; type < TYPES; type++) MUST(cldoci_debug_live_handles(type) == live[type], "handles of a type");
    sem_post(&let_go);
    CHECK(cldoci_operation_wait(operation, -1, NULL) == CLDOCI_ERROR_UNAUTHORIZED);
    OK(cldoci_operation_free(operation));
    OK(cldoci_reference_free(demanding));
    OK(cldoci_client_free(asking));
    release_all();
    OK(cldoci_options_free(settings));
    CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
    shutdown(listener, SHUT_RDWR);
    CHECK(pthread_join(registry, NULL) == 0);
    close(listener);
  }
  return 0;
}
