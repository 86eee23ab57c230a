/* Both doors of the options lead to one table; the enumerator lists it; an option in the wrong place is an error. */
#include "check.h"

int main(void) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  size_t i, count = cldoci_option_count();
  int defaults = 0;

  CHECK(count > 40 && cldoci_option_name(count) == NULL && cldoci_option_help((size_t)-1) == NULL);
  for (i = 0; i < count; i++) {
    const char *name = cldoci_option_name(i), *type = cldoci_option_type(i), *scope = cldoci_option_scope(i);
    CHECK(name != NULL && cldoci_option_help(i)[0] != 0 && cldoci_option_values(i) != NULL);
    OK(cldoci_options_new(&options, &error));
    if (strcmp(scope, "host") == 0) {
      FAILS(cldoci_options_set(options, name, "1", &error), ARGUMENT, "set_host");
    } else if (strcmp(type, "pairs") == 0) {
      OK(cldoci_options_set(options, name, "key=value", &error));
    } else {
      /* A default is a value that its own option takes. */
      OK(cldoci_options_set(options, name, cldoci_option_default(i), &error));
      defaults++;
    }
    OK(cldoci_options_free(options));
  }
  CHECK(defaults > 30);

  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_parallel(options, 7, &error));
  FAILS(cldoci_options_set_parallel(options, 65, &error), ARGUMENT, "from 1 to 64");
  FAILS(cldoci_options_set_cache(options, 2, &error), ARGUMENT, "must be 0 or 1");
  FAILS(cldoci_options_set_links(options, 9, &error), ARGUMENT, "from 0 to 2");
  FAILS(cldoci_options_set_links(options, -1, &error), ARGUMENT, "from 0 to 2");
  FAILS(cldoci_options_set(options, "paralel", "1", &error), ARGUMENT, "known are");
  FAILS(cldoci_options_set(options, "user_agent", "\xff", &error), ARGUMENT, "not UTF-8");
  FAILS(cldoci_options_set_host(options, "ghcr.io", "password", "canary\n", &error), ARGUMENT, "password");
  OK(cldoci_options_set_host(options, "ghcr.io", "password", "canary", &error));
  OK(cldoci_options_set_host(options, "ghcr.io", "username", "user", &error));
  OK(cldoci_options_set_store(options, "off", &error));
  OK(cldoci_client_new(options, &client, &error));
  /* Copied: what happens to the options later is nothing to the client. */
  OK(cldoci_options_free(options));

  /* A client's option given to a call, and a call's option given to a client. */
  cldoci_reference *reference = NULL;
  cldoci_result *result = (cldoci_result *)8;
  OK(cldoci_reference_parse("127.0.0.1:1/name:tag", &reference, &error));
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_store(options, "/nowhere", &error));
  FAILS(cldoci_exists(client, reference, options, &result, &error), ARGUMENT, "belongs to a client");
  CHECK(result == NULL);
  OK(cldoci_options_free(options));
  OK(cldoci_options_new(&options, &error));
  OK(cldoci_options_set_existing(options, CLDOCI_EXISTING_MERGE, &error));
  cldoci_client *other = (cldoci_client *)8;
  FAILS(cldoci_client_new(options, &other, &error), ARGUMENT, "belongs to a call");
  CHECK(other == NULL);

  OK(cldoci_options_free(options));
  OK(cldoci_reference_free(reference));
  OK(cldoci_client_free(client));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
