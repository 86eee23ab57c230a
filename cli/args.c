/* Reads the command line by the declarations of table.c. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The flag of this name (or letter) that the verb has; of any verb, while it is not known. */
static flag_id flag_of(const verb *verb, const char *name, size_t length, char letter) {
  for (flag_id i = FLAG_NONE + 1; i < FLAG_COUNT; i++) {
    if (verb != NULL && !verb_has_flag(verb, i)) continue;
    if (letter ? flags[i].letter == letter
               : strlen(flags[i].name) == length && memcmp(flags[i].name, name, length) == 0) {
      return i;
    }
  }
  return FLAG_NONE;
}

static _Noreturn void unknown_flag(const char *written, const char *name, size_t length) {
  char list[512] = "", near[64], word[64], option[64];
  for (flag_id i = FLAG_NONE + 1; i < FLAG_COUNT; i++) {
    if (tool.verb != NULL && !verb_has_flag(tool.verb, i)) continue;
    strncat(list, flags[i].name, sizeof list - strlen(list) - 2);
    strcat(list, " ");
  }
  snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), name);
  for (flag_id i = FLAG_NONE + 1; tool.verb != NULL && i < FLAG_COUNT; i++) {
    if (verb_has_flag(tool.verb, i) && flags[i].also != NULL && has_word(flags[i].also, word)) {
      usage_error("unknown flag '%s': did you mean --%s?", written, flags[i].name);
    }
  }
  if (length > 1 && nearest_word(word, list, near, sizeof near)) {
    usage_error("unknown flag '%s': did you mean --%s?", written, near);
  }
  /* Another verb may have it. */
  for (size_t i = 0; tool.verb != NULL && i < verb_count; i++) {
    flag_id other = flag_of(&verbs[i], name, length, length == 1 ? *name : 0);
    if (other != FLAG_NONE) usage_error("%s has no flag '%s', but %s has", tool.verb->name, written, verbs[i].name);
  }
  /* Each option of the library is within reach. */
  strcpy(option, word);
  for (char *at = option; *at; at++) *at = *at == '-' ? '_' : *at;
  for (size_t i = 0; length > 1 && i < cldoci_option_count(); i++) {
    if (strcmp(cldoci_option_name(i), option) != 0 || strcmp(cldoci_option_type(i), "secret") == 0) continue;
    usage_error("unknown flag '%s': write --%s%s=VALUE", written,
                strcmp(cldoci_option_scope(i), "host") == 0 ? "host HOST/" : "option ", option);
  }
  usage_error("unknown flag '%s'", written);
}

static _Noreturn void unknown_verb(const char *word) {
  char list[1024] = "", near[64];
  for (size_t i = 0; i < verb_count; i++) {
    if (verbs[i].hidden) continue;
    if (has_word(verbs[i].also, word)) usage_error("unknown verb '%s': did you mean %s?", word, verbs[i].name);
    strncat(list, verbs[i].name, sizeof list - strlen(list) - 2);
    strcat(list, " ");
  }
  if (nearest_word(word, list, near, sizeof near)) usage_error("unknown verb '%s': did you mean %s?", word, near);
  usage_error("unknown verb '%s'", word);
}

static void check_choice(const flag *flag, const char *value) {
  char near[64];
  if (flag->choices == NULL || has_word(flag->choices, value)) return;
  if (nearest_word(value, flag->choices, near, sizeof near)) {
    usage_error("--%s can't be '%s': did you mean %s?", flag->name, value, near);
  }
  usage_error("--%s can't be '%s': it is one of: %s", flag->name, value, flag->choices);
}

static void give(flag_id id, const char *value) {
  if (id == FLAG_JSON) tool.json = true;
  if (id == FLAG_QUIET) tool.quiet = true;
  if (id == FLAG_VERBOSE) tool.verbose = true;
  if (value != NULL) check_choice(&flags[id], value);
  tool.given[tool.given_count++] = (given_flag){id, value ? value : ""};
}

