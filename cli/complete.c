/* The completions for bash, zsh and fish: verbs, flags, the words of a flag, options. */
#include <string.h>

#include "cli.h"

/* Calls `print` for each flag that the verb has. */
static void each_flag(const verb *verb, void (*print)(const struct verb *, const struct flag *)) {
  for (flag_id i = FLAG_NONE + 1; i < FLAG_COUNT; i++) {
    if (verb_has_flag(verb, i)) print(verb, &flags[i]);
  }
}

static void print_verbs(const char *between) {
  const char *before = "";
  for (size_t i = 0; i < verb_count; i++) {
    if (verbs[i].hidden) continue;
    printf("%s%s", before, verbs[i].name);
    before = between;
  }
}

static void print_topics(const char *between) {
  for (size_t i = 0; i < topic_count; i++) printf("%s%s", between, topics[i].name);
}

/* The options that --option or --host knows, each with its sign. */
static void print_options(bool of_host, const char *before, const char *after) {
  size_t count = cldoci_option_count();
  for (size_t i = 0; i < count; i++) {
    if ((strcmp(cldoci_option_scope(i), "host") == 0) == of_host && strcmp(cldoci_option_type(i), "secret") != 0) {
      printf("%s%s%s", before, cldoci_option_name(i), after);
    }
  }
}

/* Text between single quotes; `doubled` is how the shell writes a quote in them. */
static void print_quoted(const char *text, const char *quote) {
  putchar('\'');
  for (; *text; text++) {
    if (*text == '\'') fputs(quote, stdout);
    else putchar(*text);
  }
  putchar('\'');
}

static bool takes_directories(const verb *verb) { return strstr(verb->arguments, "DIR") != NULL; }

/* bash ----------------------------------------------------------------------------------------------------- */

static void bash_flag(const verb *verb, const flag *flag) {
  (void)verb;
  printf("--%s ", flag->name);
  if (flag->letter) printf("-%c ", flag->letter);
}

static void print_bash(void) {
  fputs("# bash completion for cldoci, printed by `cldoci completion bash`.\n"
        "_cldoci() {\n"
        "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb= words= i\n"
        "  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    case ${COMP_WORDS[i]} in ", stdout);
  print_verbs("|");
  puts(") verb=${COMP_WORDS[i]}; break ;; esac\n"
       "  done\n"
       "  case $before in");
  for (flag_id i = FLAG_NONE + 1; i < FLAG_COUNT; i++) {
    const flag *flag = &flags[i];
    if (flag->value == NULL || (i == FLAG_TYPE)) continue;
    printf("    --%s", flag->name);
    if (flag->letter) printf("|-%c", flag->letter);
    if (flag->choices) printf(") words='%s' ;;\n", flag->choices);
    else if (i == FLAG_KIND) puts(") words='component datacenter module' ;;");
    else if (strcmp(flag->value, "FILE") == 0) puts(") compopt -o default; return ;;");
    else if (i == FLAG_OPTION) {
      fputs(") words='", stdout);
      print_options(false, "", "= ");
      puts("'; compopt -o nospace ;;");
    } else {
      puts(") return ;;");
    }
  }
  fputs("    *) case $verb in\n"
        "      '') words='", stdout);
  print_verbs(" ");
  puts(" --help --version' ;;");
  for (size_t i = 0; i < verb_count; i++) {
    if (verbs[i].hidden) continue;
    printf("      %s) words='", verbs[i].name);
    each_flag(&verbs[i], bash_flag);
    if (verbs[i].run == run_help) {
      print_verbs(" ");
      print_topics(" ");
    }
    if (verbs[i].run == run_completion) fputs("bash zsh fish", stdout);
    if (verbs[i].run == run_options) print_options(false, "", " ");
    putchar('\'');
    if (takes_directories(&verbs[i])) fputs("; compopt -o dirnames", stdout);
    if (verbs[i].run == run_attach) fputs("; compopt -o default", stdout);
    puts(" ;;");
  }
  puts("      esac ;;\n"
       "  esac\n"
       "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
       "}\n"
       "complete -F _cldoci cldoci");
}

/* zsh ------------------------------------------------------------------------------------------------------ */

/* What _arguments reads as its own in a text. */
static void zsh_text(const char *text) {
  for (; *text; text++) {
    if (strchr("[]:\\", *text) != NULL) putchar('\\');
    if (*text == '\'') fputs("'\\''", stdout);
    else putchar(*text);
  }
}

static void zsh_value(const flag *flag) {
  fputs(":", stdout);
  zsh_text(flag->value);
  if (flag->choices) printf(":(%s)", flag->choices);
  else if (flag == &flags[FLAG_KIND]) printf(":(component datacenter module)");
  else if (strcmp(flag->value, "FILE") == 0) printf(":_files");
  else if (flag == &flags[FLAG_OPTION]) {
    printf(":compadd -S \"\" -- ");
    print_options(false, "", "= ");
  } else {
    printf(": ");
  }
}

