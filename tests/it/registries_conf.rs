//! Containers' registries.conf: what is read elsewhere, what is blocked, and what a broken file says (Q129).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cldoci::options::{Environment, Options, Secret};
use cldoci::{Error, Kind};

use crate::harness::ours::{Ours, refused};
use crate::harness::registry::Registry;

/// Fills a repository with `v1`, of a tree with this text; its digest.
fn fill(registry: &Registry, repository: &str, text: &str) -> String {
    let ours = Ours::new();
    let tree = ours.path("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), text).unwrap();
    let built = ours.build(&tree).unwrap();
    ours.push(&built.artifact(), &format!("{}/{repository}:v1", registry.host())).unwrap();
    built.digest()
}

/// A client that goes by this file.
fn client(text: &str) -> Ours {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("registries.conf");
    fs::write(&path, text).unwrap();
    reading(&path).unwrap()
}

fn reading(path: &Path) -> Result<Ours, Error> {
    let mut options = Options::new();
    options.set_path("registries_conf", path).unwrap();
    Ours::of(options, Environment::default())
}

/// What the file of a pulled tree says.
fn pulled(ours: &Ours, at: &str) -> Result<String, Error> {
    let out = ours.path("out");
    let _ = fs::remove_dir_all(&out);
    ours.pull(at, &out)?;
    Ok(fs::read_to_string(out.join("file")).unwrap())
}

#[test]
fn q129_mirrors_of_the_longest_prefix_are_read_by_what_they_are_for() {
    let (upstream, mirror) = (Registry::start(), Registry::start());
    let (host, at) = (upstream.host(), mirror.host());
    fill(&upstream, "team/app", "upstream");
    let digest = fill(&upstream, "other/app", "upstream");
    fill(&mirror, "hub/app", "mirror");
    assert_eq!(fill(&mirror, "hub/other/app", "upstream"), digest);
    let file = |when: &str, rest: &str| {
        format!(
            "unqualified-search-registries = [\"x.test\"]\n\
             [[registry]]\nlocation = \"{host}\"\n{rest}\n[[registry.mirror]]\nlocation = \"{at}/hub/\"\n{when}\n\
             [[registry]]\nprefix = \"{host}/team\"\n[[registry.mirror]]\nlocation = \"{at}/hub\"\n"
        )
    };
    // The longer prefix: what follows it follows the mirror's place.
    let before = upstream.server.log().len();
    assert_eq!(pulled(&client(&file("", "")), &format!("{host}/team/app:v1")).unwrap(), "mirror");
    assert_eq!(upstream.server.log().len(), before);
    let (by_tag, by_digest) = (format!("{host}/other/app:v1"), format!("{host}/other/app@{digest}"));
    for (when, rest, tags, digests) in [
        ("", "", true, true),
        ("pull-from-mirror = \"all\"", "", true, true),
        ("pull-from-mirror = \"digest-only\"", "", false, true),
        ("pull-from-mirror = \"tag-only\"", "", true, false),
        ("", "mirror-by-digest-only = true", false, true),
    ] {
        let ours = client(&file(when, rest));
        for (reference, expected) in [(&by_tag, tags), (&by_digest, digests)] {
            let before = mirror.server.log().len();
            assert_eq!(pulled(&ours, reference).unwrap(), "upstream");
            let asked = mirror.server.log().len() > before;
            assert_eq!(asked, expected, "{when} {rest} {reference}");
        }
    }
    // What is for digests alone is believed in no list; the twin is.
    for (rest, asked) in [("mirror-by-digest-only = true", false), ("", true)] {
        let before = mirror.server.log().len();
        client(&file("", rest)).referrers(&by_digest).unwrap();
        assert_eq!(mirror.server.log().len() > before, asked, "{rest}");
    }
    // A name that only begins alike is another.
    let other = client(&file("", "").replace("/team\"", "/tea\""));
    assert_eq!(pulled(&other, &format!("{host}/team/app:v1")).unwrap(), "upstream");
}

#[test]
fn q129_what_lies_elsewhere_is_read_there_and_written_where_the_reference_says() {
    let (named, elsewhere) = (Registry::start(), Registry::start());
    let (host, at) = (named.host(), elsewhere.host());
    let digest = fill(&elsewhere, "mirrored/app", "elsewhere");
    let ours = client(&format!("[[registry]]\nprefix = \"{host}/team\"\nlocation = \"{at}/mirrored\"\n"));
    let reference = format!("{host}/team/app:v1");
    assert_eq!(pulled(&ours, &reference).unwrap(), "elsewhere");
    assert_eq!(ours.resolve(&reference).unwrap().digest(), digest);
    assert!(named.server.log().is_empty(), "{:?}", named.server.lines());
    // A tag beside it: its blobs are not there yet, though both have one name.
    let begun = elsewhere.server.log().len();
    ours.tag(&reference, &format!("{host}/team/app:v2")).unwrap();
    assert_eq!(named.tagged("team/app", "v2"), Some(digest.clone()));
    let writes = |registry: &Registry, from: usize| {
        registry.server.log()[from..].iter().any(|seen| !matches!(seen.method.as_str(), "GET" | "HEAD"))
    };
    assert!(!writes(&elsewhere, begun));
    // Without the file the tag is whole where it was written.
    assert_eq!(pulled(&Ours::new(), &format!("{host}/team/app:v2")).unwrap(), "elsewhere");
    // To another repository, which lies where it says: nothing is mounted from what lies elsewhere.
    ours.copy(&reference, &format!("{host}/copies/app:v1")).unwrap();
    assert_eq!(pulled(&Ours::new(), &format!("{host}/copies/app:v1")).unwrap(), "elsewhere");
}

/// What a mirror has the registry need not have.
#[test]
fn q129_a_tag_of_what_a_mirror_served_is_whole() {
    let (upstream, mirror) = (Registry::start(), Registry::start());
    let host = upstream.host();
    let digest = fill(&mirror, "team/app", "of the mirror");
    let ours = client(&format!(
        "[[registry]]\nlocation = \"{host}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        mirror.host()
    ));
    ours.tag(&format!("{host}/team/app:v1"), &format!("{host}/team/app:v2")).unwrap();
    assert_eq!(upstream.tagged("team/app", "v2"), Some(digest));
    assert_eq!(pulled(&Ours::new(), &format!("{host}/team/app:v2")).unwrap(), "of the mirror");
}

#[test]
fn q129_what_is_blocked_is_neither_read_nor_written() {
    let registry = Registry::start();
    let host = registry.host();
    fill(&registry, "team/app", "text");
    fill(&registry, "free/app", "text");
    let begun = registry.server.log().len();
    let ours = client(&format!(
        "[[registry]]\nlocation = \"{host}\"\nblocked = true\n[[registry]]\nlocation = \"{host}/free\"\n"
    ));
    let blocked = format!("{host}/team/app:v1");
    let error = refused(ours.pull(&blocked, &ours.path("out")), Kind::Policy, "registries.conf blocks '");
    assert!(error.message().contains(&blocked), "{error}");
    let tree = ours.path("tree");
    fs::create_dir(&tree).unwrap();
    refused(ours.build_and_push(&tree, &blocked), Kind::Policy, "registries_conf");
    let login = ours.client.login(&host, "user", &Secret::new("canary"), &ours.call());
    refused(ours.wait(login).map(drop), Kind::Policy, "blocks");
    // Nor is a mirror what is blocked.
    let other = Registry::start();
    fill(&other, "team/app", "of the other");
    let begun_there = other.server.log().len();
    let with_mirror = client(&format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{host}\"\n\
         [[registry]]\nlocation = \"{host}\"\nblocked = true\n",
        other.host()
    ));
    assert_eq!(pulled(&with_mirror, &format!("{}/team/app:v1", other.host())).unwrap(), "of the other");
    assert!(other.server.log().len() > begun_there);
    assert_eq!(registry.server.log().len(), begun);
    // The twin.
    assert_eq!(pulled(&ours, &format!("{host}/free/app:v1")).unwrap(), "text");
    ours.build_and_push(&tree, &format!("{host}/free/app:v2")).unwrap();
}

