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
