/* What the examples share: a failed call ends the program with its message, which says what failed, and on what. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <cldoci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(cldoci_status status, cldoci_error **error) {
  if (status != CLDOCI_OK) {
    fprintf(stderr, "error: %s\n", cldoci_error_message(*error, NULL));
    exit(1);
  }
}

#endif
