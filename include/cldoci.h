/** @file
 * cldoci: OCI artifacts for every language
 * ========================================
 *
 * cldoci packs a directory into an OCI artifact, and pushes, pulls, tags and checks artifacts on OCI registries
 * (Docker Hub, GHCR, ECR, Harbor, your own). This file documents the whole interface.
 *
 * An artifact is a directory packed for a registry. It has one or more *layers* (compressed archives), a *config*
 * (JSON that you define and that describes it), and a *manifest* that lists both by digest. The digest of the
 * manifest, `sha256:...`, identifies the artifact; a *tag* is a name for it that can be moved. A *reference* says
 * where an artifact is: `ghcr.io/org/app:v1`, `localhost:5000/app@sha256:...`, or `ocidir:///some/directory:v1` for
 * a local image layout, which needs no server. Every verb works on both.
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
 * `cc program.c $(pkg-config --cflags --libs cldoci)`, or `-lcldoci`. The header works in C99 and C++11 and later.
 * A program that loads the library at run time compares cldoci_abi_version() with CLDOCI_ABI_VERSION first. Once
 * loaded, the library stays in the process; calling dlclose does no harm.
 *
 * Calls
 * -----
 * Every call that can fail returns a cldoci_status: CLDOCI_OK is 0, CLDOCI_PENDING is 1, failures are negative.
 * Parameters come in this order: the object, inputs, options, outputs, `error`. The verbs belong to the client:
 *
 *     cldoci_VERB(client, inputs..., options, &result, &error)            waits
 *     cldoci_VERB_start(client, inputs..., options, &operation, &error)   returns at once
 *
 * What holds for all functions
 * ----------------------------
 * The comments below do not repeat it:
 *
 * - A handle that a function takes is borrowed, not NULL. An error that a function reads is borrowed, may be NULL.
 * - A function that returns a cldoci_status returns CLDOCI_OK, or the reason for the failure. The error's message
 *   says what is wrong, and never contains a secret.
 * - A function that returns a text, bytes or a number reads the handle that it takes first. Text and bytes are
 *   borrowed from that handle; without a handle, text is static. Where there is nothing to return, because the
 *   handle is bad, an index is too large, or the verb gives no such thing, it returns NULL or 0. `index`, `layer`
 *   and `at` count from 0.
 * - `length` is an output that may be NULL: the length of the text in bytes, without its final NUL.
 * - `error` is an output that may be NULL: set to NULL, on failure to an error that you free.
 * - Of a verb, `client` is borrowed, not NULL; `options` are borrowed, may be NULL, and override the client's for
 *   this call; `result` is an output that may be NULL: set to NULL, on success to a result that you free.
 * - A `_start` form takes the inputs of its verb, and `operation`, an output, not NULL: set to NULL, on success to
 *   an operation that you free. Its status only says whether the verb could be started.
 * - A setter of one option, `cldoci_options_set_NAME`, checks the syntax of the value at once: a value that can't
 *   be right is CLDOCI_ERROR_ARGUMENT there, and changes nothing. Whether a file exists shows when it is used.
 * - A function that sets a callback takes `callback`, where NULL removes it; `user_data`, which may be NULL and is
 *   passed to the callback, never dereferenced; and `finalizer`, which may be NULL and is called once with
 *   `user_data` when nothing can call the callback any more, also when setting it fails.
 * - A `_free` function takes a handle, which is consumed; NULL is fine. It returns CLDOCI_OK, or
 *   CLDOCI_ERROR_HANDLE or CLDOCI_ERROR_FORKED for a bad handle.
 * - Any thread may call a function, and several threads may at once. Options, builders and configs are the
 *   exception: one thread at a time may use such a handle. A line that begins with "Threads:" says where a function
 *   differs.
 * - Nothing prints, exits or aborts, with one exception: when the system has no memory left, Rust's allocator
 *   writes a line to standard error and aborts. A server or an archive can't cause that: options limit what they
 *   may use.
 *
 * Ownership
 * ---------
 * - What a call gives you through a pointer to a pointer is yours. Free it with the `_free` function of its type,
 *   and with nothing else. `*result`, `*error` and the like are set to NULL first; what they pointed to is not
 *   freed.
 * - "Borrowed" inputs stay yours, and the library does not need them after the call: it copies text and bytes, and
 *   you may free a handle while operations that were started with it run.
 * - A `const char *` or `const uint8_t *` that a call *returns* lives until its handle is freed. Do not free a
 *   handle on one thread while another thread reads such a text. Text ends with a NUL. It can contain other NULs,
 *   so you can ask for its length.
 * - Only `_free` consumes a handle, whatever it returns.
 * - Text that you pass is UTF-8; a path may have any bytes. Both end with a NUL and have at most 64 MiB.
 * - An output (a pointer to a handle, a number or a struct) must be aligned. If it is not, the call is refused or,
 *   where it has no status, leaves the output alone. It must also be writable, which the library can't check. Every
 *   path writes it, to NULL, 0, -1 or zeroes first. If two outputs are the same variable, it holds what was written
 *   last: the error of a call that failed, the result of one that succeeded.
 *
 * Errors
 * ------
 * Pass NULL for `error` if the status is enough. On failure `*error` is an object with the status, a one-line
 * message for people, and facts to act on: cldoci_error_http_status, _registry_code, _errno, _retryable,
 * _retry_after_ms. There is no "last error" of a thread. (If even an error object can't be made, `*error` stays
 * NULL.)
 *
 * Handles
 * -------
 * The pointers to incomplete types below are not addresses but checked numbers. A handle that was freed, has
 * another type, or was never issued gives CLDOCI_ERROR_HANDLE; so does freeing it twice. A program that
 * dereferences such a pointer faults; Go and Java report that as an access to address 0. `const` means that a call
 * neither frees the handle nor changes its settings, so cldoci_operation_cancel takes a const handle.
 *
 * Threads
 * -------
 * Input and output run on the library's own threads. The first verb starts them; they take no signals, and end soon
 * after the last client and operation are freed (cldoci_wait_idle waits for that). A call needs little stack. Do
 * not call the library from a signal handler.
 *
 * Operations
 * ----------
 * You can wait for an operation with a timeout (cldoci_operation_wait), poll it (cldoci_operation_progress), watch
 * it in an event loop (cldoci_operation_open_descriptor), cancel it from any thread, and free it at any time, which
 * cancels it. A thousand at once are fine: those that can't run yet are in the phase CLDOCI_PHASE_WAITING.
 *
 * Callbacks of an operation run on threads that do nothing else. Those of a blocking verb run on the thread that
 * called it, while it waits, so a runtime with one interpreter thread can't hang. An operation makes one call at a
 * time. A callback must not unwind or jump out (exceptions, longjmp).
 *
 * fork
 * ----
 * In a child of fork, the parent's handles give CLDOCI_ERROR_FORKED; new ones work. The parent's operations go on
 * in the parent only. All descriptors of the library are close-on-exec.
 *
 * Options
 * -------
 * Each option has a function that sets it; cldoci_options_set sets it by name. cldoci_option_count and the
 * functions after it list the options with their types and defaults. An option belongs to a client, to a call, or
 * to both; given to the other it is CLDOCI_ERROR_ARGUMENT. The call's value overrides the client's, which overrides
 * the environment (`CLDOCI_NAME`), which overrides the default. The environment is read when a client is made, and
 * not later: proxies, the places of credentials and of the system's certificates (SSL_CERT_FILE, SSL_CERT_DIR), and
 * CLDOCI_NAME. If the option `environment` is off, it is not read.
 *
 * Stability
 * ---------
 * Functions, constants and members are added, never changed; a break changes the soname (CLDOCI_ABI_VERSION). A
 * program must expect statuses, phases and options that it does not know.
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
 * An artifact that is built by hand.
 */
typedef struct cldoci_artifact_builder cldoci_artifact_builder;

/**
 * Settings, connections and tokens; every verb needs one. Immutable.
 */
typedef struct cldoci_client cldoci_client;

/**
 * The config of a component, datacenter or module, set field by field.
 */
typedef struct cldoci_config cldoci_config;

/**
 * A credential that a credential callback fills in; valid during that call.
 */
typedef struct cldoci_credential cldoci_credential;

/**
 * What went wrong in one call: status, message and facts. Immutable.
 */
typedef struct cldoci_error cldoci_error;

/**
 * A running verb.
 */
typedef struct cldoci_operation cldoci_operation;

/**
 * Settings for a client or for a call. They are copied when they are given to one, and can be used again.
 */
typedef struct cldoci_options cldoci_options;

/**
 * Where an artifact is: on a registry or in a local image layout. Immutable.
 */
typedef struct cldoci_reference cldoci_reference;

/**
 * What a verb returned. Immutable.
 */
typedef struct cldoci_result cldoci_result;

/* Status ------------------------------------------------------------------------------------------------- */

