/* What cldoci.h declares, without directives: for cffi, LuaJIT and PHP. cldoci.h explains it. */

typedef struct cldoci_artifact cldoci_artifact;
typedef struct cldoci_artifact_builder cldoci_artifact_builder;
typedef struct cldoci_client cldoci_client;
typedef struct cldoci_config cldoci_config;
typedef struct cldoci_credential cldoci_credential;
typedef struct cldoci_error cldoci_error;
typedef struct cldoci_operation cldoci_operation;
typedef struct cldoci_options cldoci_options;
typedef struct cldoci_reference cldoci_reference;
typedef struct cldoci_result cldoci_result;
enum {
  CLDOCI_OK = 0,
  CLDOCI_PENDING = 1,
  CLDOCI_ERROR_ARGUMENT = -1,
  CLDOCI_ERROR_HANDLE = -2,
  CLDOCI_ERROR_FORKED = -3,
  CLDOCI_ERROR_REENTRANT = -4,
  CLDOCI_ERROR_PANIC = -5,
  CLDOCI_ERROR_INTERNAL = -6,
  CLDOCI_ERROR_CANCELLED = -7,
  CLDOCI_ERROR_TIMEOUT = -8,
  CLDOCI_ERROR_UNSUPPORTED = -9,
  CLDOCI_ERROR_IO = -20,
  CLDOCI_ERROR_EXISTS = -21,
  CLDOCI_ERROR_BUSY = -22,
  CLDOCI_ERROR_CHANGED = -23,
  CLDOCI_ERROR_UNSAFE = -24,
  CLDOCI_ERROR_LIMIT = -25,
  CLDOCI_ERROR_NETWORK = -40,
  CLDOCI_ERROR_TLS = -41,
  CLDOCI_ERROR_PROTOCOL = -42,
  CLDOCI_ERROR_NOT_FOUND = -43,
  CLDOCI_ERROR_UNAUTHORIZED = -44,
  CLDOCI_ERROR_DENIED = -45,
  CLDOCI_ERROR_CREDENTIALS = -46,
  CLDOCI_ERROR_POLICY = -47,
  CLDOCI_ERROR_RATE_LIMITED = -48,
  CLDOCI_ERROR_DIGEST = -49,
  CLDOCI_ERROR_SIZE = -50
};
typedef int32_t cldoci_status;
const char *cldoci_status_name(cldoci_status status);
cldoci_status cldoci_error_status(const cldoci_error *error);
const char *cldoci_error_message(const cldoci_error *error, size_t *length);
int32_t cldoci_error_http_status(const cldoci_error *error);
const char *cldoci_error_registry_code(const cldoci_error *error, size_t *length);
size_t cldoci_error_registry_error_count(const cldoci_error *error);
const char *cldoci_error_registry_error_code(const cldoci_error *error, size_t index, size_t *length);
const char *cldoci_error_registry_error_message(const cldoci_error *error,
                                                size_t index,
                                                size_t *length);
const char *cldoci_error_registry_error_detail(const cldoci_error *error,
                                               size_t index,
                                               size_t *length);