#[test]
fn q129_the_usual_places_are_the_users_file_and_what_is_dropped_in_beside_it() {
    let (upstream, first, second) = (Registry::start(), Registry::start(), Registry::start());
    let host = upstream.host();
    fill(&upstream, "team/app", "upstream");
    fill(&first, "team/app", "first");
    fill(&second, "team/app", "second");
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(".config/containers");
    let said = |at: &Registry| {
        format!("[[registry]]\nlocation = \"{host}\"\n[[registry.mirror]]\nlocation = \"{}\"\n", at.host())
    };
    let text = || {
        let mut options = Options::new();
        options.set("registries_conf", "default").unwrap();
        let environment = Environment::of([("HOME", home.path())]);
        pulled(&Ours::of(options, environment).unwrap(), &format!("{host}/team/app:v1")).unwrap()
    };
    assert_eq!(text(), "upstream", "no file is no error");
    fs::create_dir_all(place.join("registries.conf.d")).unwrap();
    fs::write(place.join("registries.conf"), said(&first)).unwrap();
    assert_eq!(text(), "first");
    // The last that names a prefix holds for it; what has another ending is nothing.
    fs::write(place.join("registries.conf.d/20.conf"), said(&second)).unwrap();
    fs::write(place.join("registries.conf.d/10.conf"), said(&first)).unwrap();
    fs::write(place.join("registries.conf.d/30.conf.bak"), "broken").unwrap();
    assert_eq!(text(), "second");
    fs::remove_file(place.join("registries.conf")).unwrap();
    assert_eq!(text(), "second", "drop-ins need no file");
    // What can't be looked at may block something: it is no empty place.
    let drop_ins = place.join("registries.conf.d");
    fs::remove_dir_all(&drop_ins).unwrap();
    symlink("registries.conf.d", &drop_ins).unwrap();
    let mut options = Options::new();
    options.set("registries_conf", "default").unwrap();
    let made = Ours::of(options, Environment::of([("HOME", home.path())]));
    refused(made.map(drop), Kind::Io, "registries.conf.d");
}

