/** @file
 * cldoci: OCI artifacts for every language
 * ========================================
 *
 * cldoci builds a directory into an OCI artifact and pushes, pulls, tags and checks artifacts on OCI registries
 * (Docker Hub, GHCR, ECR, Harbor, your own). This file is the whole interface.
 *
 * An artifact is a directory packed for a registry: one or more *layers* (compressed archives), a *config* (a
 * JSON text of yours that says what it is), and a *manifest* that names both by digest. The manifest's digest,
 * `sha256:...`, is the artifact's identity; a *tag* is a name for it that can be moved. A *reference* says where
 * an artifact is: `ghcr.io/org/app:v1`, `localhost:5000/app@sha256:...`, or `ocidir:///some/directory:v1`, a
 * local image layout that needs no server. Every verb works on both.
 *
 * A first program
 * ---------------
 * It packs a directory into a local layout and unpacks it elsewhere:
 *
 *     #include <cldoci.h>
 *     #include <stdio.h>
 *     #include <string.h>
 *
 *     int main(int argc, char **argv) {
 *       cldoci_client *client = NULL;
 *       cldoci_reference *place = NULL;
 *       cldoci_artifact *artifact = NULL;
 *       cldoci_result *built = NULL, *pulled = NULL;
 *       cldoci_error *error = NULL;
 *       const char *config = "{\"schemaVersion\":\"v1\",\"name\":\"api\"}";
 *       int failed = 1;
 *
 *       if (argc != 4) {
 *         fprintf(stderr, "usage: %s DIRECTORY LAYOUT DESTINATION\n", argv[0]);
 *         return 2;
 *       }
 *       if (cldoci_client_new(NULL, &client, &error) == CLDOCI_OK &&
 *           cldoci_reference_layout(argv[2], "v1", NULL, &place, &error) == CLDOCI_OK &&
 *           cldoci_build(client, argv[1], "component", (const uint8_t *)config, strlen(config), NULL, &built,
 *                        &error) == CLDOCI_OK &&
 *           cldoci_result_artifact(built, &artifact, &error) == CLDOCI_OK &&
 *           cldoci_push(client, artifact, place, NULL, NULL, &error) == CLDOCI_OK &&
 *           cldoci_pull(client, place, argv[3], NULL, &pulled, &error) == CLDOCI_OK) {
 *         printf("%s\n", cldoci_result_digest(pulled, NULL));
 *         failed = 0;
 *       } else {
 *         fprintf(stderr, "%s\n", cldoci_error_message(error, NULL));
 *       }
 *       cldoci_error_free(error);
 *       cldoci_result_free(pulled);
 *       cldoci_artifact_free(artifact);
 *       cldoci_result_free(built);
 *       cldoci_reference_free(place);
 *       cldoci_client_free(client);
 *       return failed;
 *     }
 *
 * Linking
 * -------
 * `cc program.c $(pkg-config --cflags --libs cldoci)`, or `-lcldoci`. The header is C99 and C++11. A program that
 * loads the library at run time compares cldoci_abi_version() with CLDOCI_ABI_VERSION first. The library stays
 * in the process once it is loaded; dlclose does no harm.
 *
 * Calls
 * -----
 * Every call that can fail returns a cldoci_status: CLDOCI_OK is 0, CLDOCI_PENDING is 1, failures are negative.
 * The order of parameters is: the object, inputs, options, outputs, `error`. The verbs belong to the client:
 *
 *     cldoci_VERB(client, inputs..., options, &result, &error)            waits
 *     cldoci_VERB_start(client, inputs..., options, &operation, &error)   returns at once
 *
 * What holds for all functions
 * ----------------------------
 * The comments below do not say it again:
 *
 * - `error` is an output that may be NULL: set to NULL, on failure to an error that you free.
 * - Of a verb, `client` is borrowed, not NULL; `options` are borrowed, may be NULL, and beat the client's for this call;
 *   `result` is an output that may be NULL: set to NULL, on success to a result that you free.
 * - A `_start` form takes the inputs of its verb, and `operation`, an output, not NULL: set to NULL, on success to an
 *   operation that you free. It returns CLDOCI_OK, or why the verb could not be started.
 * - Of a setter of one option, `cldoci_options_set_NAME`, `options` are borrowed, not NULL. It returns CLDOCI_OK, or
 *   CLDOCI_ERROR_ARGUMENT with a message that says what is wrong.
 * - `length` is an output that may be NULL: the bytes of the text before its final NUL.
 * - Nothing prints, exits or aborts, with one exception: where the system has no memory left, Rust's allocator writes a
 *   line to standard error and aborts. What others send can't bring that about: it is bounded, by options.
 * - A `_free` function takes a handle, which is consumed; NULL is fine. It returns CLDOCI_OK, or CLDOCI_ERROR_HANDLE or
 *   CLDOCI_ERROR_FORKED for a bad handle.
 * - A function may be called on any thread, and on several at once; those of options, builders and configs on one at
 *   a time for one handle. Where a comment has a line that begins with "Threads:", that line holds.
 *
 * Ownership
 * ---------
 * - What a call gives through a pointer to a pointer is yours: free it with the `_free` of its type, and with
 *   nothing else. `*result`, `*error` and their like are set to NULL first, and what they held is not freed.
 * - "Borrowed" inputs stay yours and are not needed after the call: strings and bytes are copied, and a handle
 *   may be freed while operations that were started with it run on.
 * - A `const char *` or `const uint8_t *` that a call *returns* is borrowed from the handle that it was asked of,
 *   and lives until that handle is freed. Freeing a handle on one thread while another reads such a text is a
 *   race of the caller's. Texts end with a NUL; as they can hold others, their length can be asked for, too.
 * - Only `_free` consumes a handle, whatever it returns.
 * - Strings in are UTF-8, paths are any bytes; both end with a NUL and have at most 64 MiB.
 * - An output (a pointer to a handle, a number or a struct) must be aligned, else the call is refused or, where it
 *   has no status, leaves it alone; and it must be writable, which the library can't check. It is written on every
 *   path: to NULL, 0, -1 or zeroes first. Where two outputs are one place, it holds what was written last: the
 *   error of a call that failed, the result of one that did not.
 *
 * Errors
 * ------
 * `error` may be NULL where the status is enough. On failure `*error` holds an object with the status, a one-line
 * message for a person, and facts to act on: cldoci_error_http_status, _registry_code, _errno, _retryable,
 * _retry_after_ms. There is no "last error" of a thread. (Where even an error object can't be made, `*error`
 * stays NULL; the accessors take a NULL.)
 *
 * Handles
 * -------
 * The pointers to incomplete types below are not addresses but checked numbers. A handle that was freed, is of
 * another type, or was never given out is CLDOCI_ERROR_HANDLE, and freeing twice is, too. Accessors without an
 * `error` give NULL, 0 or what they say for a bad handle. A program that follows such a pointer faults; Go and
 * Java report that as an access to address 0.
 *
 * Threads
 * -------
 * Every handle may be used and freed on any thread, and by several at once, but for options, builders and configs
 * while they are changed: one thread at a time. All input and output runs on the library's own threads, which are
 * started at the first verb, take no signals, and end soon after the last client and operation are freed;
 * cldoci_wait_idle waits until they have. A call
 * needs little of the caller's stack. No call may be made from a signal handler.
 *
 * Operations
 * ----------
 * An operation is waited for with a time-out (cldoci_operation_wait), polled (cldoci_operation_progress), watched
 * by an event loop (cldoci_operation_open_descriptor), cancelled from any thread, and freed at any time, which
 * cancels it. A thousand at once are fine: those that can't run yet have the phase CLDOCI_PHASE_WAITING.
 *
 * Callbacks of an operation run on threads of their own, those of a blocking verb on the thread that calls it,
 * while it waits: a runtime with one interpreter thread can't hang. One call at a time for an operation. They must
 * not unwind or jump (exceptions, longjmp).
 *
 * fork
 * ----
 * In a child of fork the handles of the parent are CLDOCI_ERROR_FORKED, new ones work. Operations of the parent
 * go on in the parent alone. All descriptors of the library are close-on-exec.
 *
 * Options
 * -------
 * Options are set by a function for each, or by name (cldoci_options_set); cldoci_option_count and its like
 * list them with their types and defaults. Each belongs to a client, to a call, or to both: what a call brings
 * beats the client's, that beats the environment (`CLDOCI_NAME`), that beats the default. The environment is read
 * when a client is made, and not later: proxies, where credentials and the system's certificates lie (SSL_CERT_FILE,
 * SSL_CERT_DIR), CLDOCI_NAME. With the option environment off it is not read.
 *
 * Stability
 * ---------
 * Functions, constants and members are added and not changed; the soname says so (CLDOCI_ABI_VERSION). A program
 * must be ready for statuses, phases and options that it does not know.
 */

#ifndef CLDOCI_H
#define CLDOCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Handles ------------------------------------------------------------------------------------------------ */

/**
 * An artifact: manifest, config, layers. Immutable.
 */
typedef struct cldoci_artifact cldoci_artifact;

/**
 * An artifact while it is put together by hand.
 */
typedef struct cldoci_artifact_builder cldoci_artifact_builder;

/**
 * Settings, connections and tokens; every verb needs one. Immutable.
 */
typedef struct cldoci_client cldoci_client;

/**
 * The config of a component, datacenter or module while it is put together.
 */
typedef struct cldoci_config cldoci_config;

/**
 * A credential that a credential callback fills in; lives for the time of that call.
 */
typedef struct cldoci_credential cldoci_credential;

/**
 * What went wrong in one call: status, message and facts. Immutable.
 */
typedef struct cldoci_error cldoci_error;

/**
 * A verb under way.
 */
typedef struct cldoci_operation cldoci_operation;

/**
 * Settings for a client or for a call; copied where they are given, reusable.
 */
typedef struct cldoci_options cldoci_options;

/**
 * Where an artifact is: on a registry or in a local image layout. Immutable.
 */
typedef struct cldoci_reference cldoci_reference;

/**
 * What a verb gave. Immutable.
 */
typedef struct cldoci_result cldoci_result;

/* Status ------------------------------------------------------------------------------------------------- */

