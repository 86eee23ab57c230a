/* Usage and help, for a terminal of 80 columns. */
#include <string.h>

#include "cli.h"

enum { WIDTH = 80, FLAG_COLUMN = 28 };

void print_wrapped(FILE *to, const char *text, int indent, int column) {
  bool first = true;
  while (*text) {
    size_t length = strcspn(text, " \n");
    if (length > 0) {
      if (!first && column + 1 + (int)length > WIDTH) {
        fprintf(to, "\n%*s", indent, "");
        column = indent;
        first = true;
      }
      fprintf(to, "%s%.*s", first ? "" : " ", (int)length, text);
      column += (int)length + !first;
      first = false;
    }
    text += length;
    if (*text == '\n') {
      fputc('\n', to);
      if (text[1] != 0 && text[1] != '\n') fprintf(to, "%*s", indent, "");
      column = indent;
      first = true;
    }
    if (*text) text++;
  }
}

void flag_as_text(const flag *flag, char *text, size_t size) {
  char letter[8] = "";
  if (flag->letter) snprintf(letter, sizeof letter, "-%c, ", flag->letter);
  snprintf(text, size, "%s--%s%s%s", letter, flag->name, flag->value ? " " : "", flag->value ? flag->value : "");
}

static void print_flag(FILE *to, const flag *flag) {
  char text[80], help[512];
  int column;
  flag_as_text(flag, text, sizeof text);
  /* Those without a letter stand under the names of the others. */
  column = fprintf(to, "  %s%s", flag->letter ? "" : "    ", text);
  if (column > FLAG_COLUMN - 2) {
    fputc('\n', to);
    column = 0;
  }
  fprintf(to, "%*s", FLAG_COLUMN - column, "");
  if (flag->choices != NULL) snprintf(help, sizeof help, "%s: %s", flag->help, flag->choices);
  else snprintf(help, sizeof help, "%s", flag->help);
  print_wrapped(to, help, FLAG_COLUMN, FLAG_COLUMN);
  fputc('\n', to);
}

void print_usage(FILE *to, const verb *verb) {
  fprintf(to, "usage: cldoci %s", verb->name);
  if (verb->needs != FLAG_NONE) fprintf(to, " --%s %s", flags[verb->needs].name, flags[verb->needs].value);
  fprintf(to, " [flags]%s%s\n", *verb->arguments ? " " : "", verb->arguments);
}

void print_help(FILE *to, const verb *verb) {
  fprintf(to, "cldoci %s: %s\n\n", verb->name, verb->summary);
  print_usage(to, verb);
  fputc('\n', to);
  print_wrapped(to, verb->description, 0, 0);
  fputs("\n", to);
  if (verb->flags[0] != FLAG_NONE) fputs("\nFlags:\n", to);
  for (size_t i = 0; verb->flags[i] != FLAG_NONE; i++) print_flag(to, &flags[verb->flags[i]]);
  fputs("\nFlags of every verb:\n", to);
  for (flag_id i = FLAG_NONE + 1; i <= FLAG_LAST_COMMON; i++) print_flag(to, &flags[i]);
  if (verb->examples[0].command != NULL) fputs("\nExamples:\n", to);
  for (size_t i = 0; i < 4 && verb->examples[i].command != NULL; i++) {
    fprintf(to, "  # %s\n  %s\n", verb->examples[i].what, verb->examples[i].command);
  }
}

void print_overview(FILE *to) {
  fputs("cldoci builds directories into OCI artifacts, and pushes, pulls, tags and checks\n"
        "them on registries and in local image layouts.\n\n"
        "usage: cldoci VERB [flags] ARGUMENTS...\n\nVerbs:\n", to);
  for (size_t i = 0; i < verb_count; i++) {
    if (!verbs[i].hidden) fprintf(to, "  %-16s%s\n", verbs[i].name, verbs[i].summary);
  }
  fputs("\nTopics:\n", to);
  for (size_t i = 0; i < topic_count; i++) fprintf(to, "  %-16s%s\n", topics[i].name, topics[i].summary);
  fputs("\nA first try, without a registry:\n"
        "  cldoci build DIR ocidir://layout:v1 --kind component\n"
        "  cldoci pull ocidir://layout:v1 out\n\n"
        "cldoci help VERB, or cldoci VERB --help, explains a verb or a topic.\n", to);
}

void print_topic(FILE *to, const topic *topic) {
  const char *at = topic->text;
  /* Lines that begin with two blanks are examples or tables: they stay as they are. */
  while (*at) {
    size_t length = strcspn(at, "\n");
    if (at[0] == ' ') {
      fprintf(to, "%.*s", (int)length, at);
    } else {
      char line[2048];
      snprintf(line, sizeof line, "%.*s", (int)length, at);
      print_wrapped(to, line, 0, 0);
    }
    fputc('\n', to);
    at += length;
    if (*at) at++;
  }
}
