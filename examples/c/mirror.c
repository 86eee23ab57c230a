/*
 * Mirrors a repository: every tag, with what is attached to it, to another registry or into a local layout. What is there
 * already is not sent again.
 *
 *   ./mirror ghcr.io/org/app registry.example/mirror/app
 *   ./mirror ghcr.io/org/app ocidir:///srv/app
 */
#include "example.h"

/* Whether the target has the same manifest under its tag. */
static int is_there(const cldoci_client *client, const cldoci_reference *source, const cldoci_reference *target) {
  cldoci_error *error = NULL;
  cldoci_result *ours = NULL, *theirs = NULL;
  int same;
  check(cldoci_exists(client, target, NULL, &theirs, &error), &error);
  check(cldoci_resolve(client, source, NULL, &ours, &error), &error);
  same = cldoci_result_exists(theirs) == 1 &&
         strcmp(cldoci_result_digest(ours, NULL), cldoci_result_digest(theirs, NULL)) == 0;
  cldoci_result_free(ours);
  cldoci_result_free(theirs);
  return same;
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  cldoci_options *list = NULL, *copy = NULL;
  cldoci_reference *from = NULL, *to = NULL, *source = NULL, *target = NULL;
  cldoci_result *tags = NULL;
  size_t i, copied = 0;

  if (argc != 3) {
    fprintf(stderr, "usage: %s REPOSITORY TARGET-REPOSITORY\n", argv[0]);
    return 2;
  }
  check(cldoci_client_new(NULL, &client, &error), &error);
  check(cldoci_reference_parse(argv[1], &from, &error), &error);
  check(cldoci_reference_parse(argv[2], &to, &error), &error);

  /* Tags that only list referrers are left out: a recursive copy takes the referrers themselves. */
  check(cldoci_options_new(&list, &error), &error);
  check(cldoci_options_set_fallback_tags(list, 0, &error), &error);
  check(cldoci_options_new(&copy, &error), &error);
  check(cldoci_options_set_recursive(copy, 1, &error), &error);

  check(cldoci_list_tags(client, from, list, &tags, &error), &error);
  for (i = 0; i < cldoci_result_tag_count(tags); i++) {
    const char *tag = cldoci_result_tag(tags, i, NULL);
    check(cldoci_reference_with(from, tag, NULL, &source, &error), &error);
    check(cldoci_reference_with(to, tag, NULL, &target, &error), &error);
    if (!is_there(client, source, target)) {
      check(cldoci_copy(client, source, target, copy, NULL, &error), &error);
      printf("copied %s\n", cldoci_reference_string(target, NULL));
      copied++;
    }
    cldoci_reference_free(source);
    cldoci_reference_free(target);
  }
  printf("%zu tags, %zu copied\n", i, copied);

  cldoci_result_free(tags);
  cldoci_options_free(list);
  cldoci_options_free(copy);
  cldoci_reference_free(from);
  cldoci_reference_free(to);
  cldoci_client_free(client);
  return 0;
}
