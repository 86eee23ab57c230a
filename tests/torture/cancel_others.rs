//! F-24, the rest of the verbs: those that ask, delete, attach, collect, copy a layer out, and keep a log-in.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::ptr::null;

use cldoci::ffi::verbs::*;

use super::cancel::{Bench, cancel_each};
use super::names;
use crate::harness::api::c_api::{CApi, c, reference};
use crate::harness::api::{Api, Report};

pub const OTHERS: [&str; 11] = [
    "resolve",
    "inspect",
    "pull_config",
    "referrers",
    "read_layer",
    "save_layer",
    "delete",
    "attach",
    "collect_garbage",
    "login",
    "logout",
];

/// A verb of one reference, started.
macro_rules! of_one {
    ($start:ident, $at:expr) => {
        &|client, op, e| unsafe { $start(client, $at.0, null(), op, e) }
    };
}

impl Bench {
    pub fn torture_other(&self, client: &CApi, verb: &str) {
        let app = self.remote("app:v1");
        let digest = |at: &str| client.exists(at).unwrap().digest;
        match verb {
            "resolve" | "inspect" | "pull_config" => {
                let (at, whole) = (reference(&app).unwrap(), digest(&app));
                let config = client.pull_config(&app).unwrap().bytes.unwrap();
                cancel_each(verb, client, |_, round| {
                    let done = round(&|client, op, e| unsafe {
                        match verb {
                            "resolve" => cldoci_resolve_start(client, at.0, null(), op, e),
                            "inspect" => cldoci_inspect_start(client, at.0, null(), op, e),
                            _ => cldoci_pull_config_start(client, at.0, null(), op, e),
                        }
                    });
                    assert!(done.is_none_or(|done: Report<CApi>| match verb {
                        "pull_config" => done.bytes.as_ref() == Some(&config),
                        _ => done.digest == whole,
                    }));
                });
            }
            "referrers" | "attach" => {
                let [(artifact, _), _] = self.artifacts(client);
                cancel_each(verb, client, |n, round| {
                    let at = self.remote(&format!("subject/n{n}:v1"));
                    client.copy(&app, &at, &[]).unwrap();
                    let known = || client.referrers(&at).unwrap().referrers;
                    let subject = reference(&at).unwrap();
                    if verb == "referrers" {
                        let attached = client.attach(&artifact, &at).unwrap().digest.unwrap();
                        let done = round(of_one!(cldoci_referrers_start, subject));
                        assert!(done.is_none_or(|done| done.referrers == [attached]));
                        return;
                    }
                    let done = round(&|client, op, e| unsafe {
                        cldoci_attach_start(client, artifact.0, subject.0, null(), op, e)
                    });
                    match done {
                        Some(done) => assert_eq!(known(), [done.digest.unwrap()]),
                        None => assert!(known().len() <= 1),
                    }
                });
            }
            "read_layer" | "save_layer" => {
                let artifact = client.inspect(&app).unwrap().artifact.unwrap();
                let whole = client.read_layer(&artifact, 0).unwrap().bytes.unwrap();
                let place = self.room.join("saved");
                cancel_each(verb, client, |_, round| {
                    let file = File::create(&place).unwrap();
                    let done = round(&|client, op, e| unsafe {
                        match verb {
                            "read_layer" => cldoci_read_layer_start(client, artifact.0, 0, null(), op, e),
                            _ => cldoci_save_layer_start(
                                client,
                                artifact.0,
                                0,
                                file.as_raw_fd(),
                                null(),
                                op,
                                e,
                            ),
                        }
                    });
                    let saved = fs::read(&place).unwrap();
                    match done.map(|done| done.bytes) {
                        Some(Some(bytes)) => assert!(bytes == whole),
                        Some(None) => assert!(saved == whole),
                        // What came before the cancel is in order.
                        None => assert!(whole.starts_with(&saved)),
                    }
                });
            }
            "delete" => {
                cancel_each(verb, client, |n, round| {
                    let at = self.remote(&format!("doomed/n{n}:v1"));
                    client.copy(&app, &at, &[]).unwrap();
                    let before = digest(&at);
                    let doomed = self.remote(&format!("doomed/n{n}@{}", before.as_deref().unwrap()));
                    let doomed = reference(&doomed).unwrap();
                    let done = round(of_one!(cldoci_delete_start, doomed));
                    let now = digest(&at);
                    assert!(
                        now.is_none() || done.is_none() && now == before,
                        "{now:?}, before it {before:?}"
                    );
                });
            }
            "collect_garbage" => {
                let layout = self.room.join("layout");
                let at = |tag: &str| format!("ocidir://{}:{tag}", layout.display());
                let [(keep, kept), (drop, _)] = self.artifacts(client);
                client.push(&keep, &at("keep"), &[]).unwrap();
                let place = reference(&at("keep")).unwrap();
                cancel_each(verb, client, |_, round| {
                    client.push(&drop, &at("drop"), &[]).unwrap();
                    client.delete(&at("drop")).unwrap();
                    let garbage = names(&layout.join("blobs/sha256")).len();
                    let done = round(of_one!(cldoci_collect_garbage_start, place));
                    let left = names(&layout.join("blobs/sha256")).len();
                    assert!(left < garbage || done.is_none(), "{left} of {garbage} blobs are left");
                    assert_eq!(super::whole(&layout)["keep"], kept);
                });
            }
            _ => self.log_ins(client, verb),
        }
    }

    /// The file is the child's own (`DOCKER_CONFIG`); it is old or new, and nothing lies beside it.
    fn log_ins(&self, client: &CApi, verb: &str) {
        let (host, user, password) = (c(&self.host), c("user"), c("canary"));
        let directory = std::env::var("DOCKER_CONFIG").unwrap();
        let directory = std::path::Path::new(&directory);
        fs::create_dir_all(directory).unwrap();
        let file = directory.join("config.json");
        let other = r#""other.test": {"auth": "b3RoZXI6Y2FuYXJ5"}"#;
        let without = format!(r#"{{"auths": {{{other}}}}}"#);
        let own = |text: &str| text.contains(&self.host);
        cancel_each(verb, client, |n, round| {
            if verb == "login" {
                fs::write(&file, &without).unwrap();
            } else {
                login(client, [&host, &user, &password]);
            }
            // A log-out is over in no time, but where another program has the file.
            let lock = File::open(directory).unwrap();
            if n % 2 == 0 {
                lock.lock().unwrap();
            }
            let other_program = std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(5));
                drop(lock);
            });
            let done = round(&|client, op, e| unsafe {
                let (host, user, password) = (host.as_ptr(), user.as_ptr(), password.as_ptr());
                match verb {
                    "login" => cldoci_login_start(client, host, user, password, null(), op, e),
                    _ => cldoci_logout_start(client, host, null(), op, e),
                }
            });
            other_program.join().unwrap();
            let text = fs::read_to_string(&file).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
            assert!(text.contains(other), "{text}");
            assert!(done.is_none() || own(&text) == (verb == "login"), "{text}");
            let there: Vec<_> =
                names(directory).into_iter().filter(|name| !name.ends_with(".lock")).collect();
            assert_eq!(there, ["config.json"]);
        });
    }
}

fn login(client: &CApi, [host, user, password]: [&CString; 3]) {
    crate::harness::api::c_api::call(|e| unsafe {
        cldoci_login(
            client.0,
            host.as_ptr(),
            user.as_ptr(),
            password.as_ptr(),
            null(),
            std::ptr::null_mut(),
            e,
        )
    })
    .unwrap();
}
