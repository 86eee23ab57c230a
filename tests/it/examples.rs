//! The examples of `examples/c`, each compiled and run as its opening lines say.

use std::process::Command;

use crate::harness::c::program::Program;
use crate::harness::c::{root, run};
use crate::harness::guard::{Guard, Rules};
use crate::harness::registry::{Manners, Registry};
use cldoci::oci::{Digest, media_type};

fn example(name: &str) -> Program {
    Program::of(&root().join("examples/c").join(format!("{name}.c")))
}

fn said(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

/// A layout with two tags, pushed by the workflow; its directory is the program's own.
fn layout(workflow: &Program) -> String {
    let layout = format!("ocidir://{}/layout", workflow.scratch().display());
    let tree = root().join("examples/component");
    let (v1, latest) = (format!("{layout}:v1"), format!("{layout}:latest"));
    let printed =
        said(workflow.command().arg(tree).args([v1, latest]).arg(workflow.scratch().join("pulled")));
    assert!(
        printed.contains("exists yes") && workflow.scratch().join("pulled/cld.yml").is_file(),
        "{printed}"
    );
    layout
}

#[test]
fn a_repository_is_mirrored_with_what_is_attached_and_only_once() {
    let (workflow, mirror, sbom) = (example("workflow"), example("mirror"), example("sbom"));
    let source = layout(&workflow);
    let file = sbom.scratch().join("sbom.json");
    std::fs::write(&file, "{}").unwrap();
    let printed =
        said(sbom.command().arg(root().join("examples/component")).arg(format!("{source}:sbom")).arg(&file));
    let attached = printed.lines().find_map(|line| line.strip_prefix("attached ")).unwrap();
    assert!(printed.contains(&format!("referrer {attached} application/spdx+json")), "{printed}");

    let target = format!("ocidir://{}/mirror", mirror.scratch().display());
    let mirrored = || said(mirror.command().args([&source, &target]));
    assert!(mirrored().ends_with("3 tags, 3 copied\n"));
    let blobs = mirror.scratch().join("mirror/blobs/sha256");
    assert!(blobs.join(attached.strip_prefix("sha256:").unwrap()).is_file(), "the referrer was left behind");
    assert_eq!(mirrored(), "3 tags, 0 copied\n");
}

#[test]
fn fifty_pulls_end_in_one_event_loop() {
    let (workflow, pulls) = (example("workflow"), example("event_loop"));
    let source = format!("{}:v1", layout(&workflow));
    let out = pulls.scratch().join("out");
    std::fs::create_dir(&out).unwrap();
    let printed = said(pulls.command().arg(&out).args(vec![source; 50]));
    assert_eq!(printed.lines().count(), 50);
    assert!((0..50).all(|number| out.join(number.to_string()).join("cld.yml").is_file()));
    let failed = pulls.command().arg(&out).arg("ocidir:///nowhere/at/all:v1").output().unwrap();
    assert!(!failed.status.success() && failed.stdout.is_empty());
}

#[test]
fn a_bar_ends_full_and_the_log_is_beside_it() {
    let (workflow, progress) = (example("workflow"), example("progress"));
    let source = format!("{}:v1", layout(&workflow));
    let output = run(progress.command().arg(source).arg(progress.scratch().join("out")));
    let [bar, log] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let last = bar.rsplit('\r').next().unwrap();
    assert!(last.starts_with("done") && last.contains(&format!("[{}]", "#".repeat(40))), "{last}");
    assert!(log.starts_with("info    pull: begins\n"), "{log}");
}

#[test]
fn only_what_another_attempt_can_mend_is_tried_again() {
    let retry = example("retry");
    let attempts = |reference: &str| {
        let output = retry.command().args([reference, "nowhere", "2"]).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(attempts("ocidir:///nowhere/at/all:v1").starts_with("after 1 of 2 attempts: "));
    // Nobody listens there.
    assert!(attempts("127.0.0.1:1/app:v1").contains("again in 500 ms\nafter 2 of 2 attempts: "));
}

#[test]
fn a_vault_gives_the_password_and_its_refusal_is_told() {
    let vault = example("vault");
    let guard = Guard::new(Rules::default().user("robot", "canary"));
    let registry = Registry::with(Manners::default(), move |seen| guard.check(seen));
    let manifest = br#"{"schemaVersion":2}"#;
    registry.put_manifest("team/app", "v1", media_type::OCI_MANIFEST, manifest);
    let asked = |command: &str| {
        let reference = format!("{}/team/app:v1", registry.host());
        vault.command().args([&reference, "robot", command]).output().unwrap()
    };
    // The command learns which repository it is for.
    let output = asked(r#"test "$REPOSITORY" = team/app && echo canary"#);
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), Digest::of(manifest).as_str());
    let refused = asked("exit 1");
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && message.contains("the vault gave no password"), "{message}");
}
