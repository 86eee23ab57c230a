//! The one declaration of each option. Its field in `Settings`, its typed setters in Rust and C, the name that
//! `cldoci_options_set` and the environment know, and its documentation are made of its row. `build.rs` reads this
//! file, too, so it imports nothing.

/// What an option's value looks like as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A decimal number from the first to the second.
    Int(i64, i64),
    /// The same, for what is counted or held in memory.
    Size(i64, i64),
    /// The same, of milliseconds.
    Millis(i64, i64),
    /// Free text.
    Text,
    /// A path.
    Path,
    /// Items separated by commas; setting it again adds to it.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Free text that is never shown.
    Secret,
    /// `KEY=VALUE`; setting it again adds to it.
    Pairs,
}

impl Type {
    /// Its name, as the enumerator gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int(..) | Self::Size(..) | Self::Millis(..) => "int",
            Self::Text => "text",
            Self::Path => "path",
            Self::List => "list",
            Self::Choice(_) => "choice",
            Self::Secret => "secret",
            Self::Pairs => "pairs",
        }
    }
}

/// Where an option may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// To a client alone.
    Client,
    /// To a call alone.
    Call,
    /// To a client, and to a call, which wins.
    Both,
    /// To one host of a client (`set_host`).
    Host,
}

impl Scope {
    /// Its name, as the enumerator gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Call => "call",
            Self::Both => "both",
            Self::Host => "host",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct OptionSpec {
    /// Its name; `CLDOCI_<NAME>` in the environment, but for options of a host.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Where it may be given.
    pub scope: Scope,
    /// Its default as text.
    pub default: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
}

impl OptionSpec {
    /// Whether its value may be shown: a proxy's URL and a header can hold a secret.
    pub fn is_shown(&self) -> bool {
        self.kind != Type::Secret && !matches!(self.name, "proxy" | "header")
    }
}

const fn row(
    name: &'static str,
    kind: Type,
    scope: Scope,
    default: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec { name, kind, scope, default, help }
}

const KIB: i64 = 1 << 10;
const MAX: i64 = i64::MAX;
/// A day in milliseconds: the longest of the time limits that make sense.
const DAY: i64 = 86_400_000;

/// Every option.
#[rustfmt::skip]
pub static OPTIONS: &[OptionSpec] = &[
    // The store.
    row("store", Type::Path, Scope::Client, "", "directory of the store; 'off' = none; empty = $XDG_CACHE_HOME/cldoci, else ~/.cache/cldoci, else a private temporary directory"),
    row("store_max_bytes", Type::Int(0, MAX), Scope::Client, "10737418240", "largest size of the store in bytes; the oldest blobs are removed first"),
    row("store_max_age_s", Type::Int(0, MAX), Scope::Client, "2592000", "blobs and records of the store that were not used for this many seconds are removed"),
    row("cache", Type::Bool, Scope::Both, "false", "keep pulled blobs in the store and reuse them"),
    // Transport.
    row("timeout_ms", Type::Millis(0, MAX), Scope::Both, "0", "deadline of a whole call in milliseconds; 0 = none"),
    row("parallel", Type::Size(1, 64), Scope::Both, "4", "transfers that one call runs at once: blobs, and ranges of large ones"),
    row("ranges", Type::Size(1, 6), Scope::Both, "4", "connections that download one large blob, within parallel, if one is slow and the server supports Range (not over HTTP/2); 1 = one"),
    row("ranges_below", Type::Int(0, MAX), Scope::Both, "8388608", "bytes per second of one connection below which a large blob is downloaded in ranges; 0 = never"),
    row("resume_after_ms", Type::Millis(0, DAY), Scope::Both, "1000", "a large layer that takes no longer than this, judged by its first bytes, is not also written to the store: if it is interrupted, the next pull starts it anew; 0 = every layer is written"),
    row("threads", Type::Size(0, 256), Scope::Both, "0", "threads that compress and decompress; 0 = one for each core"),
    row("retries", Type::Int(0, 100), Scope::Both, "5", "how often one request is retried"),
    row("retry_window_ms", Type::Millis(0, DAY), Scope::Both, "30000", "how long to wait for a registry that goes away during a transfer (refuses connections, or a gateway answers 502, 503 or 504 for it); 0 = as for the first contact, also if retries is 0"),
    row("connect_timeout_ms", Type::Millis(1, DAY), Scope::Client, "10000", "time limit for a connection, including TLS"),
    row("header_timeout_ms", Type::Millis(1, DAY), Scope::Client, "60000", "time limit for the headers of a response"),
    row("commit_timeout_ms", Type::Millis(1, DAY), Scope::Client, "600000", "time limit for the response that completes an upload, which scanners can delay"),
    row("min_rate", Type::Int(0, MAX), Scope::Client, "1024", "minimum bytes per second of a body; 0 = any"),
    row("min_rate_window_ms", Type::Millis(100, DAY), Scope::Client, "60000", "time over which min_rate is measured"),
    row("user_agent", Type::Text, Scope::Client, "", "User-Agent header; empty = cldoci/VERSION"),
    row("proxy", Type::Text, Scope::Client, "", "proxy URL; empty = from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; 'off' = none; an https proxy is verified by ca_file and the system's authorities only"),
    row("ca_file", Type::Path, Scope::Client, "", "PEM file of certificate authorities to trust in addition to the system's, or to those of SSL_CERT_FILE and SSL_CERT_DIR"),
    row("ca_dir", Type::Path, Scope::Client, "", "directory of PEM files (*.crt, *.pem) of certificate authorities to trust, like ca_file"),
    row("certs_dirs", Type::List, Scope::Client, "", "directories with a subdirectory for each host, named HOST or HOST:PORT, that has its authorities (*.crt), client certificates (*.cert) and keys (*.key); the first that has the host counts; 'default' = podman's and docker's: certs.d in ~/.config/containers, /etc/containers, ~/.config/docker and /etc/docker"),
    row("plain_http_hosts", Type::List, Scope::Client, "", "hosts (HOST or HOST:PORT) to use plain HTTP for"),
    row("token_hosts", Type::List, Scope::Client, "", "the only other hosts that may issue tokens; empty = any public https host"),
    row("registries_conf", Type::Path, Scope::Client, "", "containers' registries.conf file, which says which repositories are read from mirrors or from elsewhere, or blocked; 'default' = podman's: ~/.config/containers/registries.conf, else /etc/containers/registries.conf, with the files of registries.conf.d"),
    row("tags_from_mirrors", Type::Bool, Scope::Both, "true", "take a tag from the first mirror that has it; false = ask mirrors for digests only"),
    row("download_hosts", Type::List, Scope::Client, "", "storage (HOST or HOST:PORT) that a registry may redirect blob downloads to even if it has a private address or uses plain http; it gets no credentials"),
    row("upload_hosts", Type::List, Scope::Client, "", "other hosts that an upload may be sent to"),
    row("environment", Type::Bool, Scope::Client, "true", "read the environment (proxies, credential files, SSL_CERT_FILE, SSL_CERT_DIR, CLDOCI_*)"),
    // Credentials.
    row("credentials", Type::Choice(&["default", "explicit", "anonymous"]), Scope::Client, "default", "default = explicit ones, then docker's and podman's files and helpers; explicit = only those given here; anonymous = none"),
    row("helper_timeout_ms", Type::Millis(1, DAY), Scope::Client, "30000", "time limit for a credential helper"),
    // Limits.
    row("max_manifest_bytes", Type::Size(KIB, 1 << 30), Scope::Both, "8388608", "largest manifest or index"),
    row("max_documents_bytes", Type::Size(1 << 20, 1 << 40), Scope::Both, "16777216", "memory for the manifests and lists of all calls together, beyond the first MiB of each; a call that finds none left waits"),
    row("max_descriptors", Type::Size(1, 1 << 24), Scope::Both, "10000", "most layers of a manifest, or manifests of an index"),
    row("max_pages", Type::Int(1, MAX), Scope::Both, "10000", "most pages of a list"),
    row("max_config_bytes", Type::Size(1, 1 << 30), Scope::Both, "8388608", "largest config blob"),
    row("max_unpacked_bytes", Type::Int(1, MAX), Scope::Both, "68719476736", "most bytes that one layer may unpack to"),
    row("max_entries", Type::Int(1, MAX), Scope::Both, "5000000", "most entries of one layer"),
    row("max_depth", Type::Size(1, 100_000), Scope::Both, "256", "deepest nesting of directories in a layer"),
    row("max_path_bytes", Type::Size(1, 1 << 20), Scope::Both, "4096", "longest path in a layer"),
    row("max_zstd_window_bytes", Type::Int(KIB, 100 << 20), Scope::Both, "33554432", "largest window of a zstd layer, which is held in memory in addition to all else"),
    row("max_link_bytes", Type::Size(1, 4095), Scope::Both, "4095", "longest target of a symbolic link"),
    // Build.
    row("config_media_type", Type::Text, Scope::Call, "", "build: the config's media type for a custom kind; empty = the kind's"),
    row("layer_media_type", Type::Text, Scope::Call, "", "build: the layer's media type for a custom kind; empty = the kind's"),
    row("annotation", Type::Pairs, Scope::Call, "", "build: an annotation of the manifest"),
    row("layer_annotation", Type::Pairs, Scope::Call, "", "build: an annotation of the layer's descriptor"),
    row("profile", Type::Choice(&["kind", "cldctl", "vcs", "none"]), Scope::Both, "kind", "build: which entries are left out before .cldignore is applied; kind = the kind's own rules"),
    row("links", Type::Choice(&["error", "skip", "follow"]), Scope::Both, "error", "build: symbolic links that leave the directory or dangle"),
    row("case_collisions", Type::Choice(&["warn", "error", "ignore"]), Scope::Both, "warn", "build: names that differ only in case, which other systems can't tell apart"),
    row("source_date_epoch", Type::Int(0, 8_589_934_591), Scope::Both, "0", "build: modification time of every entry, in seconds; SOURCE_DATE_EPOCH in the environment"),
    row("fill_source_hash", Type::Bool, Scope::Call, "false", "build: put the layer's digest into an empty sourceHash of the config"),
    row("reuse_unchanged", Type::Bool, Scope::Both, "false", "build: keep the layer in the store and reuse it, without reading a file, while every path, every link and every file's device, inode, mode, size, mtime and ctime stay the same; a directory that changed in the last seconds before a build is not remembered; a write through a memory map, or a clock that was set back, can go unnoticed"),
    row("block_annotation", Type::Bool, Scope::Both, "true", "build: annotate a layer of several blocks with their offsets, so that a pull unpacks them on several threads"),
    row("leave_out", Type::List, Scope::Call, "", "build: paths to leave out, relative to the directory (such as a layout inside it)"),
    // Push, tag, copy.
    row("mount_from", Type::List, Scope::Call, "", "push: repositories of the same registry to mount blobs from"),
    row("recursive", Type::Bool, Scope::Call, "false", "copy: copy the referrers too, and theirs in turn, up to 8 levels deep"),
    row("digest_tags", Type::Bool, Scope::Call, "false", "copy: copy the tags too that name what is copied by its digest, such as sha256-HEX.sig, .att, .sbom or .imgpkg"),
    // Pull.
    row("existing", Type::Choice(&["refuse", "merge", "replace"]), Scope::Call, "refuse", "pull: what to do with a destination that is not empty"),
    row("fetch_config", Type::Bool, Scope::Both, "true", "pull and inspect: get the config too, which takes one request; without it cldoci_artifact_config returns NULL"),
    row("durable", Type::Bool, Scope::Both, "false", "pull: sync to disk, so that what was published survives a loss of power"),
    row("preserve_mtime", Type::Bool, Scope::Both, "false", "pull: set the modification times from the archive"),
    row("follow_destination", Type::Bool, Scope::Both, "false", "pull: follow a destination that is a symbolic link"),
    row("special_entries", Type::Choice(&["refuse", "skip"]), Scope::Both, "refuse", "pull: devices, FIFOs and links that leave the destination"),
    row("duplicates", Type::Choice(&["refuse", "last_wins"]), Scope::Both, "refuse", "pull: a name that occurs twice in one layer"),
    row("strip_leading_slash", Type::Bool, Scope::Both, "false", "pull: unpack an absolute name below the destination"),
    row("lenient_end", Type::Bool, Scope::Both, "false", "pull: accept a layer without the end-of-archive blocks, or without the padding before them"),
    row("other_layers", Type::Choice(&["default", "refuse", "skip", "file"]), Scope::Both, "default", "pull: layers that are neither titled files nor archives; skip leaves them out, with a warning if something else is published; file names them by their digest; default = refuse for component, datacenter and module and with existing=merge or replace, else skip"),
    row("platform", Type::Text, Scope::Both, "linux/amd64", "which manifest of an index to use: os/architecture[/variant]"),
    // Lists.
    row("fallback_tags", Type::Bool, Scope::Both, "true", "list_tags: include the tags ALGORITHM-HEX, in which registries without a referrers API keep a manifest's referrers"),
    row("artifact_type", Type::Text, Scope::Call, "", "referrers: only those of this artifact type"),
    // One host.
    row("username", Type::Text, Scope::Host, "", "user name"),
    row("password", Type::Secret, Scope::Host, "", "password"),
    row("identity_token", Type::Secret, Scope::Host, "", "OAuth2 refresh token"),
    row("registry_token", Type::Secret, Scope::Host, "", "bearer token to send unchanged"),
    row("insecure", Type::Bool, Scope::Host, "false", "do not verify this host's certificate"),
    row("plain_http", Type::Bool, Scope::Host, "false", "use plain HTTP for this host"),
    row("host_ca_file", Type::Path, Scope::Host, "", "PEM file of certificate authorities to trust for this host"),
    row("client_cert", Type::Path, Scope::Host, "", "PEM file of the client certificate for this host"),
    row("client_key", Type::Path, Scope::Host, "", "PEM file of its key; empty = in client_cert"),
    row("mirrors", Type::List, Scope::Host, "", "mirrors to read from before this registry, in this order: HOST[:PORT][/PREFIX], with ?ns at the end of one that must be told the registry's name"),
    row("header", Type::Pairs, Scope::Host, "", "an extra request header for this host, NAME=VALUE"),
];

/// The row of an option.
pub fn find(name: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|spec| spec.name == name)
}
