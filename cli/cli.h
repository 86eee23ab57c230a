/*
 * The tool `cldoci`: what its files share. It knows of the library what include/cldoci.h says, and nothing else.
 *
 *   table.c      every verb and every flag, declared once; the parser, the help, the man page and the completions
 *                read these declarations
 *   topics.c     the pages of `cldoci help TOPIC`
 *   args.c       reads the command line; nearest.c finds the word that was meant
 *   help.c       prints usage and help; man.c the man page and the tables of docs/cli.md; complete.c completions
 *   main.c       begins and ends the program: signals, the client, errors, exit codes
 *   reference.c  turns arguments into references, and says what is wrong with one
 *   wait.c       waits for an operation, cancels it when the user interrupts; progress.c shows how far it is
 *   output.c     prints results, warnings and errors; json.c writes JSON
 *   build.c read.c move.c attach.c layers.c login.c about.c
 *                the verbs
 */
#ifndef CLI_H
#define CLI_H

#include <cldoci.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes; `cldoci help exit-codes` explains them. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNKNOWN = 2 };

/* Flags and verbs ------------------------------------------------------------------------------------------ */

typedef enum flag_id {
  FLAG_NONE,
  /* Of every verb. */
  FLAG_JSON,
  FLAG_QUIET,
  FLAG_VERBOSE,
  FLAG_PROGRESS,
  FLAG_DEBUG,
  FLAG_TIMEOUT,
  FLAG_PLAIN_HTTP,
  FLAG_INSECURE,
  FLAG_CA_FILE,
  FLAG_OPTION,
  FLAG_HOST,
  FLAG_HELP,
  FLAG_VERSION,
  FLAG_LAST_COMMON = FLAG_VERSION,
  /* Of some. */
  FLAG_KIND,
  FLAG_CONFIG,
  FLAG_ANNOTATION,
  FLAG_LEAVE_OUT,
  FLAG_PROFILE,
  FLAG_LINKS,
  FLAG_MOUNT_FROM,
  FLAG_RECURSIVE,
  FLAG_PLATFORM,
  FLAG_EXISTING,
  FLAG_DURABLE,
  FLAG_TYPE,
  FLAG_MEDIA_TYPE,
  FLAG_SAVE,
  FLAG_OUTPUT,
  FLAG_USERNAME,
  FLAG_PASSWORD_STDIN,
  FLAG_COUNT
} flag_id;

typedef struct flag {
  const char *name;    /* without its dashes */
  char letter;         /* the short form; 0: none */
  const char *value;   /* what its value is called; NULL: it takes none */
  const char *choices; /* the words that its value may be, with spaces between; NULL: anything */
  const char *help;
  const char *also;   /* what other tools call it, for suggestions; NULL: the same */
  const char *option; /* the library's option that it sets; NULL: the tool itself uses it */
  const char *set_to; /* what a flag without a value sets its option to */
  bool of_hosts;      /* the option is set for each registry that the command names */
} flag;

typedef struct example {
  const char *what;
  const char *command;
} example;

typedef struct verb {
  const char *name;
  const char *arguments; /* as usage shows them: DIR, [DIR], TAG... */
  const char *summary;
  const char *description;
  const char *also; /* what other tools call it, for suggestions */
  flag_id needs;    /* a flag that must be given */
  flag_id flags[8];
  example examples[4];
  void (*run)(void);
  bool hidden;
} verb;

typedef struct topic {
  const char *name;
  const char *summary;
  const char *text; /* paragraphs; lines that begin with two blanks stay as they are */
} topic;

extern const flag flags[FLAG_COUNT];
extern const verb verbs[];
extern const size_t verb_count;
extern const topic topics[];
extern const size_t topic_count;

const verb *verb_named(const char *name);
const topic *topic_named(const char *name);
bool verb_has_flag(const verb *verb, flag_id flag);
/* How many arguments a verb takes; `most` is -1 for any number. */
void verb_argument_count(const verb *verb, int *least, int *most);

/* The command that runs ------------------------------------------------------------------------------------ */

typedef struct given_flag {
  flag_id flag;
  const char *value;
} given_flag;

typedef struct command {
  const verb *verb;
  const char **arguments;
  int argument_count;
  given_flag *given; /* in the order in which they were given */
  int given_count;
  bool json;
  bool quiet;
  bool verbose;
  /* What is freed at the end, however the program ends. */
  cldoci_options *client_options;
  cldoci_options *call_options;
  cldoci_client *client;
  cldoci_operation *operation;
  cldoci_error *error;
  char *temporary; /* a file that is removed at the end */
} command;

