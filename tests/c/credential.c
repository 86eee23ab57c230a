/* The credential callback: asked once the registry demands it, and what it gives is sent. */
#include "demanding.h"
#include "silent.h"
#include <pthread.h>

static int asked, finalized, asked_for[4];

/* Asks for the action. */
static int32_t give_for(const char *registry, const char *repository, cldoci_credential *credential, void *user_data) {
  int32_t action = cldoci_credential_action(credential);
  (void)registry;
  (void)user_data;
  CHECK(action >= CLDOCI_ACTION_IDENTIFY && action <= CLDOCI_ACTION_DELETE);
  CHECK(strcmp(repository, action == CLDOCI_ACTION_IDENTIFY ? "" : "name") == 0);
  asked_for[action]++;
  CHECK(cldoci_credential_set_basic(credential, "user", "secret", NULL) == CLDOCI_OK);
  return 1;
}

static int32_t give(const char *registry, const char *repository, cldoci_credential *credential, void *user_data) {
  cldoci_error *error = NULL;
  CHECK(strncmp(registry, "127.0.0.1:", 10) == 0 && strcmp(repository, "name") == 0);
  __atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
  FAILS(cldoci_credential_set_basic(credential, "us:er", "canary", &error), ARGUMENT, "user name");
  OK(cldoci_credential_set_basic(credential, "user", "secret", &error));
  if (*(int32_t *)user_data == -8) OK(cldoci_credential_set_failure(credential, "the vault is\nsealed", &error));
  return *(int32_t *)user_data;
}

static void finalizer(void *user_data) {
  (void)user_data;
  finalized++;
}

int main(void) {
  char place[64], home[] = "/tmp/cldoci-credential-XXXXXX", kept[64];
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  cldoci_reference *reference = NULL;
  cldoci_result *result = NULL;
  cldoci_operation *operation = NULL;
  pthread_t server;
  int32_t answer = 1;
  int listener = silent_listen(place, sizeof place, 16);

  CHECK(pthread_create(&server, NULL, demand_credential, &listener) == 0);
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_credentials(options, CLDOCI_CREDENTIALS_EXPLICIT, &error));
  OK(cldoci_options_set_credential_callback(options, give, &answer, finalizer, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_reference_parse(place, &reference, &error));
  FAILS(cldoci_exists(client, reference, options, NULL, &error), ARGUMENT, "belongs to a client");
  OK(cldoci_options_free(options));
  OK(cldoci_exists(client, reference, NULL, &result, &error));
  CHECK(cldoci_result_exists(result) == 1 && asked == 1);
  CHECK(cldoci_result_credential_source(result, NULL) != NULL);
  OK(cldoci_result_free(result));
  OK(cldoci_client_free(client));
  EVENTUALLY(__atomic_load_n(&finalized, __ATOMIC_SEQ_CST) == 1);

  /* One that gives up ends the operation. */
  answer = -7;
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_credential_callback(options, give, &answer, NULL, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_options_free(options));
  CHECK(cldoci_exists(client, reference, NULL, &result, &error) == CLDOCI_ERROR_CREDENTIALS && result == NULL);
  CHECK(strstr(cldoci_error_message(error, NULL), "-7") != NULL);
  OK(cldoci_error_free(error));
  error = NULL;

  /* And can say why, in one line. */
  answer = -8;
  FAILS(cldoci_exists(client, reference, NULL, NULL, &error), CREDENTIALS, "callback: the vault is\\nsealed");
  OK(cldoci_client_free(client));

  /* One that asks what it is for is asked for each action, once; by both forms. */
  CHECK(cldoci_credential_action(NULL) == CLDOCI_ERROR_HANDLE);
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_environment(options, 0, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_credential_callback(options, give_for, NULL, NULL, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_options_free(options));
  for (int i = 0; i < 2; i++) {
    OK(cldoci_exists(client, reference, NULL, NULL, &error));
    OK(cldoci_exists_start(client, reference, NULL, &operation, &error));
    OK(cldoci_operation_wait(operation, -1, &error));
    OK(cldoci_operation_free(operation));
    CHECK(asked_for[CLDOCI_ACTION_PULL] == 1 && asked_for[CLDOCI_ACTION_DELETE] == i);
    OK(cldoci_delete(client, reference, NULL, NULL, &error));
    OK(cldoci_delete_start(client, reference, NULL, &operation, &error));
    OK(cldoci_operation_wait(operation, -1, &error));
    OK(cldoci_operation_free(operation));
    CHECK(asked_for[CLDOCI_ACTION_PULL] == 1 && asked_for[CLDOCI_ACTION_DELETE] == 1);
  }
  CHECK(asked_for[CLDOCI_ACTION_IDENTIFY] == 0 && asked_for[CLDOCI_ACTION_PUSH] == 0);
  OK(cldoci_client_free(client));

  /* A log-in asks whose credential comes before the one that it kept: for no repository. */
  CHECK(mkdtemp(home) != NULL && setenv("DOCKER_CONFIG", home, 1) == 0);
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_options_set_credential_callback(options, give_for, NULL, NULL, &error));
  OK(cldoci_client_new(options, &client, &error));
  OK(cldoci_options_free(options));
  OK(cldoci_login(client, cldoci_reference_registry(reference, NULL), "user", "secret", NULL, &result, &error));
  CHECK(asked_for[CLDOCI_ACTION_IDENTIFY] == 1 && asked_for[CLDOCI_ACTION_PUSH] == 0);
  CHECK(cldoci_result_warning_count(result) == 1);
  CHECK(strstr(cldoci_result_warning(result, 0, NULL), "comes before the one in") != NULL);
  OK(cldoci_result_free(result));
  OK(cldoci_client_free(client));
  snprintf(kept, sizeof kept, "%s/config.json", home);
  CHECK(unlink(kept) == 0);
  rmdir(home);
  OK(cldoci_reference_free(reference));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  shutdown(listener, SHUT_RDWR);
  pthread_join(server, NULL);
  close(listener);
  return 0;
}
