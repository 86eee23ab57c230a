//! A credential callback learns what the credential is for.

use std::sync::{Arc, Mutex};

use cldoci::options::{Environment, Options, Secret};
use cldoci::{Action, Credential, CredentialProvider, Result};

use super::bench::{Guarded, Side, run};
use crate::harness::guard::Rules;

/// Has a credential for each action, or one for all; what it was asked.
struct Vault {
    by_action: bool,
    asked: Mutex<Vec<(String, Action)>>,
}

impl CredentialProvider for Vault {
    fn credential(&self, _: &str, _: &str) -> Result<Option<Credential>> {
        unreachable!("it is asked for an action")
    }
    fn credential_for(&self, _: &str, repository: &str, action: Action) -> Result<Option<Credential>> {
        self.asked.lock().unwrap().push((repository.to_owned(), action));
        let user = if action == Action::Pull { "reader" } else { "writer" };
        Credential::basic(user, Secret::new("canary")).map(Some)
    }
    fn depends_on_action(&self) -> bool {
        self.by_action
    }
}

/// What a vault is asked, and who was seen, where a client reads, writes and does both again.
fn session(by_action: bool) -> (Vec<(String, Action)>, Vec<String>) {
    let guarded = Guarded::new(Rules::default().user("reader", "canary").user("writer", "canary"));
    let vault = Arc::new(Vault { by_action, asked: Mutex::default() });
    let side = Side::new(&Options::new(), Environment::default(), Some(vault.clone()));
    let host = guarded.host();
    let mut users = Vec::new();
    for writes in [false, true, false, true] {
        match writes {
            false => assert!(run(side.read(&host)).0.unwrap()),
            true => run(side.write(&host)).0.unwrap(),
        }
        let used = guarded.server.server.log().last().unwrap().header("authorization").unwrap().to_owned();
        users.push(guarded.guard.owner(used.strip_prefix("Bearer ").unwrap()).unwrap());
    }
    let asked = vault.asked.lock().unwrap().clone();
    (asked, users)
}

#[test]
fn a_callback_that_looks_at_the_action_is_asked_once_for_each() {
    let (asked, users) = session(true);
    let repository = || "team/app".to_owned();
    assert_eq!(asked, [(repository(), Action::Pull), (repository(), Action::Push)]);
    assert_eq!(users, ["reader", "writer", "reader", "writer"]);
}

#[test]
fn one_that_does_not_is_asked_once() {
    let (asked, users) = session(false);
    assert_eq!(asked, [("team/app".to_owned(), Action::Pull)]);
    assert_eq!(users, ["reader"; 4]);
}