int32_t cldoci_error_errno(const cldoci_error *error);
int32_t cldoci_error_retryable(const cldoci_error *error);
int64_t cldoci_error_retry_after_ms(const cldoci_error *error);
cldoci_status cldoci_error_free(cldoci_error *error);
enum {
  CLDOCI_VERSION_MAJOR = 0,
  CLDOCI_VERSION_MINOR = 1,
  CLDOCI_VERSION_PATCH = 0,
  CLDOCI_VERSION_NUMBER = 0x000100,
  CLDOCI_ABI_VERSION = 0
};
int32_t cldoci_version_number(void);
const char *cldoci_version_string(void);
int32_t cldoci_abi_version(void);
const char *cldoci_feature_name(size_t index);
const char *cldoci_feature_value(size_t index);
enum {
  CLDOCI_PHASE_WAITING = 0,
  CLDOCI_PHASE_RESOLVING = 1,
  CLDOCI_PHASE_PACKING = 2,
  CLDOCI_PHASE_UPLOADING = 3,
  CLDOCI_PHASE_DOWNLOADING = 4,
  CLDOCI_PHASE_PUBLISHING = 5,
  CLDOCI_PHASE_DONE = 6
};
typedef struct cldoci_progress {
  size_t struct_size;
  int32_t phase;
  int32_t reserved;
  uint64_t bytes_done;
  uint64_t bytes_total;
  uint64_t entries_done;
  uint64_t entries_total;
} cldoci_progress;
typedef struct cldoci_counters {
  size_t struct_size;
  uint64_t requests;
  uint64_t bytes_sent;
  uint64_t bytes_received;
  uint64_t blobs_skipped;
  uint64_t blobs_mounted;
  uint64_t blobs_uploaded;
  uint64_t retries;
  uint64_t elapsed_ms;
} cldoci_counters;
typedef void (*cldoci_finalizer)(void *user_data);
typedef int32_t (*cldoci_progress_callback)(const cldoci_progress *progress, void *user_data);
enum {
  CLDOCI_LOG_ERROR = 1,
  CLDOCI_LOG_WARNING = 2,
  CLDOCI_LOG_INFO = 3,
  CLDOCI_LOG_DEBUG = 4
};
typedef void (*cldoci_log_callback)(int32_t level, const char *line, void *user_data);
enum {
  CLDOCI_ACTION_IDENTIFY = 0,
  CLDOCI_ACTION_PULL = 1,
  CLDOCI_ACTION_PUSH = 2,
  CLDOCI_ACTION_DELETE = 3
};
typedef int32_t (*cldoci_credential_callback)(const char *registry,
                                              const char *repository,
                                              cldoci_credential *credential,
                                              void *user_data);
int32_t cldoci_credential_action(const cldoci_credential *credential);
cldoci_status cldoci_credential_set_basic(cldoci_credential *credential,
                                          const char *username,
                                          const char *password,
                                          cldoci_error **error);
cldoci_status cldoci_credential_set_identity_token(cldoci_credential *credential,
                                                   const char *username,
                                                   const char *token,
                                                   cldoci_error **error);
cldoci_status cldoci_credential_set_registry_token(cldoci_credential *credential,
                                                   const char *token,
                                                   cldoci_error **error);
cldoci_status cldoci_credential_set_failure(cldoci_credential *credential,
                                            const char *message,
                                            cldoci_error **error);
cldoci_status cldoci_options_new(cldoci_options **options, cldoci_error **error);
cldoci_status cldoci_options_set(cldoci_options *options,
                                 const char *name,
                                 const char *value,
                                 cldoci_error **error);
cldoci_status cldoci_options_set_pair(cldoci_options *options,
                                      const char *name,
                                      const char *key,
                                      const char *value,
                                      cldoci_error **error);
cldoci_status cldoci_options_set_host(cldoci_options *options,
                                      const char *host,
                                      const char *name,
                                      const char *value,
                                      cldoci_error **error);
cldoci_status cldoci_options_set_progress_callback(cldoci_options *options,
                                                   cldoci_progress_callback callback,
                                                   void *user_data,
                                                   cldoci_finalizer finalizer,
                                                   cldoci_error **error);
cldoci_status cldoci_options_set_credential_callback(cldoci_options *options,
                                                     cldoci_credential_callback callback,
                                                     void *user_data,
                                                     cldoci_finalizer finalizer,
                                                     cldoci_error **error);
cldoci_status cldoci_options_set_log_callback(cldoci_options *options,
                                              int32_t level,
                                              cldoci_log_callback callback,
                                              void *user_data,
                                              cldoci_finalizer finalizer,
                                              cldoci_error **error);
