/* What the C tests share: a check that says where it failed. */
#ifndef CHECK_H
#define CHECK_H

#include <cldoci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
      abort();                                                                   \
    }                                                                            \
  } while (0)

/* A call that must succeed; it may fill in `error`. */
#define OK(call)                                                                                   \
  do {                                                                                             \
    cldoci_status status_ = (call);                                                                \
    if (status_ != CLDOCI_OK) {                                                                    \
      fprintf(stderr, "%s:%d: %s gave %s: %s\n", __FILE__, __LINE__, #call,                        \
              cldoci_status_name(status_), cldoci_error_message(error, NULL));                     \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

/* A call that must fail with this status and with this in its message; it must fill in `error`. */
#define FAILS(call, name, words)                                                                   \
  do {                                                                                             \
    cldoci_status status_ = (call);                                                                \
    const char *message_ = cldoci_error_message(error, NULL);                                      \
    if (status_ != CLDOCI_ERROR_##name || message_ == NULL || strstr(message_, words) == NULL) {   \
      fprintf(stderr, "%s:%d: %s gave %s: %s\n", __FILE__, __LINE__, #call,                        \
              cldoci_status_name(status_), message_ ? message_ : "no message");                    \
      abort();                                                                                     \
    }                                                                                              \
    CHECK(cldoci_error_status(error) == status_);                                                  \
    CHECK(cldoci_error_free(error) == CLDOCI_OK);                                                  \
    error = NULL;                                                                                  \
  } while (0)

#endif
