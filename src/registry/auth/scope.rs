//! What a request wants to do, and the scope strings that say so to a token server (Q1, Q5 to Q8).

use std::collections::BTreeSet;

use crate::credential::Action;

/// The actions that a repository may be asked for, in the order in which they are written.
const ACTIONS: [&str; 3] = ["pull", "push", "delete"];

/// What a request, and with it its verb, wants to do: actions on one repository, and reads of others that
/// blobs may be mounted from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    repository: String,
    actions: &'static [&'static str],
    mount_from: Vec<String>,
}

impl Scope {
    /// Reads a repository.
    pub(crate) fn pull(repository: &str) -> Self {
        Self::new(repository, &["pull"])
    }

    /// Writes to a repository.
    pub(crate) fn push(repository: &str) -> Self {
        Self::new(repository, &["pull", "push"])
    }

    /// Deletes from a repository.
    pub(crate) fn delete(repository: &str) -> Self {
        Self::new(repository, &["pull", "push", "delete"])
    }

    /// Asks for nothing but to be known: a log-in.
    pub(crate) fn none() -> Self {
        Self::new("", &[])
    }

    fn new(repository: &str, actions: &'static [&'static str]) -> Self {
        Self { repository: repository.to_owned(), actions, mount_from: Vec::new() }
    }

    /// The same, with reads of another repository of the registry (Q49).
    #[must_use]
    pub(crate) fn with_mount_from(mut self, repository: &str) -> Self {
        if repository != self.repository && !self.mount_from.iter().any(|r| r == repository) {
            self.mount_from.push(repository.to_owned());
        }
        self
    }

    /// The repository's name; empty for a log-in.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    /// What a credential is wanted for.
    pub(super) fn action(&self) -> Action {
        match self.actions.last() {
            None => Action::Identify,
            Some(&"pull") => Action::Pull,
            Some(&"push") => Action::Push,
            Some(_) => Action::Delete,
        }
    }

    /// Whether it changes something: then nothing is tried without the credentials that are configured.
    pub(crate) fn writes(&self) -> bool {
        self.actions.iter().any(|action| *action != "pull")
    }

    /// Whether a token for this one is good for whatever the other is, and for more.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self != other
            && self.repository == other.repository
            && other.actions.iter().all(|action| self.actions.contains(action))
            && other.mount_from.iter().all(|from| self.mount_from.contains(from))
    }

    fn deletes(&self) -> bool {
        self.actions.contains(&"delete")
    }

    /// The scope strings for a token, best first; a later one is for a server that refused the one before.
    /// `challenged` is what the server asked for.
    pub(super) fn scope_candidates(&self, challenged: &[String]) -> Vec<Vec<String>> {
        let mut scope_candidates = Vec::new();
        let mut add = |scopes: Vec<String>| {
            if !scope_candidates.contains(&scopes) {
                scope_candidates.push(scopes);
            }
        };
        // No single set of actions deletes everywhere: what the challenge says comes first (Q8).
        if self.deletes() && challenged.iter().any(|c| self.is_ours(c)) {
            add(challenged.to_vec());
        }
        add(self.merged(challenged));
        if !challenged.is_empty() {
            add(challenged.to_vec());
        }
        if !self.mount_from.is_empty() {
            // One repository that is not there fails the whole token on some servers (Q49).
            add(Self { mount_from: Vec::new(), ..self.clone() }.merged(challenged));
        }
        if self.deletes() {
            add(vec![format!("repository:{}:*", self.repository)]);
        }
        scope_candidates
    }

    fn is_ours(&self, scope: &str) -> bool {
        matches!(split(scope), Some(("repository", name, _)) if name == self.repository)
    }

    /// One scope for each repository (Q7), the challenged ones first (Q6), what is not understood untouched.
    fn merged(&self, challenged: &[String]) -> Vec<String> {
        let mut merged: Vec<(&str, BTreeSet<&str>)> = Vec::new();
        for scope in challenged {
            match split(scope) {
                Some(("repository", name, actions)) => {
                    merge(&mut merged, name, actions.split(',').filter(|a| !a.is_empty()));
                }
                _ => merge(&mut merged, scope, []),
            }
        }
        if !self.actions.is_empty() {
            merge(&mut merged, &self.repository, self.actions.iter().copied());
        }
        for repository in &self.mount_from {
            merge(&mut merged, repository, ["pull"]);
        }
        merged.iter().map(|(name, actions)| written(name, actions)).collect()
    }
}