#[test]
fn q129_a_file_that_can_not_be_meant_is_an_error_of_one_line() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("registries.conf");
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        let error = reading(&path).map(drop).unwrap_err();
        assert!(error.message().starts_with("option registries_conf: "), "{error}");
        assert!(
            error.message().contains(path.to_str().unwrap()) && !error.message().contains('\n'),
            "{error}"
        );
        (error.kind(), error.message().to_owned())
    };
    let mirror = |more: &str| {
        format!("[[registry]]\nlocation = \"a.test\"\n[[registry.mirror]]\nlocation = \"b.test\"\n{more}\n")
    };
    for (text, words) in [
        ("[[registry]]\nlocation = \"a.test\"\nblocked = \"yes\"\n".to_owned(), "line 3"),
        ("a = = 1".to_owned(), "line 1"),
        ("[registries.search]\nregistries = ['a.test']\n".to_owned(), "version 1"),
        ("[[registry]]\nblocked = true\n".to_owned(), "neither prefix nor location"),
        (
            "[[registry]]\nprefix = \"a.test\"\nlocation = \"http://a.test\"\n".to_owned(),
            "invalid location 'http://a.test'",
        ),
        (
            "[[registry]]\nlocation = \"a.test\"\npull-from-mirror = \"all\"\n".to_owned(),
            "belongs to a mirror",
        ),
        (mirror("pull-from-mirror = \"some\""), "must be all, digest-only or tag-only"),
        (mirror("[[registry]]\nlocation = \"a.test\"\nblocked = true\n"), "'a.test' appears twice"),
        (
            mirror("pull-from-mirror = \"all\"")
                .replace("[[registry.m", "mirror-by-digest-only = true\n[[registry.m"),
            "mirror-by-digest-only forbids",
        ),
    ] {
        let (kind, message) = error(&text);
        assert_eq!(kind, Kind::Argument, "{message}");
        assert!(message.contains(words), "{message}");
    }
    // What newer tools know is no error.
    fs::write(&path, "short-name-mode = \"enforcing\"\n[aliases]\na = \"b.test/a\"\n").unwrap();
    reading(&path).unwrap();

    // No file, and what is none: a FIFO does not hang.
    assert_eq!(error(&"#".repeat((1 << 20) + 1)).0, Kind::Limit);
    fs::remove_file(&path).unwrap();
    refused(reading(&path).map(drop), Kind::Io, "registries.conf");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refused(reading(&path).map(drop), Kind::Argument, "is not a file");
    refused(reading(place.path()).map(drop), Kind::Argument, "is not a file");
    fs::write(place.path().join("target"), "").unwrap();
    symlink("target", place.path().join("link")).unwrap();
    reading(&place.path().join("link")).unwrap();
}
