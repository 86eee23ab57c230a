//! Guards a registry of the tests: a token server that knows users and scopes, or basic authentication. What
//! it was asked is in the log of the server that it stands before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::evil::{Act, Seen, answer};

/// How a registry is guarded; the default is by tokens on the same origin.
#[derive(Clone, Default)]
pub struct Rules {
    /// Names and passwords.
    pub users: BTreeMap<String, String>,
    /// Refresh tokens and whose they are.
    pub refresh: BTreeMap<String, String>,
    /// Repositories that anybody may read.
    pub public: Vec<String>,
    /// Basic authentication, without tokens.
    pub basic: bool,
    /// The token endpoint does not know POST, or GET.
    pub no_post: bool,
    pub no_get: bool,
    /// Whatever is asked for, tokens are good for reads alone.
    pub narrow: bool,
    /// The realm in challenges; empty = `/token` on the same origin.
    pub realm: String,
    /// Challenges name no scope.
    pub unscoped: bool,
    /// Scopes of which one makes the endpoint refuse the whole token.
    pub poison: Vec<String>,
}

impl Rules {
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.insert(name.to_owned(), password.to_owned());
        self
    }
    pub fn public(mut self, repository: &str) -> Self {
        self.public.push(repository.to_owned());
        self
    }
}

/// Valid tokens: whose each is, and what it is good for.
type Tokens = BTreeMap<String, (String, Vec<String>)>;

#[derive(Clone)]
pub struct Guard {
    rules: Rules,
    tokens: Arc<Mutex<Tokens>>,
}

impl Guard {
    pub fn new(rules: Rules) -> Self {
        Self { rules, tokens: Arc::default() }
    }

    /// All tokens end at once.
    pub fn expire(&self) {
        self.tokens.lock().unwrap().clear();
    }

    /// Whose a token is.
    pub fn owner(&self, token: &str) -> Option<String> {
        self.tokens.lock().unwrap().get(token).map(|(user, _)| user.clone())
    }

    /// The answer in the registry's stead: a token, a challenge, or none where the request may pass.
    pub fn check(&self, seen: &Seen) -> Option<Vec<Act>> {
        if seen.path.starts_with("/token") {
            return Some(self.issue(seen));
        }
        let credential = seen.header("authorization").unwrap_or_default();
        if self.rules.basic {
            let known = basic(credential).is_some_and(|(u, p)| self.rules.users.get(&u) == Some(&p));
            return if known { root(seen) } else { Some(challenge(r#"Basic realm="x""#)) };
        }
        let (repository, action) = wanted(seen);
        let allowed = credential.strip_prefix("Bearer ").is_some_and(|token| {
            let tokens = self.tokens.lock().unwrap();
            tokens.get(token).is_some_and(|(_, scopes)| {
                repository.is_empty() || scopes.iter().any(|s| grants(s, &repository, action))
            })
        });
        if allowed {
            return root(seen);
        }
        let own = format!("http://{}/token", seen.header("host").unwrap_or_default());
        let realm = if self.rules.realm.is_empty() { own } else { self.rules.realm.clone() };
        let scope = if repository.is_empty() || self.rules.unscoped {
            String::new()
        } else {
            let actions = if action == "push" { "pull,push" } else { action };
            format!(r#",scope="repository:{repository}:{actions}""#)
        };
        Some(challenge(&format!(r#"Bearer realm="{realm}",service="tests"{scope}"#)))
    }

    fn issue(&self, seen: &Seen) -> Vec<Act> {
        let refused = || answer(401, &[], r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#);
        if (seen.method == "POST" && self.rules.no_post) || (seen.method == "GET" && self.rules.no_get) {
            return answer(404, &[], "");
        }
        let text = match seen.method.as_str() {
            "POST" => String::from_utf8(seen.body.clone()).unwrap(),
            _ => seen.path.split_once('?').map_or("", |(_, query)| query).to_owned(),
        };
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let value =
            |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap_or_default();
        let user = match (seen.header("authorization"), value("grant_type")) {
            (Some(header), _) => match basic(header) {
                Some((user, secret)) if self.rules.users.get(&user) == Some(&secret) => user,
                Some((_, secret)) if self.rules.refresh.contains_key(&secret) => {
                    self.rules.refresh[&secret].clone()
                }
                _ => return refused(),
            },
            (None, "refresh_token") => match self.rules.refresh.get(value("refresh_token")) {
                Some(user) => user.clone(),
                None => return refused(),
            },
            (None, "password")
                if self.rules.users.get(value("username")).is_some_and(|p| p == value("password")) =>
            {
                value("username").to_owned()
            }
            (None, "password") => return refused(),
            _ => String::new(),
        };
        let asked = pairs.iter().filter(|(n, _)| n == "scope").flat_map(|(_, v)| v.split(' '));
        let mut scopes = Vec::new();
        for scope in asked {
            if self.rules.poison.iter().any(|p| scope.contains(p.as_str())) {
                return answer(403, &[], "{}");
            }
            let repository =
                scope.strip_prefix("repository:").and_then(|s| s.rsplit_once(':')).map_or("", |s| s.0);
            if self.rules.narrow || user.is_empty() {
                if !user.is_empty() || self.rules.public.iter().any(|p| p == repository) {
                    scopes.push(format!("repository:{repository}:pull"));
                }
            } else {
                scopes.push(scope.to_owned());
            }
        }
        let token = format!("t{}-{user}", seen.index);
        self.tokens.lock().unwrap().insert(token.clone(), (user.clone(), scopes));
        let refresh = match value("offline_token") {
            "true" if !user.is_empty() => r#","refresh_token":"canary-offline""#,
            _ => "",
        };
        answer(200, &[], format!(r#"{{"token":"{token}","expires_in":300{refresh}}}"#))
    }
}

/// The API's root, which says no more than that it is there.
fn root(seen: &Seen) -> Option<Vec<Act>> {
    (seen.path == "/v2/").then(|| answer(200, &[], "{}"))
}

fn challenge(text: &str) -> Vec<Act> {
    answer(
        401,
        &[("WWW-Authenticate", text)],
        r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#,
    )
}

fn grants(scope: &str, repository: &str, action: &str) -> bool {
    scope
        .strip_prefix(&format!("repository:{repository}:"))
        .is_some_and(|actions| actions.split(',').any(|a| a == action || a == "*"))
}

/// The repository and what is done with it.
fn wanted(seen: &Seen) -> (String, &'static str) {
    let path = seen.path.split('?').next().unwrap();
    let rest = path.strip_prefix("/v2/").unwrap_or_default();
    let end = ["/manifests/", "/blobs/", "/tags/", "/referrers/"].iter().find_map(|part| rest.find(part));
    let action = match seen.method.as_str() {
        "GET" | "HEAD" => "pull",
        "DELETE" if !path.contains("/uploads/") => "delete",
        _ => "push",
    };
    (rest[..end.unwrap_or(0)].to_owned(), action)
}

/// User and password of basic authentication.
pub fn basic(header: &str) -> Option<(String, String)> {
    use base64::Engine;
    let text = header.strip_prefix("Basic ")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(u, p)| (u.to_owned(), p.to_owned()))
}