extern command tool;

void read_arguments(int argc, char **argv);
/* The value of a flag that was given, the last one; "" for a flag without a value; NULL when it was not given. */
const char *flag_value(flag_id flag);
/* Gives the library the options that the flags stand for. */
void apply_flags(void);
/* The option's place in the library's list, or a usage error that names the nearest. */
size_t option_named(const char *name);

/* Whether a list (with spaces between) has the word. */
bool has_word(const char *list, const char *word);
/* The word of a list that is nearest to `word`, in `found`; false when none is near. */
bool nearest_word(const char *word, const char *list, char *found, size_t size);

/* main.c: beginning and end -------------------------------------------------------------------------------- */

_Noreturn void leave(int code);
/* Ends the program with the library's error, or with one of the tool's own. */
void check(cldoci_status status);
_Noreturn void fail(cldoci_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The client; made when it is first asked for, after the references were read. */
const cldoci_client *client(void);
/* The signal that asked the program to end, or 0. */
int interrupted(void);

void *grown(void *memory, size_t size);
uint8_t *read_whole_file(const char *path, size_t *size);

/* reference.c ---------------------------------------------------------------------------------------------- */

enum { SOURCE = 0, TARGET = 1, LAYOUT = 2 };

/* A reference that the caller frees; `role` is what it is for, which decides what a mistake looks like. */
cldoci_reference *reference(const char *text, int role);
/* A tag alone means that tag in the repository of `source`. */
cldoci_reference *tag_beside(const cldoci_reference *source, const char *text);
const char *directory(const char *text);
bool is_directory(const char *path);
/* Applies the flags that belong to each registry. */
void name_registry(const char *registry);

/* wait.c, progress.c --------------------------------------------------------------------------------------- */

/* Waits for tool.operation, shows its progress, and frees it; the result is the caller's. */
cldoci_result *finish(void);
void progress_begin(void);
void progress_show(const cldoci_operation *operation);
void progress_end(const cldoci_operation *operation);
/* Whether a bar may be on the screen, which has to go before anything else is printed. */
extern volatile sig_atomic_t progress_drawn;
void progress_clear(void);
/* Whether colours may be used on stderr. */
bool coloured(void);

/* output.c ------------------------------------------------------------------------------------------------- */

/* What most verbs print: the digest, or an object with reference, digest, media type, size, warnings, cost. */
void print_result(const cldoci_result *result, const cldoci_reference *reference);
void print_artifact(const cldoci_artifact *artifact);
void json_result_end(const cldoci_result *result);
/* Text of strangers: control characters are escaped. */
void put_text(FILE *to, const char *text);
void say_warnings(const cldoci_result *result);
void say_left_out(const cldoci_result *result);
void print_error(const cldoci_error *error, cldoci_status status, const char *message);
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);

/* json.c: one value on a stream ---------------------------------------------------------------------------- */

void json_start(FILE *to);
void json_object(const char *name);
void json_array(const char *name);
void json_end(void);
void json_text(const char *name, const char *value);
void json_number(const char *name, uint64_t value);
void json_signed(const char *name, int64_t value);
void json_bool(const char *name, bool value);
void json_null(const char *name);
/* Bytes that are JSON already; bytes as base64. */
void json_raw(const char *name, const uint8_t *bytes, size_t size);
void json_base64(const char *name, const uint8_t *bytes, size_t size);

/* help.c, man.c, complete.c -------------------------------------------------------------------------------- */

void print_overview(FILE *to);
void print_usage(FILE *to, const verb *verb);
void print_help(FILE *to, const verb *verb);
void print_topic(FILE *to, const topic *topic);
/* Prints text from column `indent` on, in lines of at most 80. `column` is where the line stands now. */
void print_wrapped(FILE *to, const char *text, int indent, int column);
void flag_as_text(const flag *flag, char *text, size_t size);
void print_man_page(void);
void print_markdown(void);
void print_completion(const char *shell);

/* The verbs ------------------------------------------------------------------------------------------------ */

void run_attach(void);
void run_build(void);
void run_build_and_push(void);
void run_completion(void);
void run_config(void);
void run_copy(void);
void run_delete(void);
void run_exists(void);
void run_gc(void);
void run_help(void);
void run_inspect(void);
void run_manifest(void);
void run_layers(void);
void run_login(void);
void run_logout(void);
void run_manual(void);
void run_options(void);
void run_pull(void);
void run_push(void);
void run_referrers(void);
void run_resolve(void);
void run_tag(void);
void run_tags(void);
void run_version(void);

#endif