static void zsh_flag(const verb *verb, const flag *flag) {
  char names[2][64];
  (void)verb;
  snprintf(names[0], sizeof names[0], "--%s", flag->name);
  snprintf(names[1], sizeof names[1], "-%c", flag->letter);
  for (int i = 0; i < (flag->letter ? 2 : 1); i++) {
    printf("        '*%s%s[", names[i], flag->value && i == 0 ? "=" : "");
    zsh_text(flag->help);
    putchar(']');
    if (flag->value) zsh_value(flag);
    puts("' \\");
  }
}

static void print_zsh(void) {
  puts("#compdef cldoci\n"
       "# zsh completion for cldoci, printed by `cldoci completion zsh`.\n"
       "_cldoci() {\n"
       "  local context state state_descr line\n"
       "  typeset -A opt_args\n"
       "  local -a verbs\n"
       "  verbs=(");
  for (size_t i = 0; i < verb_count; i++) {
    if (verbs[i].hidden) continue;
    printf("    '%s:", verbs[i].name);
    zsh_text(verbs[i].summary);
    puts("'");
  }
  puts("  )\n"
       "  _arguments -C '1:verb:->verb' '*::argument:->rest' && return\n"
       "  case $state in\n"
       "    verb) _describe verb verbs ;;\n"
       "    rest) case $line[1] in");
  for (size_t i = 0; i < verb_count; i++) {
    if (verbs[i].hidden) continue;
    printf("      %s) _arguments \\\n", verbs[i].name);
    each_flag(&verbs[i], zsh_flag);
    if (verbs[i].run == run_help) {
      fputs("        '1:verb:(", stdout);
      print_verbs(" ");
      print_topics(" ");
      puts(")' ;;");
    } else if (verbs[i].run == run_completion) {
      puts("        '1:shell:(bash zsh fish)' ;;");
    } else if (takes_directories(&verbs[i])) {
      puts("        '*:argument:_files -/' ;;");
    } else if (verbs[i].run == run_attach) {
      puts("        '*:argument:_files' ;;");
    } else {
      puts("        '*:argument: ' ;;");
    }
  }
  puts("    esac ;;\n"
       "  esac\n"
       "}\n"
       "if [[ $funcstack[1] == _cldoci ]]; then _cldoci \"$@\"; else compdef _cldoci cldoci; fi");
}

/* fish ----------------------------------------------------------------------------------------------------- */

static void fish_flag(const verb *verb, const flag *flag) {
  if (verb != NULL) printf("complete -c cldoci -n '__fish_seen_subcommand_from %s'", verb->name);
  else printf("complete -c cldoci");
  printf(" -l %s", flag->name);
  if (flag->letter) printf(" -s %c", flag->letter);
  if (flag->choices) printf(" -x -a '%s'", flag->choices);
  else if (flag == &flags[FLAG_KIND]) printf(" -x -a 'component datacenter module'");
  else if (flag == &flags[FLAG_OPTION]) {
    printf(" -x -a '");
    print_options(false, "", "= ");
    printf("'");
  } else if (flag->value) {
    printf(strcmp(flag->value, "FILE") == 0 ? " -r -F" : " -x");
  }
  printf(" -d ");
  print_quoted(flag->help, "\\'");
  putchar('\n');
}

static void print_fish(void) {
  puts("# fish completion for cldoci, printed by `cldoci completion fish`.\ncomplete -c cldoci -f");
  for (size_t i = 0; i < verb_count; i++) {
    if (verbs[i].hidden) continue;
    printf("complete -c cldoci -n __fish_use_subcommand -a %s -d ", verbs[i].name);
    print_quoted(verbs[i].summary, "\\'");
    putchar('\n');
    for (size_t at = 0; verbs[i].flags[at] != FLAG_NONE; at++) fish_flag(&verbs[i], &flags[verbs[i].flags[at]]);
    if (takes_directories(&verbs[i])) {
      printf("complete -c cldoci -n '__fish_seen_subcommand_from %s'", verbs[i].name);
      puts(" -a '(__fish_complete_directories)'");
    }
  }
  for (flag_id i = FLAG_NONE + 1; i <= FLAG_LAST_COMMON; i++) fish_flag(NULL, &flags[i]);
  fputs("complete -c cldoci -n '__fish_seen_subcommand_from help' -a '", stdout);
  print_verbs(" ");
  print_topics(" ");
  puts("'\n"
       "complete -c cldoci -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n"
       "complete -c cldoci -n '__fish_seen_subcommand_from attach' -F");
}

void print_completion(const char *shell) {
  if (strcmp(shell, "bash") == 0) print_bash();
  else if (strcmp(shell, "zsh") == 0) print_zsh();
  else if (strcmp(shell, "fish") == 0) print_fish();
  else usage_error("there are completions for bash, zsh and fish, not for '%s'", shell);
}
