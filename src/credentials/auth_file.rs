//! docker's `config.json` and podman's `auth.json`: one format, one order of precedence — `credHelpers`,
//! `credsStore`, `auths` — and one rule for keys.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::key;
use super::source::Asked;
use crate::credential::Credential;
use crate::error::{Error, Kind, Result, printable};
use crate::oci::go_json::{Document, Fields, Wrong};
use crate::options::Secret;

/// The parts of a credential file that say how to log in.
#[derive(Debug, Default)]
pub(super) struct AuthFile {
    auths: BTreeMap<String, Entry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
    /// How `auths` is spelled there.
    spelling: Option<String>,
    /// Why it can't be told what a change of the text would come to.
    flaw: Option<Wrong>,
}

#[derive(Debug)]
struct Entry {
    auth: Secret,
    username: String,
    password: Secret,
    identitytoken: Secret,
    registrytoken: Secret,
}

/// What a file has for a repository, and which part of it.
pub(super) struct Hit {
    /// An error is a helper's.
    pub(super) credential: Result<Credential>,
    pub(super) part: String,
}

impl AuthFile {
    /// Reads a file's text; an empty one has no entries, as docker has it.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        Self::read(text).map_err(|wrong| bad(format!("is not a valid configuration ({wrong})")))
    }

    fn read(text: &[u8]) -> std::result::Result<Self, Wrong> {
        let Some(document) = Document::read(text)? else { return Ok(Self::default()) };
        let fields = document.fields()?;
        let entry = |(key, fields): (String, Fields<'_>)| {
            let secret = |name| fields.text(name).map(Secret::new);
            let entry = Entry {
                auth: secret("auth")?,
                username: fields.text("username")?,
                password: secret("password")?,
                identitytoken: secret("identitytoken")?,
                registrytoken: secret("registrytoken")?,
            };
            Ok((key, entry))
        };
        Ok(Self {
            auths: fields.objects("auths")?.into_iter().map(entry).collect::<std::result::Result<_, _>>()?,
            creds_store: fields.text("credsStore")?,
            cred_helpers: fields.texts("credHelpers")?,
            spelling: fields.spelling("auths").map(str::to_owned),
            flaw: fields.twice(&["auths", "credHelpers"]).or_else(|| document.more()),
        })
    }

    /// The key of the object of entries, for a change of the text; an error where readers could disagree on what the
    /// change comes to.
    pub(super) fn writable(&self) -> Result<&str> {
        match &self.flaw {
            None => Ok(self.spelling.as_deref().unwrap_or("auths")),
            Some(flaw) => Err(bad(format!("is not changed ({flaw}): repair it, then log in or out again"))),
        }
    }

    /// The helper that keeps a registry's credential, and the part of the file that says so.
    pub(super) fn helper(&self, registry: &str) -> Option<(&str, &'static str)> {
        let own = key::names(registry).into_iter().find_map(|name| self.cred_helpers.get(name));
        let (name, part) = match own {
            Some(own) => (own, "credHelpers"),
            None => (&self.creds_store, "credsStore"),
        };
        Some((name.as_str(), part)).filter(|(name, _)| !name.is_empty())
    }

    /// The keys of `auths` that stand for the registry as a whole.
    pub(super) fn entries_of(&self, registry: &str) -> Vec<&str> {
        self.auths.keys().map(String::as_str).filter(|k| key::is_entry_of(k, registry)).collect()
    }

    /// The credential for a repository. A helper that has none is no reason to leave `auths` out; one that
    /// fails is: what it would have said is not known.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Result<Option<Hit>> {
        if let Some((name, part)) = self.helper(asked.registry) {
            let server = server(asked.registry);
            let part = format!("{part}: {}", printable(name));
            match asked.helpers.get(name, server) {
                Ok(None) => {}
                Ok(Some(credential)) => return Ok(Some(Hit { credential: Ok(credential), part })),
                Err(error) if error.kind() == Kind::Credentials => {
                    return Ok(Some(Hit { credential: Err(error), part }));
                }
                Err(error) => return Err(error),
            }
        }
        let kept = self.kept(asked.registry, asked.repository)?;
        Ok(kept.map(|(key, credential)| Hit {
            credential: Ok(credential),
            part: format!("auths: {}", printable(key)),
        }))
    }

    /// The credential that the file itself has for a repository, and the key of its entry.
    pub(super) fn kept(&self, registry: &str, repository: &str) -> Result<Option<(&str, Credential)>> {
        let keys = self.auths.keys().map(String::as_str);
        for key in key::matching(keys, registry, repository) {
            let entry = self.auths.get(key);
            let found = entry.map_or(Ok(None), Entry::credential).map_err(|error| {
                Error::new(Kind::Credentials, format!("auths: {}: {}", printable(key), error.message()))
            })?;
            if let Some(credential) = found {
                return Ok(Some((key, credential)));
            }
        }
        Ok(None)
    }
}

/// What helpers know a registry by.
pub(super) fn server(registry: &str) -> &str {
    key::names(registry).first().copied().unwrap_or(registry)
}

