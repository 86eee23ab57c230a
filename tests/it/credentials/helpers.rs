//! Helpers that do not work, and verbs that go on without them or do not (A-20, Q18).

use std::time::{Duration, Instant};

use cldoci::Kind;
use cldoci::options::Options;

use super::bench::{CProgram, Guarded, Home, Side, auth, error, run};
use crate::harness::c::run as run_program;
use crate::harness::child;
use crate::harness::guard::Rules;

fn broken(home: &Home) {
    home.docker(r#"{"credsStore":"t"}"#);
    home.helper("t", "echo canary; exit 2");
}

#[test]
fn a_20_a_public_pull_survives_a_broken_helper_with_a_warning() {
    let guarded = Guarded::new(Rules::default().public("team/app"));
    let home = Home::new();
    broken(&home);
    for script in ["echo canary; exit 2", "exit 0", "echo canary", "kill -9 $$"] {
        home.helper("t", script);
        let (found, operation) = run(home.client(&[]).read(&guarded.host()));
        assert!(found.unwrap(), "{script}");
        let warnings = operation.warnings();
        assert!(warnings.iter().any(|w| w.contains("docker-credential-t (get)")), "{warnings:?}");
        assert_eq!(operation.credential_source(), None);
    }
    // One that is not there, and one that may not be run.
    home.write("bin/docker-credential-plain", "echo canary");
    for (name, why) in [("absent", "is not in PATH"), ("plain", "can't be run: Permission denied")] {
        home.docker(&format!(r#"{{"credsStore":"{name}"}}"#));
        let (found, operation) = run(home.client(&[]).read(&guarded.host()));
        assert!(found.unwrap(), "{name}");
        assert!(operation.warnings().iter().any(|w| w.contains(why)), "{:?}", operation.warnings());
    }
}

#[test]
fn a_20_a_private_pull_reports_the_helper_and_so_does_a_push_at_once() {
    let guarded = Guarded::new(Rules::default().user("u", "canary"));
    let home = Home::new();
    broken(&home);
    let error_of_read = error(run(home.client(&[]).read(&guarded.host())).0);
    assert_eq!(error_of_read.kind(), Kind::Credentials);
    assert!(
        error_of_read.message().contains("docker-credential-t (get): failed with status 2"),
        "{error_of_read}"
    );
    let before = guarded.tokens_asked().len();
    let error_of_write = error(run(home.client(&[]).write(&guarded.host())).0);
    assert_eq!(error_of_write.kind(), Kind::Credentials);
    assert_eq!(guarded.tokens_asked().len(), before, "no anonymous token was asked for");
}

#[test]
fn a_20_a_helper_that_is_missing_sends_no_other_credential() {
    let guarded = Guarded::new(Rules::default().user("u", "canary"));
    let home = Home::new();
    let (host, entry) = (guarded.host(), auth("u", "canary"));
    home.docker(&format!(
        r#"{{"credHelpers":{{"{host}":"absent"}},"auths":{{"https://index.docker.io/v1/":{{"auth":"{entry}"}}}}}}"#
    ));
    let error = error(run(home.client(&[]).write(&host)).0);
    assert_eq!(error.kind(), Kind::Credentials);
    assert!(error.message().contains("docker-credential-absent is not in PATH"), "{error}");
    assert!(guarded.server.server.log().iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn a_helper_runs_once_for_many_requests_and_again_after_a_refusal() {
    let guarded = Guarded::new(Rules::default().user("u", "canary-new"));
    let home = Home::new();
    home.docker(r#"{"credsStore":"t"}"#);
    let secret = home.write("secret", "canary-old");
    home.helper(
        "t",
        &format!(
            r#"echo x >> {h}/runs; printf '{{"Username":"u","Secret":"%s"}}' "$(cat {h}/secret)""#,
            h = home.path().display()
        ),
    );
    let runs = || std::fs::read_to_string(home.path().join("runs")).unwrap().lines().count();
    let side = home.client(&[]);
    let host = guarded.host();
    run(async {
        let error = error(side.read(&host).await.0);
        assert_eq!(error.kind(), Kind::Unauthorized);
        assert!(error.message().contains("was refused"), "{error}");
    });
    assert_eq!(runs(), 1);
    std::fs::write(secret, "canary-new").unwrap();
    run(async {
        let reads = (0..8).map(|_| {
            let (side, host) = (side.clone(), host.clone());
            tokio::spawn(async move { side.read(&host).await.0 })
        });
        for read in reads.collect::<Vec<_>>() {
            assert!(read.await.unwrap().unwrap());
        }
        side.write(&host).await.0.unwrap();
    });
    // The reads are of one repository: it was asked once for all of them.
    assert_eq!(runs(), 2);
}

#[test]
fn q18_stored_credentials_that_are_refused_do_not_break_a_public_pull() {
    let guarded = Guarded::new(Rules::default().user("u", "canary").public("team/app"));
    let home = Home::new();
    let host = guarded.host();
    home.docker(&format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth("u", "canary-old")));
    let (found, operation) = run(home.client(&[]).read(&host));
    assert!(found.unwrap());
    let warnings = operation.warnings();
    assert!(warnings.iter().any(|w| w.contains("to the credential from docker config")), "{warnings:?}");
    let error_of_write = error(run(home.client(&[]).write(&host)).0);
    assert_eq!(error_of_write.kind(), Kind::Unauthorized);
    assert!(error_of_write.message().contains("docker config"), "{error_of_write}");
    // Those that were given for this client are meant: nothing else is tried.
    let mut options = Options::new();
    options.set_host(&host, "username", "u").unwrap();
    options.set_host(&host, "password", "canary-old").unwrap();
    let side = Side::new(&options, home.environment(&[]), None);
    assert_eq!(error(run(side.read(&host)).0).kind(), Kind::Unauthorized);
}

#[test]
fn a_22_a_helper_that_hangs_ends_by_its_time_out_and_a_public_pull_goes_on() {
    let guarded = Guarded::new(Rules::default().public("team/app"));
    let home = Home::new();
    home.docker(r#"{"credsStore":"t"}"#);
    home.helper("t", "trap '' TERM; sleep 60");
    let mut options = Options::new();
    options.set("helper_timeout_ms", "300").unwrap();
    let side = Side::new(&options, home.environment(&[]), None);
    let started = Instant::now();
    let (found, operation) = run(side.read(&guarded.host()));
    assert!(found.unwrap() && started.elapsed() < Duration::from_secs(30));
    assert!(operation.warnings()[0].contains("helper_timeout_ms"), "{:?}", operation.warnings());
}

/// What a host does to its children that makes waiting for them fail; `inside` runs in such a process.
#[test]
fn a_helper_answers_where_the_host_ignores_sigchld() {
    let home = Home::new();
    home.helper("t", r#"echo '{"Username":"u","Secret":"canary"}'"#);
    home.helper("bad", "exit 1");
    let output = std::process::Command::new("env")
        .arg("--ignore-signal=CHLD")
        .args(child::one(module_path!(), "inside"))
        .env("TESTS_HELPERS", home.path().join("bin"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "a part of a_helper_answers_where_the_host_ignores_sigchld, which runs it in a process of its own"]
fn inside() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).unwrap();
    assert_ne!(u64::from_str_radix(ignored.trim(), 16).unwrap() & (1 << 16), 0, "SIGCHLD is ignored");
    let guarded = Guarded::new(Rules::default().user("u", "canary"));
    let (home, bin) = (Home::new(), std::env::var("TESTS_HELPERS").unwrap());
    let path = format!("{bin}:/usr/bin:/bin");
    home.docker(r#"{"credsStore":"t"}"#);
    assert!(run(home.client(&[("PATH", &path)]).read(&guarded.host())).0.unwrap());
    for (name, why) in [("bad", "printed nothing"), ("absent", "is not in PATH")] {
        home.docker(&format!(r#"{{"credsStore":"{name}"}}"#));
        let error = error(run(home.client(&[("PATH", &path)]).read(&guarded.host())).0);
        assert_eq!(error.kind(), Kind::Credentials);
        assert!(error.message().contains(why), "{error}");
    }
}

/// Hosts written in C that reap for themselves: in a handler, in a thread, or by ignoring SIGCHLD.
#[test]
fn a_20_a_helper_answers_in_a_host_that_reaps_every_child() {
    let guarded = Guarded::new(Rules::default().user("u", "canary"));
    let home = Home::new();
    home.docker(r#"{"credsStore":"t"}"#);
    home.helper("t", r#"echo '{"Username":"u","Secret":"canary"}'"#);
    let program = CProgram::new("reaping");
    for how in ["handler", "thread", "ignore"] {
        let mut command = program.command(&home, &[]);
        run_program(command.args([how, &format!("{}/team/app:v1", guarded.host()), "20"]));
    }
    // One that fails is told as such, where its status can't be known too.
    home.helper("t", "echo 'the vault is shut'; exit 1");
    for how in ["handler", "thread", "ignore"] {
        let mut command = program.command(&home, &[]);
        let output = command.args([how, &format!("{}/team/app:v1", guarded.host())]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("CREDENTIALS") && !said.contains("vault"),
            "{said}"
        );
    }
}
