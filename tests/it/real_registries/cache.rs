//! Distribution as a pull-through cache of another one, which is the mirror of it (Q116).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cldoci::Artifact;

use crate::harness::ours::Ours;
use crate::harness::servers::Server;
use crate::harness::trees::{snapshot, tree};

/// nginx before a registry, for its list of requests.
fn listed(registry: &Server) -> Option<Server> {
    let lines = format!(
        "client_max_body_size 0;\n\
         location / {{ proxy_pass http://{}; proxy_set_header Host $http_host; proxy_http_version 1.1; }}",
        registry.address
    );
    Server::nginx("", &lines)
}

/// A client that has just been made, for which `mirror` comes before `upstream`.
fn client(upstream: &str, mirror: &str) -> Ours {
    Ours::setting(|options| options.set_host(upstream, "mirrors", mirror).unwrap())
}

/// Waits until the cache has kept the artifact's blobs: it does so beside what it serves.
fn wait_until_kept(cache: &Server, artifact: &Artifact) {
    let blobs = cache.directory.path().join("data/docker/registry/v2/blobs/sha256");
    let kept = |hex: &str| blobs.join(&hex[..2]).join(hex).join("data").is_file();
    let descriptors = artifact.layers.iter().map(|layer| &layer.descriptor);
    let deadline = Instant::now() + Duration::from_secs(30);
    for descriptor in descriptors.chain([&artifact.config_descriptor]) {
        while !kept(descriptor.digest.hex()) {
            assert!(Instant::now() < deadline, "the cache did not keep {}", descriptor.digest);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn pulls(ours: &Ours, at: &str, source: &Path) {
    let out = ours.path("pulled");
    ours.pull(at, &out).unwrap();
    assert_eq!(snapshot(&out), snapshot(source));
}

#[test]
fn q116_a_pull_through_cache_is_read_and_never_written() {
    let Some(registry) = Server::distribution3() else { return };
    let Some(upstream) = listed(&registry) else { return };
    let proxy = format!("proxy: {{ remoteurl: 'http://{}' }}\n", upstream.address);
    let Some(cache) = Server::distribution("registry3", &proxy) else { return };
    let Some(mirror) = listed(&cache) else { return };
    let at = upstream.reference("org/orders:v1");
    let new = || client(&upstream.address, &mirror.address);
    let blobs = |server: &Server, from: usize| {
        let access = server.access();
        let reads = access[from..].iter().filter(|line| line.starts_with("GET ") && line.contains("/blobs/"));
        reads.count()
    };

    let ours = new();
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let artifact = ours.build(&source).unwrap().artifact();
    ours.push(&artifact, &at).unwrap();
    ours.tag(&at, &upstream.reference("org/orders:latest")).unwrap();
    let writes = |line: &String| !line.starts_with("GET ") && !line.starts_with("HEAD ");
    assert!(upstream.access().iter().any(writes));
    assert!(!mirror.access().iter().any(writes), "{:?}", mirror.access());

    // The cache gets each blob once, and serves it from then on.
    let begun = upstream.access().len();
    pulls(&new(), &at, &source);
    assert_eq!((blobs(&mirror, 0), blobs(&upstream, begun)), (2, 2));
    wait_until_kept(&cache, &artifact);
    let begun = upstream.access().len();
    pulls(&new(), &at, &source);
    assert_eq!((blobs(&mirror, 0), blobs(&upstream, begun)), (4, 0));

    // Without the cache the registry serves.
    let gone = mirror.address.clone();
    drop((mirror, cache));
    let begun = upstream.access().len();
    pulls(&client(&upstream.address, &gone), &at, &source);
    assert_eq!(blobs(&upstream, begun), 2);
}

#[test]
fn q116_a_cache_serves_what_it_has_while_the_registry_is_down() {
    let Some(registry) = Server::distribution3() else { return };
    let at = registry.reference("org/orders:v1");
    let proxy = format!("proxy: {{ remoteurl: 'http://{}' }}\n", registry.address);
    let Some(cache) = Server::distribution("registry3", &proxy) else { return };
    let upstream = registry.address.clone();
    let ours = client(&upstream, &cache.address);
    let source = ours.path("source");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let artifact = ours.build(&source).unwrap().artifact();
    ours.push(&artifact, &at).unwrap();
    pulls(&ours, &at, &source);
    wait_until_kept(&cache, &artifact);
    drop(registry);
    pulls(&client(&upstream, &cache.address), &at, &source);
    // The twin: what it never had is nowhere.
    client(&upstream, &cache.address).resolve(&format!("{upstream}/org/orders:v2")).unwrap_err();
}
