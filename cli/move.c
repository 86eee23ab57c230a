/* What moves artifacts: push, pull, copy, tag, delete, gc. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void copy(int from) {
  cldoci_reference *source = reference(tool.arguments[0], from), *target = reference(tool.arguments[1], TARGET);
  cldoci_result *result;
  check(cldoci_copy_start(client(), source, target, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  print_result(result, target);
  cldoci_result_free(result);
  cldoci_reference_free(target);
  cldoci_reference_free(source);
}

void run_copy(void) { copy(SOURCE); }

void run_push(void) { copy(LAYOUT); }

void run_pull(void) {
  cldoci_reference *source = reference(tool.arguments[0], SOURCE);
  const char *destination = directory(tool.arguments[1]);
  cldoci_result *result;
  check(cldoci_pull_start(client(), source, destination, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  if (cldoci_result_unchanged(result) == 1) note("%s holds it already", destination);
  print_result(result, source);
  cldoci_result_free(result);
  cldoci_reference_free(source);
}

void run_tag(void) {
  cldoci_reference *source = reference(tool.arguments[0], SOURCE);
  size_t count = (size_t)tool.argument_count - 1;
  cldoci_reference **targets = grown(NULL, count * sizeof *targets);
  cldoci_result *result = NULL;
  for (size_t i = 0; i < count; i++) targets[i] = tag_beside(source, tool.arguments[i + 1]);
  for (size_t i = 0; i < count; i++) {
    cldoci_result_free(result);
    check(cldoci_tag_start(client(), source, targets[i], tool.call_options, &tool.operation, &tool.error));
    result = finish();
    if (count > 1) note("tagged %s", cldoci_reference_string(targets[i], NULL));
  }
  if (!tool.json) {
    printf("%s\n", cldoci_result_digest(result, NULL));
  } else {
    json_start(stdout);
    json_object(NULL);
    json_array("references");
    for (size_t i = 0; i < count; i++) json_text(NULL, cldoci_reference_string(targets[i], NULL));
    json_end();
    json_text("digest", cldoci_result_digest(result, NULL));
    json_text("mediaType", cldoci_result_media_type(result, NULL));
    json_number("size", cldoci_result_size(result));
    json_result_end(result);
  }
  for (size_t i = 0; i < count; i++) cldoci_reference_free(targets[i]);
  free(targets);
  cldoci_result_free(result);
  cldoci_reference_free(source);
}

void run_delete(void) {
  const char *text = tool.arguments[0], *name = strrchr(text, '/');
  cldoci_reference *what;
  cldoci_result *result;
  /* The tag latest, which is meant where none is named, must not go by mistake. */
  if (strpbrk(name ? name : text, ":@") == NULL) {
    usage_error("'%s' names neither a tag nor a digest: say which to delete", text);
  }
  what = reference(text, SOURCE);
  check(cldoci_delete_start(client(), what, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  if (!tool.json) {
    note("deleted %s", cldoci_reference_string(what, NULL));
  } else {
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(what, NULL));
    json_result_end(result);
  }
  cldoci_result_free(result);
  cldoci_reference_free(what);
}

void run_gc(void) {
  cldoci_reference *layout = reference(tool.arguments[0], LAYOUT);
  cldoci_result *result;
  check(cldoci_collect_garbage_start(client(), layout, tool.call_options, &tool.operation, &tool.error));
  result = finish();
  if (!tool.json) {
    printf("%llu\n", (unsigned long long)cldoci_result_size(result));
  } else {
    json_start(stdout);
    json_object(NULL);
    json_text("reference", cldoci_reference_string(layout, NULL));
    json_number("freedBytes", cldoci_result_size(result));
    json_result_end(result);
  }
  cldoci_result_free(result);
  cldoci_reference_free(layout);
}
