/* Every verb and every flag. What is declared here is parsed, helped with, documented and completed. */
#include <string.h>

#include "cli.h"

const flag flags[FLAG_COUNT] = {
    [FLAG_JSON] = {.name = "json", .also = "format", .help = "print one JSON object, also for an error"},
    [FLAG_QUIET] = {.name = "quiet", .letter = 'q', .help = "print the result and errors, nothing else"},
    [FLAG_VERBOSE] = {.name = "verbose", .letter = 'v', .help = "print every warning and every path that was left out"},
    [FLAG_PROGRESS] = {.name = "progress", .value = "HOW", .choices = "auto bar plain json none",
                       .also = "no-tty no-progress",
                       .help = "how to show progress on stderr; auto shows a bar on a terminal and nothing elsewhere"},
    [FLAG_DEBUG] = {.name = "debug", .help = "print each request to stderr, without secrets"},
    [FLAG_TIMEOUT] = {.name = "timeout", .value = "SECONDS", .help = "give up after this many seconds"},
    [FLAG_PLAIN_HTTP] = {.name = "plain-http", .option = "plain_http", .set_to = "true", .of_hosts = true,
                         .help = "use plain HTTP for the registries named; not needed on loopback"},
    [FLAG_INSECURE] = {.name = "insecure", .also = "tls-verify skip-tls-verify", .option = "insecure", .set_to = "true", .of_hosts = true,
                       .help = "do not verify the certificates of the registries named"},
    [FLAG_CA_FILE] = {.name = "ca-file", .value = "FILE", .option = "ca_file",
                      .help = "also trust the certificate authorities in this PEM file"},
    [FLAG_OPTION] = {.name = "option", .value = "NAME=VALUE", .help = "set an option; cldoci options lists them"},
    [FLAG_HOST] = {.name = "host", .value = "HOST/NAME=VALUE", .help = "set an option of one registry"},
    [FLAG_HELP] = {.name = "help", .letter = 'h', .help = "print the help of the verb"},
    [FLAG_VERSION] = {.name = "version", .letter = 'V', .help = "print the version"},

    [FLAG_KIND] = {.name = "kind", .letter = 'k', .value = "KIND", .also = "artifact-type type",
                   .help = "what to build: component, datacenter, module, or a media type of your own"},
    [FLAG_CONFIG] = {.name = "config", .letter = 'c', .value = "FILE",
                     .help = "the artifact's config, JSON that is stored unchanged; - reads standard input"},
    [FLAG_ANNOTATION] = {.name = "annotation", .letter = 'a', .value = "KEY=VALUE", .option = "annotation",
                         .help = "annotate the manifest; can be repeated"},
    [FLAG_LEAVE_OUT] = {.name = "leave-out", .value = "PATH", .option = "leave_out",
                        .help = "leave out this path below the directory; can be repeated"},
    [FLAG_PROFILE] = {.name = "profile", .value = "NAME", .choices = "kind cldctl vcs none", .option = "profile",
                      .help = "which common files to leave out; kind uses the kind's own list"},
    [FLAG_LINKS] = {.name = "links", .value = "HOW", .choices = "error skip follow", .option = "links",
                    .help = "symbolic links that leave the directory or dangle"},
    [FLAG_MOUNT_FROM] = {.name = "mount-from", .value = "REPOSITORY", .option = "mount_from",
                         .help = "mount blobs from this repository of the same registry; can be repeated"},
    [FLAG_RECURSIVE] = {.name = "recursive", .letter = 'r', .also = "referrers all", .option = "recursive", .set_to = "true",
                        .help = "also copy what refers to the artifact, such as signatures and SBOMs"},
    [FLAG_PLATFORM] = {.name = "platform", .value = "OS/ARCH", .option = "platform",
                       .help = "which manifest of an index to use; the default is linux/amd64"},
    [FLAG_EXISTING] = {.name = "existing", .value = "HOW", .choices = "refuse merge replace", .also = "force overwrite", .option = "existing",
                       .help = "what to do with a destination that is not empty"},
    [FLAG_DURABLE] = {.name = "durable", .option = "durable", .set_to = "true",
                      .help = "sync to disk, so that the result survives a loss of power"},
    [FLAG_TYPE] = {.name = "kind", .letter = 'k', .value = "KIND", .also = "artifact-type type filter-artifact-type", .option = "artifact_type",
                   .help = "only those of this kind"},
    [FLAG_MEDIA_TYPE] = {.name = "media-type", .value = "TYPE", .help = "the media type of the files"},
    [FLAG_SAVE] = {.name = "save", .value = "LAYER", .help = "save this layer: its number or its digest"},
    [FLAG_OUTPUT] = {.name = "output", .letter = 'o', .value = "FILE", .also = "dest file",
                     .help = "the file that --save writes; the default is standard output"},
    [FLAG_USERNAME] = {.name = "username", .letter = 'u', .value = "USER", .help = "the user; another way to name it"},
    [FLAG_PASSWORD_STDIN] = {.name = "password-stdin",
                             .help = "read the password from standard input, which login does anyway"},
};

