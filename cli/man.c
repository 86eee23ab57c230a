/* The man page cldoci.1, and the part of docs/cli.md that lists verbs and flags. */
#include <ctype.h>
#include <string.h>

#include "cli.h"

static void roff(const char *text, size_t size) {
  bool line_begins = true;
  for (size_t i = 0; i < size; i++) {
    if (line_begins && (text[i] == '.' || text[i] == '\'')) fputs("\\&", stdout);
    if (text[i] == '\\') fputs("\\e", stdout);
    else if (text[i] == '-') fputs("\\-", stdout);
    else putchar(text[i]);
    line_begins = text[i] == '\n';
  }
}

static void roff_text(const char *text) { roff(text, strlen(text)); }

static void man_flag(const flag *flag) {
  fputs(".TP\n.B ", stdout);
  if (flag->letter) printf("\\-%c\\fR,\\fB ", flag->letter);
  printf("\\-\\-");
  roff_text(flag->name);
  if (flag->value) {
    printf(" \\fI");
    roff_text(flag->value);
    printf("\\fR");
  }
  putchar('\n');
  roff_text(flag->help);
  if (flag->choices) {
    fputs(": ", stdout);
    roff_text(flag->choices);
  }
  putchar('\n');
}

/* Paragraphs, and lines with two blanks as they are. */
static void man_text(const char *text) {
  bool kept = false;
  while (*text) {
    size_t length = strcspn(text, "\n");
    bool keep = text[0] == ' ';
    if (keep != kept) puts(keep ? ".nf" : ".fi");
    kept = keep;
    if (length == 0) {
      puts(".PP");
    } else {
      roff(text, length);
      putchar('\n');
    }
    text += length;
    if (*text) text++;
  }
  if (kept) puts(".fi");
}

static void man_examples(const verb *verb) {
  for (size_t i = 0; i < 4 && verb->examples[i].command != NULL; i++) {
    fputs(".PP\n", stdout);
    roff_text(verb->examples[i].what);
    fputs(":\n.PP\n.nf\n    ", stdout);
    roff_text(verb->examples[i].command);
    puts("\n.fi");
  }
}

void print_man_page(void) {
  puts(".TH CLDOCI 1 \"\" \"cldoci " CLDOCI_VERSION_STRING "\" \"User Commands\"");
  puts(".SH NAME\ncldoci \\- build, push, pull, tag and check OCI artifacts\n.SH SYNOPSIS\n.B cldoci\n"
       ".I VERB\n[\\fIflags\\fR] \\fIARGUMENTS\\fR...\n.SH DESCRIPTION");
  puts("cldoci builds directories into OCI artifacts and pushes, pulls, tags and checks them on registries and in\n"
       "local image layouts. Flags may stand anywhere; after\n.B \\-\\-\nthere are none.\n.SH VERBS");
  for (size_t i = 0; i < verb_count; i++) {
    const verb *verb = &verbs[i];
    if (verb->hidden) continue;
    fputs(".SS \"cldoci ", stdout);
    roff_text(verb->name);
    if (verb->needs != FLAG_NONE) printf(" \\-\\-%s %s", flags[verb->needs].name, flags[verb->needs].value);
    printf(" [flags] %s\"\n", verb->arguments);
    man_text(verb->description);
    putchar('\n');
    for (size_t at = 0; verb->flags[at] != FLAG_NONE; at++) man_flag(&flags[verb->flags[at]]);
    man_examples(verb);
  }
  puts(".SH FLAGS OF EVERY VERB");
  for (flag_id i = FLAG_NONE + 1; i <= FLAG_LAST_COMMON; i++) man_flag(&flags[i]);
  for (size_t i = 0; i < topic_count; i++) {
    fputs(".SH ", stdout);
    for (const char *at = topics[i].name; *at; at++) putchar(*at == '-' ? ' ' : toupper((unsigned char)*at));
    putchar('\n');
    man_text(topics[i].text);
  }
  puts(".SH SEE ALSO\n.BR libcldoci (3)");
}

static void markdown_flag(const flag *flag) {
  char text[80];
  flag_as_text(flag, text, sizeof text);
  printf("| `%s` | %s%s%s |\n", text, flag->help, flag->choices ? ": " : "", flag->choices ? flag->choices : "");
}

void print_markdown(void) {
  puts("## Verbs\n\n| verb | what it does |\n|---|---|");
  for (size_t i = 0; i < verb_count; i++) {
    if (!verbs[i].hidden) printf("| [`%s`](#%s) | %s |\n", verbs[i].name, verbs[i].name, verbs[i].summary);
  }
  for (size_t i = 0; i < verb_count; i++) {
    const verb *verb = &verbs[i];
    if (verb->hidden) continue;
    printf("\n### %s\n\n```text\n", verb->name);
    print_usage(stdout, verb);
    puts("```\n");
    puts(verb->description);
    if (verb->flags[0] != FLAG_NONE) puts("\n| flag | what it does |\n|---|---|");
    for (size_t at = 0; verb->flags[at] != FLAG_NONE; at++) markdown_flag(&flags[verb->flags[at]]);
    if (verb->examples[0].command != NULL) puts("\n```sh");
    for (size_t at = 0; at < 4 && verb->examples[at].command != NULL; at++) {
      printf("# %s\n%s\n", verb->examples[at].what, verb->examples[at].command);
    }
    if (verb->examples[0].command != NULL) puts("```");
  }
  puts("\n## Flags of every verb\n\n| flag | what it does |\n|---|---|");
  for (flag_id i = FLAG_NONE + 1; i <= FLAG_LAST_COMMON; i++) markdown_flag(&flags[i]);
  for (size_t i = 0; i < topic_count; i++) {
    const char *at = topics[i].text;
    bool kept = false;
    printf("\n## %c%s: %s\n\n", toupper((unsigned char)topics[i].name[0]), topics[i].name + 1, topics[i].summary);
    while (*at) {
      size_t length = strcspn(at, "\n");
      bool keep = at[0] == ' ' || (kept && length == 0 && at[1] == ' ');
      if (keep != kept) puts(keep ? "```text" : "```");
      kept = keep;
      printf("%.*s\n", (int)length, at);
      at += length;
      if (*at) at++;
    }
    if (kept) puts("```");
  }
}
