/* How often secrets stand in this process's memory: once they were used, and after everything is freed.
 *
 *   memory KIND HOST CA NEEDLE...
 *
 * KIND is an option of a host, "callback", "login", or "environment" for what docker's files and helpers say.
 * A needle is a text whose bytes were raised by one, so that this program itself is no place where it is found; the
 * first is the secret of KIND. Prints two lines of counts, one for each needle: before and after. */
#include "silent.h"
#include <inttypes.h>

/* The process's own mappings, in a static place so that looking does not change what is looked at. */
static char maps[1 << 20];

static size_t in_range(const unsigned char *at, const unsigned char *end, const char *needle) {
  size_t length = strlen(needle), found = 0;
  unsigned char first = (unsigned char)(needle[0] - 1);
  while ((size_t)(end - at) >= length && (at = memchr(at, first, (size_t)(end - at) - length + 1)) != NULL) {
    size_t same = 1;
    while (same < length && at[same] == (unsigned char)(needle[same] - 1)) same++;
    found += same == length;
    at++;
  }
  return found;
}

static size_t in_memory(const char *needle) {
  FILE *file = fopen("/proc/self/maps", "r");
  size_t size = fread(maps, 1, sizeof maps - 1, file), found = 0;
  CHECK(size > 0 && size < sizeof maps - 1);
  fclose(file);
  maps[size] = 0;
  for (char *line = maps; line != NULL && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
    uintptr_t from, to;
    char rights[5], name[256] = "";
    CHECK(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s%255[^\n]", &from, &to, rights, name) >= 3);
    /* Only what can have been written to. */
    if (strncmp(rights, "rw", 2) == 0) found += in_range((unsigned char *)from, (unsigned char *)to, needle);
  }
  return found;
}

static void count(char **needles) {
  for (; *needles != NULL; needles++) printf("%zu ", in_memory(*needles));
  printf("\n");
}

/* The secret itself, to be wiped by whoever asked for it. */
static char *reveal(const char *needle) {
  char *secret = strdup(needle);
  CHECK(secret != NULL);
  for (char *at = secret; *at; at++) --*at;
  return secret;
}

static void wipe(char *secret) {
  explicit_bzero(secret, strlen(secret));
  free(secret);
}

static int32_t give(const char *registry, const char *repository, cldoci_credential *credential, void *needle) {
  cldoci_error *error = NULL;
  char *secret = reveal(needle);
  (void)registry, (void)repository;
  OK(cldoci_credential_set_basic(credential, "user", secret, &error));
  wipe(secret);
  return 1;
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  cldoci_reference *reference = NULL;
  CHECK(argc > 4);
  const char *kind = argv[1], *host = argv[2];
  char place[256];

  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  if (*argv[3]) OK(cldoci_options_set_ca_file(options, argv[3], &error));
  if (strcmp(kind, "callback") == 0) {
    OK(cldoci_options_set_credential_callback(options, give, argv[4], NULL, &error));
  } else if (strcmp(kind, "environment") != 0 && strcmp(kind, "login") != 0) {
    char *secret = reveal(argv[4]);
    OK(cldoci_options_set_host(options, host, "username", "user", &error));
    OK(cldoci_options_set_host(options, host, kind, secret, &error));
    wipe(secret);
  }
  OK(cldoci_client_new(options, &client, &error));
  if (strcmp(kind, "login") == 0) {
    char *secret = reveal(argv[4]);
    OK(cldoci_login(client, host, "user", secret, NULL, NULL, &error));
    wipe(secret);
  }
  snprintf(place, sizeof place, "%s/name:tag", host);
  OK(cldoci_reference_parse(place, &reference, &error));
  OK(cldoci_exists(client, reference, NULL, NULL, &error));
  count(argv + 4);

  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  OK(cldoci_options_free(options));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  /* The library's threads, and what they own, go soon after. */
  EVENTUALLY(count_threads() == 1);
  count(argv + 4);
  return 0;
}