#define REGISTRY "registry.example/team/app"
#define LOCAL "ocidir://layout"

const verb verbs[] = {
    {.name = "build", .arguments = "DIR [LAYOUT]", .run = run_build, .needs = FLAG_KIND, .also = "pack create make",
     .summary = "build a directory into an artifact",
     .description =
         "Packs a directory into an artifact and prints its digest. The same directory and flags give the same digest "
         "everywhere. With a LAYOUT (ocidir://PATH[:TAG]) the artifact is stored there, and push can send it; without "
         "one nothing is stored.\n\nA .cldignore file in the directory, with the syntax of .gitignore, says what to leave out.",
     .flags = {FLAG_KIND, FLAG_CONFIG, FLAG_ANNOTATION, FLAG_LEAVE_OUT, FLAG_PROFILE, FLAG_LINKS},
     .examples = {{"build ./site and store it in ./layout", "cldoci build site " LOCAL ":v1 --kind component"},
                  {"only print the digest", "cldoci build site --kind application/vnd.example.site"},
                  {"with a config and an annotation",
                   "cldoci build site " LOCAL ":v1 -k component -c config.json -a org.opencontainers.image.version=1.0"}}},
    {.name = "push", .arguments = "LAYOUT TARGET", .run = run_push, .also = "upload send",
     .summary = "send an artifact from a local layout to a registry",
     .description = "Sends an artifact from a local layout to a registry or to another layout. It sends only what is "
                    "missing there, and moves the tag last.",
     .flags = {FLAG_MOUNT_FROM, FLAG_PLATFORM},
     .examples = {{"push what build stored", "cldoci push " LOCAL ":v1 " REGISTRY ":v1"}}},
    {.name = "build-and-push", .arguments = "DIR TARGET", .run = run_build_and_push, .needs = FLAG_KIND,
     .also = "publish", .summary = "build a directory and send it, in one pass",
     .description = "Builds a directory and sends the artifact while it is packed; nothing is stored in between. If the "
                    "registry often has the layer already, build and push are faster.",
     .flags = {FLAG_KIND, FLAG_CONFIG, FLAG_ANNOTATION, FLAG_LEAVE_OUT, FLAG_PROFILE, FLAG_LINKS, FLAG_MOUNT_FROM},
     .examples = {{"build ./site and push it", "cldoci build-and-push site " REGISTRY ":v1 --kind component"}}},
    {.name = "pull", .arguments = "REFERENCE DIR", .run = run_pull, .also = "download fetch get export extract unpack",
     .summary = "unpack an artifact into a directory",
     .description = "Gets an artifact, verifies it and unpacks it into a directory. Either the directory has all of it, "
                    "or it does not change. A directory that already holds the artifact is not touched.",
     .flags = {FLAG_EXISTING, FLAG_PLATFORM, FLAG_DURABLE},
     .examples = {{"unpack into ./out", "cldoci pull " REGISTRY ":v1 out"},
                  {"replace what is in ./out", "cldoci pull " REGISTRY ":v1 out --existing replace"}}},
    {.name = "tag", .arguments = "SOURCE TAG...", .run = run_tag, .also = "retag label",
     .summary = "give an artifact more names",
     .description = "Gives an artifact more names. A TAG alone means that tag in the repository of SOURCE. With a "
                    "slash it is a full reference, to another repository or registry; blobs are mounted or copied there.",
     .flags = {FLAG_NONE},
     .examples = {{"two more tags in the same repository", "cldoci tag " REGISTRY ":v1 v1.0 stable"},
                  {"in another repository", "cldoci tag " REGISTRY ":v1 registry.example/team/other:v1"}}},
    {.name = "copy", .arguments = "SOURCE TARGET", .run = run_copy, .also = "cp mirror sync",
     .summary = "copy an artifact between registries and layouts",
     .description = "Copies an artifact, or an index with everything it lists, from one place to another. It sends only "
                    "what is missing there.",
     .flags = {FLAG_RECURSIVE, FLAG_MOUNT_FROM},
     .examples = {{"to another repository, with its referrers",
                   "cldoci copy --recursive " REGISTRY ":v1 registry.example/mirror/app:v1"},
                  {"to a local layout", "cldoci copy " REGISTRY ":v1 ocidir://backup:v1"}}},
    {.name = "exists", .arguments = "REFERENCE", .run = run_exists, .also = "check has test head",
     .summary = "check whether an artifact exists",
     .description = "Prints yes and exits with 0 if the artifact exists. Prints no and exits with 1 if the registry says "
                    "that it does not. Exits with 2 if the answer is unknown.",
     .flags = {FLAG_NONE},
     .examples = {{"in a script", "cldoci exists " REGISTRY ":v1 || echo 'build it first'"}}},
    {.name = "resolve", .arguments = "REFERENCE", .run = run_resolve, .also = "digest",
     .summary = "print the digest behind a tag",
     .description = "Prints the digest of what a reference names, without a download.",
     .flags = {FLAG_NONE},
     .examples = {{"the digest", "cldoci resolve " REGISTRY ":v1"},
                  {"digest, media type and size", "cldoci resolve " REGISTRY ":v1 --json"}}},
    {.name = "inspect", .arguments = "REFERENCE", .run = run_inspect, .also = "show describe info",
     .summary = "show an artifact's manifest",
     .description = "Shows the type, digest, config, layers and annotations of an artifact. With --json it prints the "
                    "manifest, too.",
     .flags = {FLAG_PLATFORM},
     .examples = {{"what is in it", "cldoci inspect " REGISTRY ":v1"}}},
    {.name = "manifest", .arguments = "REFERENCE", .run = run_manifest, .also = "raw index entries fetch-manifest",
     .summary = "print a manifest or an index as it is stored",
     .description = "Prints the bytes of a manifest or an index; no platform is chosen. With --json they are in the field "
                    "manifest, together with what an index lists: digest, media type, size, platform and kind.",
     .flags = {FLAG_NONE},
     .examples = {{"the manifest", "cldoci manifest " REGISTRY ":v1"},
                  {"what an index lists", "cldoci manifest " REGISTRY ":v1 --json"}}},
    {.name = "config", .arguments = "REFERENCE", .run = run_config, .also = "fetch-config pull-config",
     .summary = "print an artifact's config",
     .description = "Prints the config's bytes exactly as they were pushed, without downloading a layer. With --json they "
                    "are in the field data, in base64.",
     .flags = {FLAG_PLATFORM},
     .examples = {{"the config", "cldoci config " REGISTRY ":v1"}}},
    {.name = "tags", .arguments = "REPOSITORY", .run = run_tags, .also = "ls list repo",
     .summary = "list the tags of a repository or a layout",
     .description = "Lists the tags of a repository or a local layout, one per line. A tag in the argument has no effect.",
     .flags = {FLAG_NONE},
     .examples = {{"of a repository", "cldoci tags " REGISTRY}, {"of a local layout", "cldoci tags " LOCAL}}},
    {.name = "attach", .arguments = "SUBJECT [FILE...]", .run = run_attach, .needs = FLAG_KIND, .also = "sign put artifact",
     .summary = "attach files to an artifact",
     .description = "Pushes files as an artifact that refers to SUBJECT, into the same repository, such as a signature or "
                    "an SBOM. Each file is a layer titled with its name, so that other tools can find it. Without a file "
                    "the artifact only has annotations.",
     .flags = {FLAG_KIND, FLAG_MEDIA_TYPE, FLAG_CONFIG, FLAG_ANNOTATION},
     .examples = {{"an SBOM",
                   "cldoci attach " REGISTRY ":v1 sbom.json --kind application/spdx+json --media-type application/spdx+json"}}},
    {.name = "referrers", .arguments = "REFERENCE", .run = run_referrers, .also = "discover tree",
     .summary = "list what is attached to an artifact",
     .description = "Lists the manifests that refer to an artifact: digest, kind and size, one per line.",
     .flags = {FLAG_TYPE},
     .examples = {{"all", "cldoci referrers " REGISTRY ":v1"},
                  {"only SBOMs", "cldoci referrers " REGISTRY ":v1 --kind application/spdx+json"}}},
    {.name = "layers", .arguments = "REFERENCE", .run = run_layers, .also = "blob blobs layer save",
     .summary = "list an artifact's layers, or save one",
     .description = "Lists the layers of an artifact: number, digest, media type and size, one per line. With --save it "
                    "verifies one of them and writes it as stored (compressed): the FILE is complete or does not appear.",
     .flags = {FLAG_SAVE, FLAG_OUTPUT, FLAG_PLATFORM},
     .examples = {{"list them", "cldoci layers " REGISTRY ":v1"},
                  {"save the first", "cldoci layers " REGISTRY ":v1 --save 0 --output layer.tar.gz"}}},
    {.name = "delete", .arguments = "REFERENCE", .run = run_delete, .also = "rm remove untag",
     .summary = "delete a tag or a manifest",
     .description = "Deletes a tag or, for a reference with a digest, a manifest with all its tags. The reference must name "
                    "one of them. A registry may refuse. In a layout, gc then removes what is no longer needed.",
     .flags = {FLAG_NONE},
     .examples = {{"delete a tag", "cldoci delete " LOCAL ":v1"}}},
    {.name = "gc", .arguments = "LAYOUT", .run = run_gc, .also = "prune clean collect-garbage",
     .summary = "remove unused blobs from a layout",
     .description = "Removes the blobs of a local layout that no tag and no manifest needs, and prints how many bytes that "
                    "freed. Registries collect their own garbage.",
     .flags = {FLAG_NONE},
     .examples = {{"after a delete", "cldoci gc " LOCAL}}},
    {.name = "login", .arguments = "REGISTRY [USER]", .run = run_login, .also = "auth signin",
     .summary = "store a user name and a password for a registry",
     .description = "Checks a user name and a password (or an access token) with a registry, and stores them where docker "
                    "and podman do. The password comes from standard input, with or without a newline at its end; on a "
                    "terminal, login asks for it. It is never an argument, because everyone can see those.",
     .flags = {FLAG_USERNAME, FLAG_PASSWORD_STDIN},
     .examples = {{"from a file", "cldoci login registry.example user < token"},
                  {"as with docker", "cat token | cldoci login registry.example -u user --password-stdin"}}},
    {.name = "logout", .arguments = "REGISTRY", .run = run_logout, .also = "signout",
     .summary = "forget a registry's password",
     .description = "Removes the credential of a registry from where login stored it.",
     .flags = {FLAG_NONE},
     .examples = {{"log out", "cldoci logout registry.example"}}},
    {.name = "options", .arguments = "[NAME]", .run = run_options, .also = "settings",
     .summary = "list the options for --option and --host",
     .description = "Lists the library's options with their types, defaults and meanings, or shows one of them.",
     .flags = {FLAG_NONE},
     .examples = {{"all", "cldoci options"}, {"one", "cldoci options timeout_ms"}}},
    {.name = "completion", .arguments = "SHELL", .run = run_completion, .also = "completions",
     .summary = "print the completions for bash, zsh or fish",
     .description = "Prints a script that completes verbs and flags. make install puts it where shells find it.",
     .flags = {FLAG_NONE},
     .examples = {{"in this shell", "source <(cldoci completion bash)"}}},
    {.name = "version", .arguments = "", .run = run_version, .also = "about",
     .summary = "print the version and build details",
     .description = "Prints the versions of the tool and of its library, and what they were built with.",
     .flags = {FLAG_NONE},
     .examples = {{"for a bug report", "cldoci version"}}},
    {.name = "help", .arguments = "[VERB]", .run = run_help, .also = "usage",
     .summary = "explain a verb or a topic",
     .description = "Explains a verb or a topic, or lists them.",
     .flags = {FLAG_NONE},
     .examples = {{"a verb", "cldoci help push"}, {"how references are written", "cldoci help references"}}},
    {.name = "manual", .arguments = "FORM", .run = run_manual, .hidden = true, .summary = "print the man page",
     .description = "Prints the manual: FORM is man or markdown.", .flags = {FLAG_NONE}},
};
const size_t verb_count = sizeof verbs / sizeof *verbs;

const verb *verb_named(const char *name) {
  for (size_t i = 0; i < verb_count; i++) {
    if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
  }
  return NULL;
}

bool verb_has_flag(const verb *verb, flag_id flag) {
  if (flag <= FLAG_LAST_COMMON) return true;
  for (size_t i = 0; i < sizeof verb->flags / sizeof *verb->flags; i++) {
    if (verb->flags[i] == flag) return true;
  }
  return false;
}

void verb_argument_count(const verb *verb, int *least, int *most) {
  const char *at = verb->arguments;
  *least = *most = 0;
  while (*at) {
    size_t length = strcspn(at, " ");
    *least += *at != '[';
    /* FILE... or [FILE...] */
    *most = *most < 0 || memchr(at, '.', length) != NULL ? -1 : *most + 1;
    at += length;
    at += strspn(at, " ");
  }
}
