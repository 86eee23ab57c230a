/* Artifacts by hand and typed configs: from bytes, files and readers; and what is wrong is said. */
#include "check.h"
#include <unistd.h>

struct source {
  size_t left;
  int give_up;
};

static int64_t read_source(uint8_t *buffer, size_t size, void *user_data) {
  struct source *source = user_data;
  size_t count = source->left < size ? source->left : size;
  if (source->give_up) return -1;
  memset(buffer, 7, count);
  source->left -= count;
  return (int64_t)count;
}

static int64_t lie(uint8_t *buffer, size_t size, void *user_data) {
  (void)buffer;
  (void)user_data;
  return (int64_t)size + 1;
}

/* a reader calls back: it changes the builder that waits for it, makes an artifact of it, and frees it. */
static int64_t meddle(uint8_t *buffer, size_t size, void *user_data) {
  cldoci_artifact_builder *builder = *(cldoci_artifact_builder **)user_data;
  cldoci_artifact *artifact = NULL;
  cldoci_error *error = NULL;
  (void)buffer;
  (void)size;
  OK(cldoci_artifact_builder_add_bytes(builder, NULL, NULL, 0, &error));
  OK(cldoci_artifact_builder_set_annotation(builder, "a", "1", &error));
  OK(cldoci_artifact_builder_finish(builder, &artifact, &error));
  CHECK(cldoci_artifact_layer_count(artifact) == 1 && cldoci_artifact_free(artifact) == CLDOCI_OK);
  OK(cldoci_artifact_builder_free(builder));
  return 0;
}