/** Success. */
#define CLDOCI_OK 0
/** The operation is not done yet; no error object is made. */
#define CLDOCI_PENDING 1
/** An argument, an option or a reference is invalid. */
#define CLDOCI_ERROR_ARGUMENT -1
/** A handle was freed, has another type, or was never issued. */
#define CLDOCI_ERROR_HANDLE -2
/** A handle was made before `fork` and used in the child. */
#define CLDOCI_ERROR_FORKED -3
/** A callback made a call that would wait for that callback. */
#define CLDOCI_ERROR_REENTRANT -4
/** A bug in the library, caught before it could do harm. The process and all handles stay usable. */
#define CLDOCI_ERROR_PANIC -5
/** A bug in the library. */
#define CLDOCI_ERROR_INTERNAL -6
/** The operation was cancelled, or freed while something waited for it. */
#define CLDOCI_ERROR_CANCELLED -7
/** A deadline passed, or the other side was slower than the minimum rate. */
#define CLDOCI_ERROR_TIMEOUT -8
/** The system, the file system or the registry can't do it. */
#define CLDOCI_ERROR_UNSUPPORTED -9
/** A system call failed; `cldoci_error_errno` says why. */
#define CLDOCI_ERROR_IO -20
/** The destination exists and is not empty. */
#define CLDOCI_ERROR_EXISTS -21
/** Another process holds a lock that is needed. */
#define CLDOCI_ERROR_BUSY -22
/** A source file changed while it was read. */
#define CLDOCI_ERROR_CHANGED -23
/** An entry of an archive or of a directory is refused. */
#define CLDOCI_ERROR_UNSAFE -24
/** A limit was reached; the message names it and the option that raises it. */
#define CLDOCI_ERROR_LIMIT -25
/** A connection failed, or a name was not found. */
#define CLDOCI_ERROR_NETWORK -40
/** TLS failed: the certificate or the handshake. */
#define CLDOCI_ERROR_TLS -41
/** The server's answer breaks the protocol. */
#define CLDOCI_ERROR_PROTOCOL -42
/** The registry or the layout does not have it. */
#define CLDOCI_ERROR_NOT_FOUND -43
/** The registry wants other credentials. */
#define CLDOCI_ERROR_UNAUTHORIZED -44
/** The credentials don't permit this access. */
#define CLDOCI_ERROR_DENIED -45
/** A credential helper or a credential file can't be used. */
#define CLDOCI_ERROR_CREDENTIALS -46
/** Refused for safety: a redirect, a token server, a downgrade. */
#define CLDOCI_ERROR_POLICY -47
/** The registry asks to slow down; `cldoci_error_retry_after_ms` says how long to wait. */
#define CLDOCI_ERROR_RATE_LIMITED -48
/** The content does not match its digest. */
#define CLDOCI_ERROR_DIGEST -49
/** The content does not match its size. */
#define CLDOCI_ERROR_SIZE -50
/**
 * The outcome of a call: 0 for success, 1 for "not done yet", negative for a failure.
 */
typedef int32_t cldoci_status;

/**
 * The name of a status, such as `NOT_FOUND`, for logs. NULL for a number that is not a status.
 *
 * @param status  any number
 */
const char *cldoci_status_name(cldoci_status status);

/* Errors ------------------------------------------------------------------------------------------------- */

/**
 * The status that the failed call returned.
 *
 * @return the status; CLDOCI_OK for NULL, CLDOCI_ERROR_HANDLE for a bad handle
 */
cldoci_status cldoci_error_status(const cldoci_error *error);

/**
 * What failed, on what, and the cure if it is known: one line in UTF-8, without a newline at the end. Control
 * characters in text from a server are escaped.
 */
const char *cldoci_error_message(const cldoci_error *error, size_t *length);

/**
 * The HTTP status that caused the failure.
 *
 * @return 100 to 599; 0 if there was none
 */
int32_t cldoci_error_http_status(const cldoci_error *error);

/**
 * The registry's own error code, such as `MANIFEST_UNKNOWN`. NULL if it gave none.
 */
const char *cldoci_error_registry_code(const cldoci_error *error, size_t *length);

/**
 * How many errors the registry's answer listed, 32 at most; cldoci_error_registry_code is the code of the first.
 * Their texts are the registry's own, with control characters escaped.
 */
size_t cldoci_error_registry_error_count(const cldoci_error *error);

/**
 * The code of an error that the registry listed, such as `MANIFEST_BLOB_UNKNOWN`; about its first 256 bytes.
 * Empty if it has none.
 */
const char *cldoci_error_registry_error_code(const cldoci_error *error, size_t index, size_t *length);

/**
 * The message for people of an error that the registry listed; about its first 256 bytes. Empty if it has none.
 */
const char *cldoci_error_registry_error_message(const cldoci_error *error,
                                                size_t index,
                                                size_t *length);

/**
 * The detail of an error that the registry listed: JSON of any type, in one line. NULL if there is none, or if
 * it has more than 4096 bytes.
 */
const char *cldoci_error_registry_error_detail(const cldoci_error *error,
                                               size_t index,
                                               size_t *length);

/**
 * The system's error number (`errno`) that caused the failure.
 *
 * @return the number; 0 if there was none
 */
int32_t cldoci_error_errno(const cldoci_error *error);

/**
 * Whether the same call may succeed later, without a change.
 *
 * @return 1 or 0
 */
int32_t cldoci_error_retryable(const cldoci_error *error);

/**
 * How long the registry asked to wait before the next try.
 *
 * @return milliseconds; -1 if it did not say
 */
int64_t cldoci_error_retry_after_ms(const cldoci_error *error);

/**
 * Frees an error and everything borrowed from it.
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
 * The version of the binary interface, which is in the soname. It changes only when programs compiled before
 * would break.
 */
#define CLDOCI_ABI_VERSION 0

/**
 * The version of the loaded library, as one number like CLDOCI_VERSION_NUMBER.
 *
 * @return the number
 */
int32_t cldoci_version_number(void);

/**
 * The version of the loaded library, as text.
 */
const char *cldoci_version_string(void);

/**
 * The binary interface of the loaded library. A program that loads the library at run time compares it with the
 * CLDOCI_ABI_VERSION that it was written for.
 *
 * @return the number
 */
int32_t cldoci_abi_version(void);

/**
 * The name of a feature of the loaded library: `target`, `tls`, `http`, `proxy`, `compression`, `digest`,
 * `archive_format` (docs/archive-format.md). Later versions may have more.
 */
const char *cldoci_feature_name(size_t index);

/**
 * The value of a feature, for people: for `target` the triple that the library was built for, otherwise what it
 * supports, separated by `, `.
 */
const char *cldoci_feature_value(size_t index);

/* Progress and counters ---------------------------------------------------------------------------------- */

/** It has not begun, and waits for its turn. */
#define CLDOCI_PHASE_WAITING 0
/** It finds out what to do. */
#define CLDOCI_PHASE_RESOLVING 1
/** It packs a directory. */
#define CLDOCI_PHASE_PACKING 2
/** It sends blobs. A copy is in this phase while it moves blobs, to a registry or to a layout. */
#define CLDOCI_PHASE_UPLOADING 3
/** It receives blobs. */
#define CLDOCI_PHASE_DOWNLOADING 4
/** It makes the result visible. */
#define CLDOCI_PHASE_PUBLISHING 5
/** It has ended. */
#define CLDOCI_PHASE_DONE 6
/**
 * The progress of an operation. No number in it ever goes down, not even when a transfer is retried; but a copy
 * with the option `recursive` uploads again after it has published.
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
 * What an operation did.
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
 * Called with `user_data` when it is no longer needed, on any thread except the library's I/O threads. If the
 * options were only used for blocking verbs, it is called on the thread that frees them or in the verb.
 */
typedef void (*cldoci_finalizer)(void *user_data);

/**
 * Called from time to time while an operation runs, and once when it has ended, unless it was cancelled.
 * `progress` is valid during the call. Return 0 to go on, anything else to cancel.
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
 * Receives one line of the log, without a newline at its end; `line` is valid during the call.
 */
typedef void (*cldoci_log_callback)(int32_t level, const char *line, void *user_data);

/** What a credential is for: to identify to the registry, without access to a repository. */
#define CLDOCI_ACTION_IDENTIFY 0
/** To read a repository. */
#define CLDOCI_ACTION_PULL 1
/** To write to a repository and read it. */
#define CLDOCI_ACTION_PUSH 2
/** To delete from a repository, write to it and read it. */
#define CLDOCI_ACTION_DELETE 3
/**
 * Provides the credential for a repository, after its registry has demanded one. Fill in `credential`
 * (`cldoci_credential_set_basic` and the functions after it) and return 1. Return 0 if you have none; then the
 * next source is asked. A negative number ends the operation with CLDOCI_ERROR_CREDENTIALS;
 * `cldoci_credential_set_failure` sets its message. `cldoci_credential_action` says what the credential is for.
 * It is used until the registry refuses it. `credential` is valid during the call, on the callback's thread.
 */
typedef int32_t (*cldoci_credential_callback)(const char *registry,
                                              const char *repository,
                                              cldoci_credential *credential,
                                              void *user_data);

