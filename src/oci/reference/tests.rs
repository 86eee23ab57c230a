use super::*;
use crate::error::Kind;

fn parts(text: &str) -> (String, String, Option<String>, Option<String>) {
    match text.parse().unwrap() {
        Reference::Registry(r) => (r.registry, r.repository, r.tag, r.digest),
        Reference::Layout(_) => panic!("{text} is a layout"),
    }
}

#[test]
fn the_rows_of_the_seed() {
    for (text, registry, repository, tag, digest) in [
        ("nginx", "docker.io", "library/nginx", Some("latest"), None),
        ("nginx:1.21", "docker.io", "library/nginx", Some("1.21"), None),
        ("myorg/myapp", "docker.io", "myorg/myapp", Some("latest"), None),
        ("myorg/myapp:v1.0.0", "docker.io", "myorg/myapp", Some("v1.0.0"), None),
        ("ghcr.io/myorg/myapp:latest", "ghcr.io", "myorg/myapp", Some("latest"), None),
        ("localhost:5000/myapp:v1", "localhost:5000", "myapp", Some("v1"), None),
        ("gcr.io/my-project/my-image:tag", "gcr.io", "my-project/my-image", Some("tag"), None),
        ("nginx@sha256:abc123", "docker.io", "library/nginx", None, Some("sha256:abc123")),
        ("nginx:latest@sha256:abc123", "docker.io", "library/nginx", Some("latest"), Some("sha256:abc123")),
        (
            "ghcr.io/myorg/myapp:v1.0.0@sha256:abc123def456",
            "ghcr.io",
            "myorg/myapp",
            Some("v1.0.0"),
            Some("sha256:abc123def456"),
        ),
        ("localhost/myapp:test", "localhost", "myapp", Some("test"), None),
        (
            "123456789012.dkr.ecr.us-west-2.amazonaws.com/my-repo:latest",
            "123456789012.dkr.ecr.us-west-2.amazonaws.com",
            "my-repo",
            Some("latest"),
            None,
        ),
        (
            "myregistry.azurecr.io/samples/hello-world:v1",
            "myregistry.azurecr.io",
            "samples/hello-world",
            Some("v1"),
            None,
        ),
    ] {
        let want =
            (registry.to_owned(), repository.to_owned(), tag.map(str::to_owned), digest.map(str::to_owned));
        assert_eq!(parts(text), want, "{text}");
    }
    let shown: Reference = "ghcr.io/myorg/mycomponent:v1.0.0".parse().unwrap();
    assert_eq!(shown.to_string(), "ghcr.io/myorg/mycomponent:v1.0.0");
}

#[test]
fn the_spellings_of_docker_hub_name_one_registry() {
    for text in
        ["nginx", "docker.io/nginx", "index.docker.io/library/nginx", "registry-1.docker.io/nginx:latest"]
    {
        assert_eq!(text.parse::<Reference>().unwrap().to_string(), "docker.io/library/nginx:latest");
    }
}

#[test]
fn a_digest_that_is_not_whole_parses_and_is_refused_where_it_is_used() {
    let reference: Reference = "nginx@sha256:abc123".parse().unwrap();
    let error = reference.digest().unwrap_err();
    assert_eq!(error.message(), "invalid digest 'sha256:abc123': 6 hex digits, must be 64");
}