/** Success. */
#define CLDOCI_OK 0
/** The operation is not done yet; no error object is made. */
#define CLDOCI_PENDING 1
/** An argument, an option or a reference is not usable. */
#define CLDOCI_ERROR_ARGUMENT -1
/** A handle was freed, has another type, or was never given out. */
#define CLDOCI_ERROR_HANDLE -2
/** A handle was made before `fork` and is used in the child. */
#define CLDOCI_ERROR_FORKED -3
/** A callback made a call that would wait for the callback itself. */
#define CLDOCI_ERROR_REENTRANT -4
/** A defect of the library was caught at its border. The process and all handles stay usable. */
#define CLDOCI_ERROR_PANIC -5
/** A defect of the library. */
#define CLDOCI_ERROR_INTERNAL -6
/** The operation was cancelled, or freed while it was waited for. */
#define CLDOCI_ERROR_CANCELLED -7
/** A deadline passed, or a peer was slower than the least rate. */
#define CLDOCI_ERROR_TIMEOUT -8
/** The system, the file system or the registry cannot do it. */
#define CLDOCI_ERROR_UNSUPPORTED -9
/** A system call failed; `cldoci_error_errno` says how. */
#define CLDOCI_ERROR_IO -20
/** The destination exists and is not empty. */
#define CLDOCI_ERROR_EXISTS -21
/** Another process holds what is needed. */
#define CLDOCI_ERROR_BUSY -22
/** A source changed while it was read. */
#define CLDOCI_ERROR_CHANGED -23
/** An entry of an archive or of a tree is refused. */
#define CLDOCI_ERROR_UNSAFE -24
/** A limit was reached; the message names it and the option that raises it. */
#define CLDOCI_ERROR_LIMIT -25
/** A connection failed, or a name was not found. */
#define CLDOCI_ERROR_NETWORK -40
/** TLS failed: the certificate or the handshake. */
#define CLDOCI_ERROR_TLS -41
/** The server's answer breaks the protocol. */
#define CLDOCI_ERROR_PROTOCOL -42
/** The registry or the layout says that it is not there. */
#define CLDOCI_ERROR_NOT_FOUND -43
/** The registry demands other credentials. */
#define CLDOCI_ERROR_UNAUTHORIZED -44
/** The registry refuses these credentials this access. */
#define CLDOCI_ERROR_DENIED -45
/** A credential helper or a credential file is unusable. */
#define CLDOCI_ERROR_CREDENTIALS -46
/** Refused for safety: a redirect, a token server, a downgrade. */
#define CLDOCI_ERROR_POLICY -47
/** The registry asks to slow down; `cldoci_error_retry_after_ms` says for how long. */
#define CLDOCI_ERROR_RATE_LIMITED -48
/** Content does not have the digest it must have. */
#define CLDOCI_ERROR_DIGEST -49
/** Content does not have the size it must have. */
#define CLDOCI_ERROR_SIZE -50
/**
 * What a call came to: 0 for success, 1 for "not done yet", negative for a failure.
 */
typedef int32_t cldoci_status;

/**
 * The name of a status, such as `NOT_FOUND`, for logs.
 *
 * @param status  any number
 * @return static text, NULL for a number that is no status; never freed
 */
const char *cldoci_status_name(cldoci_status status);

/* Errors ------------------------------------------------------------------------------------------------- */

/**
 * The status that the failed call returned.
 *
 * @param error  borrowed; NULL gives CLDOCI_OK
 * @return the status; CLDOCI_ERROR_HANDLE for a bad handle
 */
cldoci_status cldoci_error_status(const cldoci_error *error);

/**
 * What failed, on what, and where it is known the cure: one line, without a final newline. Text that came
 * from a server has its control characters escaped.
 *
 * @param error  borrowed; NULL gives NULL
 * @return borrowed from `error`, UTF-8; NULL for a bad handle
 */
const char *cldoci_error_message(const cldoci_error *error, size_t *length);

/**
 * The HTTP status that was the reason.
 *
 * @param error  borrowed; NULL gives 0
 * @return 100 to 599; 0 where there was none, or for a bad handle
 */
int32_t cldoci_error_http_status(const cldoci_error *error);

/**
 * The registry's own code, such as `MANIFEST_UNKNOWN`.
 *
 * @param error  borrowed; NULL gives NULL
 * @return borrowed from `error`; NULL where the registry gave none, or for a bad handle
 */
const char *cldoci_error_registry_code(const cldoci_error *error, size_t *length);

/**
 * How many errors the registry listed in its answer, of which `cldoci_error_registry_code` is the first one's code;
 * of a long list the first 32 are kept. Their texts are the registry's own, with control characters escaped.
 *
 * @param error  borrowed; NULL gives 0
 * @return the number; 0 where the registry listed none, or for a bad handle
 */
size_t cldoci_error_registry_error_count(const cldoci_error *error);

/**
 * The code of an error that the registry listed, such as `MANIFEST_BLOB_UNKNOWN`; at most about 256 bytes of it.
 *
 * @param error  borrowed; NULL gives NULL
 * @param index  from 0
 * @return borrowed from `error`, UTF-8, empty where it has none; NULL beyond the last
 */
const char *cldoci_error_registry_error_code(const cldoci_error *error,
                                             size_t index,
                                             size_t *length);

/**
 * The message of an error that the registry listed, for people; at most about 256 bytes of it.
 *
 * @param error  borrowed; NULL gives NULL
 * @param index  from 0
 * @return borrowed from `error`, UTF-8, empty where it has none; NULL beyond the last
 */
const char *cldoci_error_registry_error_message(const cldoci_error *error, size_t index, size_t *length);

/**
 * The detail of an error that the registry listed: JSON of any type, in one line, whole or not at all.
 *
 * @param error  borrowed; NULL gives NULL
 * @param index  from 0
 * @return borrowed from `error`, UTF-8; NULL beyond the last, where it has none, and for one over 4096 bytes
 */
const char *cldoci_error_registry_error_detail(const cldoci_error *error, size_t index, size_t *length);

/**
 * The system's error number (`errno`) that was the reason.
 *
 * @param error  borrowed; NULL gives 0
 * @return the number; 0 where there was none, or for a bad handle
 */
int32_t cldoci_error_errno(const cldoci_error *error);

/**
 * Whether the same call may succeed later without a change.
 *
 * @param error  borrowed; NULL gives 0
 * @return 1 or 0
 */
int32_t cldoci_error_retryable(const cldoci_error *error);

/**
 * How long the registry asked to wait before the next try.
 *
 * @param error  borrowed; NULL gives -1
 * @return milliseconds; -1 where it did not say, or for a bad handle
 */
int64_t cldoci_error_retry_after_ms(const cldoci_error *error);

/**
 * Frees an error and all that was borrowed from it.
 */
cldoci_status cldoci_error_free(cldoci_error *error);

/* Versions ----------------------------------------------------------------------------------------------- */

/** The version of this header: its first number. */
#define CLDOCI_VERSION_MAJOR 0
/** Its second. */
#define CLDOCI_VERSION_MINOR 1
/** Its third. */
#define CLDOCI_VERSION_PATCH 0
/** All three, as text. */
#define CLDOCI_VERSION_STRING "0.1.0"
/** The same in one number, 0xMMNNPP, for comparisons. */
#define CLDOCI_VERSION_NUMBER 0x000100
/** Whether this header is of that version or a later one. */
#define CLDOCI_VERSION_AT_LEAST(major, minor, patch) \
  (CLDOCI_VERSION_NUMBER >= ((major) * 0x10000 + (minor) * 0x100 + (patch)))

/**
 * The binary interface's number, which is in the soname. It changes when a program that was compiled before
 * would not run right any more, and only then.
 */
#define CLDOCI_ABI_VERSION 0

/**
 * The version of the library that runs, in one number as CLDOCI_VERSION_NUMBER.
 *
 * @return the number
 */
int32_t cldoci_version_number(void);

/**
 * The version of the library that runs, as text.
 *
 * @return static text
 */
const char *cldoci_version_string(void);

/**
 * The binary interface of the library that runs. A program that loads the library at run time compares it
 * with the CLDOCI_ABI_VERSION that it was written for.
 *
 * @return the number
 */
int32_t cldoci_abi_version(void);

/**
 * The name of a feature of the library that runs: `target`, `tls`, `http`, `proxy`, `compression`, `digest`,
 * `archive_format` (docs/archive-format.md). Later versions may have more.
 *
 * @param index  from 0
 * @return static text; NULL beyond the last
 */
const char *cldoci_feature_name(size_t index);

/**
 * What a feature is: for `target` the triple that the library was built for, else what it has, separated by `, `.
 *
 * @param index  from 0
 * @return static text for people; NULL beyond the last
 */
const char *cldoci_feature_value(size_t index);

/* Progress and counters ---------------------------------------------------------------------------------- */

/** Not begun: it waits for its turn. */
#define CLDOCI_PHASE_WAITING 0
/** Finds out what to do. */
#define CLDOCI_PHASE_RESOLVING 1
/** Packs a directory. */
#define CLDOCI_PHASE_PACKING 2
/** Sends blobs. */
#define CLDOCI_PHASE_UPLOADING 3
/** Receives blobs. */
#define CLDOCI_PHASE_DOWNLOADING 4
/** Makes the result visible. */
#define CLDOCI_PHASE_PUBLISHING 5
/** Ended. */
#define CLDOCI_PHASE_DONE 6
/**
 * How far an operation is. No number ever goes back, also when a transfer is tried again.
 */
typedef struct cldoci_progress {
  /**
   * Set it to `sizeof(cldoci_progress)` before a call that fills the struct.
   */
  size_t struct_size;
  /**
   * CLDOCI_PHASE_…; a later version may have more of them.
   */
  int32_t phase;
  /**
   * Always 0.
   */
  int32_t reserved;
  /**
   * Bytes that are done.
   */
  uint64_t bytes_done;
  /**
   * Bytes in all as far as is known, never less than `bytes_done`; it can grow. 0 = not known, as while a tree is
   * packed.
   */
  uint64_t bytes_total;
  /**
   * Files, directories and links that are done.
   */
  uint64_t entries_done;
  /**
   * Entries that are known of, never less than `entries_done`: those of the directories that a build has listed,
   * or that the archive has shown to a pull. It grows as they go, and stays 0 in all other verbs.
   */
  uint64_t entries_total;
} cldoci_progress;

/**
 * What an operation cost.
 */
typedef struct cldoci_counters {
  /**
   * Set it to `sizeof(cldoci_counters)` before a call that fills the struct.
   */
  size_t struct_size;
  /**
   * HTTP requests that were sent.
   */
  uint64_t requests;
  /**
   * Bytes of request bodies that were sent.
   */
  uint64_t bytes_sent;
  /**
   * Bytes of response bodies that were received.
   */
  uint64_t bytes_received;
  /**
   * Blobs that were at the target already.
   */
  uint64_t blobs_skipped;
  /**
   * Blobs that the registry mounted from another repository.
   */
  uint64_t blobs_mounted;
  /**
   * Blobs that were sent whole.
   */
  uint64_t blobs_uploaded;
  /**
   * Requests and transfers that were tried again.
   */
  uint64_t retries;
  /**
   * Milliseconds from start to end.
   */
  uint64_t elapsed_ms;
} cldoci_counters;

/* Callbacks ---------------------------------------------------------------------------------------------- */

/**
 * Called with `user_data` once it is no longer needed, on any thread but the library's I/O threads; where options
 * for blocking verbs alone had it, on the thread that frees them or in the verb.
 */
typedef void (*cldoci_finalizer)(void *user_data);

/**
 * Called from time to time while an operation runs, and once when it has ended, unless it was cancelled.
 * `progress` lives for the time of the call. Return 0 to go on, anything else to cancel.
 */
typedef int32_t (*cldoci_progress_callback)(const cldoci_progress *progress, void *user_data);

/** A verb failed. */
#define CLDOCI_LOG_ERROR 1
/** Something is wrong, but the verb goes on. */
#define CLDOCI_LOG_WARNING 2
/** A verb begins or ends. */
#define CLDOCI_LOG_INFO 3
/** One request to a registry. */
#define CLDOCI_LOG_DEBUG 4
/**
 * Takes one line of the log, without a newline at its end; `line` lives for the time of the call.
 */
typedef void (*cldoci_log_callback)(int32_t level, const char *line, void *user_data);

/** What a credential is for: to be known to the registry, and nothing of a repository. */
#define CLDOCI_ACTION_IDENTIFY 0
/** To read a repository. */
#define CLDOCI_ACTION_PULL 1
/** To write to a repository, and to read it. */
#define CLDOCI_ACTION_PUSH 2
/** To delete from a repository, and to write to it and read it. */
#define CLDOCI_ACTION_DELETE 3
/**
 * Gives the credential of a repository, once its registry has demanded one. Fill in `credential`
 * (`cldoci_credential_set_basic` and its like; it lives for the time of the call) and return 1, or return 0 for
 * none, so that the next source is asked; a negative number ends the operation with CLDOCI_ERROR_CREDENTIALS,
 * whose message `cldoci_credential_set_failure` completes. `cldoci_credential_action` says what the credential is
 * for. It is kept until the registry refuses it.
 */