/* Reads the flag at *at; a value may be in the next argument. */
static void read_flag(int argc, char **argv, int *at) {
  const char *written = argv[*at], *name = written + 1, *value = NULL;
  size_t length;
  flag_id id;
  if (written[1] != '-') {
    /* -qv, -k KIND, -kKIND */
    for (; *name; name++) {
      id = flag_of(tool.verb, NULL, 0, *name);
      if (id == FLAG_NONE) {
        /* What follows can be a secret, as in -pPASSWORD. */
        char shown[3] = {'-', *name, 0};
        unknown_flag(shown, name, 1);
      }
      if (flags[id].value != NULL) {
        if (name[1] != 0) value = name + 1 + (name[1] == '=');
        else if (*at + 1 < argc) value = argv[++*at];
        else usage_error("-%c needs a value: -%c %s", *name, *name, flags[id].value);
        give(id, value);
        return;
      }
      give(id, NULL);
    }
    return;
  }
  name = written + 2;
  length = strcspn(name, "=");
  if (name[length] == '=') value = name + length + 1;
  id = flag_of(tool.verb, name, length, 0);
  if (id == FLAG_NONE) {
    /* What follows the sign can be a secret. */
    char shown[64];
    snprintf(shown, sizeof shown, "--%.*s", (int)(length < 50 ? length : 50), name);
    unknown_flag(shown, name, length);
  }
  if (flags[id].value == NULL && value != NULL) usage_error("--%s takes no value", flags[id].name);
  if (flags[id].value != NULL && value == NULL) {
    if (*at + 1 >= argc) usage_error("--%s needs a value: --%s %s", flags[id].name, flags[id].name, flags[id].value);
    value = argv[++*at];
  }
  give(id, value);
}

/* The verb is the first word that is neither a flag nor the value of one. */
static int find_verb(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strcmp(word, "--") == 0) return i + 1 < argc ? i + 1 : 0;
    if (word[0] != '-' || word[1] == 0) return i;
    if (strchr(word, '=') != NULL) continue;
    flag_id id = word[1] == '-' ? flag_of(NULL, word + 2, strlen(word + 2), 0)
                                : flag_of(NULL, NULL, 0, word[strlen(word) - 1]);
    if (id != FLAG_NONE && flags[id].value != NULL) i++;
  }
  return 0;
}

static void check_arguments(void) {
  int least, most;
  verb_argument_count(tool.verb, &least, &most);
  if (tool.argument_count < least) {
    usage_error("%s needs %sarguments: %s", tool.verb->name, tool.argument_count ? "more " : "", tool.verb->arguments);
  }
  if (most >= 0 && tool.argument_count > most) {
    if (tool.verb->run == run_login) usage_error("login takes no password as an argument, but from standard input");
    usage_error("'%s' is an argument too many for %s", tool.arguments[most], tool.verb->name);
  }
  if (tool.verb->needs != FLAG_NONE && flag_value(tool.verb->needs) == NULL) {
    const flag *flag = &flags[tool.verb->needs];
    usage_error("%s needs --%s %s: %s", tool.verb->name, flag->name, flag->value, flag->help);
  }
}

void read_arguments(int argc, char **argv) {
  size_t letters = 1; /* of short flags that stand together each is one */
  int at;
  bool only_arguments = false;
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) tool.json |= strcmp(argv[i], "--json") == 0;
  tool.arguments = grown(NULL, sizeof *tool.arguments * (size_t)(argc + 1));
  for (int i = 1; i < argc; i++) letters += strlen(argv[i]);
  tool.given = grown(NULL, sizeof *tool.given * letters);
  at = find_verb(argc, argv);
  if (at != 0) {
    tool.verb = verb_named(argv[at]);
    if (tool.verb == NULL) unknown_verb(argv[at]);
  }
  for (int i = 1; i < argc; i++) {
    if (i == at) continue;
    if (!only_arguments && strcmp(argv[i], "--") == 0) only_arguments = true;
    else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != 0) read_flag(argc, argv, &i);
    else tool.arguments[tool.argument_count++] = argv[i];
  }
  if (flag_value(FLAG_HELP) != NULL) {
    if (tool.verb != NULL) print_help(stdout, tool.verb);
    else print_overview(stdout);
    leave(EXIT_DONE);
  }
  if (flag_value(FLAG_VERSION) != NULL) {
    run_version();
    leave(EXIT_DONE);
  }
  if (tool.verb == NULL && argc == 1) {
    print_overview(stderr);
    leave(EXIT_USAGE);
  }
  if (tool.verb == NULL) usage_error("which verb?");
  check_arguments();
}

