/*
 * Several operations in one event loop: asks for the digests of all the references it is given, at once.
 *
 *   ./epoll ghcr.io/org/app:v1 docker.io/library/alpine ocidir:///tmp/layout:v1
 *
 * Each operation gives a descriptor that becomes readable when it has ended; any loop can watch it.
 */
#include <cldoci.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct question {
  const char *text;
  cldoci_operation *operation;
  int32_t fd;
};

/* Starts one; false when it could not be started. */
static int start(struct question *question, const cldoci_client *client) {
  cldoci_error *error = NULL;
  cldoci_reference *reference = NULL;
  int started = cldoci_reference_parse(question->text, &reference, &error) == CLDOCI_OK &&
                cldoci_resolve_start(client, reference, NULL, &question->operation, &error) == CLDOCI_OK &&
                cldoci_operation_open_descriptor(question->operation, &question->fd, &error) == CLDOCI_OK;
  if (!started) {
    fprintf(stderr, "%s: %s\n", question->text, cldoci_error_message(error, NULL));
    cldoci_error_free(error);
  }
  /* The operation has what it needs. */
  cldoci_reference_free(reference);
  return started;
}

/* Prints the answer of one that has ended; false when it failed. */
static int print_answer(const struct question *question) {
  cldoci_error *error = NULL;
  cldoci_result *result = NULL;
  int answered = cldoci_operation_result(question->operation, &result, &error) == CLDOCI_OK;
  if (answered) {
    printf("%s  %s\n", cldoci_result_digest(result, NULL), question->text);
  } else {
    fprintf(stderr, "%s: %s\n", question->text, cldoci_error_message(error, NULL));
    cldoci_error_free(error);
  }
  cldoci_result_free(result);
  return answered;
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_client *client = NULL;
  struct question *questions;
  int loop, i, open = 0, failed = 0;

  if (argc < 2) {
    fprintf(stderr, "usage: %s REFERENCE...\n", argv[0]);
    return 2;
  }
  if (cldoci_client_new(NULL, &client, &error) != CLDOCI_OK) {
    fprintf(stderr, "%s\n", cldoci_error_message(error, NULL));
    cldoci_error_free(error);
    return 1;
  }
  questions = calloc((size_t)argc, sizeof *questions);
  loop = epoll_create1(EPOLL_CLOEXEC);
  if (questions == NULL || loop < 0) {
    perror("epoll");
    return 1;
  }

  for (i = 1; i < argc; i++) {
    struct question *question = &questions[i];
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = question}};
    question->text = argv[i];
    question->fd = -1;
    if (start(question, client) && epoll_ctl(loop, EPOLL_CTL_ADD, question->fd, &event) == 0) {
      open++;
    } else {
      failed = 1;
    }
  }
  while (open > 0) {
    struct epoll_event event;
    if (epoll_wait(loop, &event, 1, -1) == 1) {
      struct question *question = event.data.ptr;
      failed |= !print_answer(question);
      epoll_ctl(loop, EPOLL_CTL_DEL, question->fd, NULL);
      open--;
    }
  }

  for (i = 1; i < argc; i++) {
    if (questions[i].fd >= 0) {
      close(questions[i].fd); /* ours, whatever becomes of the operation */
    }
    cldoci_operation_free(questions[i].operation);
  }
  free(questions);
  close(loop);
  cldoci_client_free(client);
  return failed;
}
