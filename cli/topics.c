/* The pages of `cldoci help TOPIC`; the man page and docs/cli.md have them, too. */
#include <string.h>

#include "cli.h"

const topic topics[] = {
    {"references", "how to say where an artifact is",
     "A reference says where an artifact is, on a registry or in a local OCI image layout, a directory that needs no "
     "server. Every verb works on both.\n"
     "\n"
     "  REGISTRY/REPOSITORY[:TAG][@DIGEST]    ghcr.io/org/app:v1\n"
     "                                        localhost:5000/app@sha256:...\n"
     "  ocidir://PATH[:TAG][@DIGEST]          ocidir://layout:v1, ocidir:///srv/layout:v1\n"
     "\n"
     "Without a tag and a digest, a reference means latest, or the only manifest of a layout. Without a registry it means "
     "Docker Hub, but only for reading: to write, name the registry. The tag of a layout is what follows the last colon "
     "after the last slash.\n"
     "\n"
     "A registry on loopback uses plain HTTP; any other needs HTTPS or --plain-http.\n"},
    {"json", "what --json prints",
     "With --json a verb prints one JSON object to standard output, whether it succeeds or fails. The names, types and "
     "meanings of members do not change. Later versions may add members, so ignore those that you do not know. An "
     "unknown value is null. Bytes that are not UTF-8 become U+FFFD.\n"
     "\n"
     "Every verb that asks a registry or a layout has these:\n"
     "\n"
     "  warnings           texts\n"
     "  credentialSource   the file or helper that the credential came from, never the credential\n"
     "  counters           requests, bytesSent, bytesReceived, blobsUploaded, blobsSkipped,\n"
     "                     blobsMounted, retries, elapsedMs\n"
     "\n"
     "and also:\n"
     "\n"
     "  build, build-and-push  reference, ARTIFACT, unchanged, leftOutTotal, leftOut [{path, reason}]\n"
     "  push, copy, resolve    reference, digest, mediaType, size\n"
     "  pull                   reference, digest, mediaType, size, unchanged\n"
     "  tag                    references, digest, mediaType, size\n"
     "  exists                 reference, exists, digest\n"
     "  inspect                reference, ARTIFACT, manifest\n"
     "  manifest               reference, digest, mediaType, size, manifest,\n"
     "                         entries [{digest, mediaType, size, platform, kind}]\n"
     "  config                 reference, digest, mediaType, size, data (base64)\n"
     "  tags                   reference, tags\n"
     "  attach                 ARTIFACT\n"
     "  referrers              reference, referrers [{digest, mediaType, kind, size, annotations}]\n"
     "  layers                 reference, ARTIFACT\n"
     "  layers --save          digest, size, output\n"
     "  delete                 reference\n"
     "  gc                     reference, freedBytes\n"
     "  login                  registry, username\n"
     "  logout                 registry, wasLoggedIn\n"
     "  options                options [{name, type, scope, values, default, environment, help}]\n"
     "  version                version, library, abi, compiler, features\n"
     "\n"
     "ARTIFACT is kind, digest, mediaType, subject, config {mediaType, digest, size}, layers [{mediaType, digest, size, "
     "annotations}], annotations.\n"
     "\n"
     "A failure is {\"error\": {...}}, with these:\n"
     "\n"
     "  status          the status by name, such as NOT_FOUND; code is its number\n"
     "  message         one line for people, also on standard error\n"
     "  httpStatus      the HTTP status that caused it\n"
     "  registryCode    the registry's own code, such as MANIFEST_UNKNOWN\n"
     "  registryErrors  all errors that the registry listed: code, message, detail\n"
     "  errno           the system's error number\n"
     "  retryable       whether the same call may succeed later\n"
     "  retryAfterMs    how long the registry asked to wait\n"
     "\n"
     "--progress json prints objects to standard error, one per line, with phase, bytesDone, bytesTotal, entriesDone, "
     "entriesTotal; a total of 0 means unknown.\n"},
    {"exit-codes", "the exit codes of the program",
     "  0    done; for exists: yes\n"
     "  1    failed; for exists: no\n"
     "  2    wrong usage; for exists also: unknown\n"
     "  130  cancelled by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)\n"
     "\n"
     "Ctrl-C cancels and undoes what was begun: the destination or the tag does not change. A second Ctrl-C ends the "
     "program at once. An error is one line on standard error; --json says more.\n"},
    {"environment", "the variables that cldoci reads",
     "  CLDOCI_NAME                 the option NAME, for example CLDOCI_STORE\n"
     "  DOCKER_AUTH_CONFIG, DOCKER_CONFIG, REGISTRY_AUTH_FILE,\n"
     "  XDG_RUNTIME_DIR, XDG_CONFIG_HOME, HOME\n"
     "                              where credentials are\n"
     "  XDG_CACHE_HOME              where the store is\n"
     "  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY\n"
     "                              proxies\n"
     "  SSL_CERT_FILE, SSL_CERT_DIR certificate authorities\n"
     "  SOURCE_DATE_EPOCH           the modification time that build gives to files\n"
     "  NO_COLOR                    no colours\n"
     "  TERM                        dumb means no bar\n"
     "\n"
     "A flag or --option overrides a variable, and a variable overrides the default.\n"},
};
const size_t topic_count = sizeof topics / sizeof *topics;

const topic *topic_named(const char *name) {
  for (size_t i = 0; i < topic_count; i++) {
    if (strcmp(topics[i].name, name) == 0) return &topics[i];
  }
  return NULL;
}