int main(int argc, char **argv) {
  cldoci_error *error = NULL;
  cldoci_options *options = NULL;
  cldoci_client *client = NULL;
  cldoci_artifact_builder *builder = NULL, *other = NULL;
  cldoci_artifact *artifact = NULL, *again = NULL;
  cldoci_config *config = NULL;
  struct source source = {600000, 0};
  size_t size = 0, length = 0;
  static uint8_t content[600000];
  char path[4096];
  FILE *file;

  CHECK(argc == 2);
  OK(cldoci_options_new(&options, &error));
  snprintf(path, sizeof path, "%s/store", argv[1]);
  OK(cldoci_options_set_store(options, path, &error));
  OK(cldoci_client_new(options, &client, &error));

  /* A typed config: fields by their names in JSON, in the order of the struct. */
  OK(cldoci_config_new("component", &config, &error));
  OK(cldoci_config_set(config, "name", "api", &error));
  OK(cldoci_config_set(config, "schemaVersion", "v1", &error));
  const uint8_t *json = cldoci_config_json(config, &size);
  const char *wanted = "{\"schemaVersion\":\"v1\",\"name\":\"api\"}";
  CHECK(size == strlen(wanted) && memcmp(json, wanted, size) == 0);
  OK(cldoci_config_set_entry(config, "childArtifacts", "db", "ghcr.io/org/db:v1", &error));
  CHECK(memcmp(json, "{\"schemaVersion\"", 16) == 0); /* what was lent stays */
  CHECK(cldoci_config_json(config, &size) != json && size > strlen(wanted));
  FAILS(cldoci_config_set(config, "nmae", "x", &error), ARGUMENT, "known are schemaVersion, name");
  FAILS(cldoci_config_set(config, "childArtifacts", "x", &error), ARGUMENT, "unknown field");
  OK(cldoci_config_free(config));
  FAILS(cldoci_config_new("application/vnd.x", &config, &error), ARGUMENT, "has no typed config");

  /* The same bytes three ways are one digest. */
  memset(content, 7, sizeof content);
  snprintf(path, sizeof path, "%s/layer", argv[1]);
  CHECK((file = fopen(path, "wb")) != NULL && fwrite(content, sizeof content, 1, file) == 1 && fclose(file) == 0);
  OK(cldoci_artifact_builder_new(client, "application/vnd.example.thing", &builder, &error));
  OK(cldoci_artifact_builder_add_bytes(builder, NULL, content, sizeof content, &error));
  OK(cldoci_artifact_builder_add_file(builder, "text/plain", path, &error));
  OK(cldoci_artifact_builder_add_reader(builder, NULL, read_source, &source, &error));
  OK(cldoci_artifact_builder_add_bytes(builder, NULL, NULL, 0, &error));
  OK(cldoci_artifact_builder_set_layer_annotation(builder, 1, "org.opencontainers.image.title", "a.txt", &error));
  OK(cldoci_artifact_builder_set_annotation(builder, "b", "2", &error));
  OK(cldoci_artifact_builder_set_annotation(builder, "a", "1", &error));
  OK(cldoci_artifact_builder_set_config(builder, "application/json", (const uint8_t *)"{\"x\":1}", 7, &error));
  OK(cldoci_artifact_builder_finish(builder, &artifact, &error));

  CHECK(cldoci_artifact_layer_count(artifact) == 4);
  CHECK(cldoci_artifact_layer_size(artifact, 2) == sizeof content);
  CHECK(strcmp(cldoci_artifact_layer_digest(artifact, 0, NULL), cldoci_artifact_layer_digest(artifact, 1, NULL)) == 0);
  CHECK(strcmp(cldoci_artifact_layer_digest(artifact, 0, NULL), cldoci_artifact_layer_digest(artifact, 2, NULL)) == 0);
  CHECK(strcmp(cldoci_artifact_layer_media_type(artifact, 1, NULL), "text/plain") == 0);
  CHECK(strstr(cldoci_artifact_layer_media_type(artifact, 0, NULL), "layer.v1.tar+gzip") != NULL);
  CHECK(strcmp(cldoci_artifact_layer_annotation(artifact, 1, "org.opencontainers.image.title", &length), "a.txt") == 0);
  CHECK(length == 5 && cldoci_artifact_layer_annotation_count(artifact, 1) == 1);
  CHECK(cldoci_artifact_layer_annotation(artifact, 9, "a", &length) == NULL && length == 0);
  CHECK(cldoci_artifact_annotation_count(artifact) == 2);
  CHECK(strcmp(cldoci_artifact_annotation_key(artifact, 0, NULL), "a") == 0);
  CHECK(strcmp(cldoci_artifact_annotation_value(artifact, 1, NULL), "2") == 0);
  CHECK(strcmp(cldoci_artifact_annotation(artifact, "b", NULL), "2") == 0);
  CHECK(strcmp(cldoci_artifact_type(artifact, NULL), "application/vnd.example.thing") == 0);
  CHECK(strcmp(cldoci_artifact_config_media_type(artifact, NULL), "application/json") == 0);
  CHECK(memcmp(cldoci_artifact_config(artifact, &size), "{\"x\":1}", 7) == 0 && size == 7);
  CHECK(strncmp(cldoci_artifact_digest(artifact, NULL), "sha256:", 7) == 0);
  CHECK(memcmp(cldoci_artifact_manifest(artifact, &size), "{\"schemaVersion\":2,", 19) == 0);

  /* A layer of another artifact: the same bytes, its own type or another one, and no annotations. */
  OK(cldoci_artifact_builder_new(client, "component", &other, &error));
  OK(cldoci_artifact_builder_add_layer(other, NULL, artifact, 1, &error));
  OK(cldoci_artifact_builder_add_layer(other, "text/html", artifact, 1, &error));
  FAILS(cldoci_artifact_builder_add_layer(other, NULL, artifact, 4, &error), ARGUMENT, "less than the number of layers, 4");
  FAILS(cldoci_artifact_builder_add_layer(other, "no type", artifact, 0, &error), ARGUMENT, "no type");
  FAILS(cldoci_artifact_builder_add_layer(other, NULL, NULL, 0, &error), ARGUMENT, "NULL");
  OK(cldoci_artifact_builder_finish(other, &again, &error));
  CHECK(cldoci_artifact_layer_count(again) == 2 && cldoci_artifact_layer_annotation_count(again, 0) == 0);
  CHECK(strcmp(cldoci_artifact_layer_digest(again, 0, NULL), cldoci_artifact_layer_digest(artifact, 1, NULL)) == 0);
  CHECK(strcmp(cldoci_artifact_layer_media_type(again, 0, NULL), "text/plain") == 0);
  CHECK(strcmp(cldoci_artifact_layer_media_type(again, 1, NULL), "text/html") == 0);
  OK(cldoci_artifact_builder_free(other));
  OK(cldoci_artifact_free(again));

  /* The builder goes on; the artifact it made stays as it was. */
  OK(cldoci_artifact_builder_set_annotation(builder, "c", "3", &error));
  OK(cldoci_artifact_builder_finish(builder, &again, &error));
  CHECK(cldoci_artifact_annotation_count(again) == 3 && cldoci_artifact_annotation_count(artifact) == 2);
  OK(cldoci_artifact_free(again));

  OK(cldoci_artifact_builder_new(client, "component", &other, &error));
  OK(cldoci_artifact_builder_add_reader(other, NULL, meddle, &other, &error));
  CHECK(cldoci_artifact_builder_free(other) == CLDOCI_ERROR_HANDLE);

  source.give_up = 1;
  FAILS(cldoci_artifact_builder_add_reader(builder, NULL, read_source, &source, &error), CANCELLED, "gave up with -1");
  FAILS(cldoci_artifact_builder_add_reader(builder, NULL, lie, NULL, &error), ARGUMENT, "were asked for");
  FAILS(cldoci_artifact_builder_add_file(builder, NULL, "/nowhere/at/all", &error), IO, "/nowhere/at/all");
  FAILS(cldoci_artifact_builder_add_bytes(builder, "no type", content, 1, &error), ARGUMENT, "no type");
  /* sizes and pointers that can't be. */
  FAILS(cldoci_artifact_builder_add_bytes(builder, NULL, NULL, 5, &error), ARGUMENT, "'layer' is NULL");
  FAILS(cldoci_artifact_builder_add_bytes(builder, NULL, content, SIZE_MAX, &error), ARGUMENT, "PTRDIFF_MAX");
  FAILS(cldoci_artifact_builder_add_bytes(builder, NULL, content, (size_t)PTRDIFF_MAX + 1, &error), ARGUMENT,
        "PTRDIFF_MAX");
  FAILS(cldoci_artifact_builder_set_layer_annotation(builder, 99, "a", "b", &error), ARGUMENT, "less than the number of layers, 4");
  OK(cldoci_artifact_builder_finish(builder, &again, &error));
  CHECK(cldoci_artifact_layer_count(again) == 4);

  OK(cldoci_artifact_free(again));
  OK(cldoci_artifact_builder_free(builder));
  OK(cldoci_artifact_free(artifact));
  OK(cldoci_client_free(client));
  OK(cldoci_options_free(options));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  return 0;
}