#[test]
fn layouts() {
    for (text, path, tag, digest) in [
        ("ocidir:///srv/layout", "/srv/layout", None, None),
        ("ocidir:///srv/layout:v1", "/srv/layout", Some("v1"), None),
        ("ocidir://rel/dir:v1", "rel/dir", Some("v1"), None),
        ("ocidir:///a:b/c", "/a:b/c", None, None),
        ("ocidir:///a/user@host", "/a/user@host", None, None),
        ("ocidir:///a/%20b", "/a/%20b", None, None),
        ("ocidir:///a b/c:v1", "/a b/c", Some("v1"), None),
        ("ocidir:///a/c:v1@sha256:00", "/a/c", Some("v1"), Some("sha256:00")),
    ] {
        let want = Reference::Layout(LayoutReference {
            path: path.into(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        });
        let parsed: Reference = text.parse().unwrap();
        assert_eq!(parsed, want, "{text}");
        assert_eq!(parsed.to_string(), text);
    }
}

#[test]
fn bad_references_say_which_part_is_wrong_and_why() {
    for (text, why) in [
        ("", "invalid reference '': empty"),
        ("oci:dir:tag", "ocidir://PATH"),
        ("oci-layout:dir", "ocidir://PATH"),
        ("https://ghcr.io/a/b", "write 'ghcr.io/a/b'"),
        ("docker://ghcr.io/a/b:1", "a registry has none"),
        (
            "ghcr.io/Org/app",
            "reference 'ghcr.io/Org/app': invalid repository 'Org/app': character 'O' (must be lower case)",
        ),
        ("ghcr.io/a//b", "empty part"),
        ("ghcr.io/a..b", "separator '..'"),
        ("ghcr.io/a___b", "separator '___'"),
        ("ghcr.io/-a", "must begin and end"),
        ("ghcr.io/", "invalid repository '': empty"),
        ("ghcr.io/a:", "invalid tag '': empty"),
        ("ghcr.io/a:.x", "at its start"),
        ("ghcr.io/a:é", "character 'é'"),
        ("ghcr.io/a@", "must be algorithm:hex"),
        ("ghcr.io/a@sha256", "must be algorithm:hex"),
        ("ghcr.io:99999/a", "the port must be a number up to 65535"),
        ("ghcr.io:/a", "the port must be a number"),
        ("-x.io/a", "not a host name"),
        ("a..b/c", "not a host name"),
        ("[::1/a", "without a ']'"),
        ("[::g]/a", "no IPv6 address"),
        ("ghcr.io/a b", "character ' '"),
        ("ghcr.io/a\nb", "character '\\n'"),
        ("ocidir://", "path is empty"),
        ("ocidir:///a:b c", "constructor from parts"),
        ("ocidir:///a\0", "character '\\u{0}'"),
        ("ocidir:///a b\0", "character '\\u{0}'"),
    ] {
        let error = text.parse::<Reference>().expect_err(text);
        assert_eq!(error.kind(), Kind::Argument);
        assert!(error.message().contains(why), "{text}: {error}");
    }
    let long = format!("ghcr.io/{}", "a".repeat(256));
    let tag = format!("ghcr.io/a:{}", "t".repeat(129));
    for (text, why) in [(long, "at most 255"), (tag, "at most 128")] {
        let error = text.parse::<Reference>().unwrap_err();
        assert_eq!(error.kind(), Kind::Argument);
        assert!(error.message().contains(why), "{error}");
    }
    assert!(format!("ghcr.io/a:{}", "t".repeat(128)).parse::<Reference>().is_ok());
}

#[test]
fn facts_of_distribution_reference_and_go_containerregistry() {
    for good in [
        "test_com",
        "test.com:tag",
        "test.com:5000",
        "test.com/repo:tag",
        "test:5000/repo",
        "test:5000/repo:tag",
        "a/b/c/d",
        "foo/foo_bar.com:8080",
        "foo_bar.com:8080/foo",
        "[2001:db8::1]:5000/a:v1",
        "[fe80::1]/a",
        "xn--7o8h.com/myimage:xn--7o8h.com",
        "lowercase:Uppercase",
        "Uppercase/lowercase:tag",
        "a--b/c",
        "b.gcr.io/test.example.com/my-app:test.example.com",
        "aa/asdf$$^/aa".trim_end_matches("$$^/aa"),
    ] {
        // `foo_bar.com:8080/foo` has a host that is no host name.
        let parsed = good.parse::<Reference>();
        assert_eq!(parsed.is_ok(), !good.starts_with("foo_bar.com"), "{good}: {parsed:?}");
    }
    for (wrong, why) in [
        (":justtag", "invalid repository '': empty"),
        ("@sha256:ff", "invalid repository '': empty"),
        ("repo@sha256:ff@x", "invalid digest 'sha256:ff@x'"),
        ("Uppercase:tag", "lower case"),
        ("aa/asdf$$^/aa", "character '$'"),
        ("-foo/bar", "the part '-foo'"),
        ("foo/bar-", "the part 'bar-'"),
        ("a/-b", "the part '-b'"),
    ] {
        let error = wrong.parse::<Reference>().expect_err(wrong);
        assert_eq!(error.kind(), Kind::Argument, "{wrong}");
        assert!(error.message().contains(why), "{wrong}: {error}");
    }
}

#[test]
fn parts_make_what_their_text_makes() {
    let of_parts = |registry: &str, repository: &str, tag, digest| {
        Reference::registry(registry, repository, tag, digest)
    };
    for (made, text) in [
        (of_parts("docker.io", "nginx", None, None), "nginx"),
        (of_parts("index.docker.io", "org/app", Some("v1"), None), "org/app:v1"),
        (of_parts("localhost:5000", "a/b", None, Some("sha256:abc")), "localhost:5000/a/b@sha256:abc"),
        // A host that no text names: it has neither dot nor port.
        (of_parts("registry", "app", Some("v1"), None), "registry/app:v1"),
    ] {
        assert_eq!(
            made.unwrap().to_string(),
            text.parse::<Reference>().unwrap().to_string().replace("docker.io/registry/", "registry/")
        );
    }
    for (registry, repository, tag, digest, why) in [
        ("", "app", None, None, "registry"),
        ("host/path", "app", None, None, "registry"),
        ("ghcr.io", "App", None, None, "repository"),
        ("ghcr.io", "app:v1", None, None, "repository"),
        ("ghcr.io", "app", Some("-v1"), None, "tag"),
        ("ghcr.io", "app", None, Some("abc"), "digest"),
    ] {
        let error = Reference::registry(registry, repository, tag, digest).unwrap_err();
        assert!(error.kind() == Kind::Argument && error.message().contains(why), "{error:?}");
    }
}

#[test]
fn another_tag_or_digest_stays_in_the_repository() {
    for (from, tag, digest, to) in [
        ("nginx:1.21@sha256:abc", Some("v2"), None, "docker.io/library/nginx:v2"),
        ("ghcr.io/org/app:v1", None, Some("sha256:abc"), "ghcr.io/org/app@sha256:abc"),
        ("ghcr.io/org/app@sha256:abc", None, None, "ghcr.io/org/app:latest"),
        ("ocidir:///srv/a:b", Some("c"), None, "ocidir:///srv/a:c"),
        ("ocidir:///srv/a:b", None, None, "ocidir:///srv/a"),
    ] {
        assert_eq!(from.parse::<Reference>().unwrap().with(tag, digest).unwrap().to_string(), to);
    }
}