typedef int32_t (*cldoci_credential_callback)(const char *registry,
                                              const char *repository,
                                              cldoci_credential *credential,
                                              void *user_data);

/**
 * What the credential is for. A callback that calls this is asked once for each action of a repository, one that
 * does not once for all of them: the first answer serves the others.
 *
 * @param credential  borrowed, not NULL: what the callback was given
 * @return CLDOCI_ACTION_…, later versions may have more; CLDOCI_ERROR_HANDLE for a bad handle
 * Threads: the callback's own, while it runs.
 */
int32_t cldoci_credential_action(const cldoci_credential *credential);

/**
 * Fills in a user name with a password or an access token.
 *
 * @param credential  borrowed, not NULL: what the callback was given
 * @param username    borrowed, not NULL, UTF-8; copied
 * @param password    borrowed, not NULL, UTF-8; copied, and wiped when it is not needed any more
 * @return CLDOCI_OK, or what is wrong; the message never holds a secret
 * Threads: the callback's own, while it runs.
 */
cldoci_status cldoci_credential_set_basic(cldoci_credential *credential,
                                          const char *username,
                                          const char *password,
                                          cldoci_error **error);

/**
 * Fills in an OAuth2 refresh token, as `docker login` of some registries gives it.
 *
 * @param credential  borrowed, not NULL: what the callback was given
 * @param username    borrowed, may be NULL, UTF-8; copied: for servers that know only basic authentication
 * @param token       borrowed, not NULL, UTF-8; copied, and wiped when it is not needed any more
 * @return CLDOCI_OK, or what is wrong; the message never holds a secret
 * Threads: the callback's own, while it runs.
 */
cldoci_status cldoci_credential_set_identity_token(cldoci_credential *credential,
                                                   const char *username,
                                                   const char *token,
                                                   cldoci_error **error);

/**
 * Fills in a bearer token that is sent as it is.
 *
 * @param credential  borrowed, not NULL: what the callback was given
 * @param token       borrowed, not NULL, UTF-8; copied, and wiped when it is not needed any more
 * @return CLDOCI_OK, or what is wrong; the message never holds a secret
 * Threads: the callback's own, while it runs.
 */
cldoci_status cldoci_credential_set_registry_token(cldoci_credential *credential,
                                                   const char *token,
                                                   cldoci_error **error);

/**
 * Says why there is no credential, for the message of the error that the callback's negative number makes.
 *
 * @param credential  borrowed, not NULL: what the callback was given
 * @param message     borrowed, not NULL, UTF-8; copied: one line for a person, without a secret
 * @return CLDOCI_OK, or what is wrong
 * Threads: the callback's own, while it runs.
 */
cldoci_status cldoci_credential_set_failure(cldoci_credential *credential,
                                            const char *message,
                                            cldoci_error **error);

/* Options ------------------------------------------------------------------------------------------------ */

/**
 * Empty options: every option keeps the value of the client, the environment or the default.
 *
 * @param options  out, not NULL: set to NULL, on success to options that you free
 * @return CLDOCI_OK, or why they could not be made
 */
cldoci_status cldoci_options_new(cldoci_options **options, cldoci_error **error);

/**
 * Sets an option by its name, from text. Lists and pairs (`KEY=VALUE`) grow when they are set again, all
 * else is replaced. `cldoci_option_name` and its like list the options there are.
 *
 * @param options  borrowed, not NULL
 * @param name     borrowed, not NULL, UTF-8; copied
 * @param value    borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT: the message lists the known names or values, and never holds
 *         a secret
 */
cldoci_status cldoci_options_set(cldoci_options *options,
                                 const char *name,
                                 const char *value,
                                 cldoci_error **error);

/**
 * Sets one pair of an option that holds pairs, such as `annotation`; the key may hold a `=`.
 *
 * @param options  borrowed, not NULL
 * @param name     borrowed, not NULL, UTF-8; copied
 * @param key      borrowed, not NULL, UTF-8; copied
 * @param value    borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says what is wrong
 */
cldoci_status cldoci_options_set_pair(cldoci_options *options,
                                      const char *name,
                                      const char *key,
                                      const char *value,
                                      cldoci_error **error);

/**
 * Sets an option of one registry host: `username`, `password`, `identity_token`, `registry_token`,
 * `insecure`, `plain_http`, `host_ca_file`, `client_cert`, `client_key`, `header`. They belong
 * to a client.
 *
 * @param options  borrowed, not NULL
 * @param host     borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
 * @param name     borrowed, not NULL, UTF-8; copied
 * @param value    borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT: the message never holds a secret
 */
cldoci_status cldoci_options_set_host(cldoci_options *options,
                                      const char *host,
                                      const char *name,
                                      const char *value,
                                      cldoci_error **error);

/**
 * A function that receives the progress of the operations that these options are given to (those of a
 * client: all of its operations). It is called about ten times a second and once at the end, one call at a
 * time: of a blocking verb on the thread that calls it, else on one that only runs callbacks. When it blocks,
 * nothing but its own operation's end waits for it. Non-zero from it cancels the operation.
 *
 * It may cancel and free its own operation and start others; waiting for its own operation is
 * CLDOCI_ERROR_REENTRANT. It must not unwind (C++ exceptions, longjmp): that ends the process. When an
 * operation has ended, no call runs and none will.
 *
 * @param options    borrowed, not NULL
 * @param callback   the function; NULL takes it away
 * @param user_data  may be NULL; passed to the callback, never followed
 * @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
 *                   also when this call fails
 * @return CLDOCI_OK, or why it could not be set
 */
cldoci_status cldoci_options_set_progress_callback(cldoci_options *options,
                                                   cldoci_progress_callback callback,
                                                   void *user_data,
                                                   cldoci_finalizer finalizer,
                                                   cldoci_error **error);

/**
 * A function that is asked for credentials, after those that the options of a host give and before docker's
 * and podman's files and helpers. It belongs to a client. For a blocking verb it is called on the thread that
 * calls the verb, which comes back when the callback has; else on one that only runs callbacks. Several may call
 * it at once. It must not unwind.
 *
 * It may cancel and free operations and start others; waiting for an operation of its own client, which may wait
 * for the callback, is CLDOCI_ERROR_REENTRANT, as are that client's blocking verbs: another client is free to.
 *
 * @param options    borrowed, not NULL
 * @param callback   the function; NULL takes it away
 * @param user_data  may be NULL; passed to the callback, never followed
 * @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
 *                   also when this call fails
 * @return CLDOCI_OK, or why it could not be set
 */
cldoci_status cldoci_options_set_credential_callback(cldoci_options *options,
                                                     cldoci_credential_callback callback,
                                                     void *user_data,
                                                     cldoci_finalizer finalizer,
                                                     cldoci_error **error);

/**
 * A function that takes the log of the operations that these options are given to (those of a client: all
 * of its operations). The lines of a blocking verb come on the thread that calls it, all before it comes back;
 * those of operations on a thread that only runs callbacks, one at a time, some after their operation has ended.
 * Lines are left out when it is slow. No line holds a secret. It must not unwind.
 *
 * @param options    borrowed, not NULL
 * @param level      CLDOCI_LOG_…: the last level that is wanted
 * @param callback   the function; NULL takes it away
 * @param user_data  may be NULL; passed to the callback, never followed
 * @param finalizer  may be NULL; called once with `user_data` when nothing can call the callback any more,
 *                   also when this call fails
 * @return CLDOCI_OK, or why it could not be set
 */
cldoci_status cldoci_options_set_log_callback(cldoci_options *options,
                                              int32_t level,
                                              cldoci_log_callback callback,
                                              void *user_data,
                                              cldoci_finalizer finalizer,
                                              cldoci_error **error);

/**
 * Frees options. Clients and operations that they were given to keep their copies.
 */
cldoci_status cldoci_options_free(cldoci_options *options);

/** `default` of `cldoci_options_set_credentials`. */
#define CLDOCI_CREDENTIALS_DEFAULT 0
/** `explicit` of `cldoci_options_set_credentials`. */
#define CLDOCI_CREDENTIALS_EXPLICIT 1
/** `anonymous` of `cldoci_options_set_credentials`. */
#define CLDOCI_CREDENTIALS_ANONYMOUS 2
/** `kind` of `cldoci_options_set_profile`. */
#define CLDOCI_PROFILE_KIND 0
/** `cldctl` of `cldoci_options_set_profile`. */
#define CLDOCI_PROFILE_CLDCTL 1
/** `vcs` of `cldoci_options_set_profile`. */
#define CLDOCI_PROFILE_VCS 2
/** `none` of `cldoci_options_set_profile`. */
#define CLDOCI_PROFILE_NONE 3
/** `error` of `cldoci_options_set_links`. */
#define CLDOCI_LINKS_ERROR 0
/** `skip` of `cldoci_options_set_links`. */
#define CLDOCI_LINKS_SKIP 1
/** `follow` of `cldoci_options_set_links`. */
#define CLDOCI_LINKS_FOLLOW 2
/** `warn` of `cldoci_options_set_case_collisions`. */
#define CLDOCI_CASE_COLLISIONS_WARN 0
/** `error` of `cldoci_options_set_case_collisions`. */
#define CLDOCI_CASE_COLLISIONS_ERROR 1
/** `ignore` of `cldoci_options_set_case_collisions`. */
#define CLDOCI_CASE_COLLISIONS_IGNORE 2
/** `refuse` of `cldoci_options_set_existing`. */
#define CLDOCI_EXISTING_REFUSE 0
/** `merge` of `cldoci_options_set_existing`. */
#define CLDOCI_EXISTING_MERGE 1
/** `replace` of `cldoci_options_set_existing`. */
#define CLDOCI_EXISTING_REPLACE 2
/** `refuse` of `cldoci_options_set_special_entries`. */
#define CLDOCI_SPECIAL_ENTRIES_REFUSE 0
/** `skip` of `cldoci_options_set_special_entries`. */
#define CLDOCI_SPECIAL_ENTRIES_SKIP 1
/** `refuse` of `cldoci_options_set_duplicates`. */
#define CLDOCI_DUPLICATES_REFUSE 0
/** `last_wins` of `cldoci_options_set_duplicates`. */
#define CLDOCI_DUPLICATES_LAST_WINS 1
/** `default` of `cldoci_options_set_other_layers`. */
#define CLDOCI_OTHER_LAYERS_DEFAULT 0
/** `refuse` of `cldoci_options_set_other_layers`. */
#define CLDOCI_OTHER_LAYERS_REFUSE 1
/** `skip` of `cldoci_options_set_other_layers`. */
#define CLDOCI_OTHER_LAYERS_SKIP 2
/** `file` of `cldoci_options_set_other_layers`. */
#define CLDOCI_OTHER_LAYERS_FILE 3
/**
 * Directory of the store; 'off' = none; empty = $XDG_CACHE_HOME/cldoci, else ~/.cache/cldoci, else a private
 * temporary directory. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_options_set_store(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * The store is trimmed to this many bytes, oldest first. Belongs to a client. Default: 10737418240.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_store_max_bytes(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Blobs and records of the store not used for this many seconds are removed. Belongs to a client. Default:
 * 2592000.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_store_max_age_s(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Keep pulled blobs in the store and take them from it. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_cache(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Deadline of a whole call in milliseconds; 0 = none. Belongs to a client or a call. Default: 0.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_timeout_ms(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Transfers of one call at once: blobs, and ranges of large ones. Belongs to a client or a call. Default: 4.
 *
 * @param value  the number, from 1 to 64
 */