cldoci_status cldoci_options_free(cldoci_options *options);
enum {
  CLDOCI_CREDENTIALS_DEFAULT = 0,
  CLDOCI_CREDENTIALS_EXPLICIT = 1,
  CLDOCI_CREDENTIALS_ANONYMOUS = 2,
  CLDOCI_PROFILE_KIND = 0,
  CLDOCI_PROFILE_CLDCTL = 1,
  CLDOCI_PROFILE_VCS = 2,
  CLDOCI_PROFILE_NONE = 3,
  CLDOCI_LINKS_ERROR = 0,
  CLDOCI_LINKS_SKIP = 1,
  CLDOCI_LINKS_FOLLOW = 2,
  CLDOCI_CASE_COLLISIONS_WARN = 0,
  CLDOCI_CASE_COLLISIONS_ERROR = 1,
  CLDOCI_CASE_COLLISIONS_IGNORE = 2,
  CLDOCI_EXISTING_REFUSE = 0,
  CLDOCI_EXISTING_MERGE = 1,
  CLDOCI_EXISTING_REPLACE = 2,
  CLDOCI_SPECIAL_ENTRIES_REFUSE = 0,
  CLDOCI_SPECIAL_ENTRIES_SKIP = 1,
  CLDOCI_DUPLICATES_REFUSE = 0,
  CLDOCI_DUPLICATES_LAST_WINS = 1,
  CLDOCI_OTHER_LAYERS_DEFAULT = 0,
  CLDOCI_OTHER_LAYERS_REFUSE = 1,
  CLDOCI_OTHER_LAYERS_SKIP = 2,
  CLDOCI_OTHER_LAYERS_FILE = 3
};
cldoci_status cldoci_options_set_store(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_store_max_bytes(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_store_max_age_s(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_cache(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_timeout_ms(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_parallel(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_ranges(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_ranges_below(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_resume_after_ms(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_threads(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_retries(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_retry_window_ms(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_connect_timeout_ms(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);
cldoci_status cldoci_options_set_header_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);
cldoci_status cldoci_options_set_commit_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);
cldoci_status cldoci_options_set_min_rate(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_min_rate_window_ms(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);
cldoci_status cldoci_options_set_user_agent(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_proxy(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_ca_file(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_ca_dir(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_certs_dirs(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_plain_http_hosts(cldoci_options *options,
                                                  const char *value,
                                                  cldoci_error **error);
cldoci_status cldoci_options_set_token_hosts(cldoci_options *options,
                                             const char *value,
                                             cldoci_error **error);
cldoci_status cldoci_options_set_registries_conf(cldoci_options *options,
                                                 const char *value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_tags_from_mirrors(cldoci_options *options,
                                                   int32_t value,
                                                   cldoci_error **error);
cldoci_status cldoci_options_set_download_hosts(cldoci_options *options,
                                                const char *value,
                                                cldoci_error **error);
cldoci_status cldoci_options_set_upload_hosts(cldoci_options *options,
                                              const char *value,
                                              cldoci_error **error);
cldoci_status cldoci_options_set_environment(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_credentials(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_helper_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);
cldoci_status cldoci_options_set_max_manifest_bytes(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);
cldoci_status cldoci_options_set_max_documents_bytes(cldoci_options *options,
                                                     int64_t value,
                                                     cldoci_error **error);
cldoci_status cldoci_options_set_max_descriptors(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_max_pages(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_max_config_bytes(cldoci_options *options,
                                                  int64_t value,
                                                  cldoci_error **error);
cldoci_status cldoci_options_set_max_unpacked_bytes(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);
cldoci_status cldoci_options_set_max_entries(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_max_depth(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_max_path_bytes(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_max_zstd_window_bytes(cldoci_options *options,
                                                       int64_t value,
                                                       cldoci_error **error);
cldoci_status cldoci_options_set_max_link_bytes(cldoci_options *options, int64_t value, cldoci_error **error);
cldoci_status cldoci_options_set_config_media_type(cldoci_options *options,
                                                   const char *value,
                                                   cldoci_error **error);
cldoci_status cldoci_options_set_layer_media_type(cldoci_options *options,
                                                  const char *value,
                                                  cldoci_error **error);
cldoci_status cldoci_options_set_annotation(cldoci_options *options,
                                            const char *key,
                                            const char *value,
                                            cldoci_error **error);
cldoci_status cldoci_options_set_layer_annotation(cldoci_options *options,
                                                  const char *key,
                                                  const char *value,
                                                  cldoci_error **error);
cldoci_status cldoci_options_set_profile(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_links(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_case_collisions(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_source_date_epoch(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);
cldoci_status cldoci_options_set_fill_source_hash(cldoci_options *options,
                                                  int32_t value,
                                                  cldoci_error **error);
cldoci_status cldoci_options_set_reuse_unchanged(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_block_annotation(cldoci_options *options,
                                                  int32_t value,
                                                  cldoci_error **error);
cldoci_status cldoci_options_set_leave_out(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_mount_from(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_recursive(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_digest_tags(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_existing(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_fetch_config(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_durable(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_preserve_mtime(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_follow_destination(cldoci_options *options,
                                                    int32_t value,
                                                    cldoci_error **error);
cldoci_status cldoci_options_set_special_entries(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);
cldoci_status cldoci_options_set_duplicates(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_strip_leading_slash(cldoci_options *options,
                                                     int32_t value,
                                                     cldoci_error **error);
cldoci_status cldoci_options_set_lenient_end(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_other_layers(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_platform(cldoci_options *options, const char *value, cldoci_error **error);
cldoci_status cldoci_options_set_fallback_tags(cldoci_options *options, int32_t value, cldoci_error **error);
cldoci_status cldoci_options_set_artifact_type(cldoci_options *options,
                                               const char *value,
                                               cldoci_error **error);
size_t cldoci_option_count(void);
const char *cldoci_option_name(size_t index);
const char *cldoci_option_type(size_t index);
const char *cldoci_option_scope(size_t index);
const char *cldoci_option_values(size_t index);
const char *cldoci_option_default(size_t index);
const char *cldoci_option_help(size_t index);
cldoci_status cldoci_reference_parse(const char *string, cldoci_reference **reference, cldoci_error **error);
cldoci_status cldoci_reference_layout(const char *directory,
                                      const char *tag,
                                      const char *digest,
                                      cldoci_reference **reference,
                                      cldoci_error **error);
cldoci_status cldoci_reference_from_parts(const char *registry,
                                          const char *repository,
                                          const char *tag,
                                          const char *digest,
                                          cldoci_reference **reference,
                                          cldoci_error **error);
cldoci_status cldoci_reference_with(const cldoci_reference *of,
                                    const char *tag,
                                    const char *digest,
                                    cldoci_reference **reference,
                                    cldoci_error **error);
const char *cldoci_reference_string(const cldoci_reference *reference, size_t *length);
const char *cldoci_reference_registry(const cldoci_reference *reference,
                                      size_t *length);
const char *cldoci_reference_repository(const cldoci_reference *reference, size_t *length);
const char *cldoci_reference_path(const cldoci_reference *reference, size_t *length);
const char *cldoci_reference_tag(const cldoci_reference *reference, size_t *length);
const char *cldoci_reference_digest(const cldoci_reference *reference, size_t *length);
cldoci_status cldoci_reference_free(cldoci_reference *reference);
cldoci_status cldoci_client_new(const cldoci_options *options,
                                cldoci_client **client,
                                cldoci_error **error);
cldoci_status cldoci_client_free(cldoci_client *client);
cldoci_status cldoci_build(const cldoci_client *client,
                           const char *directory,
                           const char *artifact_type,
                           const uint8_t *config,
                           size_t config_size,
                           const cldoci_options *options,
                           cldoci_result **result,
                           cldoci_error **error);
cldoci_status cldoci_build_start(const cldoci_client *client,
                                 const char *directory,
                                 const char *artifact_type,
                                 const uint8_t *config,
                                 size_t config_size,
                                 const cldoci_options *options,
                                 cldoci_operation **operation,
                                 cldoci_error **error);
cldoci_status cldoci_build_and_push(const cldoci_client *client,
                                    const char *directory,
                                    const char *artifact_type,
                                    const uint8_t *config,
                                    size_t config_size,
                                    const cldoci_reference *reference,
                                    const cldoci_options *options,
                                    cldoci_result **result,
                                    cldoci_error **error);
cldoci_status cldoci_build_and_push_start(const cldoci_client *client,
                                          const char *directory,
                                          const char *artifact_type,
                                          const uint8_t *config,
                                          size_t config_size,
                                          const cldoci_reference *reference,
                                          const cldoci_options *options,
                                          cldoci_operation **operation,
                                          cldoci_error **error);
cldoci_status cldoci_push(const cldoci_client *client,
                          const cldoci_artifact *artifact,
                          const cldoci_reference *reference,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);
cldoci_status cldoci_push_start(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                const cldoci_reference *reference,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);
cldoci_status cldoci_pull(const cldoci_client *client,
                          const cldoci_reference *reference,
                          const char *destination,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);
cldoci_status cldoci_pull_start(const cldoci_client *client,
                                const cldoci_reference *reference,
                                const char *destination,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);
cldoci_status cldoci_tag(const cldoci_client *client,
                         const cldoci_reference *source,
                         const cldoci_reference *target,
                         const cldoci_options *options,
                         cldoci_result **result,
                         cldoci_error **error);
cldoci_status cldoci_tag_start(const cldoci_client *client,
                               const cldoci_reference *source,
                               const cldoci_reference *target,
                               const cldoci_options *options,
                               cldoci_operation **operation,
                               cldoci_error **error);
cldoci_status cldoci_copy(const cldoci_client *client,
                          const cldoci_reference *source,
                          const cldoci_reference *target,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);
cldoci_status cldoci_copy_start(const cldoci_client *client,
                                const cldoci_reference *source,
                                const cldoci_reference *target,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);
cldoci_status cldoci_attach(const cldoci_client *client,
                            const cldoci_artifact *artifact,
                            const cldoci_reference *subject,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);
cldoci_status cldoci_attach_start(const cldoci_client *client,
                                  const cldoci_artifact *artifact,
                                  const cldoci_reference *subject,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);
cldoci_status cldoci_delete(const cldoci_client *client,
                            const cldoci_reference *reference,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);
cldoci_status cldoci_delete_start(const cldoci_client *client,
                                  const cldoci_reference *reference,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);
cldoci_status cldoci_collect_garbage(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_result **result,
                                     cldoci_error **error);
cldoci_status cldoci_collect_garbage_start(const cldoci_client *client,
                                           const cldoci_reference *reference,
                                           const cldoci_options *options,
                                           cldoci_operation **operation,
                                           cldoci_error **error);
cldoci_status cldoci_pull_config(const cldoci_client *client,
                                 const cldoci_reference *reference,
                                 const cldoci_options *options,
                                 cldoci_result **result,
                                 cldoci_error **error);
cldoci_status cldoci_pull_config_start(const cldoci_client *client,
                                       const cldoci_reference *reference,
                                       const cldoci_options *options,
                                       cldoci_operation **operation,
                                       cldoci_error **error);
cldoci_status cldoci_exists(const cldoci_client *client,
                            const cldoci_reference *reference,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);
cldoci_status cldoci_exists_start(const cldoci_client *client,
                                  const cldoci_reference *reference,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);
cldoci_status cldoci_resolve(const cldoci_client *client,
                             const cldoci_reference *reference,
                             const cldoci_options *options,
                             cldoci_result **result,
                             cldoci_error **error);
cldoci_status cldoci_resolve_start(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_operation **operation,
                                   cldoci_error **error);
cldoci_status cldoci_list_tags(const cldoci_client *client,
                               const cldoci_reference *reference,
                               const cldoci_options *options,
                               cldoci_result **result,
                               cldoci_error **error);
cldoci_status cldoci_list_tags_start(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_operation **operation,
                                     cldoci_error **error);
cldoci_status cldoci_inspect(const cldoci_client *client,
                             const cldoci_reference *reference,
                             const cldoci_options *options,
                             cldoci_result **result,
                             cldoci_error **error);
cldoci_status cldoci_inspect_start(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_operation **operation,
                                   cldoci_error **error);
cldoci_status cldoci_read_manifest(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_result **result,
                                   cldoci_error **error);
cldoci_status cldoci_read_manifest_start(const cldoci_client *client,
                                         const cldoci_reference *reference,
                                         const cldoci_options *options,
                                         cldoci_operation **operation,
                                         cldoci_error **error);
cldoci_status cldoci_referrers(const cldoci_client *client,
                               const cldoci_reference *reference,
                               const cldoci_options *options,
                               cldoci_result **result,
                               cldoci_error **error);
cldoci_status cldoci_referrers_start(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_operation **operation,
                                     cldoci_error **error);
cldoci_status cldoci_read_layer(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                size_t layer,
                                const cldoci_options *options,
                                cldoci_result **result,
                                cldoci_error **error);
cldoci_status cldoci_read_layer_start(const cldoci_client *client,
                                      const cldoci_artifact *artifact,
                                      size_t layer,
                                      const cldoci_options *options,
                                      cldoci_operation **operation,
                                      cldoci_error **error);
cldoci_status cldoci_save_layer(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                size_t layer,
                                int32_t fd,
                                const cldoci_options *options,
                                cldoci_result **result,
                                cldoci_error **error);
cldoci_status cldoci_save_layer_start(const cldoci_client *client,
                                      const cldoci_artifact *artifact,
                                      size_t layer,
                                      int32_t fd,
                                      const cldoci_options *options,
                                      cldoci_operation **operation,
                                      cldoci_error **error);
cldoci_status cldoci_login(const cldoci_client *client,
                           const char *registry,
                           const char *username,
                           const char *password,
                           const cldoci_options *options,
                           cldoci_result **result,
                           cldoci_error **error);
cldoci_status cldoci_login_start(const cldoci_client *client,
                                 const char *registry,
                                 const char *username,
                                 const char *password,
                                 const cldoci_options *options,
                                 cldoci_operation **operation,
                                 cldoci_error **error);
cldoci_status cldoci_logout(const cldoci_client *client,
                            const char *registry,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);
cldoci_status cldoci_logout_start(const cldoci_client *client,
                                  const char *registry,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);
const char *cldoci_result_digest(const cldoci_result *result,
                                 size_t *length);
const char *cldoci_result_media_type(const cldoci_result *result, size_t *length);
uint64_t cldoci_result_size(const cldoci_result *result);
int32_t cldoci_result_exists(const cldoci_result *result);
cldoci_status cldoci_result_artifact(const cldoci_result *result,
                                     cldoci_artifact **artifact,
                                     cldoci_error **error);
const uint8_t *cldoci_result_bytes(const cldoci_result *result,
                                   size_t *size);
cldoci_status cldoci_result_counters(const cldoci_result *result,
                                     cldoci_counters *counters,
                                     cldoci_error **error);
int32_t cldoci_result_unchanged(const cldoci_result *result);
const char *cldoci_result_credential_source(const cldoci_result *result, size_t *length);
cldoci_status cldoci_result_free(cldoci_result *result);
size_t cldoci_result_tag_count(const cldoci_result *result);
const char *cldoci_result_tag(const cldoci_result *result, size_t index, size_t *length);
size_t cldoci_result_referrer_count(const cldoci_result *result);
const char *cldoci_result_referrer_digest(const cldoci_result *result, size_t index, size_t *length);
const char *cldoci_result_referrer_media_type(const cldoci_result *result, size_t index, size_t *length);
const char *cldoci_result_referrer_artifact_type(const cldoci_result *result, size_t index, size_t *length);
uint64_t cldoci_result_referrer_size(const cldoci_result *result, size_t index);
size_t cldoci_result_entry_count(const cldoci_result *result);
const char *cldoci_result_entry_digest(const cldoci_result *result, size_t index, size_t *length);
const char *cldoci_result_entry_media_type(const cldoci_result *result, size_t index, size_t *length);
const char *cldoci_result_entry_artifact_type(const cldoci_result *result, size_t index, size_t *length);
const char *cldoci_result_entry_platform(const cldoci_result *result, size_t index, size_t *length);
uint64_t cldoci_result_entry_size(const cldoci_result *result, size_t index);
size_t cldoci_result_referrer_annotation_count(const cldoci_result *result, size_t index);
const char *cldoci_result_referrer_annotation_key(const cldoci_result *result,
                                                  size_t index,
                                                  size_t at,
                                                  size_t *length);
const char *cldoci_result_referrer_annotation_value(const cldoci_result *result,
                                                    size_t index,
                                                    size_t at,
                                                    size_t *length);
uint64_t cldoci_result_left_out_total(const cldoci_result *result);
size_t cldoci_result_left_out_count(const cldoci_result *result);
const char *cldoci_result_left_out_path(const cldoci_result *result, size_t index, size_t *length);
const char *cldoci_result_left_out_reason(const cldoci_result *result, size_t index, size_t *length);
size_t cldoci_result_warning_count(const cldoci_result *result);
const char *cldoci_result_warning(const cldoci_result *result, size_t index, size_t *length);
cldoci_status cldoci_operation_wait(const cldoci_operation *operation,
                                    int64_t timeout_ms,
                                    cldoci_error **error);
cldoci_status cldoci_operation_progress(const cldoci_operation *operation,
                                        cldoci_progress *progress,
                                        cldoci_error **error);
cldoci_status cldoci_operation_cancel(const cldoci_operation *operation,
                                      cldoci_error **error);
cldoci_status cldoci_operation_open_descriptor(const cldoci_operation *operation,
                                               int32_t *fd,
                                               cldoci_error **error);
cldoci_status cldoci_operation_result(const cldoci_operation *operation,
                                      cldoci_result **result,
                                      cldoci_error **error);
cldoci_status cldoci_operation_free(cldoci_operation *operation);
const char *cldoci_artifact_type(const cldoci_artifact *artifact,
                                 size_t *length);
const char *cldoci_artifact_reference(const cldoci_artifact *artifact, size_t *length);
const char *cldoci_artifact_digest(const cldoci_artifact *artifact, size_t *length);
const char *cldoci_artifact_media_type(const cldoci_artifact *artifact, size_t *length);
const uint8_t *cldoci_artifact_manifest(const cldoci_artifact *artifact, size_t *size);
const uint8_t *cldoci_artifact_config(const cldoci_artifact *artifact, size_t *size);
const char *cldoci_artifact_config_media_type(const cldoci_artifact *artifact, size_t *length);
const char *cldoci_artifact_config_digest(const cldoci_artifact *artifact, size_t *length);
uint64_t cldoci_artifact_config_size(const cldoci_artifact *artifact);
size_t cldoci_artifact_layer_count(const cldoci_artifact *artifact);
const char *cldoci_artifact_layer_media_type(const cldoci_artifact *artifact, size_t layer, size_t *length);
const char *cldoci_artifact_layer_digest(const cldoci_artifact *artifact, size_t layer, size_t *length);
uint64_t cldoci_artifact_layer_size(const cldoci_artifact *artifact, size_t layer);
const char *cldoci_artifact_layer_annotation(const cldoci_artifact *artifact,
                                             size_t layer,
                                             const char *key,
                                             size_t *length);
size_t cldoci_artifact_layer_annotation_count(const cldoci_artifact *artifact, size_t layer);
const char *cldoci_artifact_layer_annotation_key(const cldoci_artifact *artifact,
                                                 size_t layer,
                                                 size_t index,
                                                 size_t *length);
const char *cldoci_artifact_layer_annotation_value(const cldoci_artifact *artifact,
                                                   size_t layer,
                                                   size_t index,
                                                   size_t *length);
const char *cldoci_artifact_annotation(const cldoci_artifact *artifact, const char *key, size_t *length);
size_t cldoci_artifact_annotation_count(const cldoci_artifact *artifact);
const char *cldoci_artifact_annotation_key(const cldoci_artifact *artifact, size_t index, size_t *length);
const char *cldoci_artifact_annotation_value(const cldoci_artifact *artifact, size_t index, size_t *length);
const char *cldoci_artifact_subject(const cldoci_artifact *artifact, size_t *length);
cldoci_status cldoci_artifact_free(cldoci_artifact *artifact);
cldoci_status cldoci_config_new(const char *artifact_type,
                                cldoci_config **config,
                                cldoci_error **error);
cldoci_status cldoci_config_set(cldoci_config *config,
                                const char *field,
                                const char *value,
                                cldoci_error **error);
cldoci_status cldoci_config_set_entry(cldoci_config *config,
                                      const char *field,
                                      const char *key,
                                      const char *value,
                                      cldoci_error **error);
const uint8_t *cldoci_config_json(const cldoci_config *config, size_t *size);
cldoci_status cldoci_config_free(cldoci_config *config);
typedef int64_t (*cldoci_reader)(uint8_t *buffer, size_t size, void *user_data);
cldoci_status cldoci_artifact_builder_new(const cldoci_client *client,
                                          const char *artifact_type,
                                          cldoci_artifact_builder **builder,
                                          cldoci_error **error);
cldoci_status cldoci_artifact_builder_set_config(cldoci_artifact_builder *builder,
                                                 const char *media_type,
                                                 const uint8_t *config,
                                                 size_t config_size,
                                                 cldoci_error **error);
cldoci_status cldoci_artifact_builder_add_bytes(cldoci_artifact_builder *builder,
                                                const char *media_type,
                                                const uint8_t *layer,
                                                size_t layer_size,
                                                cldoci_error **error);
cldoci_status cldoci_artifact_builder_add_file(cldoci_artifact_builder *builder,
                                               const char *media_type,
                                               const char *file,
                                               cldoci_error **error);
cldoci_status cldoci_artifact_builder_add_reader(cldoci_artifact_builder *builder,
                                                 const char *media_type,
                                                 cldoci_reader reader,
                                                 void *user_data,
                                                 cldoci_error **error);
cldoci_status cldoci_artifact_builder_add_layer(cldoci_artifact_builder *builder,
                                                const char *media_type,
                                                const cldoci_artifact *artifact,
                                                size_t layer,
                                                cldoci_error **error);
cldoci_status cldoci_artifact_builder_set_layer_annotation(cldoci_artifact_builder *builder,
                                                           size_t layer,
                                                           const char *key,
                                                           const char *value,
                                                           cldoci_error **error);
cldoci_status cldoci_artifact_builder_set_annotation(cldoci_artifact_builder *builder,
                                                     const char *key,
                                                     const char *value,
                                                     cldoci_error **error);
cldoci_status cldoci_artifact_builder_finish(const cldoci_artifact_builder *builder,
                                             cldoci_artifact **artifact,
                                             cldoci_error **error);
cldoci_status cldoci_artifact_builder_free(cldoci_artifact_builder *builder);
cldoci_status cldoci_wait_idle(int64_t timeout_ms,
                               cldoci_error **error);
enum {
  CLDOCI_HANDLE_ANY = 0,
  CLDOCI_HANDLE_ERROR = 1,
  CLDOCI_HANDLE_OPTIONS = 2,
  CLDOCI_HANDLE_CREDENTIAL = 3,
  CLDOCI_HANDLE_REFERENCE = 4,
  CLDOCI_HANDLE_CONFIG = 5,
  CLDOCI_HANDLE_ARTIFACT = 6,
  CLDOCI_HANDLE_ARTIFACT_BUILDER = 7,
  CLDOCI_HANDLE_CLIENT = 8,
  CLDOCI_HANDLE_OPERATION = 9,
  CLDOCI_HANDLE_RESULT = 10
};
uint64_t cldoci_debug_live_handles(int32_t handle_type);
