use super::*;

fn print(root: &Path, since: Option<i64>) -> Fingerprint {
    let root = open_directory(root).unwrap();
    of_tree(&root, b"dest", Young::Since(since), 1, &Operation::new()).unwrap()
}

#[test]
fn q97_a_young_file_counts_with_its_content_and_an_old_one_does_not() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    for name in ["a", "b"] {
        std::fs::write(path(name), "content").unwrap();
    }
    std::os::unix::fs::symlink("a", path("l")).unwrap();
    let ctime = |name: &str| {
        let found = path(name).metadata().unwrap();
        found.ctime() * 1_000_000_000 + found.ctime_nsec()
    };
    while ctime("b") == ctime("a") {
        std::fs::write(path("b"), "content").unwrap();
    }
    let newest = ctime("b");
    let settled = print(place.path(), None);
    assert_eq!((&settled.digest, settled.since), (&settled.settled, None));
    let later = print(place.path(), Some(newest + 1));
    assert_eq!(later, settled, "nothing is young");
    let young = print(place.path(), Some(newest));
    assert_eq!((young.since, &young.settled), (Some(newest), &settled.digest));
    assert_ne!(young.digest, settled.digest);
    assert_ne!(print(place.path(), Some(0)).digest, young.digest, "links have no content, two files have");
    assert_eq!(print(place.path(), Some(newest)), young);
}

#[test]
fn q97_what_a_killed_pull_left_in_a_destination_does_not_count() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "1").unwrap();
    let before = print(place.path(), None);
    let left = place.path().join(staging_container::container_name(b"dest"));
    std::fs::create_dir(&left).unwrap();
    assert_ne!(print(place.path(), None), before, "without the mark it is anybody's");
    std::fs::set_permissions(&left, std::os::unix::fs::PermissionsExt::from_mode(0o1700)).unwrap();
    assert_eq!(print(place.path(), None), before);
}

#[test]
fn q97_what_was_just_published_counts_by_what_is_known_of_it() {
    let place = tempfile::tempdir().unwrap();
    let ours = tempfile::tempdir_in(place.path().parent().unwrap()).unwrap();
    let ours = open_directory(ours.path()).unwrap();
    std::fs::create_dir(place.path().join("d")).unwrap();
    std::fs::write(place.path().join("d/a"), "content").unwrap();
    let root = open_directory(place.path()).unwrap();
    let by = |clock: &Clock<'_>, contents: Contents| {
        let published = Published { clock, contents: &contents };
        of_tree(&root, b"dest", Young::Published(&published), 1, &Operation::new()).unwrap()
    };
    let clock = Clock::start(&ours).unwrap();
    let right = by(&clock, [(b"d/a".to_vec(), Digest::of(b"content"))].into());
    let wrong = by(&clock, [(b"d/a".to_vec(), Digest::of(b"another"))].into());
    assert_ne!(right.digest, wrong.digest);
    // The next pull reads it.
    assert_eq!(print(place.path(), right.since).digest, right.digest);
    // What is not known is read, or once the clock has gone on not needed.
    let unknown = by(&clock, Contents::new());
    assert_eq!(print(place.path(), unknown.since).digest, unknown.digest);
    while !clock.looks_gone_on() {
        std::thread::yield_now();
    }
    let sure = by(&clock, Contents::new());
    assert_eq!((sure.since, &sure.digest), (None, &sure.settled));
}
