/* What the tool tells of itself: options, version, help, completion, manual. */
#include <string.h>

#include "cli.h"

static void print_option(size_t i) {
  const char *name = cldoci_option_name(i), *scope = cldoci_option_scope(i), *values = cldoci_option_values(i),
             *type = cldoci_option_type(i), *standard = cldoci_option_default(i);
  char help[2048];
  bool of_host = strcmp(scope, "host") == 0;
  if (tool.json) {
    char variable[128] = "CLDOCI_";
    for (size_t at = 0; name[at] && at < 100; at++) {
      variable[at + 7] = name[at] >= 'a' && name[at] <= 'z' ? (char)(name[at] - 'a' + 'A') : name[at];
      variable[at + 8] = 0;
    }
    json_object(NULL);
    json_text("name", name);
    json_text("type", type);
    json_text("scope", scope);
    json_text("values", values);
    json_text("default", standard);
    json_text("environment", of_host ? NULL : variable);
    json_text("help", cldoci_option_help(i));
    json_end();
    return;
  }
  if (strcmp(type, "choice") == 0) printf("%s (%s", name, values);
  else printf("%s (%s%s%s", name, type, *values ? " " : "", values);
  if (*standard) printf(", default %s", standard);
  printf("%s)\n    ", of_host ? ", of one registry" : "");
  snprintf(help, sizeof help, "%s", cldoci_option_help(i));
  print_wrapped(stdout, help, 4, 4);
  putchar('\n');
}

void run_options(void) {
  size_t count = cldoci_option_count(), only = 0;
  if (tool.argument_count > 0) only = option_named(tool.arguments[0]);
  if (tool.json) {
    json_start(stdout);
    json_object(NULL);
    json_array("options");
  }
  for (size_t i = 0; i < count; i++) {
    if (tool.argument_count == 0 || i == only) print_option(i);
  }
  if (tool.json) {
    json_end();
    json_end();
  }
}

#if defined __clang__
#define COMPILER "clang " __clang_version__
#elif defined __GNUC__
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "another compiler"
#endif

void run_version(void) {
  if (tool.json) {
    json_start(stdout);
    json_object(NULL);
    json_text("version", CLDOCI_VERSION_STRING);
    json_text("library", cldoci_version_string());
    json_signed("abi", cldoci_abi_version());
    json_text("compiler", COMPILER);
    json_object("features");
    for (size_t i = 0; cldoci_feature_name(i) != NULL; i++) json_text(cldoci_feature_name(i), cldoci_feature_value(i));
    json_end();
    json_end();
    return;
  }
  printf("cldoci %s\nlibrary %s, ABI %d\nbuilt with %s\n", CLDOCI_VERSION_STRING, cldoci_version_string(),
         (int)cldoci_abi_version(), COMPILER);
  for (size_t i = 0; cldoci_feature_name(i) != NULL; i++) {
    printf("%s: %s\n", cldoci_feature_name(i), cldoci_feature_value(i));
  }
}

void run_help(void) {
  const verb *verb;
  const topic *topic;
  const char *name = tool.arguments[0];
  char list[1024] = "", near[64];
  if (tool.argument_count == 0) {
    print_overview(stdout);
    return;
  }
  verb = verb_named(name);
  topic = topic_named(name);
  if (verb != NULL) {
    print_help(stdout, verb);
  } else if (topic != NULL) {
    print_topic(stdout, topic);
  } else {
    for (size_t i = 0; i < verb_count; i++) strcat(strcat(list, verbs[i].name), " ");
    for (size_t i = 0; i < topic_count; i++) strcat(strcat(list, topics[i].name), " ");
    if (nearest_word(name, list, near, sizeof near)) usage_error("no help on '%s': did you mean %s?", name, near);
    usage_error("no help on '%s': cldoci help lists verbs and topics", name);
  }
}

void run_completion(void) { print_completion(tool.arguments[0]); }

void run_manual(void) {
  if (strcmp(tool.arguments[0], "man") == 0) print_man_page();
  else if (strcmp(tool.arguments[0], "markdown") == 0) print_markdown();
  else usage_error("'%s' is neither man nor markdown", tool.arguments[0]);
}