impl Entry {
    /// `None` where the entry is a marker: `{}` says only that somebody logged in (Q19).
    fn credential(&self) -> Result<Option<Credential>> {
        let set = |secret: &Secret| Some(secret.clone()).filter(|s| !s.expose().is_empty());
        if let Some(token) = set(&self.registrytoken) {
            return Credential::registry_token(token).map(Some);
        }
        let (username, password) = match set(&self.auth) {
            Some(auth) => decode(&auth)?,
            None => (self.username.clone(), self.password.clone()),
        };
        if let Some(token) = set(&self.identitytoken) {
            return Credential::identity_token(username, token).map(Some);
        }
        if username.is_empty() && password.expose().is_empty() {
            return Ok(None);
        }
        Credential::basic(username, password).map(Some)
    }
}

/// docker pads with `=`; others leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `auth`: base64 of `user:password`; old versions of docker padded the password with NUL (Q19).
fn decode(auth: &Secret) -> Result<(String, Secret)> {
    let text: Zeroizing<String> =
        Zeroizing::new(auth.expose().chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    let bytes = BASE64.decode(text.as_bytes()).map_err(|_| bad("its auth is not base64"))?;
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("its auth is not UTF-8"))?;
    match text.split_once(':') {
        Some((username, password)) if !username.is_empty() => {
            Ok((username.to_owned(), Secret::new(password.trim_matches('\0'))))
        }
        _ => Err(bad("its auth is not USER:PASSWORD")),
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(Kind::Credentials, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Action;
    use crate::credentials::helper::Helpers;
    use crate::operation::Operation;
    use crate::options::{Environment, Options, Settings};

    fn find(text: &str, registry: &str, repository: &str) -> Result<Option<Hit>> {
        let settings = Settings::for_client(&Options::new(), Environment::default()).unwrap();
        let (helpers, operation) = (&Helpers::new(&settings), &Operation::new());
        let asked = Asked { registry, repository, action: Action::Pull, helpers, operation };
        AuthFile::parse(text.as_bytes())?.find(&asked)
    }

    fn credential(entry: &str) -> Option<Credential> {
        find(&format!(r#"{{"auths":{{"reg.test":{entry}}}}}"#), "reg.test", "a")
            .unwrap()
            .map(|h| h.credential.unwrap())
    }

    fn basic(username: &str, password: &str) -> Option<Credential> {
        Some(Credential::basic(username, Secret::new(password)).unwrap())
    }

    #[test]
    fn entries_of_every_shape() {
        let identity = |user, token| Some(Credential::identity_token(user, Secret::new(token)).unwrap());
        // "dTpw" is u:p, "dTo=" is u:, "dTpwOnE=" is u:p:q, "dTpwAAA=" is u:p with two NULs behind.
        for (entry, want) in [
            (r#"{"auth":"dTpw"}"#, basic("u", "p")),
            (r#"{"auth":"dTpw\n"}"#, basic("u", "p")),
            (r#"{"auth":"dTpwOnE"}"#, basic("u", "p:q")),
            (r#"{"auth":"dTpwAAA="}"#, basic("u", "p")),
            (r#"{"auth":"dTo="}"#, basic("u", "")),
            (r#"{"username":"u","password":"p"}"#, basic("u", "p")),
            (r#"{"auth":"dTpw","username":"x","password":"y"}"#, basic("u", "p")),
            (r#"{"auth":"","username":"u","password":"p","email":"e"}"#, basic("u", "p")),
            (r#"{"auth":"dTo=","identitytoken":"t"}"#, identity("u", "t")),
            (r#"{"identitytoken":"t"}"#, identity("", "t")),
            (
                r#"{"auth":"dTpw","registrytoken":"r"}"#,
                Some(Credential::registry_token(Secret::new("r")).unwrap()),
            ),
            ("{}", None),
            ("null", None),
            (r#"{"auth":null,"username":null}"#, None),
            (r#"{"email":"e"}"#, None),
        ] {
            assert_eq!(credential(entry), want, "{entry}");
        }
    }

    #[test]
    fn a_26_what_is_wrong_with_an_entry_is_told_without_the_secret() {
        // "Y2FuYXJ5" is "canary", which has no colon.
        for entry in [
            r#"{"auth":"canary!"}"#,
            r#"{"auth":"Y2FuYXJ5"}"#,
            r#"{"auth":"OmNhbmFyeQ=="}"#,
            r#"{"registrytoken":"canary\n"}"#,
        ] {
            let text = format!(r#"{{"auths":{{"reg.test":{entry},"other.test":{{"auth":"dTpw"}}}}}}"#);
            let error = find(&text, "reg.test", "a").err().unwrap();
            assert_eq!(error.kind(), Kind::Credentials);
            assert!(error.message().contains("auths: reg.test: "), "{error}");
            assert!(!error.message().contains("canary") && !error.message().contains("Y2Fu"), "{error}");
            assert!(find(&text, "other.test", "a").unwrap().is_some(), "another host is not touched by it");
        }
    }

    #[test]
    fn a_26_a_file_that_is_no_json_is_an_error_and_an_empty_one_is_not() {
        for text in [
            "{",
            "[]",
            "x",
            r#"{"auths":[]}"#,
            r#"{"credsStore":5}"#,
            "\u{feff}{}",
            r#"{"auths":{"r":"canary"}}"#,
            r#"{"auths":{"r":{"auth":["canary"]}}}"#,
            r#"{"credHelpers":{"r":{"canary":1}}}"#,
        ] {
            let error = AuthFile::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::Credentials, "{text}");
            assert!(error.message().contains("line 1") && !error.message().contains("canary"), "{error}");
        }
        for text in [
            "",
            " \n",
            "{}",
            "null",
            "{} {",
            "{}\n\ncanary",
            r#"{"auths":null,"credsStore":null,"credHelpers":null,"HttpHeaders":{}}"#,
        ] {
            assert!(find(text, "reg.test", "a").unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn q127_a_26_a_file_is_read_as_go_reads_it() {
        let of = |text: &str| find(text, "reg.test", "a").unwrap().map(|hit| hit.credential.unwrap());
        for text in [
            r#"{"Auths":{"reg.test":{"AUTH":"dTpw"}}}"#,
            r#"{"auths":{"reg.test":{"auth":"eDp5"}},"auths":{"reg.test":{"auth":"dTpw"}}}"#,
            r#"{"auths":{"reg.test":{"auth":"dTpw"}},"AUTHS":{"other.test":{"auth":"eDp5"}}}"#,
            r#"{"auths":{"reg.test":{"auth":"eDp5","Auth":"dTpw","auth":null}}}"#,
            "{\"auths\":{\"reg.test\":{\"auth\":\"dTpw\"}}}\n<<<<<<< HEAD\n",
            "{\"auths\":{\"reg.test\":{\"auth\":\"dTpw\"}}} {\"auths\":{\"reg.test\":{\"auth\":\"eDp5\"}}}",
            r#"{"plugins":{"x":"\ud800"},"auths":{"reg.test":{"auth":"dTpw"}}}"#,
        ] {
            assert_eq!(of(text), basic("u", "p"), "{text}");
        }
        // A key of a map that stands twice is replaced.
        assert_eq!(of(r#"{"auths":{"reg.test":{"auth":"dTpw"},"reg.test":{}}}"#), None);
        let file = AuthFile::parse(br#"{"CREDSSTORE":"a","credsstore":"s","credHelpers":null}"#).unwrap();
        assert_eq!(file.helper("reg.test"), Some(("s", "credsStore")));
    }

    #[test]
    fn a_26_a_byte_order_mark_is_told_as_one() {
        for (text, said) in
            [("\u{feff}{}".as_bytes(), "byte order mark (BOM)"), (b"\xff\xfe{\0}\0".as_slice(), "UTF-16")]
        {
            let error = AuthFile::parse(text).unwrap_err();
            assert!(error.message().contains(said) && error.message().contains("save it as"), "{error}");
        }
    }

    #[test]
    fn q127_what_readers_may_read_differently_is_not_written_to() {
        for (text, line) in [
            ("{}\n\nx", 3),
            ("{\"auths\":{},\n\"Auths\":{}}", 2),
            ("{\"auths\":{\"r\":{},\n\"r\":{}}}", 2),
            ("{\"auths\":{\"r\":{\"auth\":\"\",\n\n\"auth\":\"\"}}}", 3),
            ("{\"credsStore\":\"a\",\n\"credsstore\":\"b\"}", 2),
            ("{\"x\":1,\n\"X\":1}", 2),
        ] {
            let error = AuthFile::parse(text.as_bytes()).unwrap().writable().unwrap_err();
            assert_eq!(error.kind(), Kind::Credentials);
            assert!(error.message().contains(&format!("(line {line}: ")), "{text}: {error}");
        }
        for (text, key) in [("", "auths"), ("{}\n", "auths"), (r#"{"AUTHS":{"a":{},"A":{}}}"#, "AUTHS")] {
            assert_eq!(AuthFile::parse(text.as_bytes()).unwrap().writable().unwrap(), key);
        }
    }

    #[test]
    fn an_empty_entry_lets_the_next_key_answer() {
        let text = r#"{"auths":{"reg.test/a":{},"reg.test":{"auth":"dTpw"}}}"#;
        let hit = find(text, "reg.test", "a").unwrap().unwrap();
        assert_eq!(hit.part, "auths: reg.test");
    }

    #[test]
    fn the_helper_is_the_registrys_own_else_the_store() {
        let file = AuthFile::parse(
            br#"{"credsStore":"s","credHelpers":{"a.test":"h","none.test":"","docker.io":"hub"}}"#,
        )
        .unwrap();
        assert_eq!(file.helper("a.test"), Some(("h", "credHelpers")));
        assert_eq!(file.helper("b.test"), Some(("s", "credsStore")));
        assert_eq!(file.helper("none.test"), None);
        assert_eq!(file.helper("docker.io"), Some(("hub", "credHelpers")));
        assert_eq!(AuthFile::parse(br#"{"credsStore":""}"#).unwrap().helper("a.test"), None);
    }
}