/**
 * What the credential is for. A callback that calls this is asked once for each action on a repository. One that
 * does not call it is asked once per repository, and its first answer serves all actions.
 *
 * @return CLDOCI_ACTION_…, later versions may have more; CLDOCI_ERROR_HANDLE for a bad handle
 */
int32_t cldoci_credential_action(const cldoci_credential *credential);

/**
 * Fills in a user name with a password or an access token.
 *
 * @param username  borrowed, not NULL, UTF-8; copied
 * @param password  borrowed, not NULL, UTF-8; copied, and wiped when it is no longer needed
 */
cldoci_status cldoci_credential_set_basic(cldoci_credential *credential,
                                          const char *username,
                                          const char *password,
                                          cldoci_error **error);

/**
 * Fills in an OAuth2 refresh token, which `docker login` gets from some registries.
 *
 * @param username  borrowed, may be NULL, UTF-8; copied: for servers that only know basic authentication
 * @param token     borrowed, not NULL, UTF-8; copied, and wiped when it is no longer needed
 */
cldoci_status cldoci_credential_set_identity_token(cldoci_credential *credential,
                                                   const char *username,
                                                   const char *token,
                                                   cldoci_error **error);

/**
 * Fills in a bearer token that is sent unchanged.
 *
 * @param token  borrowed, not NULL, UTF-8; copied, and wiped when it is no longer needed
 */
cldoci_status cldoci_credential_set_registry_token(cldoci_credential *credential,
                                                   const char *token,
                                                   cldoci_error **error);

/**
 * Says why there is no credential: the message of the error if the callback returns a negative number.
 *
 * @param message  borrowed, not NULL, UTF-8; copied: one line for people, without a secret
 */
cldoci_status cldoci_credential_set_failure(cldoci_credential *credential,
                                            const char *message,
                                            cldoci_error **error);

/* Options ------------------------------------------------------------------------------------------------ */

/**
 * Makes empty options: every option keeps the value of the client, the environment or the default.
 *
 * @param options  out, not NULL: set to NULL, on success to options that you free
 */
cldoci_status cldoci_options_new(cldoci_options **options, cldoci_error **error);

/**
 * Sets an option by its name, from text. Setting a list or pairs (`KEY=VALUE`) again adds to them; any other
 * value is replaced. The message of a failure lists the known names or values. `cldoci_option_name` and the
 * functions after it list the options.
 *
 * @param name   borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set(cldoci_options *options,
                                 const char *name,
                                 const char *value,
                                 cldoci_error **error);

/**
 * Sets one pair of an option that holds pairs, such as `annotation`. The key may contain a `=`.
 *
 * @param name   borrowed, not NULL, UTF-8; copied
 * @param key    borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_pair(cldoci_options *options,
                                      const char *name,
                                      const char *key,
                                      const char *value,
                                      cldoci_error **error);

/**
 * Sets an option of one registry host, such as `username`, `password`, `insecure` or `mirrors`: those whose
 * scope is `host` (`cldoci_option_scope`). They belong to a client.
 *
 * @param host   borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
 * @param name   borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_host(cldoci_options *options,
                                      const char *host,
                                      const char *name,
                                      const char *value,
                                      cldoci_error **error);

/**
 * Sets a function that receives the progress of an operation, or of all operations of a client. It is called
 * about ten times a second and once at the end, one call at a time. If it returns anything but 0, the operation
 * is cancelled. For a blocking verb it runs on the thread that called the verb, otherwise on a thread that only
 * runs callbacks. If it blocks, only the end of its own operation waits for it.
 *
 * It may cancel and free its own operation and start others; waiting for its own operation is
 * CLDOCI_ERROR_REENTRANT. It must not unwind (C++ exceptions, longjmp): that ends the process. After the end of
 * an operation it is not called any more.
 */
cldoci_status cldoci_options_set_progress_callback(cldoci_options *options,
                                                   cldoci_progress_callback callback,
                                                   void *user_data,
                                                   cldoci_finalizer finalizer,
                                                   cldoci_error **error);

/**
 * Sets a function that is asked for credentials: after the options of a host, and before the files and helpers
 * of docker and podman. It belongs to a client. For a blocking verb it runs on the thread that called the verb,
 * which waits for it, otherwise on a thread that only runs callbacks. Several calls may run at once. It must not
 * unwind.
 *
 * It may cancel and free operations and start others. Waiting for an operation of its own client, which may wait
 * for the callback, is CLDOCI_ERROR_REENTRANT, and so are that client's blocking verbs. Another client can be
 * used freely.
 */
cldoci_status cldoci_options_set_credential_callback(cldoci_options *options,
                                                     cldoci_credential_callback callback,
                                                     void *user_data,
                                                     cldoci_finalizer finalizer,
                                                     cldoci_error **error);

/**
 * Sets a function that receives the log of an operation, or of all operations of a client. For a blocking verb
 * it runs on the thread that called the verb, and gets all lines before the verb returns. Otherwise it runs on a
 * thread that only runs callbacks, one call at a time, and some lines may come after the operation has ended. If
 * it is slow, lines are left out. No line contains a secret. It must not unwind.
 *
 * @param level  the last level that you want: CLDOCI_LOG_…
 */
cldoci_status cldoci_options_set_log_callback(cldoci_options *options,
                                              int32_t level,
                                              cldoci_log_callback callback,
                                              void *user_data,
                                              cldoci_finalizer finalizer,
                                              cldoci_error **error);

/**
 * Frees options. Clients and operations that were given them keep their copies.
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
 * Largest size of the store in bytes; the oldest blobs are removed first. Belongs to a client. Default:
 * 10737418240.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_store_max_bytes(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Blobs and records of the store that were not used for this many seconds are removed. Belongs to a client.
 * Default: 2592000.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_store_max_age_s(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Keep pulled blobs in the store and reuse them. Belongs to a client or a call. Default: 0.
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
 * Transfers that one call runs at once: blobs, and ranges of large ones. Belongs to a client or a call.
 * Default: 4.
 *
 * @param value  the number, from 1 to 64
 */