const char *flag_value(flag_id flag) {
  for (int i = tool.given_count; i-- > 0;) {
    if (tool.given[i].flag == flag) return tool.given[i].value;
  }
  return NULL;
}

size_t option_named(const char *name) {
  char list[4096] = "", near[64];
  size_t count = cldoci_option_count();
  for (size_t i = 0; i < count; i++) {
    if (strcmp(cldoci_option_name(i), name) == 0) return i;
    strncat(list, cldoci_option_name(i), sizeof list - strlen(list) - 2);
    strcat(list, " ");
  }
  if (nearest_word(name, list, near, sizeof near)) usage_error("unknown option '%s': did you mean %s?", name, near);
  usage_error("unknown option '%s': cldoci options lists them", name);
}

/* `NAME=VALUE` for the client or the call, as the option belongs; with a host for that registry. */
static void set_option(char *pair, bool of_host) {
  char *value = strchr(pair, '='), *name = pair, *slash = NULL;
  cldoci_options *options = tool.client_options;
  size_t option;
  if (value == NULL) usage_error("'%s' is not %s", pair, flags[of_host ? FLAG_HOST : FLAG_OPTION].value);
  *value++ = 0;
  if (of_host) {
    slash = strrchr(pair, '/');
    if (slash == NULL) usage_error("'%s=...' is not %s", pair, flags[FLAG_HOST].value);
    *slash = 0;
    name = slash + 1;
  }
  option = option_named(name);
  /* Arguments are visible to everybody on the machine. */
  if (strcmp(cldoci_option_type(option), "secret") == 0) {
    usage_error("%s is a secret, which must not be an argument: use cldoci login", name);
  }
  if (strcmp(cldoci_option_scope(option), "host") == 0) {
    if (!of_host) usage_error("%s is an option of one registry: --host HOST/%s=%s", name, name, value);
    check(cldoci_options_set_host(options, pair, name, value, &tool.error));
    return;
  }
  if (of_host) usage_error("%s is not an option of one registry: --option %s=%s", name, name, value);
  if (strcmp(cldoci_option_scope(option), "call") == 0) options = tool.call_options;
  check(cldoci_options_set(options, name, value, &tool.error));
}

static void set_timeout(const char *seconds) {
  char milliseconds[32];
  if (strspn(seconds, "0123456789") != strlen(seconds) || *seconds == 0 || strlen(seconds) > 12) {
    usage_error("--timeout can't be '%s': it is a number of seconds", seconds);
  }
  snprintf(milliseconds, sizeof milliseconds, "%s000", seconds);
  check(cldoci_options_set(tool.client_options, "timeout_ms", milliseconds, &tool.error));
}

void apply_flags(void) {
  for (int i = 0; i < tool.given_count; i++) {
    const flag *flag = &flags[tool.given[i].flag];
    const char *value = tool.given[i].value;
    if (tool.given[i].flag == FLAG_OPTION || tool.given[i].flag == FLAG_HOST) {
      char *pair = grown(NULL, strlen(value) + 1);
      set_option(strcpy(pair, value), tool.given[i].flag == FLAG_HOST);
      free(pair);
    } else if (tool.given[i].flag == FLAG_TIMEOUT) {
      set_timeout(value);
    } else if (flag->option != NULL && !flag->of_hosts) {
      size_t option = option_named(flag->option);
      bool of_call = strcmp(cldoci_option_scope(option), "call") == 0;
      check(cldoci_options_set(of_call ? tool.call_options : tool.client_options, flag->option,
                               flag->set_to ? flag->set_to : value, &tool.error));
    }
  }
}
