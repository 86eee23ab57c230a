/* the test puts calls into main, made from the header: a pointer NULL, a pointer unaligned, a
   number out of range. */
#include <cldoci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cldoci_options *options;
static cldoci_reference *reference;

/* A fresh handle of the wanted type where one is made easily, else a handle of another type: never a crash. */
static inline void *handle_for(const char *type) {
  if (getenv("CLDOCI_FAILPOINT") != NULL) return NULL;
  cldoci_options_free(options);
  options = NULL;
  if (cldoci_options_new(&options, NULL) != CLDOCI_OK) {
    exit(3);
  }
  if (strstr(type, "cldoci_reference") != NULL) {
    cldoci_reference_free(reference);
    if (cldoci_reference_parse("127.0.0.1:1/name:tag", &reference, NULL) != CLDOCI_OK) {
      exit(3);
    }
    return reference;
  }
  return options;
}

static inline void finalizer(void *user_data) { (void)user_data; }

static inline int32_t callback(const cldoci_progress *progress, void *user_data) {
  (void)progress;
  (void)user_data;
  return 0;
}

static inline void log_line(int32_t level, const char *line, void *user_data) {
  (void)level;
  (void)line;
  (void)user_data;
}

static inline int32_t credential(const char *registry, const char *repository, cldoci_credential *filled, void *user_data) {
  (void)registry;
  (void)repository;
  (void)filled;
  (void)user_data;
  return 0;
}

static inline int64_t reader(uint8_t *buffer, size_t size, void *user_data) {
  (void)buffer;
  (void)size;
  (void)user_data;
  return 0;
}

/* A failed call leaves NULL in its outputs, and what a call gave is a handle. */
static inline void check_output(void *output, const char *name) {
  if (output == (void *)8 && getenv("CLDOCI_FAILPOINT") == NULL) {
    fprintf(stderr, "%s left garbage in its output\n", name);
    exit(1);
  }
}

/* With all pointers NULL a call that can fail must fail, and say that it is the argument. */
static inline void check_status(cldoci_status status, const char *name, int all_null) {
  if (getenv("CLDOCI_FAILPOINT") != NULL) {
    if (status != CLDOCI_ERROR_PANIC) {
      fprintf(stderr, "%s gave %d where it panicked\n", name, (int)status);
      exit(1);
    }
    return;
  }
  if (all_null && status != CLDOCI_ERROR_ARGUMENT) {
    fprintf(stderr, "%s with only NULLs gave %d\n", name, (int)status);
    exit(1);
  }
  if (cldoci_status_name(status) == NULL) {
    fprintf(stderr, "%s gave the unknown status %d\n", name, (int)status);
    exit(1);
  }
}

/* An unaligned output is refused and not written to. */
static uint64_t unaligned_space[8];
static unsigned char *const unaligned = (unsigned char *)unaligned_space;

static inline void check_unwritten(int refused, const char *name, int at) {
  size_t i;
  for (i = 0; i < sizeof unaligned_space; i++) refused = refused && unaligned[i] == 0;
  if (!refused) {
    fprintf(stderr, "%s took or wrote its unaligned output %d\n", name, at);
    exit(1);
  }
}

static inline void check_is(cldoci_status status, cldoci_status wanted, const char *what) {
  if (status != wanted) {
    fprintf(stderr, "%s gave %d and not %d\n", what, (int)status, (int)wanted);
    exit(1);
  }
}

/* A number is taken or refused as an argument; none may be the least. */
static inline void check_number(cldoci_status status, int64_t value, const char *option) {
  if ((status != CLDOCI_OK || value == INT64_MIN) && status != CLDOCI_ERROR_ARGUMENT) {
    fprintf(stderr, "%s gave %d\n", option, (int)status);
    exit(1);
  }
}

int main(void) {
  cldoci_error *error = NULL;
  void *out[16];
  size_t number = 0;
  int32_t number32 = 0;
  cldoci_progress progress;
  cldoci_counters counters;
  memset(&progress, 0, sizeof progress);
  memset(&counters, 0, sizeof counters);
  progress.struct_size = sizeof progress;
  counters.struct_size = sizeof counters;
  (void)callback;
  (void)log_line;
  (void)reader;
  (void)credential;
  (void)finalizer;
  (void)out;
  (void)number32;

/* CALLS */

  return 0;
}
