/*
 * Credentials from a vault: a command is asked for the password of each repository, when its registry demands one.
 *
 *   ./vault ghcr.io/org/app:v1 robot 'vault kv get -field=token secret/registry'
 *
 * The command finds the registry and the repository in REGISTRY and REPOSITORY. Its answer is kept until the registry
 * refuses it.
 */
#include "example.h"

struct vault {
  const char *user, *command;
};

/* Runs on the thread that waits for the verb. 1: filled in; 0: none, the next source is asked; negative: the verb fails. */
static int32_t ask(const char *registry, const char *repository, cldoci_credential *credential, void *user_data) {
  const struct vault *vault = user_data;
  char password[4096] = "";
  FILE *answer;
  int status;
  if (setenv("REGISTRY", registry, 1) != 0 || setenv("REPOSITORY", repository, 1) != 0) return -1;
  answer = popen(vault->command, "r");
  if (answer == NULL) return -1;
  if (fgets(password, sizeof password, answer) != NULL) password[strcspn(password, "\r\n")] = '\0';
  status = pclose(answer);
  if (status != 0 || password[0] == '\0') {
    cldoci_credential_set_failure(credential, "the vault gave no password", NULL);
    return -1;
  }
  status = cldoci_credential_set_basic(credential, vault->user, password, NULL);
  memset(password, 0, sizeof password);
  return status == CLDOCI_OK ? 1 : -1;
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_options *options = NULL;
  cldoci_reference *reference = NULL;
  cldoci_result *result = NULL;
  struct vault vault;

  if (argc != 4) {
    fprintf(stderr, "usage: %s REFERENCE USER COMMAND\n", argv[0]);
    return 2;
  }
  vault.user = argv[2];
  vault.command = argv[3];
  check(cldoci_options_new(&options, &error), &error);
  check(cldoci_options_set_credential_callback(options, ask, &vault, NULL, &error), &error);
  /* Nothing but the vault: no file of docker's or podman's is read. */
  check(cldoci_options_set_credentials(options, CLDOCI_CREDENTIALS_EXPLICIT, &error), &error);
  check(cldoci_client_new(options, &client, &error), &error);
  check(cldoci_reference_parse(argv[1], &reference, &error), &error);
  check(cldoci_resolve(client, reference, NULL, &result, &error), &error);
  printf("%s\n", cldoci_result_digest(result, NULL));

  cldoci_result_free(result);
  cldoci_reference_free(reference);
  cldoci_client_free(client);
  cldoci_options_free(options);
  return 0;
}
