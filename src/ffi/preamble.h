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