cldoci_status cldoci_options_set_parallel(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Connections that one large blob may come over, within parallel, where one is slow and the server takes
 * Range (not over HTTP/2); 1 = one. Belongs to a client or a call. Default: 4.
 *
 * @param value  the number, from 1 to 6
 */
cldoci_status cldoci_options_set_ranges(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Bytes a second of one connection below which a large blob is asked for in ranges; 0 = never. Belongs to a
 * client or a call. Default: 8388608.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_ranges_below(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * A large layer that would come within these milliseconds, at the rate of its first bytes, is not written to
 * the store meanwhile: if it is interrupted, the next pull begins it anew; 0 = all are. Belongs to a client
 * or a call. Default: 1000.
 *
 * @param value  the number, from 0 to 86400000
 */
cldoci_status cldoci_options_set_resume_after_ms(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Threads that compress and inflate; 0 = one for each core. Belongs to a client or a call. Default: 0.
 *
 * @param value  the number, from 0 to 256
 */
cldoci_status cldoci_options_set_threads(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * How often one request is tried again. Belongs to a client or a call. Default: 5.
 *
 * @param value  the number, from 0 to 100
 */
cldoci_status cldoci_options_set_retries(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * How long a registry is waited for that is gone in the middle of a transfer (refuses connections, or a
 * gateway says 502, 503 or 504 for it); 0 = as for a first contact, and so where retries is 0. Belongs to a
 * client or a call. Default: 30000.
 *
 * @param value  the number, from 0 to 86400000
 */
cldoci_status cldoci_options_set_retry_window_ms(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Time for a connection, TLS included. Belongs to a client. Default: 10000.
 *
 * @param value  the number, from 1 to 86400000
 */
cldoci_status cldoci_options_set_connect_timeout_ms(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);

/**
 * Time for the head of an answer. Belongs to a client. Default: 60000.
 *
 * @param value  the number, from 1 to 86400000
 */
cldoci_status cldoci_options_set_header_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);

/**
 * Time for the answer to an upload's commit, which scanners delay. Belongs to a client. Default: 600000.
 *
 * @param value  the number, from 1 to 86400000
 */
cldoci_status cldoci_options_set_commit_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);

/**
 * Least bytes a second of a body; 0 = any. Belongs to a client. Default: 1024.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_min_rate(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * The time over which min_rate is measured. Belongs to a client. Default: 60000.
 *
 * @param value  the number, from 100 to 86400000
 */
cldoci_status cldoci_options_set_min_rate_window_ms(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);

/**
 * User-Agent header; empty = cldoci/VERSION. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_user_agent(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Proxy URL; empty = from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; 'off' = none; one of https is
 * verified by ca_file and the system's authorities alone. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_proxy(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * PEM file of certificate authorities trusted beside the system's, or beside those of SSL_CERT_FILE and
 * SSL_CERT_DIR. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_options_set_ca_file(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Directory of such PEM files (*.crt, *.pem). Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_options_set_ca_dir(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Directories that have one for a host, named HOST or HOST:PORT, with its authorities (*.crt), client
 * certificates (*.cert) and their keys (*.key); the first that has the host's counts; 'default' = podman's
 * and docker's: certs.d in ~/.config/containers, /etc/containers, ~/.config/docker and /etc/docker. Belongs
 * to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_certs_dirs(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Hosts (HOST or HOST:PORT) spoken to over plain HTTP. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_plain_http_hosts(cldoci_options *options,
                                                  const char *value,
                                                  cldoci_error **error);

/**
 * The only other hosts that may issue tokens; empty = any public https host. Belongs to a client. Default:
 * empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_token_hosts(cldoci_options *options,
                                             const char *value,
                                             cldoci_error **error);

/**
 * File as containers' registries.conf, by which repositories are read at mirrors or elsewhere, or blocked;
 * 'default' = podman's: ~/.config/containers/registries.conf, else /etc/containers/registries.conf, with the
 * files of registries.conf.d. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_options_set_registries_conf(cldoci_options *options,
                                                 const char *value,
                                                 cldoci_error **error);

/**
 * A tag means what the first mirror says that has it; false = mirrors are asked for digests alone. Belongs
 * to a client or a call. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_tags_from_mirrors(cldoci_options *options,
                                                   int32_t value,
                                                   cldoci_error **error);

/**
 * Storage (HOST or HOST:PORT) that a registry may send the reads of blobs to though it has a private address
 * or speaks plain http; no credential goes there. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_download_hosts(cldoci_options *options,
                                                const char *value,
                                                cldoci_error **error);

/**
 * Other hosts that an upload may be sent to. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_upload_hosts(cldoci_options *options,
                                              const char *value,
                                              cldoci_error **error);

/**
 * Read the environment (proxies, credential files, SSL_CERT_FILE, SSL_CERT_DIR, CLDOCI_*). Belongs to a
 * client. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_environment(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Default = explicit ones, then docker's and podman's files and helpers; explicit = those given here only;
 * anonymous = none. Belongs to a client. Default: CLDOCI_CREDENTIALS_DEFAULT.
 *
 * @param value  CLDOCI_CREDENTIALS_…
 */
cldoci_status cldoci_options_set_credentials(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Time for a credential helper. Belongs to a client. Default: 30000.
 *
 * @param value  the number, from 1 to 86400000
 */
cldoci_status cldoci_options_set_helper_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);

/**
 * Largest manifest or index. Belongs to a client or a call. Default: 8388608.
 *
 * @param value  the number, from 1024 to 1073741824
 */
cldoci_status cldoci_options_set_max_manifest_bytes(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);

/**
 * Memory that the manifests and lists of all calls have together, beyond the first MiB of each; who finds
 * none left waits. Belongs to a client or a call. Default: 16777216.
 *
 * @param value  the number, from 1048576 to 1099511627776
 */
cldoci_status cldoci_options_set_max_documents_bytes(cldoci_options *options,
                                                     int64_t value,
                                                     cldoci_error **error);

/**
 * Most layers of a manifest or manifests of an index. Belongs to a client or a call. Default: 10000.
 *
 * @param value  the number, from 1 to 16777216
 */
cldoci_status cldoci_options_set_max_descriptors(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Most pages of a list. Belongs to a client or a call. Default: 10000.
 *
 * @param value  the number, at least 1
 */
cldoci_status cldoci_options_set_max_pages(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Largest config blob. Belongs to a client or a call. Default: 8388608.
 *
 * @param value  the number, from 1 to 1073741824
 */
cldoci_status cldoci_options_set_max_config_bytes(cldoci_options *options,
                                                  int64_t value,
                                                  cldoci_error **error);

/**
 * Most bytes that one layer may unpack to. Belongs to a client or a call. Default: 68719476736.
 *
 * @param value  the number, at least 1
 */
cldoci_status cldoci_options_set_max_unpacked_bytes(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);

/**
 * Most entries of one layer. Belongs to a client or a call. Default: 5000000.
 *
 * @param value  the number, at least 1
 */
cldoci_status cldoci_options_set_max_entries(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Deepest nesting of directories in a layer. Belongs to a client or a call. Default: 256.
 *
 * @param value  the number, from 1 to 100000
 */
cldoci_status cldoci_options_set_max_depth(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Longest path in a layer. Belongs to a client or a call. Default: 4096.
 *
 * @param value  the number, from 1 to 1048576
 */
cldoci_status cldoci_options_set_max_path_bytes(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Largest window of a layer's zstd stream, which is held in memory beside all else. Belongs to a client or a
 * call. Default: 33554432.
 *
 * @param value  the number, from 1024 to 104857600
 */
cldoci_status cldoci_options_set_max_zstd_window_bytes(cldoci_options *options,
                                                       int64_t value,
                                                       cldoci_error **error);

/**
 * Longest target of a symbolic link. Belongs to a client or a call. Default: 4095.
 *
 * @param value  the number, from 1 to 4095
 */
cldoci_status cldoci_options_set_max_link_bytes(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Build: the config's media type for a custom kind; empty = the kind's. Belongs to a call. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_config_media_type(cldoci_options *options,
                                                   const char *value,
                                                   cldoci_error **error);

/**
 * Build: the layer's media type for a custom kind; empty = the kind's. Belongs to a call. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_layer_media_type(cldoci_options *options,
                                                  const char *value,
                                                  cldoci_error **error);

/**
 * Build: an annotation of the manifest. Belongs to a call. Default: empty.
 *
 * @param key    borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied. Another key adds to it
 */
cldoci_status cldoci_options_set_annotation(cldoci_options *options,
                                            const char *key,
                                            const char *value,
                                            cldoci_error **error);

/**
 * Build: an annotation of the layer's descriptor. Belongs to a call. Default: empty.
 *
 * @param key    borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied. Another key adds to it
 */
cldoci_status cldoci_options_set_layer_annotation(cldoci_options *options,
                                                  const char *key,
                                                  const char *value,
                                                  cldoci_error **error);

/**
 * Build: which entries are left out before .cldignore is asked; kind = as the kind has it. Belongs to a
 * client or a call. Default: CLDOCI_PROFILE_KIND.
 *
 * @param value  CLDOCI_PROFILE_…
 */
cldoci_status cldoci_options_set_profile(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Build: symbolic links that leave the tree or dangle. Belongs to a client or a call. Default:
 * CLDOCI_LINKS_ERROR.
 *
 * @param value  CLDOCI_LINKS_…
 */
cldoci_status cldoci_options_set_links(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Build: names that are equal but for case, which other systems can't tell apart. Belongs to a client or a
 * call. Default: CLDOCI_CASE_COLLISIONS_WARN.
 *
 * @param value  CLDOCI_CASE_COLLISIONS_…
 */
cldoci_status cldoci_options_set_case_collisions(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);

/**
 * Build: the modification time of every entry, in seconds; SOURCE_DATE_EPOCH in the environment. Belongs to
 * a client or a call. Default: 0.
 *
 * @param value  the number, from 0 to 8589934591
 */
cldoci_status cldoci_options_set_source_date_epoch(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);

/**
 * Build: put the layer's digest into an empty sourceHash of the config. Belongs to a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_fill_source_hash(cldoci_options *options,
                                                  int32_t value,
                                                  cldoci_error **error);

/**
 * Build: keep the layer in the store, and take it again, without reading a file of the tree, while every
 * path, every link and every file's device, inode, mode, size, mtime and ctime are as they were; a tree that
 * was changed in the last seconds before a build is not remembered; a write through a memory map, or a clock
 * that was set back, can go unseen. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_reuse_unchanged(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);

/**
 * Build: annotate a layer of several blocks with where they begin, so that a pull unpacks them on several
 * threads. Belongs to a client or a call. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_block_annotation(cldoci_options *options,
                                                  int32_t value,
                                                  cldoci_error **error);

/**
 * Build: paths, relative to the directory, that are left out (a layout inside the tree, say). Belongs to a
 * call. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_leave_out(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Push: repositories of the same registry to mount blobs from. Belongs to a call. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_mount_from(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Copy: take referrers along. Belongs to a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_recursive(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Copy: take tags along that name what is copied by its digest, as sha256-HEX.sig, .att, .sbom or .imgpkg.
 * Belongs to a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_digest_tags(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: what to do with a destination that is not empty. Belongs to a call. Default: CLDOCI_EXISTING_REFUSE.
 *
 * @param value  CLDOCI_EXISTING_…
 */
cldoci_status cldoci_options_set_existing(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull and inspect: get the config too, which costs one request; without it cldoci_artifact_config gives
 * NULL. Belongs to a client or a call. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_fetch_config(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: what was published survives a loss of power. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_durable(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: set the archive's modification times. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_preserve_mtime(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: a destination that is a symbolic link is followed. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_follow_destination(cldoci_options *options,
                                                    int32_t value,
                                                    cldoci_error **error);

/**
 * Pull: devices, FIFOs and links that leave the destination. Belongs to a client or a call. Default:
 * CLDOCI_SPECIAL_ENTRIES_REFUSE.
 *
 * @param value  CLDOCI_SPECIAL_ENTRIES_…
 */
cldoci_status cldoci_options_set_special_entries(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);

/**
 * Pull: a name that is in one layer twice. Belongs to a client or a call. Default: CLDOCI_DUPLICATES_REFUSE.
 *
 * @param value  CLDOCI_DUPLICATES_…
 */
cldoci_status cldoci_options_set_duplicates(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: take an absolute name as one below the destination. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_strip_leading_slash(cldoci_options *options,
                                                     int32_t value,
                                                     cldoci_error **error);

/**
 * Pull: accept a layer without the end-of-archive blocks, or without the padding before them. Belongs to a
 * client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_lenient_end(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: layers that are neither titled files nor archives; skip leaves them out with a warning where
 * something else is published, file names them by their digest; default = refuse for component, datacenter
 * and module and with existing=merge or replace, else skip. Belongs to a client or a call. Default:
 * CLDOCI_OTHER_LAYERS_DEFAULT.
 *
 * @param value  CLDOCI_OTHER_LAYERS_…
 */
cldoci_status cldoci_options_set_other_layers(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Which manifest of an index is meant: os/architecture[/variant]. Belongs to a client or a call. Default:
 * linux/amd64.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_platform(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * List_tags: also the tags ALGORITHM-HEX, under which registries without a referrers API have a manifest's
 * referrers. Belongs to a client or a call. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_fallback_tags(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Referrers: only those of this artifact type. Belongs to a call. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_artifact_type(cldoci_options *options,
                                               const char *value,
                                               cldoci_error **error);

/**
 * How many options there are.
 *
 * @return the number
 */
size_t cldoci_option_count(void);

/**
 * The name of an option, as `cldoci_options_set` takes it. In the environment it is `CLDOCI_<NAME>`.
 *
 * @param index  from 0
 * @return static text; NULL beyond the last
 */
const char *cldoci_option_name(size_t index);

/**
 * The type of an option: `bool`, `int`, `text`, `path`, `list`, `choice`, `secret` or `pairs`.
 *
 * @param index  from 0
 * @return static text; NULL beyond the last
 */
const char *cldoci_option_type(size_t index);

/**
 * Where an option may be given: `client`, `call`, `both`, or `host` (`cldoci_options_set_host`).
 *
 * @param index  from 0
 * @return static text; NULL beyond the last
 */
const char *cldoci_option_scope(size_t index);

/**
 * The values that an option may have: words with commas between, or a range of numbers such as `1..64`.
 *
 * @param index  from 0
 * @return static text, empty for free text; NULL beyond the last
 */
const char *cldoci_option_values(size_t index);

/**
 * The default of an option, as text.
 *
 * @param index  from 0
 * @return static text; NULL beyond the last
 */
const char *cldoci_option_default(size_t index);

/**
 * What an option does, in one line.
 *
 * @param index  from 0
 * @return static text; NULL beyond the last
 */
const char *cldoci_option_help(size_t index);

/* References --------------------------------------------------------------------------------------------- */

/**
 * Reads a reference: `registry/repository[:tag][@digest]`, such as `ghcr.io/org/app:v1`, or a local OCI
 * image layout, `ocidir://PATH[:TAG][@DIGEST]`.
 *
 * Without a registry it is Docker Hub (`nginx` is `docker.io/library/nginx:latest`); without tag and digest
 * a registry reference has the tag `latest`. In `ocidir://` nothing is percent-decoded, and the tag is what
 * follows the last `:` after the last `/`. Nothing is asked of a registry or of the file system.
 *
 * @param string     borrowed, not NULL, UTF-8; copied
 * @param reference  out, not NULL: set to NULL, on success to a reference that you free
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
 */
cldoci_status cldoci_reference_parse(const char *string, cldoci_reference **reference, cldoci_error **error);

/**
 * A reference to a local OCI image layout from its parts, for what the string form cannot say: a path with
 * a `:` in its last name, a path that is not UTF-8.
 *
 * @param directory  borrowed, not NULL, any bytes; copied
 * @param tag        borrowed, may be NULL, UTF-8: without a tag the layout's only manifest is meant, else `latest`
 * @param digest     borrowed, may be NULL, UTF-8
 * @param reference  out, not NULL: set to NULL, on success to a reference that you free
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
 */
cldoci_status cldoci_reference_layout(const char *directory,
                                      const char *tag,
                                      const char *digest,
                                      cldoci_reference **reference,
                                      cldoci_error **error);

/**
 * A reference to a registry from its parts.
 *
 * @param registry    borrowed, not NULL, UTF-8: a host with or without a port; copied
 * @param repository  borrowed, not NULL, UTF-8; copied
 * @param tag         borrowed, may be NULL, UTF-8: without tag and digest it is `latest`
 * @param digest      borrowed, may be NULL, UTF-8
 * @param reference   out, not NULL: set to NULL, on success to a reference that you free
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
 */
cldoci_status cldoci_reference_from_parts(const char *registry,
                                          const char *repository,
                                          const char *tag,
                                          const char *digest,
                                          cldoci_reference **reference,
                                          cldoci_error **error);

/**
 * The same repository or layout with another tag or digest.
 *
 * @param of         borrowed, not NULL: where the repository or the layout comes from
 * @param tag        borrowed, may be NULL, UTF-8
 * @param digest     borrowed, may be NULL, UTF-8; without both it is what a reference without them means
 * @param reference  out, not NULL: set to NULL, on success to a reference that you free
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
 */
cldoci_status cldoci_reference_with(const cldoci_reference *of,
                                    const char *tag,
                                    const char *digest,
                                    cldoci_reference **reference,
                                    cldoci_error **error);

/**
 * The whole reference as text, in its full form.
 *
 * @param reference  borrowed, not NULL
 * @return borrowed from `reference`; NULL for a bad handle
 */
const char *cldoci_reference_string(const cldoci_reference *reference, size_t *length);

/**
 * The registry: host and, where it was given, port. Docker Hub is `docker.io` in every spelling.
 *
 * @param reference  borrowed, not NULL
 * @return borrowed from `reference`; NULL for a layout
 */
const char *cldoci_reference_registry(const cldoci_reference *reference, size_t *length);

/**
 * The repository's whole name, such as `library/nginx`.
 *
 * @param reference  borrowed, not NULL
 * @return borrowed from `reference`; NULL for a layout
 */
const char *cldoci_reference_repository(const cldoci_reference *reference, size_t *length);

/**
 * The directory of a layout. Its bytes are the file system's and need not be UTF-8.
 *
 * @param reference  borrowed, not NULL
 * @return borrowed from `reference`; NULL for a registry
 */
const char *cldoci_reference_path(const cldoci_reference *reference, size_t *length);

/**
 * The tag that the reference names.
 *
 * @param reference  borrowed, not NULL
 * @return borrowed from `reference`; NULL where there is none
 */
const char *cldoci_reference_tag(const cldoci_reference *reference, size_t *length);

/**
 * The digest as it was written. A verb that needs it demands a whole one.
 *
 * @param reference  borrowed, not NULL
 * @return borrowed from `reference`; NULL where there is none
 */
const char *cldoci_reference_digest(const cldoci_reference *reference, size_t *length);

/**
 * Frees a reference and all that was borrowed from it. Operations that were started with it go on.
 */
cldoci_status cldoci_reference_free(cldoci_reference *reference);

/* The client and its verbs ------------------------------------------------------------------------------- */

/**
 * A client. Its settings are fixed here, and the environment is read here and not later; nothing is
 * connected and no thread is started. One client serves any number of calls and threads, and keeps its
 * connections between them.
 *
 * Where the options have no log callback, the environment variable CLDOCI_LOG (`error`, `warn`, `info` or `debug`) sends
 * lines of that level and below to standard error, but never in a set-user-ID process.
 *
 * @param options  borrowed, may be NULL: all defaults; copied
 * @param client   out, not NULL: set to NULL, on success to a client that you free
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT where an option or a variable of the environment is not
 *         usable
 */
cldoci_status cldoci_client_new(const cldoci_options *options,
                                cldoci_client **client,
                                cldoci_error **error);

/**
 * Frees a client. Never waits: operations under way go on, and the library's threads end soon after the
 * last client and operation.
 */
cldoci_status cldoci_client_free(cldoci_client *client);

/**
 * Builds a directory into an artifact: a deterministic tar+gzip layer, the config, an OCI image manifest.
 * The same tree and options give the same digest everywhere. Nothing is sent; the layer lies in the store
 * as long as the artifact lives.
 *
 * The result has the artifact, the digest, and what was left out and why.
 *
 * @param directory      borrowed, not NULL, a path of any bytes; copied
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
 *                       type of your own
 * @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
 * @param config_size    how many bytes
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_build(const cldoci_client *client,
                           const char *directory,
                           const char *artifact_type,
                           const uint8_t *config,
                           size_t config_size,
                           const cldoci_options *options,
                           cldoci_result **result,
                           cldoci_error **error);

/**
 * Starts `cldoci_build` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_build_start(const cldoci_client *client,
                                 const char *directory,
                                 const char *artifact_type,
                                 const uint8_t *config,
                                 size_t config_size,
                                 const cldoci_options *options,
                                 cldoci_operation **operation,
                                 cldoci_error **error);

/**
 * Builds a directory and pushes the artifact, in one pass where the registry allows it: the layer is sent
 * while it is packed, so that nothing is spooled, and building and sending overlap. It is sent without being
 * asked for before: where it is often there already, `cldoci_build` and `cldoci_push` are better apart. A
 * layout, a reference with a digest, a registry that takes no body without a length, and the option
 * `reuse_unchanged` get a build and then a push.
 *
 * The result has the artifact, the digest, what was left out and why, counters and warnings.
 *
 * @param directory      borrowed, not NULL, a path of any bytes; copied
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
 *                       type of your own
 * @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
 * @param config_size    how many bytes
 * @param reference      borrowed, not NULL: where it is to be
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_build_and_push(const cldoci_client *client,
                                    const char *directory,
                                    const char *artifact_type,
                                    const uint8_t *config,
                                    size_t config_size,
                                    const cldoci_reference *reference,
                                    const cldoci_options *options,
                                    cldoci_result **result,
                                    cldoci_error **error);

/**
 * Starts `cldoci_build_and_push` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_build_and_push_start(const cldoci_client *client,
                                          const char *directory,
                                          const char *artifact_type,
                                          const uint8_t *config,
                                          size_t config_size,
                                          const cldoci_reference *reference,
                                          const cldoci_options *options,
                                          cldoci_operation **operation,
                                          cldoci_error **error);

/**
 * Pushes an artifact to a registry or a layout. Blobs that are there are skipped, mountable ones are
 * mounted, the manifest goes last: the tag points to the old artifact or to the whole new one.
 *
 * The result has the digest, counters and warnings.
 *
 * @param artifact   borrowed, not NULL
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_push(const cldoci_client *client,
                          const cldoci_artifact *artifact,
                          const cldoci_reference *reference,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);

/**
 * Starts `cldoci_push` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_push_start(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                const cldoci_reference *reference,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);

/**
 * Pulls an artifact into a directory, all or nothing: every size and digest is verified before anything
 * appears. An absent or empty destination is published at once; what happens to another is the option
 * `existing`. A destination that holds this artifact already costs one request and is not touched.
 *
 * The result has the artifact, the digest, counters and warnings.
 *
 * @param reference    borrowed, not NULL
 * @param destination  borrowed, not NULL, a path of any bytes; copied
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_pull(const cldoci_client *client,
                          const cldoci_reference *reference,
                          const char *destination,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);

/**
 * Starts `cldoci_pull` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_pull_start(const cldoci_client *client,
                                const cldoci_reference *reference,
                                const char *destination,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);

/**
 * Gives the artifact at `source` the name `target` too: the same manifest bytes. In one repository no blob
 * is sent; across repositories they are mounted, across registries copied. The result has the digest.
 *
 * @param source   borrowed, not NULL: where it is
 * @param target   borrowed, not NULL: where it is to be
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_tag(const cldoci_client *client,
                         const cldoci_reference *source,
                         const cldoci_reference *target,
                         const cldoci_options *options,
                         cldoci_result **result,
                         cldoci_error **error);

/**
 * Starts `cldoci_tag` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_tag_start(const cldoci_client *client,
                               const cldoci_reference *source,
                               const cldoci_reference *target,
                               const cldoci_options *options,
                               cldoci_operation **operation,
                               cldoci_error **error);

/**
 * Copies an artifact, or an index with all it lists, from one place to another; blobs that are there are
 * skipped. The result has the digest.
 *
 * @param source   borrowed, not NULL: where it is
 * @param target   borrowed, not NULL: where it is to be
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_copy(const cldoci_client *client,
                          const cldoci_reference *source,
                          const cldoci_reference *target,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);

/**
 * Starts `cldoci_copy` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_copy_start(const cldoci_client *client,
                                const cldoci_reference *source,
                                const cldoci_reference *target,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);

/**
 * Pushes an artifact that refers to the one at `subject`, beside it in the same repository: a signature, a
 * list of materials. The result has the artifact as it was pushed and its digest.
 *
 * @param artifact  borrowed, not NULL
 * @param subject   borrowed, not NULL: what it refers to
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_attach(const cldoci_client *client,
                            const cldoci_artifact *artifact,
                            const cldoci_reference *subject,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_attach` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_attach_start(const cldoci_client *client,
                                  const cldoci_artifact *artifact,
                                  const cldoci_reference *subject,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/**
 * Deletes a tag, or, for a reference with a digest, a manifest with all its tags.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_delete(const cldoci_client *client,
                            const cldoci_reference *reference,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_delete` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_delete_start(const cldoci_client *client,
                                  const cldoci_reference *reference,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/**
 * Removes from a layout the blobs that no tag and no manifest in it leads to; what was deleted or replaced
 * stays until then. Waits until nobody adds to the layout, so a push beside it loses nothing. The result's
 * size is the bytes that were freed. CLDOCI_ERROR_UNSUPPORTED for a registry, which collects its own.
 *
 * @param reference  borrowed, not NULL: any of the layout (ocidir://PATH); its tag and digest don't matter
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_collect_garbage(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_result **result,
                                     cldoci_error **error);

/**
 * Starts `cldoci_collect_garbage` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_collect_garbage_start(const cldoci_client *client,
                                           const cldoci_reference *reference,
                                           const cldoci_options *options,
                                           cldoci_operation **operation,
                                           cldoci_error **error);

/**
 * Gets the config's bytes as they were pushed; no layer is touched. The result has the bytes, their media
 * type, digest and size.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_pull_config(const cldoci_client *client,
                                 const cldoci_reference *reference,
                                 const cldoci_options *options,
                                 cldoci_result **result,
                                 cldoci_error **error);

/**
 * Starts `cldoci_pull_config` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_pull_config_start(const cldoci_client *client,
                                       const cldoci_reference *reference,
                                       const cldoci_options *options,
                                       cldoci_operation **operation,
                                       cldoci_error **error);

/**
 * Asks whether an artifact is there. "No" is a well-formed "not found"; when it can't be told (no access,
 * no connection, a server's failure) that is an error. The result has the answer: `cldoci_result_exists`.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_exists(const cldoci_client *client,
                            const cldoci_reference *reference,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_exists` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_exists_start(const cldoci_client *client,
                                  const cldoci_reference *reference,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/**
 * Asks for the digest, media type and size of what a reference names, without a download. The result has
 * them.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, CLDOCI_ERROR_NOT_FOUND where there is none, or what it failed with
 */
cldoci_status cldoci_resolve(const cldoci_client *client,
                             const cldoci_reference *reference,
                             const cldoci_options *options,
                             cldoci_result **result,
                             cldoci_error **error);

/**
 * Starts `cldoci_resolve` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_resolve_start(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_operation **operation,
                                   cldoci_error **error);

/**
 * Lists the tags of a repository or a layout; the reference's own tag means nothing. The result has them,
 * sorted by their bytes.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_list_tags(const cldoci_client *client,
                               const cldoci_reference *reference,
                               const cldoci_options *options,
                               cldoci_result **result,
                               cldoci_error **error);

/**
 * Starts `cldoci_list_tags` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_list_tags_start(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_operation **operation,
                                     cldoci_error **error);

/**
 * Gets an artifact without its layers' bytes: manifest and config. The result has the artifact.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_inspect(const cldoci_client *client,
                             const cldoci_reference *reference,
                             const cldoci_options *options,
                             cldoci_result **result,
                             cldoci_error **error);

/**
 * Starts `cldoci_inspect` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_inspect_start(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_operation **operation,
                                   cldoci_error **error);

/**
 * Gets a manifest's bytes as they are stored, of an artifact, of an image or of an index, for which no platform is
 * chosen: the option `platform` means nothing here. The result has the bytes, their media type, digest and size, and
 * of an index the entries (`cldoci_result_entry_count`). An entry's digest in a reference gets its manifest in turn.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, CLDOCI_ERROR_NOT_FOUND where there is none, or what it failed with
 */
cldoci_status cldoci_read_manifest(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_result **result,
                                   cldoci_error **error);

/**
 * Starts `cldoci_read_manifest` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_read_manifest_start(const cldoci_client *client,
                                         const cldoci_reference *reference,
                                         const cldoci_options *options,
                                         cldoci_operation **operation,
                                         cldoci_error **error);

/**
 * Lists the manifests that refer to an artifact. The result has their descriptors.
 *
 * @param reference  borrowed, not NULL
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_referrers(const cldoci_client *client,
                               const cldoci_reference *reference,
                               const cldoci_options *options,
                               cldoci_result **result,
                               cldoci_error **error);

/**
 * Starts `cldoci_referrers` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_referrers_start(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_operation **operation,
                                     cldoci_error **error);

/**
 * Gets one layer's bytes as they are stored (compressed), verified, into memory. The result has the bytes.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_read_layer(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                size_t layer,
                                const cldoci_options *options,
                                cldoci_result **result,
                                cldoci_error **error);

/**
 * Starts `cldoci_read_layer` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_read_layer_start(const cldoci_client *client,
                                      const cldoci_artifact *artifact,
                                      size_t layer,
                                      const cldoci_options *options,
                                      cldoci_operation **operation,
                                      cldoci_error **error);

/**
 * Writes one layer's bytes as they are stored (compressed) to a descriptor, in order, in bounded memory.
 * They are verified as they pass: on failure, do not use what was written. The result has digest and
 * size.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @param fd        borrowed: an open descriptor to write to; duplicated, so that yours may be closed at
 *                  once
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_save_layer(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                size_t layer,
                                int32_t fd,
                                const cldoci_options *options,
                                cldoci_result **result,
                                cldoci_error **error);

/**
 * Starts `cldoci_save_layer` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_save_layer_start(const cldoci_client *client,
                                      const cldoci_artifact *artifact,
                                      size_t layer,
                                      int32_t fd,
                                      const cldoci_options *options,
                                      cldoci_operation **operation,
                                      cldoci_error **error);

/**
 * Tries a user name and a password (or an access token) at a registry, and keeps them where docker would:
 * in the credential helper that its config names, else in the config file (mode 0600).
 * `cldoci_result_credential_source` says where.
 *
 * @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
 * @param username  borrowed, not NULL, UTF-8; copied
 * @param password  borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, CLDOCI_ERROR_UNAUTHORIZED where the registry refuses them, or what it failed with; the
 *         message never holds the password
 */
cldoci_status cldoci_login(const cldoci_client *client,
                           const char *registry,
                           const char *username,
                           const char *password,
                           const cldoci_options *options,
                           cldoci_result **result,
                           cldoci_error **error);

/**
 * Starts `cldoci_login` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_login_start(const cldoci_client *client,
                                 const char *registry,
                                 const char *username,
                                 const char *password,
                                 const cldoci_options *options,
                                 cldoci_operation **operation,
                                 cldoci_error **error);

/**
 * Removes a registry's credential from where docker keeps it. The result says whether there was one:
 * `cldoci_result_exists`.
 *
 * @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
 * @return CLDOCI_OK, or what it failed with
 */
cldoci_status cldoci_logout(const cldoci_client *client,
                            const char *registry,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_logout` and returns at once: its inputs, and an operation in place of the result.
 */
cldoci_status cldoci_logout_start(const cldoci_client *client,
                                  const char *registry,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/* Results ------------------------------------------------------------------------------------------------ */

/**
 * The digest: of build, push, pull, tag, copy, resolve, exists, inspect and attach the manifest's, of
 * read_manifest too, of pull_config the config's, of read_layer the layer's.
 *
 * @param result  borrowed, not NULL
 * @return borrowed from `result`; NULL where the verb gives none
 */
const char *cldoci_result_digest(const cldoci_result *result, size_t *length);

/**
 * The media type of what `cldoci_result_digest` names.
 *
 * @param result  borrowed, not NULL
 * @return borrowed from `result`; NULL where the verb gives none
 */
const char *cldoci_result_media_type(const cldoci_result *result, size_t *length);

/**
 * The size in bytes of what `cldoci_result_digest` names.
 *
 * @param result  borrowed, not NULL
 * @return the size; 0 where the verb gives none
 */
uint64_t cldoci_result_size(const cldoci_result *result);

/**
 * The answer of exists; of logout, whether there was a credential.
 *
 * @param result  borrowed, not NULL
 * @return 1 for yes, 0 for no; CLDOCI_ERROR_ARGUMENT when the result is another verb's, CLDOCI_ERROR_HANDLE
 *         for a bad handle
 */
int32_t cldoci_result_exists(const cldoci_result *result);

/**
 * The artifact of build, pull, inspect and attach. Each call makes another handle to the same artifact.
 *
 * @param result    borrowed, not NULL
 * @param artifact  out, not NULL: set to NULL, on success to an artifact that you free
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT where the verb gives none
 */
cldoci_status cldoci_result_artifact(const cldoci_result *result,
                                     cldoci_artifact **artifact,
                                     cldoci_error **error);

/**
 * The bytes of pull_config (the config as it was pushed), read_manifest and read_layer. Behind those of the first two
 * comes a NUL, which `size` does not count, as behind every text; behind a layer's comes nothing.
 *
 * @param result  borrowed, not NULL
 * @param size    out, may be NULL: how many bytes
 * @return borrowed from `result`; NULL where the verb gives none, and possibly where a layer has 0 of them
 */
const uint8_t *cldoci_result_bytes(const cldoci_result *result,
                                   size_t *size);

/**
 * What the operation cost.
 *
 * @param result    borrowed, not NULL
 * @param counters  in and out, not NULL: set its struct_size before; the rest is set to zero, then filled in
 * @return CLDOCI_OK, or why it could not be told
 */
cldoci_status cldoci_result_counters(const cldoci_result *result,
                                     cldoci_counters *counters,
                                     cldoci_error **error);

/**
 * Whether pull found that the destination holds the artifact already, and touched nothing; or build, with the
 * option `reuse_unchanged`, that the tree is as it was at the build before, and read no file.
 *
 * @param result  borrowed, not NULL
 * @return 1 or 0
 */
int32_t cldoci_result_unchanged(const cldoci_result *result);

/**
 * Where the credential that was used came from, such as a file or a helper; never the credential itself.
 *
 * @param result  borrowed, not NULL
 * @return borrowed from `result`; NULL where none was used
 */
const char *cldoci_result_credential_source(const cldoci_result *result, size_t *length);

/**
 * Frees a result and all that was borrowed from it; artifacts that were taken out stay.
 */
cldoci_status cldoci_result_free(cldoci_result *result);

/**
 * How many tags list_tags found.
 *
 * @param result  borrowed, not NULL
 * @return the number; 0 for another verb
 */
size_t cldoci_result_tag_count(const cldoci_result *result);

/**
 * A tag of list_tags; they are sorted by their bytes.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_tag(const cldoci_result *result, size_t index, size_t *length);

/**
 * How many manifests referrers found.
 *
 * @param result  borrowed, not NULL
 * @return the number; 0 for another verb
 */
size_t cldoci_result_referrer_count(const cldoci_result *result);

/**
 * The digest of a manifest that refers to the artifact.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_referrer_digest(const cldoci_result *result, size_t index, size_t *length);

/**
 * The media type of a manifest that refers to the artifact.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_referrer_media_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The artifact type of a manifest that refers to the artifact.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last, and where it has none
 */
const char *cldoci_result_referrer_artifact_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The size in bytes of a manifest that refers to the artifact.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return the size; 0 beyond the last
 */
uint64_t cldoci_result_referrer_size(const cldoci_result *result, size_t index);

/**
 * How many manifests the index of read_manifest lists.
 *
 * @param result  borrowed, not NULL
 * @return the number; 0 for what is no index, and for another verb
 */
size_t cldoci_result_entry_count(const cldoci_result *result);

/**
 * The digest of a manifest that the index lists; they come in the index's order.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_entry_digest(const cldoci_result *result, size_t index, size_t *length);

/**
 * The media type of a manifest that the index lists: it may be an index itself.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_entry_media_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The artifact type of a manifest that the index lists.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last, and where the index names none
 */
const char *cldoci_result_entry_artifact_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The platform of a manifest that the index lists, as the option `platform` takes it: `os/architecture[/variant]`.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last, and where the index names none
 */
const char *cldoci_result_entry_platform(const cldoci_result *result,
                                         size_t index,
                                         size_t *length);

/**
 * The size in bytes of a manifest that the index lists.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return the size; 0 beyond the last
 */
uint64_t cldoci_result_entry_size(const cldoci_result *result, size_t index);

/**
 * How many annotations the descriptor of a referrer has.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return the number; 0 beyond the last
 */
size_t cldoci_result_referrer_annotation_count(const cldoci_result *result, size_t index);

/**
 * The key of a referrer's annotation; they are sorted by their bytes.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @param at      from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_referrer_annotation_key(const cldoci_result *result,
                                                  size_t index,
                                                  size_t at,
                                                  size_t *length);

/**
 * The value of a referrer's annotation.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @param at      from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_referrer_annotation_value(const cldoci_result *result,
                                                    size_t index,
                                                    size_t at,
                                                    size_t *length);

/**
 * How many paths build left out of the artifact.
 *
 * @param result  borrowed, not NULL
 * @return the number; 0 for another verb
 */
uint64_t cldoci_result_left_out_total(const cldoci_result *result);

/**
 * How many of those paths the result lists; the list is bounded.
 *
 * @param result  borrowed, not NULL
 * @return the number; 0 for another verb
 */
size_t cldoci_result_left_out_count(const cldoci_result *result);

/**
 * A path that build left out, relative to the directory. Its bytes are the file system's and need not be
 * UTF-8.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_left_out_path(const cldoci_result *result, size_t index, size_t *length);

/**
 * Which rule left the path out.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_left_out_reason(const cldoci_result *result, size_t index, size_t *length);

/**
 * How many warnings there were; the list is bounded.
 *
 * @param result  borrowed, not NULL
 * @return the number
 */
size_t cldoci_result_warning_count(const cldoci_result *result);

/**
 * A warning: one line of text, as for `cldoci_error_message`.
 *
 * @param result  borrowed, not NULL
 * @param index   from 0
 * @return borrowed from `result`; NULL beyond the last
 */
const char *cldoci_result_warning(const cldoci_result *result, size_t index, size_t *length);

/* Operations --------------------------------------------------------------------------------------------- */

/**
 * Waits until the operation has ended. Signals do not end the wait.
 *
 * @param operation   borrowed, not NULL
 * @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits forever
 * @return CLDOCI_OK when it succeeded, CLDOCI_PENDING when the time was over (no error object), else what
 *         the operation failed with; CLDOCI_ERROR_CANCELLED also when another thread frees the handle;
 *         CLDOCI_ERROR_REENTRANT inside the operation's own callback
 * Threads: any, also several at once, all of which wake.
 */
cldoci_status cldoci_operation_wait(const cldoci_operation *operation,
                                    int64_t timeout_ms,
                                    cldoci_error **error);

/**
 * How far the operation is; also after its end.
 *
 * @param operation  borrowed, not NULL
 * @param progress   in and out, not NULL: set its struct_size before; the rest is set to zero, then filled in
 * @return CLDOCI_OK, or why it could not be told
 */
cldoci_status cldoci_operation_progress(const cldoci_operation *operation,
                                        cldoci_progress *progress,
                                        cldoci_error **error);

/**
 * Asks the operation to end with CLDOCI_ERROR_CANCELLED, which it does within a second; what it was making
 * is removed. Returns at once. After the end, and again, it does nothing. Not for a signal handler, as
 * it takes locks: let the handler write to a pipe or set a flag, and cancel where that is read.
 *
 * @param operation  borrowed, not NULL
 * @return CLDOCI_OK, or CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle
 * Threads: any, at once; callbacks, too.
 */
cldoci_status cldoci_operation_cancel(const cldoci_operation *operation, cldoci_error **error);

/**
 * Makes a descriptor for an event loop (poll, epoll, libuv, asyncio): it becomes readable, at end-of-file,
 * when the operation has ended or its handle is freed, and stays so. There is never a byte to read.
 *
 * @param operation  borrowed, not NULL
 * @param fd         out, not NULL: set to -1, then to a descriptor that is yours to close (close-on-exec)
 * @return CLDOCI_OK, or CLDOCI_ERROR_IO if no descriptor is available; waiting still works
 * Threads: any, at once; each call makes another descriptor.
 */
cldoci_status cldoci_operation_open_descriptor(const cldoci_operation *operation,
                                               int32_t *fd,
                                               cldoci_error **error);

/**
 * The result of an operation that has ended. It can be fetched again; each time it is a new handle.
 *
 * @param operation  borrowed, not NULL
 * @param result     out, not NULL: set to NULL, on success to a result that you free
 * @return CLDOCI_OK, CLDOCI_PENDING when it has not ended (no result, no error object), else what the
 *         operation failed with
 */
cldoci_status cldoci_operation_result(const cldoci_operation *operation,
                                      cldoci_result **result,
                                      cldoci_error **error);

/**
 * Frees the handle. An operation that still runs is cancelled and ends by itself; those that wait for it get
 * CLDOCI_ERROR_CANCELLED. Never waits. No callback of the operation begins after it returned; one that runs
 * at this moment on another thread comes to its end, and the finaliser is called after it.
 * Threads: any; callbacks, too.
 */
cldoci_status cldoci_operation_free(cldoci_operation *operation);

/* Artifacts ---------------------------------------------------------------------------------------------- */

/**
 * The artifact's type: `component`, `datacenter`, `module`, else the manifest's artifact type.
 *
 * @param artifact  borrowed, not NULL
 * @return borrowed from `artifact`; NULL for a bad handle
 */
const char *cldoci_artifact_type(const cldoci_artifact *artifact, size_t *length);

/**
 * Where the artifact was read from.
 *
 * @param artifact  borrowed, not NULL
 * @return borrowed from `artifact`; NULL where it was built here
 */
const char *cldoci_artifact_reference(const cldoci_artifact *artifact, size_t *length);

/**
 * The manifest's digest, `sha256:…`.
 *
 * @param artifact  borrowed, not NULL
 * @return borrowed from `artifact`; NULL for a bad handle
 */
const char *cldoci_artifact_digest(const cldoci_artifact *artifact, size_t *length);

/**
 * The manifest's media type.
 *
 * @param artifact  borrowed, not NULL
 * @return borrowed from `artifact`; NULL for a bad handle
 */
const char *cldoci_artifact_media_type(const cldoci_artifact *artifact, size_t *length);

/**
 * The manifest's bytes. A NUL comes behind them, which `size` does not count.
 *
 * @param artifact  borrowed, not NULL
 * @param size      out, may be NULL: how many bytes
 * @return borrowed from `artifact`; NULL for a bad handle
 */
const uint8_t *cldoci_artifact_manifest(const cldoci_artifact *artifact, size_t *size);

/**
 * The config's bytes, as they are. A NUL comes behind them, which `size` does not count.
 *
 * @param artifact  borrowed, not NULL
 * @param size      out, may be NULL: how many bytes
 * @return borrowed from `artifact`; NULL for a bad handle, and where it was not fetched (option `fetch_config`)
 */
const uint8_t *cldoci_artifact_config(const cldoci_artifact *artifact,
                                      size_t *size);

/**
 * The config's media type.
 *
 * @param artifact  borrowed, not NULL
 * @return borrowed from `artifact`; NULL for a bad handle
 */
const char *cldoci_artifact_config_media_type(const cldoci_artifact *artifact, size_t *length);

/**
 * The config's digest.
 *
 * @param artifact  borrowed, not NULL
 * @return borrowed from `artifact`; NULL for a bad handle
 */
const char *cldoci_artifact_config_digest(const cldoci_artifact *artifact, size_t *length);

/**
 * The config's size in bytes.
 *
 * @param artifact  borrowed, not NULL
 * @return the size; 0 for a bad handle
 */
uint64_t cldoci_artifact_config_size(const cldoci_artifact *artifact);

/**
 * How many layers there are.
 *
 * @param artifact  borrowed, not NULL
 * @return the number; 0 for a bad handle
 */
size_t cldoci_artifact_layer_count(const cldoci_artifact *artifact);

/**
 * The media type of a layer.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @return borrowed from `artifact`; NULL beyond the last
 */
const char *cldoci_artifact_layer_media_type(const cldoci_artifact *artifact, size_t layer, size_t *length);

/**
 * The digest of a layer. `cldoci_read_layer` and `cldoci_save_layer` give its bytes.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @return borrowed from `artifact`; NULL beyond the last
 */
const char *cldoci_artifact_layer_digest(const cldoci_artifact *artifact, size_t layer, size_t *length);

/**
 * The size of a layer in bytes, as it is stored (compressed).
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @return the size; 0 beyond the last
 */
uint64_t cldoci_artifact_layer_size(const cldoci_artifact *artifact, size_t layer);

/**
 * The value of a layer's annotation.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @param key       borrowed, not NULL: any bytes
 * @return borrowed from `artifact`; NULL where there is none of this key
 */
const char *cldoci_artifact_layer_annotation(const cldoci_artifact *artifact,
                                             size_t layer,
                                             const char *key,
                                             size_t *length);

/**
 * How many annotations a layer has.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @return the number; 0 beyond the last
 */
size_t cldoci_artifact_layer_annotation_count(const cldoci_artifact *artifact, size_t layer);

/**
 * The key of a layer's annotation; they are sorted by their bytes.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @param index     from 0
 * @return borrowed from `artifact`; NULL beyond the last
 */
const char *cldoci_artifact_layer_annotation_key(const cldoci_artifact *artifact,
                                                 size_t layer,
                                                 size_t index,
                                                 size_t *length);

/**
 * The value of a layer's annotation, by its place.
 *
 * @param artifact  borrowed, not NULL
 * @param layer     from 0
 * @param index     from 0
 * @return borrowed from `artifact`; NULL beyond the last
 */
const char *cldoci_artifact_layer_annotation_value(const cldoci_artifact *artifact,
                                                   size_t layer,
                                                   size_t index,
                                                   size_t *length);

/**
 * The value of the manifest's annotation.
 *
 * @param artifact  borrowed, not NULL
 * @param key       borrowed, not NULL: any bytes
 * @return borrowed from `artifact`; NULL where there is none of this key
 */
const char *cldoci_artifact_annotation(const cldoci_artifact *artifact, const char *key, size_t *length);

/**
 * How many annotations the manifest has.
 *
 * @param artifact  borrowed, not NULL
 * @return the number; 0 for a bad handle
 */
size_t cldoci_artifact_annotation_count(const cldoci_artifact *artifact);

/**
 * The key of an annotation of the manifest; they are sorted by their bytes.
 *
 * @param artifact  borrowed, not NULL
 * @param index     from 0
 * @return borrowed from `artifact`; NULL beyond the last
 */
const char *cldoci_artifact_annotation_key(const cldoci_artifact *artifact, size_t index, size_t *length);

/**
 * The value of an annotation of the manifest, by its place.
 *
 * @param artifact  borrowed, not NULL
 * @param index     from 0
 * @return borrowed from `artifact`; NULL beyond the last
 */
const char *cldoci_artifact_annotation_value(const cldoci_artifact *artifact, size_t index, size_t *length);

/**
 * The digest of the manifest that this one refers to.
 *
 * @param artifact  borrowed, not NULL
 * @return borrowed from `artifact`; NULL where there is none
 */
const char *cldoci_artifact_subject(const cldoci_artifact *artifact, size_t *length);

/**
 * Frees an artifact and all that was borrowed from it. Operations that were started with it go on.
 */
cldoci_status cldoci_artifact_free(cldoci_artifact *artifact);

/* Configs ------------------------------------------------------------------------------------------------ */

/**
 * An empty config of one of the three types that have fields of their own. Any other JSON can be given to
 * build as it is.
 *
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter` or `module`
 * @param config         out, not NULL: set to NULL, on success to a config that you free
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_config_new(const char *artifact_type, cldoci_config **config, cldoci_error **error);

/**
 * Sets a field by its name in JSON.
 *
 * A component has schemaVersion, name, description, readme, sourceHash, buildTime and the map
 * childArtifacts; a datacenter schemaVersion, name, extendsImage, sourceHash, buildTime and the map
 * moduleArtifacts; a module plugin, name, sourceHash, buildTime and the maps inputs and outputs.
 *
 * @param config  borrowed, not NULL
 * @param field   borrowed, not NULL, UTF-8; copied
 * @param value   borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that lists the fields
 */
cldoci_status cldoci_config_set(cldoci_config *config,
                                const char *field,
                                const char *value,
                                cldoci_error **error);

/**
 * Sets an entry of a field that is a map.
 *
 * @param config  borrowed, not NULL
 * @param field   borrowed, not NULL, UTF-8; copied
 * @param key     borrowed, not NULL, UTF-8; copied
 * @param value   borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that lists the fields
 */
cldoci_status cldoci_config_set_entry(cldoci_config *config,
                                      const char *field,
                                      const char *key,
                                      const char *value,
                                      cldoci_error **error);

/**
 * The config as JSON, for `cldoci_build`. With the option `fill_source_hash` build puts the layer's digest into
 * a sourceHash that was not set.
 *
 * @param config  borrowed, not NULL
 * @param size    out, may be NULL: how many bytes
 * @return borrowed from `config`, where it stays as it is when fields are set later; NULL for a bad handle
 */
const uint8_t *cldoci_config_json(const cldoci_config *config,
                                  size_t *size);

/**
 * Frees a config and the JSON that was borrowed from it.
 */
cldoci_status cldoci_config_free(cldoci_config *config);

/* Artifacts by hand -------------------------------------------------------------------------------------- */

/**
 * Gives the next bytes of a layer: at most `size` of them into `buffer`. Return how many there were, 0 at the
 * end, a negative number to give up.
 */
typedef int64_t (*cldoci_reader)(uint8_t *buffer, size_t size, void *user_data);

/**
 * A builder for an artifact without layers and with the empty config `{}`.
 *
 * @param client         borrowed, not NULL: its store keeps what readers give
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media
 *                       type of your own
 * @param builder        out, not NULL: set to NULL, on success to a builder that you free
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_new(const cldoci_client *client,
                                          const char *artifact_type,
                                          cldoci_artifact_builder **builder,
                                          cldoci_error **error);

/**
 * Sets the config's bytes, which are kept as they are. A media type can be given for a type of your own
 * alone.
 *
 * @param builder      borrowed, not NULL
 * @param media_type   borrowed, may be NULL, UTF-8: the type's own; copied
 * @param config       borrowed, not NULL; copied
 * @param config_size  how many bytes, at least 1
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_set_config(cldoci_artifact_builder *builder,
                                                 const char *media_type,
                                                 const uint8_t *config,
                                                 size_t config_size,
                                                 cldoci_error **error);

/**
 * Adds a layer of these bytes, as they are.
 *
 * @param builder     borrowed, not NULL
 * @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
 * @param layer       borrowed, may be NULL where `layer_size` is 0; copied
 * @param layer_size  how many bytes
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_add_bytes(cldoci_artifact_builder *builder,
                                                const char *media_type,
                                                const uint8_t *layer,
                                                size_t layer_size,
                                                cldoci_error **error);

/**
 * Adds a layer of a file, as it is. It is read here for its digest, and again when the artifact is pushed;
 * until then it must not change (CLDOCI_ERROR_CHANGED).
 *
 * @param builder     borrowed, not NULL
 * @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
 * @param file        borrowed, not NULL, a path of any bytes; copied
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_add_file(cldoci_artifact_builder *builder,
                                               const char *media_type,
                                               const char *file,
                                               cldoci_error **error);

/**
 * Adds a layer of what a function gives, in bounded memory: the bytes go to the client's store, where they
 * stay as long as the artifact does.
 *
 * @param builder     borrowed, not NULL
 * @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
 * @param reader      not NULL; called on this thread and in this call only
 * @param user_data   may be NULL; passed to the reader, never followed
 * @return CLDOCI_OK, CLDOCI_ERROR_CANCELLED when the reader gave up, or what is wrong
 */
cldoci_status cldoci_artifact_builder_add_reader(cldoci_artifact_builder *builder,
                                                 const char *media_type,
                                                 cldoci_reader reader,
                                                 void *user_data,
                                                 cldoci_error **error);

/**
 * Adds a layer of another artifact, wherever its bytes are: they are read there when the new one is pushed.
 * Its annotations do not come along.
 *
 * @param builder     borrowed, not NULL
 * @param media_type  borrowed, may be NULL, UTF-8: as the layer has it; copied
 * @param artifact    borrowed, not NULL
 * @param layer       which of its layers, from 0
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_add_layer(cldoci_artifact_builder *builder,
                                                const char *media_type,
                                                const cldoci_artifact *artifact,
                                                size_t layer,
                                                cldoci_error **error);

/**
 * Sets an annotation of a layer that was added; an old value is replaced.
 *
 * @param builder  borrowed, not NULL
 * @param layer    from 0
 * @param key      borrowed, not NULL, UTF-8; copied
 * @param value    borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_set_layer_annotation(cldoci_artifact_builder *builder,
                                                           size_t layer,
                                                           const char *key,
                                                           const char *value,
                                                           cldoci_error **error);

/**
 * Sets an annotation of the manifest; an old value is replaced.
 *
 * @param builder  borrowed, not NULL
 * @param key      borrowed, not NULL, UTF-8; copied
 * @param value    borrowed, not NULL, UTF-8; copied
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_set_annotation(cldoci_artifact_builder *builder,
                                                     const char *key,
                                                     const char *value,
                                                     cldoci_error **error);

/**
 * Makes the artifact of what was set; its manifest's bytes and digest are fixed here. The builder can be
 * used on.
 *
 * @param builder   borrowed, not NULL
 * @param artifact  out, not NULL: set to NULL, on success to an artifact that you free
 * @return CLDOCI_OK, or what is wrong
 */
cldoci_status cldoci_artifact_builder_finish(const cldoci_artifact_builder *builder,
                                             cldoci_artifact **artifact,
                                             cldoci_error **error);

/**
 * Frees a builder; artifacts that it made stay.
 */
cldoci_status cldoci_artifact_builder_free(cldoci_artifact_builder *builder);

/* Ending ------------------------------------------------------------------------------------------------- */

/**
 * Waits until the library has nothing to do: no operation runs, not even one that was cancelled or freed, what they
 * made temporarily is removed, no callback runs or will run; and once no client is left, until its threads
 * have ended. Call it before the program ends: after a cancelled pull nothing is left beside its destination then. A
 * client that does nothing keeps it from nothing.
 *
 * @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits forever
 * @return CLDOCI_OK when there is nothing to do, CLDOCI_PENDING when the time was over (no error object),
 *         CLDOCI_ERROR_REENTRANT inside a callback
 */
cldoci_status cldoci_wait_idle(int64_t timeout_ms,
                               cldoci_error **error);

/* Finding leaks ------------------------------------------------------------------------------------------ */

/** All handle types together. */
#define CLDOCI_HANDLE_ANY 0
/** `cldoci_error`. */
#define CLDOCI_HANDLE_ERROR 1
/** `cldoci_options`. */
#define CLDOCI_HANDLE_OPTIONS 2
/** `cldoci_credential`. */
#define CLDOCI_HANDLE_CREDENTIAL 3
/** `cldoci_reference`. */
#define CLDOCI_HANDLE_REFERENCE 4
/** `cldoci_config`. */
#define CLDOCI_HANDLE_CONFIG 5
/** `cldoci_artifact`. */
#define CLDOCI_HANDLE_ARTIFACT 6
/** `cldoci_artifact_builder`. */
#define CLDOCI_HANDLE_ARTIFACT_BUILDER 7
/** `cldoci_client`. */
#define CLDOCI_HANDLE_CLIENT 8
/** `cldoci_operation`. */
#define CLDOCI_HANDLE_OPERATION 9
/** `cldoci_result`. */
#define CLDOCI_HANDLE_RESULT 10
/**
 * How many handles this process has made and not freed. Memory checkers can't tell: the library reaches
 * them all.
 *
 * @param handle_type  CLDOCI_HANDLE_…
 * @return the number; 0 for an unknown type
 */
uint64_t cldoci_debug_live_handles(int32_t handle_type);

#ifdef __cplusplus
}
#endif

#endif /* CLDOCI_H */
