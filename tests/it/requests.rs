//! The requests of each verb, counted: cold and warm, anonymous and with tokens. `docs/performance.md` promises
//! these numbers, and this test holds it to them.

use std::fs;
use std::path::{Path, PathBuf};

use cldoci::Artifact;
use cldoci::oci::ArtifactKind;

use crate::harness::guard::{Guard, Rules};
use crate::harness::ours::{Done, Ours};
use crate::harness::registry::{Manners, Registry};

/// One client, and the registry that it works on.
struct Side {
    ours: Ours,
    host: String,
}

impl Side {
    /// A client that has done nothing yet.
    fn new(host: &str) -> Self {
        let ours = Ours::setting(|options| {
            options.set_host(host, "username", "u").unwrap();
            options.set_host(host, "password", "p").unwrap();
        });
        Self { ours, host: host.to_owned() }
    }

    /// The same place, seen by a process that has just begun.
    fn again(&self) -> Self {
        Self { ours: self.ours.again(), host: self.host.clone() }
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    /// A tree of its own for each `n`, and a kind with its config.
    fn tree(&self, kind: &str, n: usize) -> (PathBuf, (ArtifactKind, &'static [u8])) {
        let directory = self.ours.path(&format!("tree{n}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("file"), format!("the content of {n}\n").repeat(200)).unwrap();
        let kind = match kind {
            "plain" => (ArtifactKind::from_name("application/vnd.example.thing").unwrap(), &b""[..]),
            kind => (ArtifactKind::from_name(kind).unwrap(), &br#"{"schemaVersion":"v1"}"#[..]),
        };
        (directory, kind)
    }

    /// That tree built. Building asks nobody.
    fn build(&self, kind: &str, n: usize) -> Artifact {
        let (directory, (kind, config)) = self.tree(kind, n);
        self.ours.build_as(&kind, config, &directory).unwrap().artifact()
    }

    fn push(&self, artifact: &Artifact, name: &str) -> Done {
        self.ours.push(artifact, &self.at(name)).unwrap()
    }

    fn pull(&self, name: &str, directory: &str) -> Done {
        self.ours.pull(&self.at(name), &self.ours.path(directory)).unwrap()
    }

    fn tag(&self, source: &str, target: &str) -> Done {
        self.ours.tag(&self.at(source), &self.at(target)).unwrap()
    }

    fn attach(&self, artifact: &Artifact, subject: &str) -> Done {
        self.ours.attach(artifact, &self.at(subject)).unwrap()
    }
}

/// A verb: what has to be there before, by another process, and the call that counts. Both are told which call
/// it is: 0 the cold one, 1 the warm one.
struct Verb {
    name: &'static str,
    prepare: fn(&Side, usize),
    call: fn(&Side, usize),
}

/// `v0` and `v1` of `seed/app`.
fn seed(side: &Side, n: usize) {
    side.push(&side.build("plain", n), &format!("seed/app:v{n}"));
}

#[rustfmt::skip]
const VERBS: [Verb; 18] = [
    Verb { name: "build and push to a new repository", prepare: |_, _| {}, call: |side, n| {
        let (directory, kind) = side.tree("plain", n);
        let at = side.at(&format!("new/app:v{n}"));
        side.ours.build_and_push_as(&kind.0, kind.1, &directory, &at).unwrap();
    }},
    Verb { name: "push of a ready artifact", prepare: |_, _| {}, call: |side, n| {
        side.push(&side.build("plain", n), &format!("new/app:v{n}"));
    }},
    Verb { name: "the same pushed again", prepare: seed, call: |side, n| {
        side.push(&side.build("plain", n), &format!("seed/app:v{n}"));
    }},
    Verb { name: "pull", prepare: seed, call: |side, n| {
        assert!(!side.pull(&format!("seed/app:v{n}"), &format!("out{n}")).unchanged);
    }},
    Verb { name: "pull, with a config of its own", prepare: |side, n| {
        side.push(&side.build("component", n), &format!("seed/app:v{n}"));
    }, call: |side, n| {
        side.pull(&format!("seed/app:v{n}"), &format!("out{n}"));
    }},
    Verb { name: "pull again, unchanged", prepare: |side, n| {
        seed(side, n);
        side.pull(&format!("seed/app:v{n}"), &format!("out{n}"));
    }, call: |side, n| {
        assert!(side.pull(&format!("seed/app:v{n}"), &format!("out{n}")).unchanged);
    }},
    Verb { name: "exists, yes", prepare: seed, call: |side, n| {
        let found = side.ours.exists(&side.at(&format!("seed/app:v{n}"))).unwrap();
        assert_eq!(found.exists, Some(true));
    }},
    Verb { name: "exists, no", prepare: |_, _| {}, call: |side, n| {
        let found = side.ours.exists(&side.at(&format!("seed/app:no{n}"))).unwrap();
        assert_eq!(found.exists, Some(false));
    }},
    Verb { name: "resolve", prepare: seed, call: |side, n| {
        side.ours.resolve(&side.at(&format!("seed/app:v{n}"))).unwrap();
    }},
    Verb { name: "config", prepare: |side, n| {
        side.push(&side.build("component", n), &format!("seed/app:v{n}"));
    }, call: |side, n| {
        side.ours.pull_config(&side.at(&format!("seed/app:v{n}"))).unwrap();
    }},
    Verb { name: "inspect", prepare: seed, call: |side, n| {
        side.ours.inspect(&side.at(&format!("seed/app:v{n}"))).unwrap();
    }},
    Verb { name: "read a manifest", prepare: seed, call: |side, n| {
        side.ours.read_manifest(&side.at(&format!("seed/app:v{n}"))).unwrap();
    }},
    Verb { name: "list tags", prepare: seed, call: |side, _| {
        let found = side.ours.list_tags(&side.at("seed/app")).unwrap();
        assert_eq!(found.tags, ["v0", "v1"]);
    }},
    Verb { name: "tag in one repository", prepare: seed, call: |side, n| {
        side.tag(&format!("seed/app:v{n}"), &format!("seed/app:also{n}"));
    }},
    Verb { name: "tag into another repository", prepare: seed, call: |side, n| {
        side.tag(&format!("seed/app:v{n}"), &format!("seed/other:v{n}"));
    }},
    Verb { name: "delete", prepare: seed, call: |side, n| {
        let digest = side.build("plain", n).digest;
        side.ours.delete(&side.at(&format!("seed/app@{digest}"))).unwrap();
    }},
    Verb { name: "attach", prepare: seed, call: |side, n| {
        let artifact = side.build("plain", 7 + n);
        side.attach(&artifact, &format!("seed/app:v{n}"));
    }},
    Verb { name: "referrers", prepare: |side, n| {
        seed(side, n);
        let artifact = side.build("plain", 7 + n);
        side.attach(&artifact, &format!("seed/app:v{n}"));
    }, call: |side, n| {
        let found = side.ours.referrers(&side.at(&format!("seed/app:v{n}"))).unwrap();
        assert_eq!(found.referrers.len(), 1);
    }},
];

/// Requests of the cold call and of the warm one.
fn count(verb: &Verb, tokens: bool) -> [usize; 2] {
    let guard = Guard::new(Rules::default().user("u", "p"));
    let registry =
        Registry::with(Manners::default(), move |seen| if tokens { guard.check(seen) } else { None });
    let before = Side::new(&registry.host());
    (0..2).for_each(|n| (verb.prepare)(&before, n));
    let side = before.again();
    [0, 1].map(|n| {
        let seen = registry.server.log().len();
        (verb.call)(&side, n);
        registry.server.log().len() - seen
    })
}

/// The rows of the page's table, from its heading to the next empty line.
fn promised(page: &str) -> Vec<String> {
    let table = page.split_once("| cldoci | anonymous, cold |").expect("the page has the table").1;
    table.lines().skip(2).take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

#[test]
fn each_verb_takes_the_requests_that_the_page_promises() {
    let counted: Vec<String> = VERBS
        .iter()
        .map(|verb| {
            let ([cold, warm], [token_cold, token_warm]) = (count(verb, false), count(verb, true));
            format!("| {} | {cold} | {warm} | {token_cold} | {token_warm} |", verb.name)
        })
        .collect();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md")).unwrap();
    assert!(
        promised(&page) == counted,
        "docs/performance.md says otherwise; counted:\n{}",
        counted.join("\n")
    );
}
