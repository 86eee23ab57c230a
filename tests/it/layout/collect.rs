//! Garbage collection.

use super::*;

fn blobs(layout: &Layout) -> usize {
    fs::read_dir(layout.path().join("blobs/sha256")).unwrap().count()
}

#[test]
fn what_nothing_leads_to_is_removed_and_the_rest_stays() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    push(&writer, "one", Some("v1"), None);
    push(&writer, "two", Some("v1"), None);
    push(&writer, "three", None, None);
    fs::write(layout.path().join("blobs/sha256/notes"), "not ours").unwrap();
    drop(writer);
    let report = layout.gc().unwrap();
    assert_eq!((report.kept, report.removed, report.removed_entries), (6, 3, 0));
    assert!(report.removed_bytes > 3000);
    assert_eq!(check_whole(&layout), 1);
    assert!(layout.resolve(None, Some(&artifact("three", None).0.digest)).unwrap().is_some());
    assert!(layout.path().join("blobs/sha256/notes").exists());
}

#[test]
fn an_index_keeps_its_manifests() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let children = vec![push(&writer, "a", None, None), push(&writer, "b", None, None)];
    let bytes = ImageIndex {
        schema_version: 2,
        media_type: media_type::OCI_INDEX.to_owned(),
        artifact_type: None,
        manifests: children.clone(),
        subject: None,
        annotations: Default::default(),
    }
    .to_bytes();
    writer.put_manifest(&Descriptor::of(media_type::OCI_INDEX, &bytes), &bytes, Some("all")).unwrap();
    drop(writer);
    // Its parts are listed too, and are not what is meant where nothing is named.
    assert_eq!(layout.resolve(None, None).unwrap().unwrap().digest, Digest::of(&bytes));
    for child in &children {
        assert!(layout.delete(None, Some(&child.digest)).unwrap());
    }
    assert_eq!(layout.gc().unwrap().removed, 0);
    assert!(layout.resolve(None, Some(&children[0].digest)).unwrap().is_some());
    layout.delete(Some("all"), None).unwrap();
    assert_eq!(layout.gc().unwrap().removed, 7);
}

#[test]
fn referrers_are_kept_as_long_as_their_subject_is() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let subject = push(&writer, "subject", Some("v1"), None);
    let referrer = push(&writer, "referrer", None, Some(subject.clone()));
    let second = push(&writer, "second", None, Some(referrer.clone()));
    let tagged = push(&writer, "tagged", Some("signed"), Some(subject.clone()));
    drop(writer);
    let digests = |kind| -> Vec<_> {
        layout.referrers(&subject.digest, kind).unwrap().into_iter().map(|d| d.digest).collect()
    };
    assert_eq!(digests(None).len(), 2);
    assert_eq!(digests(Some("application/vnd.referrer")), std::slice::from_ref(&referrer.digest));
    let found = layout.referrers(&referrer.digest, None).unwrap();
    assert_eq!(found[0].annotations["seed"], "second");
    assert_eq!(layout.gc().unwrap().removed, 0);
    layout.delete(Some("v1"), None).unwrap();
    let report = layout.gc().unwrap();
    // The subject, its untagged referrer and that one's go; a tag keeps what it names.
    assert_eq!((report.removed, report.removed_entries), (9, 2));
    for (gone, digest) in [(true, &referrer.digest), (true, &second.digest), (false, &tagged.digest)] {
        assert_eq!(layout.resolve(None, Some(digest)).unwrap().is_none(), gone);
    }
}

#[test]
fn a_damaged_manifest_ends_it_before_anything_is_removed() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let one = push(&writer, "one", Some("v1"), None);
    push(&writer, "two", Some("v2"), None);
    drop(writer);
    layout.delete(Some("v2"), None).unwrap();
    let path = layout.path().join("blobs/sha256").join(one.digest.hex());
    let good = fs::read(&path).unwrap();
    fs::write(&path, vec![b'{'; good.len()]).unwrap();
    assert_eq!(layout.gc().unwrap_err().kind(), Kind::Digest);
    assert_eq!(blobs(&layout), 6);
    fs::write(&path, good).unwrap();
    assert_eq!(layout.gc().unwrap().removed, 3);
}

#[test]
fn it_waits_for_a_push_and_a_cancel_ends_the_wait() {
    let (_dir, layout) = new_layout();
    let writer = layout.begin().unwrap();
    let (descriptor, manifest, parts) = artifact("x", None);
    for (blob, bytes) in &parts {
        writer.add_bytes(blob, bytes).unwrap();
    }
    let short = Layout::open(layout.path(), &call_with(&[("timeout_ms", "50")])).unwrap();
    assert_eq!(short.gc().unwrap_err().kind(), Kind::Timeout);
    assert_eq!(blobs(&layout), 2);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| layout.gc().unwrap());
        writer.put_manifest(&descriptor, &manifest, Some("v1")).unwrap();
        drop(writer);
        assert_eq!(collector.join().unwrap().removed, 0);
    });
    assert_eq!(check_whole(&layout), 1);
}

#[test]
fn beside_writers_it_loses_nothing() {
    let (_dir, layout) = new_layout();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            loop {
                layout.gc().unwrap();
                if done.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
            }
        });
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let layout = &layout;
                scope.spawn(move || {
                    for n in 0..8 {
                        let seed = format!("{thread}-{n}");
                        // Each waits for the lock anew, so that the collector has its turns.
                        push(&layout.begin().unwrap(), &seed, Some(&seed), None);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        collector.join().unwrap();
    });
    assert_eq!(check_whole(&layout), 24);
}
