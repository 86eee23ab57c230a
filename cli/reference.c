/* Turns arguments into references, and says what is wrong with one that is something else. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

#define SCHEME "ocidir://"

static bool is_layout(const char *text) { return strncmp(text, SCHEME, strlen(SCHEME)) == 0; }

bool is_directory(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool has_layout(const char *path) {
  struct stat about;
  char *marker = grown(NULL, strlen(path) + sizeof "/oci-layout");
  bool has = stat(strcat(strcpy(marker, path), "/oci-layout"), &about) == 0;
  free(marker);
  return has;
}

/* Whether what stands before the first slash can only be a registry: it has a dot or a port, or is localhost. */
static bool names_a_registry(const char *text) {
  size_t length = strcspn(text, "/");
  if (text[length] == 0 || *text == '.') return false;
  return strcspn(text, ".:") < length || (length == 9 && strncmp(text, "localhost", 9) == 0);
}

/* A directory where a reference belongs: a usage error with the cure. */
static void refuse_directory(const char *text) {
  char *path = grown(NULL, strlen(text) + 1), *colon;
  const char *tag = "[:TAG]";
  strcpy(path, text);
  if (!is_directory(path) && (colon = strrchr(path, ':')) != NULL && strchr(colon, '/') == NULL) {
    *colon = 0;
    tag = text + (colon - path);
  }
  if (!is_directory(path) || names_a_registry(text)) {
    free(path);
    return;
  }
  if (has_layout(path)) {
    usage_error("'%s' is a directory with an image layout, not a reference: write ocidir://%s%s", text, path, tag);
  }
  if (tool.verb->run == run_push) {
    usage_error("'%s' is a directory, not a reference: cldoci build-and-push %s TARGET --kind KIND builds and sends it",
                text, path);
  }
  usage_error("'%s' is a directory, not a reference: write ocidir://%s%s for a local layout, or docker.io/library/%s for "
              "that repository of Docker Hub",
              text, path, tag, text);
}

cldoci_reference *reference(const char *text, int role) {
  cldoci_reference *reference = NULL;
  if (!is_layout(text)) {
    refuse_directory(text);
    if (role == LAYOUT) {
      usage_error("'%s' is not a local layout, ocidir://PATH[:TAG]: %s", text,
                  tool.verb->run == run_build  ? "build-and-push sends an artifact to a registry"
                  : tool.verb->run == run_push ? "copy copies between registries"
                                               : "a registry collects its own garbage");
    }
    /* A target is never Docker Hub by mistake. */
    if (role == TARGET && strchr(text, '/') == NULL) {
      usage_error("'%s' does not say where: write REGISTRY/REPOSITORY:TAG, or ocidir://PATH:TAG for a local layout",
                  text);
    }
  }
  check(cldoci_reference_parse(text, &reference, &tool.error));
  if (!is_layout(text)) name_registry(cldoci_reference_registry(reference, NULL));
  return reference;
}

void name_registry(const char *registry) {
  for (flag_id i = FLAG_NONE + 1; i < FLAG_COUNT; i++) {
    if (flags[i].of_hosts && flag_value(i) != NULL) {
      check(cldoci_options_set_host(tool.client_options, registry, flags[i].option, flags[i].set_to, &tool.error));
    }
  }
}

static bool is_tag(const char *text) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  size_t length = strlen(text);
  return length > 0 && length <= 128 && strchr(letters, text[0]) != NULL &&
         strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == length - 1;
}

cldoci_reference *tag_beside(const cldoci_reference *source, const char *text) {
  cldoci_reference *target = NULL;
  if (strchr(text, '/') != NULL) return reference(text, TARGET);
  if (!is_tag(text)) {
    usage_error("'%s' is neither a tag nor a whole reference: write a tag alone (v2) or REGISTRY/REPOSITORY:TAG", text);
  }
  check(cldoci_reference_with(source, text, NULL, &target, &tool.error));
  return target;
}

const char *directory(const char *text) {
  if (is_layout(text)) {
    if (tool.verb->run == run_pull) {
      usage_error("'%s' is a reference, where the directory to unpack into belongs: copy copies to a layout", text);
    }
    usage_error("'%s' is a reference, where a directory belongs: %s DIR comes first", text, tool.verb->name);
  }
  return text;
}
