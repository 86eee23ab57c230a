//! Several processes in one layout, and processes that are killed.

use super::*;

use crate::harness::child::command;

const LAYOUT: &str = "CLDOCI_TEST_LAYOUT";
const NAME: &str = "CLDOCI_TEST_NAME";
const ROUNDS: &str = "CLDOCI_TEST_ROUNDS";

/// The child: pushes artifacts into a layout and says each tag once it is there.
#[test]
#[ignore = "the other tests here run it as a process of its own"]
fn child_that_pushes() {
    let (Some(path), Ok(name), Ok(rounds)) =
        (std::env::var_os(LAYOUT), std::env::var(NAME), std::env::var(ROUNDS))
    else {
        return;
    };
    let store = std::env::var_os("CLDOCI_TEST_STORE").map(|path| Store::at(Path::new(&path)).unwrap());
    for round in 0..rounds.parse::<u32>().unwrap() {
        let layout = Layout::create(Path::new(&path), &call()).unwrap();
        let writer = layout.begin().unwrap();
        let seed = format!("{name}-{round}");
        if let Some(store) = &store {
            let mut spool = store.spool().unwrap();
            spool.write_all(seed.repeat(1000).as_bytes()).unwrap();
            let spool = spool.finish().unwrap();
            let blob = Descriptor::new("a/b", spool.digest().clone(), spool.size());
            writer.add_spool(&blob, &spool).unwrap();
        }
        push(&writer, &seed, Some(&seed), None);
        push(&writer, &seed, Some("moving"), None);
        println!("\npushed {seed}");
    }
}

fn child(layout: &Path, store: &Path, name: &str, rounds: u32) -> Child {
    command(module_path!(), "child_that_pushes")
        .arg("--test-threads=1")
        .env(LAYOUT, layout)
        .env("CLDOCI_TEST_STORE", store)
        .env(NAME, name)
        .env(ROUNDS, rounds.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn pushed(line: &str) -> Option<&str> {
    line.strip_prefix("pushed ")
}

#[test]
fn eight_processes_write_one_layout_and_every_tag_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, store) = (dir.path().join("layout"), dir.path().join("store"));
    // The layout is not there yet: they also race to make it.
    let children: Vec<_> = (0..8).map(|n| child(&layout, &store, &format!("p{n}"), 5)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().filter_map(pushed).count(), 5, "{text}");
    }
    let layout = Layout::open(&layout, &call()).unwrap();
    assert_eq!(check_whole(&layout), 41);
    assert!(left_overs(&layout).is_empty());
    assert_eq!(layout.gc().unwrap().removed, 0);
    assert_eq!(fs::read_dir(store.join("spool")).unwrap().count(), 0);
}

/// F-15 and G3 for the layout: whatever a killed process was about to do, the layout is whole, has every tag
/// that it had reported, and the next process cleans up.
#[test]
fn a_writer_killed_at_any_moment_leaves_a_whole_layout() {
    let dir = tempfile::tempdir().unwrap();
    let (path, store) = (dir.path().join("layout"), dir.path().join("store"));
    let mut reported = Vec::new();
    let mut killed = 0;
    let mut state = 1u64;
    let mut runs = 0;
    while killed < 60 {
        runs += 1;
        assert!(runs < 200, "only {killed} of {runs} were caught alive");
        let mut child = child(&path, &store, &format!("k{runs}"), 1000);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A random moment after it has begun to work: some pushes, and then some microseconds.
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (some, delay) = ((state >> 33) % 3, Duration::from_micros((state >> 40) % 15_000));
        let mut seen = 0;
        while seen < some {
            let line = lines.next().unwrap().unwrap();
            if let Some(tag) = pushed(&line) {
                reported.push(tag.to_owned());
                seen += 1;
            }
        }
        std::thread::sleep(delay);
        if child.try_wait().unwrap().is_none() {
            killed += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        reported
            .extend(lines.map_while(std::result::Result::ok).filter_map(|l| pushed(&l).map(str::to_owned)));
        // The same call heals: a layout that was not whole yet is made whole.
        let layout = Layout::create(&path, &call()).unwrap();
        let tags = layout.tags().unwrap();
        assert!(reported.iter().all(|tag| tags.contains(tag)));
        check_whole(&layout);
        push(&layout.begin().unwrap(), "after", Some("after"), None);
        assert!(left_overs(&layout).is_empty());
    }
    assert!(reported.len() > 20);
    let layout = Layout::open(&path, &call()).unwrap();
    layout.gc().unwrap();
    check_whole(&layout);
    // What they had spooled goes with the next one that spools.
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    for entry in fs::read_dir(store.join("spool")).unwrap() {
        fs::File::open(entry.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
    }
    let store = Store::at(&store).unwrap();
    let spool = store.spool().unwrap().finish().unwrap();
    assert_eq!(fs::read_dir(store.path().join("spool")).unwrap().count(), 1);
    drop(spool);
    drop(store);
}