/// Adds actions to those of `name`; a scope that is not understood is a name without actions.
fn merge<'a>(
    merged: &mut Vec<(&'a str, BTreeSet<&'a str>)>,
    name: &'a str,
    actions: impl IntoIterator<Item = &'a str>,
) {
    match merged.iter_mut().find(|(n, _)| *n == name) {
        Some((_, all)) => all.extend(actions),
        None => merged.push((name, actions.into_iter().collect())),
    }
}

/// `type:name:actions`; the name may have a colon, as a host with a port has.
fn split(scope: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some((kind, name, actions))
}

fn written(repository: &str, actions: &BTreeSet<&str>) -> String {
    if actions.is_empty() {
        return repository.to_owned();
    }
    let known = ACTIONS.iter().filter(|a| actions.contains(*a));
    let others = actions.iter().filter(|a| !ACTIONS.contains(a));
    let all: Vec<&str> = known.chain(others).copied().collect();
    format!("repository:{repository}:{}", all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(scope: &Scope, challenged: &[&str]) -> Vec<String> {
        let challenged: Vec<String> = challenged.iter().map(|s| (*s).to_owned()).collect();
        scope.scope_candidates(&challenged).swap_remove(0)
    }

    #[test]
    fn without_a_challenge_the_scope_is_our_own() {
        assert_eq!(first(&Scope::pull("a/b"), &[]), ["repository:a/b:pull"]);
        assert_eq!(first(&Scope::push("a/b"), &[]), ["repository:a/b:pull,push"]);
        assert_eq!(first(&Scope::none(), &[]), [""; 0]);
    }

    #[test]
    fn q1_q3_opaque_scopes_pass_untouched_and_first() {
        assert_eq!(first(&Scope::pull("a"), &["aws"]), ["aws", "repository:a:pull"]);
        assert_eq!(first(&Scope::none(), &["*"]), ["*"]);
        assert_eq!(
            first(&Scope::pull("a"), &["repository(plugin):a:pull"]),
            ["repository(plugin):a:pull", "repository:a:pull"]
        );
    }

    #[test]
    fn q7_actions_of_one_repository_are_merged_into_one_scope() {
        assert_eq!(first(&Scope::push("a/b"), &["repository:a/b:pull"]), ["repository:a/b:pull,push"]);
        assert_eq!(
            first(&Scope::pull("a"), &["repository:a:pull", "repository:a:push"]),
            ["repository:a:pull,push"]
        );
        assert_eq!(first(&Scope::pull("a"), &["repository:a:push,x,pull"]), ["repository:a:pull,push,x"]);
    }

    #[test]
    fn q6_the_challenged_scope_comes_first_and_a_mount_last() {
        let scope = Scope::push("a").with_mount_from("b").with_mount_from("b").with_mount_from("a");
        assert_eq!(
            first(&scope, &["repository:other:pull"]),
            ["repository:other:pull", "repository:a:pull,push", "repository:b:pull"]
        );
        let scope_candidates = scope.scope_candidates(&["repository:a:pull,push".to_owned()]);
        assert_eq!(scope_candidates[0], ["repository:a:pull,push", "repository:b:pull"]);
        assert_eq!(scope_candidates[1], ["repository:a:pull,push"]);
    }

    #[test]
    fn q8_a_delete_follows_the_challenge_then_all_then_a_star() {
        let scope_candidates = Scope::delete("a").scope_candidates(&["repository:a:delete".to_owned()]);
        let want: [&[&str]; 3] =
            [&["repository:a:delete"], &["repository:a:pull,push,delete"], &["repository:a:*"]];
        assert_eq!(scope_candidates, want);
        // One of another repository says nothing of the rights to this.
        let scope_candidates = Scope::delete("a").scope_candidates(&["repository:other:pull".to_owned()]);
        assert_eq!(scope_candidates[0], ["repository:other:pull", "repository:a:pull,push,delete"]);
        let scope_candidates = Scope::delete("a").scope_candidates(&[]);
        assert_eq!(scope_candidates, [["repository:a:pull,push,delete"], ["repository:a:*"]]);
    }

    #[test]
    fn what_writes_and_what_reads() {
        assert!(!Scope::pull("a").writes() && !Scope::none().writes());
        assert!(Scope::push("a").writes() && Scope::delete("a").writes());
        let actions =
            [Scope::none(), Scope::pull("a"), Scope::push("a"), Scope::delete("a")].map(|s| s.action());
        assert_eq!(actions, [Action::Identify, Action::Pull, Action::Push, Action::Delete]);
    }
}
