/* Waits for an operation, and cancels it when a signal asks for the end. */
#include "cli.h"

cldoci_result *finish(void) {
  cldoci_result *result = NULL;
  cldoci_status status;
  bool cancelled = false;

  progress_begin();
  while ((status = cldoci_operation_wait(tool.operation, 100, &tool.error)) == CLDOCI_PENDING) {
    if (!interrupted()) {
      progress_show(tool.operation);
    } else if (!cancelled) {
      cancelled = true;
      cldoci_operation_cancel(tool.operation, NULL);
    }
  }
  progress_end(tool.operation);
  check(status);
  check(cldoci_operation_result(tool.operation, &result, &tool.error));
  cldoci_operation_free(tool.operation);
  tool.operation = NULL;
  say_warnings(result);
  return result;
}