cldoci_status cldoci_options_set_parallel(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Connections that download one large blob, within parallel, if one is slow and the server supports Range
 * (not over HTTP/2); 1 = one. Belongs to a client or a call. Default: 4.
 *
 * @param value  the number, from 1 to 6
 */
cldoci_status cldoci_options_set_ranges(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Bytes per second of one connection below which a large blob is downloaded in ranges; 0 = never. Belongs to
 * a client or a call. Default: 8388608.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_ranges_below(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * A large layer that takes no longer than this, judged by its first bytes, is not also written to the store:
 * if it is interrupted, the next pull starts it anew; 0 = every layer is written. Belongs to a client or a
 * call. Default: 1000.
 *
 * @param value  the number, from 0 to 86400000
 */
cldoci_status cldoci_options_set_resume_after_ms(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Threads that compress and decompress; 0 = one for each core. Belongs to a client or a call. Default: 0.
 *
 * @param value  the number, from 0 to 256
 */
cldoci_status cldoci_options_set_threads(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * How often one request is retried. Belongs to a client or a call. Default: 5.
 *
 * @param value  the number, from 0 to 100
 */
cldoci_status cldoci_options_set_retries(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * How long to wait for a registry that goes away during a transfer (refuses connections, or a gateway
 * answers 502, 503 or 504 for it); 0 = as for the first contact, also if retries is 0. Belongs to a client
 * or a call. Default: 30000.
 *
 * @param value  the number, from 0 to 86400000
 */
cldoci_status cldoci_options_set_retry_window_ms(cldoci_options *options,
                                                 int64_t value,
                                                 cldoci_error **error);

/**
 * Time limit for a connection, including TLS. Belongs to a client. Default: 10000.
 *
 * @param value  the number, from 1 to 86400000
 */
cldoci_status cldoci_options_set_connect_timeout_ms(cldoci_options *options,
                                                    int64_t value,
                                                    cldoci_error **error);

/**
 * Time limit for the headers of a response. Belongs to a client. Default: 60000.
 *
 * @param value  the number, from 1 to 86400000
 */
cldoci_status cldoci_options_set_header_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);

/**
 * Time limit for the response that completes an upload, which scanners can delay. Belongs to a client.
 * Default: 600000.
 *
 * @param value  the number, from 1 to 86400000
 */
cldoci_status cldoci_options_set_commit_timeout_ms(cldoci_options *options,
                                                   int64_t value,
                                                   cldoci_error **error);

/**
 * Minimum bytes per second of a body; 0 = any. Belongs to a client. Default: 1024.
 *
 * @param value  the number, at least 0
 */
cldoci_status cldoci_options_set_min_rate(cldoci_options *options, int64_t value, cldoci_error **error);

/**
 * Time over which min_rate is measured. Belongs to a client. Default: 60000.
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
 * Proxy URL; empty = from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; 'off' = none; an https proxy is
 * verified by ca_file and the system's authorities only. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_proxy(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * PEM file of certificate authorities to trust in addition to the system's, or to those of SSL_CERT_FILE and
 * SSL_CERT_DIR. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_options_set_ca_file(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Directory of PEM files (*.crt, *.pem) of certificate authorities to trust, like ca_file. Belongs to a
 * client. Default: empty.
 *
 * @param value  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_options_set_ca_dir(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Directories with a subdirectory for each host, named HOST or HOST:PORT, that has its authorities (*.crt),
 * client certificates (*.cert) and keys (*.key); the first that has the host counts; 'default' = podman's
 * and docker's: certs.d in ~/.config/containers, /etc/containers, ~/.config/docker and /etc/docker. Belongs
 * to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, UTF-8: one item, or several with commas between; copied. Setting it
 *               again adds to it
 */
cldoci_status cldoci_options_set_certs_dirs(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * Hosts (HOST or HOST:PORT) to use plain HTTP for. Belongs to a client. Default: empty.
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
 * Containers' registries.conf file, which says which repositories are read from mirrors or from elsewhere,
 * or blocked; 'default' = podman's: ~/.config/containers/registries.conf, else
 * /etc/containers/registries.conf, with the files of registries.conf.d. Belongs to a client. Default: empty.
 *
 * @param value  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_options_set_registries_conf(cldoci_options *options,
                                                 const char *value,
                                                 cldoci_error **error);

/**
 * Take a tag from the first mirror that has it; false = ask mirrors for digests only. Belongs to a client or
 * a call. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_tags_from_mirrors(cldoci_options *options,
                                                   int32_t value,
                                                   cldoci_error **error);

/**
 * Storage (HOST or HOST:PORT) that a registry may redirect blob downloads to even if it has a private
 * address or uses plain http; it gets no credentials. Belongs to a client. Default: empty.
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
 * Default = explicit ones, then docker's and podman's files and helpers; explicit = only those given here;
 * anonymous = none. Belongs to a client. Default: CLDOCI_CREDENTIALS_DEFAULT.
 *
 * @param value  CLDOCI_CREDENTIALS_…
 */
cldoci_status cldoci_options_set_credentials(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Time limit for a credential helper. Belongs to a client. Default: 30000.
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
 * Memory for the manifests and lists of all calls together, beyond the first MiB of each; a call that finds
 * none left waits. Belongs to a client or a call. Default: 16777216.
 *
 * @param value  the number, from 1048576 to 1099511627776
 */
cldoci_status cldoci_options_set_max_documents_bytes(cldoci_options *options,
                                                     int64_t value,
                                                     cldoci_error **error);

/**
 * Most layers of a manifest, or manifests of an index. Belongs to a client or a call. Default: 10000.
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
 * Largest window of a zstd layer, which is held in memory in addition to all else. Belongs to a client or a
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
 * Build: which entries are left out before .cldignore is applied; kind = the kind's own rules. Belongs to a
 * client or a call. Default: CLDOCI_PROFILE_KIND.
 *
 * @param value  CLDOCI_PROFILE_…
 */
cldoci_status cldoci_options_set_profile(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Build: symbolic links that leave the directory or dangle. Belongs to a client or a call. Default:
 * CLDOCI_LINKS_ERROR.
 *
 * @param value  CLDOCI_LINKS_…
 */
cldoci_status cldoci_options_set_links(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Build: names that differ only in case, which other systems can't tell apart. Belongs to a client or a
 * call. Default: CLDOCI_CASE_COLLISIONS_WARN.
 *
 * @param value  CLDOCI_CASE_COLLISIONS_…
 */
cldoci_status cldoci_options_set_case_collisions(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);

/**
 * Build: modification time of every entry, in seconds; SOURCE_DATE_EPOCH in the environment. Belongs to a
 * client or a call. Default: 0.
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
 * Build: keep the layer in the store and reuse it, without reading a file, while every path, every link and
 * every file's device, inode, mode, size, mtime and ctime stay the same; a directory that changed in the
 * last seconds before a build is not remembered; a write through a memory map, or a clock that was set back,
 * can go unnoticed. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_reuse_unchanged(cldoci_options *options,
                                                 int32_t value,
                                                 cldoci_error **error);

/**
 * Build: annotate a layer of several blocks with their offsets, so that a pull unpacks them on several
 * threads. Belongs to a client or a call. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_block_annotation(cldoci_options *options,
                                                  int32_t value,
                                                  cldoci_error **error);

/**
 * Build: paths to leave out, relative to the directory (such as a layout inside it). Belongs to a call.
 * Default: empty.
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
 * Copy: copy the referrers too, and theirs in turn, up to 8 levels deep. Belongs to a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_recursive(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Copy: copy the tags too that name what is copied by its digest, such as sha256-HEX.sig, .att, .sbom or
 * .imgpkg. Belongs to a call. Default: 0.
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
 * Pull and inspect: get the config too, which takes one request; without it cldoci_artifact_config returns
 * NULL. Belongs to a client or a call. Default: 1.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_fetch_config(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: sync to disk, so that what was published survives a loss of power. Belongs to a client or a call.
 * Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_durable(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: set the modification times from the archive. Belongs to a client or a call. Default: 0.
 *
 * @param value  1 or 0
 */
cldoci_status cldoci_options_set_preserve_mtime(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: follow a destination that is a symbolic link. Belongs to a client or a call. Default: 0.
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
 * Pull: a name that occurs twice in one layer. Belongs to a client or a call. Default:
 * CLDOCI_DUPLICATES_REFUSE.
 *
 * @param value  CLDOCI_DUPLICATES_…
 */
cldoci_status cldoci_options_set_duplicates(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Pull: unpack an absolute name below the destination. Belongs to a client or a call. Default: 0.
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
 * Pull: layers that are neither titled files nor archives; skip leaves them out, with a warning if something
 * else is published; file names them by their digest; default = refuse for component, datacenter and module
 * and with existing=merge or replace, else skip. Belongs to a client or a call. Default:
 * CLDOCI_OTHER_LAYERS_DEFAULT.
 *
 * @param value  CLDOCI_OTHER_LAYERS_…
 */
cldoci_status cldoci_options_set_other_layers(cldoci_options *options, int32_t value, cldoci_error **error);

/**
 * Which manifest of an index to use: os/architecture[/variant]. Belongs to a client or a call. Default:
 * linux/amd64.
 *
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_options_set_platform(cldoci_options *options, const char *value, cldoci_error **error);

/**
 * List_tags: include the tags ALGORITHM-HEX, in which registries without a referrers API keep a manifest's
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
 */
size_t cldoci_option_count(void);

/**
 * The name of an option, as `cldoci_options_set` takes it. In the environment it is `CLDOCI_<NAME>`.
 */
const char *cldoci_option_name(size_t index);

/**
 * The type of an option: `bool`, `int`, `text`, `path`, `list`, `choice`, `secret` or `pairs`.
 */
const char *cldoci_option_type(size_t index);

/**
 * Where an option may be given: `client`, `call`, `both`, or `host` (`cldoci_options_set_host`).
 */
const char *cldoci_option_scope(size_t index);

/**
 * The values that an option may have: words separated by commas, or a range of numbers such as `1..64`. Empty
 * for free text.
 */
const char *cldoci_option_values(size_t index);

/**
 * The default of an option, as text.
 */
const char *cldoci_option_default(size_t index);

/**
 * What an option does, in one line.
 */
const char *cldoci_option_help(size_t index);

/* References --------------------------------------------------------------------------------------------- */

/**
 * Parses a reference: `registry/repository[:tag][@digest]`, such as `ghcr.io/org/app:v1`, or
 * `ocidir://PATH[:TAG][@DIGEST]` for a local OCI image layout.
 *
 * Without a registry it means Docker Hub (`nginx` is `docker.io/library/nginx:latest`). A registry reference
 * without tag and digest has the tag `latest`. In `ocidir://` nothing is percent-decoded; the tag follows the
 * last `:` after the last `/`. Neither a registry nor the file system is asked.
 *
 * @param string     borrowed, not NULL, UTF-8; copied
 * @param reference  out, not NULL: set to NULL, on success to a reference that you free
 */
cldoci_status cldoci_reference_parse(const char *string, cldoci_reference **reference, cldoci_error **error);

/**
 * Makes a reference to a local OCI image layout from its parts. Use it for a path that the text form can't
 * express: with a `:` in its last name, or not in UTF-8.
 *
 * @param directory  borrowed, not NULL, any bytes; copied
 * @param tag        borrowed, may be NULL, UTF-8: without it, the only manifest of the layout, else `latest`
 * @param digest     borrowed, may be NULL, UTF-8
 * @param reference  out, not NULL: set to NULL, on success to a reference that you free
 */
cldoci_status cldoci_reference_layout(const char *directory,
                                      const char *tag,
                                      const char *digest,
                                      cldoci_reference **reference,
                                      cldoci_error **error);

/**
 * Makes a reference to a registry from its parts.
 *
 * @param registry    borrowed, not NULL, UTF-8: a host with or without a port; copied
 * @param repository  borrowed, not NULL, UTF-8; copied
 * @param tag         borrowed, may be NULL, UTF-8: without tag and digest it is `latest`
 * @param digest      borrowed, may be NULL, UTF-8
 * @param reference   out, not NULL: set to NULL, on success to a reference that you free
 */
cldoci_status cldoci_reference_from_parts(const char *registry,
                                          const char *repository,
                                          const char *tag,
                                          const char *digest,
                                          cldoci_reference **reference,
                                          cldoci_error **error);

/**
 * Makes a reference to the same repository or layout with another tag or digest.
 *
 * @param of         borrowed, not NULL: names the repository or the layout
 * @param tag        borrowed, may be NULL, UTF-8
 * @param digest     borrowed, may be NULL, UTF-8
 * @param reference  out, not NULL: set to NULL, on success to a reference that you free
 */
cldoci_status cldoci_reference_with(const cldoci_reference *of,
                                    const char *tag,
                                    const char *digest,
                                    cldoci_reference **reference,
                                    cldoci_error **error);

/**
 * The complete reference as text.
 */
const char *cldoci_reference_string(const cldoci_reference *reference, size_t *length);

/**
 * The registry: host and port, if one was given. Docker Hub is `docker.io` in every spelling. NULL for a layout.
 */
const char *cldoci_reference_registry(const cldoci_reference *reference,
                                      size_t *length);

/**
 * The full name of the repository, such as `library/nginx`. NULL for a layout.
 */
const char *cldoci_reference_repository(const cldoci_reference *reference, size_t *length);

/**
 * The directory of a layout, with any bytes, as in the file system. NULL for a registry.
 */
const char *cldoci_reference_path(const cldoci_reference *reference, size_t *length);

/**
 * The tag in the reference. NULL if it has none.
 */
const char *cldoci_reference_tag(const cldoci_reference *reference, size_t *length);

/**
 * The digest as it was written. A verb that uses it needs a complete one. NULL if the reference has none.
 */
const char *cldoci_reference_digest(const cldoci_reference *reference, size_t *length);

/**
 * Frees a reference and everything borrowed from it. Operations that use it go on.
 */
cldoci_status cldoci_reference_free(cldoci_reference *reference);

/* The client and its verbs ------------------------------------------------------------------------------- */

/**
 * Makes a client. Its settings are fixed now, and the environment is read now and not later. It does not
 * connect, and starts no thread. One client serves any number of calls and threads, and keeps its connections
 * between calls. An invalid option or variable of the environment is CLDOCI_ERROR_ARGUMENT.
 *
 * If the options have no log callback, the environment variable CLDOCI_LOG (`error`, `warn`, `info` or `debug`)
 * sends lines up to that level to standard error, but never in a set-user-ID process.
 *
 * @param options  borrowed, may be NULL: all defaults; copied
 * @param client   out, not NULL: set to NULL, on success to a client that you free
 */
cldoci_status cldoci_client_new(const cldoci_options *options,
                                cldoci_client **client,
                                cldoci_error **error);

/**
 * Frees a client, and never waits: running operations go on, and the library's threads end soon after the last
 * client and operation.
 */
cldoci_status cldoci_client_free(cldoci_client *client);

/**
 * Builds a directory into an artifact: a deterministic tar+gzip layer, the config, and an OCI image manifest.
 * The same directory and options give the same digest everywhere. Nothing is sent; the store keeps the layer as
 * long as the artifact lives. The result has the artifact, the digest, and what was left out and why.
 *
 * @param directory      borrowed, not NULL, a path of any bytes; copied
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media type
 *                       of your own
 * @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
 * @param config_size    how many bytes
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
 * Starts `cldoci_build` and returns at once.
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
 * Builds a directory and pushes the artifact, in one pass if the registry allows it: the layer is sent while it
 * is packed and not stored first. The registry is not asked whether it has the layer; if it often does, use
 * `cldoci_build` and `cldoci_push`. The verb itself builds first and pushes then for a layout, for a reference
 * with a digest, for a registry that needs the length of a body, and with the option `reuse_unchanged`.
 *
 * The result has the artifact, the digest, what was left out and why, counters and warnings.
 *
 * @param directory      borrowed, not NULL, a path of any bytes; copied
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media type
 *                       of your own
 * @param config         borrowed, may be NULL where `config_size` is 0 (an empty config `{}`); copied
 * @param config_size    how many bytes
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
 * Starts `cldoci_build_and_push` and returns at once.
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
 * Pushes an artifact to a registry or a layout. Blobs that it has are skipped, others are mounted if possible,
 * and the manifest goes last: the tag names the old artifact or the complete new one. The result has the digest,
 * counters and warnings.
 */
cldoci_status cldoci_push(const cldoci_client *client,
                          const cldoci_artifact *artifact,
                          const cldoci_reference *reference,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);

/**
 * Starts `cldoci_push` and returns at once.
 */
cldoci_status cldoci_push_start(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                const cldoci_reference *reference,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);

/**
 * Pulls an artifact into a directory, all or nothing: every size and digest is verified before anything appears.
 * The destination may be missing or empty; the option `existing` says what happens to any other. If the
 * destination already holds this artifact, that takes one request and it is not touched. The result has the
 * artifact, the digest, counters and warnings.
 *
 * @param destination  borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_pull(const cldoci_client *client,
                          const cldoci_reference *reference,
                          const char *destination,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);

/**
 * Starts `cldoci_pull` and returns at once.
 */
cldoci_status cldoci_pull_start(const cldoci_client *client,
                                const cldoci_reference *reference,
                                const char *destination,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);

/**
 * Gives the artifact at `source` the name `target` too, with the same manifest. Within a repository no blob is
 * sent; between repositories blobs are mounted, between registries copied. The result has the digest.
 */
cldoci_status cldoci_tag(const cldoci_client *client,
                         const cldoci_reference *source,
                         const cldoci_reference *target,
                         const cldoci_options *options,
                         cldoci_result **result,
                         cldoci_error **error);

/**
 * Starts `cldoci_tag` and returns at once.
 */
cldoci_status cldoci_tag_start(const cldoci_client *client,
                               const cldoci_reference *source,
                               const cldoci_reference *target,
                               const cldoci_options *options,
                               cldoci_operation **operation,
                               cldoci_error **error);

/**
 * Copies an artifact, or an index with everything it lists. Blobs that the target has are skipped. With the
 * option `recursive` the referrers come along, also those of the manifests in an index, and the referrers of
 * referrers, up to 8 levels deep. The result has the digest.
 */
cldoci_status cldoci_copy(const cldoci_client *client,
                          const cldoci_reference *source,
                          const cldoci_reference *target,
                          const cldoci_options *options,
                          cldoci_result **result,
                          cldoci_error **error);

/**
 * Starts `cldoci_copy` and returns at once.
 */
cldoci_status cldoci_copy_start(const cldoci_client *client,
                                const cldoci_reference *source,
                                const cldoci_reference *target,
                                const cldoci_options *options,
                                cldoci_operation **operation,
                                cldoci_error **error);

/**
 * Pushes an artifact that refers to the one at `subject` into the same repository, such as a signature or an
 * SBOM. Its config, layers and artifact type stay as they are: an artifact of your own type without a config
 * gets the empty config `{}`, as the OCI specification asks. The result has the artifact as it was pushed and
 * its digest.
 *
 * @param subject  borrowed, not NULL: the artifact that it refers to
 */
cldoci_status cldoci_attach(const cldoci_client *client,
                            const cldoci_artifact *artifact,
                            const cldoci_reference *subject,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_attach` and returns at once.
 */
cldoci_status cldoci_attach_start(const cldoci_client *client,
                                  const cldoci_artifact *artifact,
                                  const cldoci_reference *subject,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/**
 * Deletes a tag; for a reference with a digest, a manifest with all its tags.
 */
cldoci_status cldoci_delete(const cldoci_client *client,
                            const cldoci_reference *reference,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_delete` and returns at once.
 */
cldoci_status cldoci_delete_start(const cldoci_client *client,
                                  const cldoci_reference *reference,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/**
 * Removes the blobs of a layout that no tag and no manifest in it needs; deleted and replaced ones stay until
 * then. It waits until nothing writes to the layout, so a push at the same time loses nothing. The size in the
 * result is the number of bytes freed. For a registry it is CLDOCI_ERROR_UNSUPPORTED: registries collect their
 * own garbage.
 *
 * @param reference  borrowed, not NULL: any reference to the layout; its tag and digest don't matter
 */
cldoci_status cldoci_collect_garbage(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_result **result,
                                     cldoci_error **error);

/**
 * Starts `cldoci_collect_garbage` and returns at once.
 */
cldoci_status cldoci_collect_garbage_start(const cldoci_client *client,
                                           const cldoci_reference *reference,
                                           const cldoci_options *options,
                                           cldoci_operation **operation,
                                           cldoci_error **error);

/**
 * Gets the config's bytes as they were pushed, and no layer. The result has the bytes, their media type, digest
 * and size.
 */
cldoci_status cldoci_pull_config(const cldoci_client *client,
                                 const cldoci_reference *reference,
                                 const cldoci_options *options,
                                 cldoci_result **result,
                                 cldoci_error **error);

/**
 * Starts `cldoci_pull_config` and returns at once.
 */
cldoci_status cldoci_pull_config_start(const cldoci_client *client,
                                       const cldoci_reference *reference,
                                       const cldoci_options *options,
                                       cldoci_operation **operation,
                                       cldoci_error **error);

/**
 * Asks whether an artifact exists. Only a well-formed "not found" means no; if the answer is unknown (no access,
 * no connection, a failure of the server), that is an error. `cldoci_result_exists` has the answer.
 */
cldoci_status cldoci_exists(const cldoci_client *client,
                            const cldoci_reference *reference,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_exists` and returns at once.
 */
cldoci_status cldoci_exists_start(const cldoci_client *client,
                                  const cldoci_reference *reference,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/**
 * Asks for the digest, media type and size of what a reference names, without a download. The result has them.
 * CLDOCI_ERROR_NOT_FOUND if it does not exist.
 */
cldoci_status cldoci_resolve(const cldoci_client *client,
                             const cldoci_reference *reference,
                             const cldoci_options *options,
                             cldoci_result **result,
                             cldoci_error **error);

/**
 * Starts `cldoci_resolve` and returns at once.
 */
cldoci_status cldoci_resolve_start(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_operation **operation,
                                   cldoci_error **error);

/**
 * Lists the tags of a repository or a layout, sorted by their bytes. The tag of the reference does not matter.
 */
cldoci_status cldoci_list_tags(const cldoci_client *client,
                               const cldoci_reference *reference,
                               const cldoci_options *options,
                               cldoci_result **result,
                               cldoci_error **error);

/**
 * Starts `cldoci_list_tags` and returns at once.
 */
cldoci_status cldoci_list_tags_start(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_operation **operation,
                                     cldoci_error **error);

/**
 * Gets an artifact without the bytes of its layers: manifest and config. The result has the artifact.
 */
cldoci_status cldoci_inspect(const cldoci_client *client,
                             const cldoci_reference *reference,
                             const cldoci_options *options,
                             cldoci_result **result,
                             cldoci_error **error);

/**
 * Starts `cldoci_inspect` and returns at once.
 */
cldoci_status cldoci_inspect_start(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_operation **operation,
                                   cldoci_error **error);

/**
 * Gets the bytes of any manifest as they are stored: of an artifact, an image or an index. No platform is
 * chosen; the option `platform` has no effect. The result has the bytes, their media type, digest and size, and
 * the entries of an index (`cldoci_result_entry_count`). To get the manifest of an entry, use its digest in a
 * reference. CLDOCI_ERROR_NOT_FOUND if it does not exist.
 */
cldoci_status cldoci_read_manifest(const cldoci_client *client,
                                   const cldoci_reference *reference,
                                   const cldoci_options *options,
                                   cldoci_result **result,
                                   cldoci_error **error);

/**
 * Starts `cldoci_read_manifest` and returns at once.
 */
cldoci_status cldoci_read_manifest_start(const cldoci_client *client,
                                         const cldoci_reference *reference,
                                         const cldoci_options *options,
                                         cldoci_operation **operation,
                                         cldoci_error **error);

/**
 * Lists the manifests that refer to an artifact. The result has their descriptors.
 */
cldoci_status cldoci_referrers(const cldoci_client *client,
                               const cldoci_reference *reference,
                               const cldoci_options *options,
                               cldoci_result **result,
                               cldoci_error **error);

/**
 * Starts `cldoci_referrers` and returns at once.
 */
cldoci_status cldoci_referrers_start(const cldoci_client *client,
                                     const cldoci_reference *reference,
                                     const cldoci_options *options,
                                     cldoci_operation **operation,
                                     cldoci_error **error);

/**
 * Gets the bytes of one layer as stored (compressed) into memory, and verifies them. The result has them.
 */
cldoci_status cldoci_read_layer(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                size_t layer,
                                const cldoci_options *options,
                                cldoci_result **result,
                                cldoci_error **error);

/**
 * Starts `cldoci_read_layer` and returns at once.
 */
cldoci_status cldoci_read_layer_start(const cldoci_client *client,
                                      const cldoci_artifact *artifact,
                                      size_t layer,
                                      const cldoci_options *options,
                                      cldoci_operation **operation,
                                      cldoci_error **error);

/**
 * Writes the bytes of one layer as stored (compressed) to a descriptor, in order and in limited memory. They are
 * verified on the way: if the call fails, do not use what was written. The result has the digest and size.
 *
 * @param fd  borrowed: an open descriptor to write to; duplicated, so you may close yours at once
 */
cldoci_status cldoci_save_layer(const cldoci_client *client,
                                const cldoci_artifact *artifact,
                                size_t layer,
                                int32_t fd,
                                const cldoci_options *options,
                                cldoci_result **result,
                                cldoci_error **error);

/**
 * Starts `cldoci_save_layer` and returns at once.
 */
cldoci_status cldoci_save_layer_start(const cldoci_client *client,
                                      const cldoci_artifact *artifact,
                                      size_t layer,
                                      int32_t fd,
                                      const cldoci_options *options,
                                      cldoci_operation **operation,
                                      cldoci_error **error);

/**
 * Tries a user name and a password (or an access token) at a registry, and keeps them where docker does: in the
 * credential helper that its config names, else in the config file (mode 0600).
 * `cldoci_result_credential_source` says where. CLDOCI_ERROR_UNAUTHORIZED if the registry refuses them.
 *
 * @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
 * @param username  borrowed, not NULL, UTF-8; copied
 * @param password  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_login(const cldoci_client *client,
                           const char *registry,
                           const char *username,
                           const char *password,
                           const cldoci_options *options,
                           cldoci_result **result,
                           cldoci_error **error);

/**
 * Starts `cldoci_login` and returns at once.
 */
cldoci_status cldoci_login_start(const cldoci_client *client,
                                 const char *registry,
                                 const char *username,
                                 const char *password,
                                 const cldoci_options *options,
                                 cldoci_operation **operation,
                                 cldoci_error **error);

/**
 * Removes the credential of a registry from where docker keeps it. `cldoci_result_exists` says whether there was
 * one.
 *
 * @param registry  borrowed, not NULL, UTF-8; copied: `HOST` or `HOST:PORT`
 */
cldoci_status cldoci_logout(const cldoci_client *client,
                            const char *registry,
                            const cldoci_options *options,
                            cldoci_result **result,
                            cldoci_error **error);

/**
 * Starts `cldoci_logout` and returns at once.
 */
cldoci_status cldoci_logout_start(const cldoci_client *client,
                                  const char *registry,
                                  const cldoci_options *options,
                                  cldoci_operation **operation,
                                  cldoci_error **error);

/* Results ------------------------------------------------------------------------------------------------ */

/**
 * The digest of the config for pull_config, of the layer for read_layer and save_layer, and of the manifest for
 * build, push, pull, tag, copy, resolve, exists, inspect, attach and read_manifest.
 */
const char *cldoci_result_digest(const cldoci_result *result,
                                 size_t *length);

/**
 * The media type of what `cldoci_result_digest` names.
 */
const char *cldoci_result_media_type(const cldoci_result *result, size_t *length);

/**
 * The size in bytes of what `cldoci_result_digest` names.
 */
uint64_t cldoci_result_size(const cldoci_result *result);

/**
 * The answer of exists; for logout, whether there was a credential.
 *
 * @return 1 for yes, 0 for no; CLDOCI_ERROR_ARGUMENT for the result of another verb, CLDOCI_ERROR_HANDLE for a
 *         bad handle
 */
int32_t cldoci_result_exists(const cldoci_result *result);

/**
 * The artifact of build, pull, inspect and attach. Each call returns a new handle to the same artifact.
 * CLDOCI_ERROR_ARGUMENT if the verb gives none.
 *
 * @param artifact  out, not NULL: set to NULL, on success to an artifact that you free
 */
cldoci_status cldoci_result_artifact(const cldoci_result *result,
                                     cldoci_artifact **artifact,
                                     cldoci_error **error);

/**
 * The bytes of pull_config (the config as it was pushed), read_manifest and read_layer. A NUL follows the bytes
 * of the first two, which `size` does not count; nothing follows those of a layer. May be NULL for a layer of 0
 * bytes.
 *
 * @param size  out, may be NULL: how many bytes
 */
const uint8_t *cldoci_result_bytes(const cldoci_result *result,
                                   size_t *size);

/**
 * What the operation did: requests, bytes, retries and time.
 *
 * @param counters  in and out, not NULL: set its struct_size before; the rest is set to zero, then filled in
 */
cldoci_status cldoci_result_counters(const cldoci_result *result,
                                     cldoci_counters *counters,
                                     cldoci_error **error);

/**
 * For pull: whether the destination already held the artifact and was not touched. For build with the option
 * `reuse_unchanged`: whether the directory is as it was at the last build, so that no file was read.
 *
 * @return 1 or 0
 */
int32_t cldoci_result_unchanged(const cldoci_result *result);

/**
 * Where the credential came from, such as a file or a helper; never the credential itself. NULL if none was
 * used.
 */
const char *cldoci_result_credential_source(const cldoci_result *result, size_t *length);

/**
 * Frees a result and everything borrowed from it; artifacts taken from it stay.
 */
cldoci_status cldoci_result_free(cldoci_result *result);

/**
 * How many tags list_tags found.
 */
size_t cldoci_result_tag_count(const cldoci_result *result);

/**
 * A tag that list_tags found; they are sorted by their bytes.
 */
const char *cldoci_result_tag(const cldoci_result *result, size_t index, size_t *length);

/**
 * How many referrers the verb referrers found.
 */
size_t cldoci_result_referrer_count(const cldoci_result *result);

/**
 * The digest of a referrer.
 */
const char *cldoci_result_referrer_digest(const cldoci_result *result, size_t index, size_t *length);

/**
 * The media type of a referrer.
 */
const char *cldoci_result_referrer_media_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The artifact type of a referrer. NULL if it has none.
 */
const char *cldoci_result_referrer_artifact_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The size of a referrer's manifest in bytes.
 */
uint64_t cldoci_result_referrer_size(const cldoci_result *result, size_t index);

/**
 * How many manifests the index of read_manifest lists; 0 if it is not an index.
 */
size_t cldoci_result_entry_count(const cldoci_result *result);

/**
 * The digest of a manifest that the index lists, in the index's order.
 */
const char *cldoci_result_entry_digest(const cldoci_result *result, size_t index, size_t *length);

/**
 * The media type of a manifest that the index lists, which may be an index itself.
 */
const char *cldoci_result_entry_media_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The artifact type of a manifest that the index lists. NULL if the index names none.
 */
const char *cldoci_result_entry_artifact_type(const cldoci_result *result, size_t index, size_t *length);

/**
 * The platform of a manifest that the index lists, as the option `platform` takes it:
 * `os/architecture[/variant]`. NULL if the index names none.
 */
const char *cldoci_result_entry_platform(const cldoci_result *result, size_t index, size_t *length);

/**
 * The size in bytes of a manifest that the index lists.
 */
uint64_t cldoci_result_entry_size(const cldoci_result *result, size_t index);

/**
 * How many annotations the descriptor of a referrer has.
 */
size_t cldoci_result_referrer_annotation_count(const cldoci_result *result, size_t index);

/**
 * The key of a referrer's annotation; they are sorted by their bytes.
 */
const char *cldoci_result_referrer_annotation_key(const cldoci_result *result,
                                                  size_t index,
                                                  size_t at,
                                                  size_t *length);

/**
 * The value of a referrer's annotation.
 */
const char *cldoci_result_referrer_annotation_value(const cldoci_result *result,
                                                    size_t index,
                                                    size_t at,
                                                    size_t *length);

/**
 * How many paths the build left out of the artifact.
 */
uint64_t cldoci_result_left_out_total(const cldoci_result *result);

/**
 * How many of those paths the result lists; the list has a limit.
 */
size_t cldoci_result_left_out_count(const cldoci_result *result);

/**
 * A path that the build left out, relative to the directory. It may have any bytes, as in the file system.
 */
const char *cldoci_result_left_out_path(const cldoci_result *result, size_t index, size_t *length);

/**
 * The rule that left the path out.
 */
const char *cldoci_result_left_out_reason(const cldoci_result *result, size_t index, size_t *length);

/**
 * How many warnings the result lists; the list has a limit.
 */
size_t cldoci_result_warning_count(const cldoci_result *result);

/**
 * A warning: one line of text, like `cldoci_error_message`.
 */
const char *cldoci_result_warning(const cldoci_result *result, size_t index, size_t *length);

/* Operations --------------------------------------------------------------------------------------------- */

/**
 * Waits until the operation has ended. Signals do not end the wait. All threads that wait are woken.
 *
 * @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits forever
 * @return CLDOCI_OK if it succeeded, CLDOCI_PENDING if the time is over (no error object), else the failure of
 *         the operation; CLDOCI_ERROR_CANCELLED also when another thread frees the handle;
 *         CLDOCI_ERROR_REENTRANT inside the operation's own callback
 */
cldoci_status cldoci_operation_wait(const cldoci_operation *operation,
                                    int64_t timeout_ms,
                                    cldoci_error **error);

/**
 * The progress of the operation; also after its end.
 *
 * @param progress  in and out, not NULL: set its struct_size before; the rest is set to zero, then filled in
 */
cldoci_status cldoci_operation_progress(const cldoci_operation *operation,
                                        cldoci_progress *progress,
                                        cldoci_error **error);

/**
 * Asks the operation to end with CLDOCI_ERROR_CANCELLED, and returns at once. The operation ends within a second
 * and removes what it was making. Cancelling again or after the end does nothing. A callback may call it; a
 * signal handler must not, because it takes locks. Let the handler write to a pipe or set a flag instead.
 */
cldoci_status cldoci_operation_cancel(const cldoci_operation *operation,
                                      cldoci_error **error);

/**
 * Makes a descriptor for an event loop (poll, epoll, libuv, asyncio). When the operation has ended or its handle
 * is freed, the descriptor becomes readable, at end-of-file, and stays so. There is never a byte to read. Each
 * call makes a new descriptor.
 *
 * @param fd  out, not NULL: set to -1, then to a descriptor that you close (close-on-exec)
 * @return CLDOCI_OK, or CLDOCI_ERROR_IO if no descriptor is available; waiting still works
 */
cldoci_status cldoci_operation_open_descriptor(const cldoci_operation *operation,
                                               int32_t *fd,
                                               cldoci_error **error);

/**
 * The result of an operation that has ended. You can ask again; each call returns a new handle.
 *
 * @param result  out, not NULL: set to NULL, on success to a result that you free
 * @return CLDOCI_OK, CLDOCI_PENDING if it has not ended (no result, no error object), else the operation's
 *         failure
 */
cldoci_status cldoci_operation_result(const cldoci_operation *operation,
                                      cldoci_result **result,
                                      cldoci_error **error);

/**
 * Frees the handle, and never waits. A running operation is cancelled and ends by itself; whoever waits for it
 * gets CLDOCI_ERROR_CANCELLED. No callback of the operation begins after this call. One that is running on
 * another thread finishes, and then the finalizer is called. A callback may call this.
 */
cldoci_status cldoci_operation_free(cldoci_operation *operation);

/* Artifacts ---------------------------------------------------------------------------------------------- */

/**
 * The artifact's type: `component`, `datacenter` or `module`, else the manifest's `artifactType`, else the media
 * type of its config.
 */
const char *cldoci_artifact_type(const cldoci_artifact *artifact,
                                 size_t *length);

/**
 * Where the artifact was read from. NULL if it was built here.
 */
const char *cldoci_artifact_reference(const cldoci_artifact *artifact, size_t *length);

/**
 * The manifest's digest, `sha256:…`.
 */
const char *cldoci_artifact_digest(const cldoci_artifact *artifact, size_t *length);

/**
 * The manifest's media type.
 */
const char *cldoci_artifact_media_type(const cldoci_artifact *artifact, size_t *length);

/**
 * The manifest's bytes. A NUL follows them, which `size` does not count.
 *
 * @param size  out, may be NULL: how many bytes
 */
const uint8_t *cldoci_artifact_manifest(const cldoci_artifact *artifact, size_t *size);

/**
 * The config's bytes, unchanged. A NUL follows them, which `size` does not count. NULL if the config was not
 * fetched (option `fetch_config`).
 *
 * @param size  out, may be NULL: how many bytes
 */
const uint8_t *cldoci_artifact_config(const cldoci_artifact *artifact, size_t *size);

/**
 * The config's media type.
 */
const char *cldoci_artifact_config_media_type(const cldoci_artifact *artifact, size_t *length);

/**
 * The config's digest.
 */
const char *cldoci_artifact_config_digest(const cldoci_artifact *artifact, size_t *length);

/**
 * The config's size in bytes.
 */
uint64_t cldoci_artifact_config_size(const cldoci_artifact *artifact);

/**
 * How many layers there are.
 */
size_t cldoci_artifact_layer_count(const cldoci_artifact *artifact);

/**
 * The media type of a layer.
 */
const char *cldoci_artifact_layer_media_type(const cldoci_artifact *artifact, size_t layer, size_t *length);

/**
 * The digest of a layer. `cldoci_read_layer` and `cldoci_save_layer` give its bytes.
 */
const char *cldoci_artifact_layer_digest(const cldoci_artifact *artifact, size_t layer, size_t *length);

/**
 * The size of a layer in bytes, as stored (compressed).
 */
uint64_t cldoci_artifact_layer_size(const cldoci_artifact *artifact, size_t layer);

/**
 * The value of a layer's annotation. NULL if it has none with this key.
 *
 * @param key  borrowed, not NULL: any bytes
 */
const char *cldoci_artifact_layer_annotation(const cldoci_artifact *artifact,
                                             size_t layer,
                                             const char *key,
                                             size_t *length);

/**
 * How many annotations a layer has.
 */
size_t cldoci_artifact_layer_annotation_count(const cldoci_artifact *artifact, size_t layer);

/**
 * The key of a layer's annotation; they are sorted by their bytes.
 */
const char *cldoci_artifact_layer_annotation_key(const cldoci_artifact *artifact,
                                                 size_t layer,
                                                 size_t index,
                                                 size_t *length);

/**
 * The value of a layer's annotation, by its index.
 */
const char *cldoci_artifact_layer_annotation_value(const cldoci_artifact *artifact,
                                                   size_t layer,
                                                   size_t index,
                                                   size_t *length);

/**
 * The value of an annotation of the manifest. NULL if it has none with this key.
 *
 * @param key  borrowed, not NULL: any bytes
 */
const char *cldoci_artifact_annotation(const cldoci_artifact *artifact, const char *key, size_t *length);

/**
 * How many annotations the manifest has.
 */
size_t cldoci_artifact_annotation_count(const cldoci_artifact *artifact);

/**
 * The key of an annotation of the manifest; they are sorted by their bytes.
 */
const char *cldoci_artifact_annotation_key(const cldoci_artifact *artifact, size_t index, size_t *length);

/**
 * The value of an annotation of the manifest, by its index.
 */
const char *cldoci_artifact_annotation_value(const cldoci_artifact *artifact, size_t index, size_t *length);

/**
 * The digest of the manifest that this one refers to. NULL if it refers to none.
 */
const char *cldoci_artifact_subject(const cldoci_artifact *artifact, size_t *length);

/**
 * Frees an artifact and everything borrowed from it. Operations that use it go on.
 */
cldoci_status cldoci_artifact_free(cldoci_artifact *artifact);

/* Configs ------------------------------------------------------------------------------------------------ */

/**
 * Makes an empty config of one of the three types with fields of their own. The build verbs take any other JSON
 * as it is.
 *
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter` or `module`
 * @param config         out, not NULL: set to NULL, on success to a config that you free
 */
cldoci_status cldoci_config_new(const char *artifact_type,
                                cldoci_config **config,
                                cldoci_error **error);

/**
 * Sets a field by its name in JSON. The message for an unknown name lists the fields.
 *
 * A component has schemaVersion, name, description, readme, sourceHash, buildTime and the map childArtifacts; a
 * datacenter has schemaVersion, name, extendsImage, sourceHash, buildTime and the map moduleArtifacts; a module
 * has plugin, name, sourceHash, buildTime and the maps inputs and outputs.
 *
 * @param field  borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_config_set(cldoci_config *config,
                                const char *field,
                                const char *value,
                                cldoci_error **error);

/**
 * Sets an entry of a field that is a map.
 *
 * @param field  borrowed, not NULL, UTF-8; copied
 * @param key    borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_config_set_entry(cldoci_config *config,
                                      const char *field,
                                      const char *key,
                                      const char *value,
                                      cldoci_error **error);

/**
 * The config as JSON, for `cldoci_build`. It does not change when you set fields later. With the option
 * `fill_source_hash`, the build fills an empty sourceHash with the layer's digest.
 *
 * @param size  out, may be NULL: how many bytes
 */
const uint8_t *cldoci_config_json(const cldoci_config *config, size_t *size);

/**
 * Frees a config and the JSON borrowed from it.
 */
cldoci_status cldoci_config_free(cldoci_config *config);

/* Artifacts by hand -------------------------------------------------------------------------------------- */

/**
 * Reads the next bytes of a layer into `buffer`, at most `size`. Return how many there were, 0 at the end, or a
 * negative number to give up.
 */
typedef int64_t (*cldoci_reader)(uint8_t *buffer, size_t size, void *user_data);

/**
 * Makes a builder for an artifact without layers and with the empty config `{}`. For a type of your own, that
 * config has the media type `application/vnd.oci.empty.v1+json` and the manifest's `artifactType` is
 * `artifact_type`, whatever the layers are. For the three named types the config's media type says what the
 * artifact is.
 *
 * @param client         borrowed, not NULL: its store keeps what readers give
 * @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media type
 *                       of your own
 * @param builder        out, not NULL: set to NULL, on success to a builder that you free
 */
cldoci_status cldoci_artifact_builder_new(const cldoci_client *client,
                                          const char *artifact_type,
                                          cldoci_artifact_builder **builder,
                                          cldoci_error **error);

/**
 * Sets the config's bytes, which stay unchanged. Only a type of your own can have another media type for it.
 *
 * @param media_type   borrowed, may be NULL, UTF-8: the type's own; copied
 * @param config       borrowed, not NULL; copied
 * @param config_size  how many bytes, at least 1
 */
cldoci_status cldoci_artifact_builder_set_config(cldoci_artifact_builder *builder,
                                                 const char *media_type,
                                                 const uint8_t *config,
                                                 size_t config_size,
                                                 cldoci_error **error);

/**
 * Adds a layer with these bytes, unchanged.
 *
 * @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
 * @param layer       borrowed, may be NULL where `layer_size` is 0; copied
 * @param layer_size  how many bytes
 */
cldoci_status cldoci_artifact_builder_add_bytes(cldoci_artifact_builder *builder,
                                                const char *media_type,
                                                const uint8_t *layer,
                                                size_t layer_size,
                                                cldoci_error **error);

/**
 * Adds a file as a layer, unchanged. The file is read now for its digest, and again when the artifact is pushed;
 * it must not change in between (CLDOCI_ERROR_CHANGED).
 *
 * @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
 * @param file        borrowed, not NULL, a path of any bytes; copied
 */
cldoci_status cldoci_artifact_builder_add_file(cldoci_artifact_builder *builder,
                                               const char *media_type,
                                               const char *file,
                                               cldoci_error **error);

/**
 * Adds a layer that a function provides, in limited memory: the client's store keeps the bytes as long as the
 * artifact lives. CLDOCI_ERROR_CANCELLED if the reader gave up.
 *
 * @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
 * @param reader      not NULL; called on this thread and during this call only
 * @param user_data   may be NULL; passed to the reader, never dereferenced
 */
cldoci_status cldoci_artifact_builder_add_reader(cldoci_artifact_builder *builder,
                                                 const char *media_type,
                                                 cldoci_reader reader,
                                                 void *user_data,
                                                 cldoci_error **error);

/**
 * Adds a layer of another artifact, without its annotations. Its bytes are read where they are when the new
 * artifact is pushed.
 *
 * @param media_type  borrowed, may be NULL, UTF-8: as the layer has it; copied
 */
cldoci_status cldoci_artifact_builder_add_layer(cldoci_artifact_builder *builder,
                                                const char *media_type,
                                                const cldoci_artifact *artifact,
                                                size_t layer,
                                                cldoci_error **error);

/**
 * Sets an annotation of a layer that was added; an old value is replaced.
 *
 * @param key    borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_artifact_builder_set_layer_annotation(cldoci_artifact_builder *builder,
                                                           size_t layer,
                                                           const char *key,
                                                           const char *value,
                                                           cldoci_error **error);

/**
 * Sets an annotation of the manifest; an old value is replaced.
 *
 * @param key    borrowed, not NULL, UTF-8; copied
 * @param value  borrowed, not NULL, UTF-8; copied
 */
cldoci_status cldoci_artifact_builder_set_annotation(cldoci_artifact_builder *builder,
                                                     const char *key,
                                                     const char *value,
                                                     cldoci_error **error);

/**
 * Makes the artifact, which fixes the bytes and the digest of its manifest. You can go on using the builder.
 *
 * @param artifact  out, not NULL: set to NULL, on success to an artifact that you free
 */
cldoci_status cldoci_artifact_builder_finish(const cldoci_artifact_builder *builder,
                                             cldoci_artifact **artifact,
                                             cldoci_error **error);

/**
 * Frees a builder; its artifacts stay.
 */
cldoci_status cldoci_artifact_builder_free(cldoci_artifact_builder *builder);

/* Ending ------------------------------------------------------------------------------------------------- */

/**
 * Waits until the library is idle: no operation runs, not even a cancelled or freed one; their temporary files
 * are gone; and no callback runs or will run. If there is no client left, it also waits for the library's
 * threads to end. An idle client does not hold it up. Call it before the program ends: after a cancelled pull,
 * nothing is left beside the destination.
 *
 * @param timeout_ms  milliseconds to wait at most; 0 only asks, a negative number waits forever
 * @return CLDOCI_OK if it is idle, CLDOCI_PENDING if the time is over (no error object), CLDOCI_ERROR_REENTRANT
 *         inside a callback
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
 * How many handles this process has made and not freed. Memory checkers can't tell, because the library can
 * reach all of them.
 *
 * @param handle_type  CLDOCI_HANDLE_…
 */
uint64_t cldoci_debug_live_handles(int32_t handle_type);

#ifdef __cplusplus
}
#endif

#endif /* CLDOCI_H */
