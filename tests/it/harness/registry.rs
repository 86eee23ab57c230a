//! A small registry that behaves, in this process, with switches for what real ones do differently. What it
//! was asked is in its server's log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cldoci::oci::Digest;

use super::evil::{Act, Evil, Seen, answer};

/// How it differs from the plainest registry. The default is Distribution's behaviour.
#[derive(Clone)]
pub struct Manners {
    /// Sends `Docker-Content-Digest`.
    pub digest_header: bool,
    /// Has the referrers API and says so with `OCI-Subject`.
    pub referrers: bool,
    /// What a listed referrer's size is more than its own, as where it is the sum of what it needs (Q65).
    pub referrers_add: u64,
    /// The status of an upload's begin that asks for a mount of a blob that is there; 201 mounts.
    pub mount: u16,
    /// The status of a PUT that holds the blob, where only PATCH is liked.
    pub refuse_whole: Option<u16>,
    /// The largest body of a PATCH or PUT (413 above).
    pub largest_body: usize,
    /// Where reads of blobs are redirected to.
    pub redirect_blobs: Option<String>,
    /// `Authorization` that every request must have, and the challenge of the 401 otherwise.
    pub auth: Option<(String, String)>,
    /// Tags on a page.
    pub page: usize,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            digest_header: true,
            referrers: true,
            referrers_add: 0,
            mount: 201,
            refuse_whole: None,
            largest_body: usize::MAX,
            redirect_blobs: None,
            auth: None,
            page: 1000,
        }
    }
}

#[derive(Default)]
struct State {
    /// By repository and digest.
    blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and digest: media type and bytes.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// By repository and tag.
    tags: BTreeMap<(String, String), String>,
    sessions: BTreeMap<String, Vec<u8>>,
    begun: usize,
}

type Hook = dyn Fn(&Seen) -> Option<Vec<Act>> + Send + Sync;

pub struct Registry {
    pub server: Evil,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub fn start() -> Self {
        Self::with(Manners::default(), |_| None)
    }

    /// `hook` may answer a request in the registry's stead.
    pub fn with(manners: Manners, hook: impl Fn(&Seen) -> Option<Vec<Act>> + Send + Sync + 'static) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let hook: Box<Hook> = Box::new(hook);
        let server = Evil::start({
            let state = state.clone();
            move |seen| {
                hook(seen).unwrap_or_else(|| {
                    state.lock().unwrap().handle(&manners, seen).unwrap_or_else(|acts| acts)
                })
            }
        });
        Self { server, state }
    }

    /// `change` may change an answer that the registry gives.
    pub fn with_each(
        manners: Manners,
        change: impl Fn(&Seen, Vec<Act>) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let server = Evil::start({
            let state = state.clone();
            move |seen| {
                let acts = state.lock().unwrap().handle(&manners, seen).unwrap_or_else(|acts| acts);
                change(seen, acts)
            }
        });
        Self { server, state }
    }

    pub fn host(&self) -> String {
        self.server.host()
    }

    /// Puts a blob in place without a request.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) {
        let key = (repository.to_owned(), Digest::of(bytes).to_string());
        self.state.lock().unwrap().blobs.insert(key, bytes.to_vec());
    }

    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.state.lock().unwrap().blobs.get(&(repository.to_owned(), digest.to_string())).cloned()
    }

    /// Loses a blob.
    pub fn lose_blob(&self, repository: &str, digest: &Digest) {
        let key = (repository.to_owned(), digest.to_string());
        assert!(self.state.lock().unwrap().blobs.remove(&key).is_some(), "{key:?}");
    }

    /// An upload session that holds these bytes; where it goes on.
    pub fn put_session(&self, repository: &str, bytes: &[u8]) -> String {
        let mut state = self.state.lock().unwrap();
        state.begun += 1;
        let session = format!("s{}", state.begun);
        state.sessions.insert(session.clone(), bytes.to_vec());
        format!("http://{}/v2/{repository}/blobs/uploads/{session}?_state={}", self.host(), bytes.len())
    }

    /// How many upload sessions are open.
    pub fn sessions(&self) -> usize {
        self.state.lock().unwrap().sessions.len()
    }

    /// Puts a manifest in place without a request.
    pub fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) {
        let digest = Digest::of(bytes).to_string();
        let mut state = self.state.lock().unwrap();
        state.tags.insert((repository.to_owned(), tag.to_owned()), digest.clone());
        state.manifests.insert((repository.to_owned(), digest), (media_type.to_owned(), bytes.to_vec()));
    }

    /// The digest that a tag names.
    pub fn tagged(&self, repository: &str, tag: &str) -> Option<String> {
        self.state.lock().unwrap().tags.get(&(repository.to_owned(), tag.to_owned())).cloned()
    }
}

/// An error of the specification.
pub fn error(status: u16, code: &str) -> Vec<Act> {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{}"}}]}}"#, code.to_lowercase());
    answer(status, &[("Content-Type", "application/json")], body)
}

type Answered = Result<Vec<Act>, Vec<Act>>;

impl State {
    fn handle(&mut self, manners: &Manners, seen: &Seen) -> Answered {
        if let Some((value, challenge)) = &manners.auth
            && seen.header("authorization") != Some(value)
        {
            let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            return Err(answer(401, &[("WWW-Authenticate", challenge)], body));
        }
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let rest = path.strip_prefix("/v2/").ok_or_else(|| error(404, "NOT_FOUND"))?;
        for (mark, handle) in [
            (
                "/blobs/uploads/",
                Self::upload
                    as fn(&mut Self, &Manners, &Seen, &str, &str, &BTreeMap<String, String>) -> Answered,
            ),
            ("/blobs/", Self::read_blob),
            ("/manifests/", Self::manifest),
            ("/tags/list", Self::list),
            ("/referrers/", Self::referrers),
        ] {
            if let Some(at) = rest.find(mark) {
                return handle(self, manners, seen, &rest[..at], &rest[at + mark.len()..], &query);
            }
        }
        // Where a log-in is tried.
        if rest.is_empty() { Ok(answer(200, &[], "{}")) } else { Err(error(404, "NOT_FOUND")) }
    }

    fn upload(
        &mut self,
        manners: &Manners,
        seen: &Seen,
        repository: &str,
        session: &str,
        query: &BTreeMap<String, String>,
    ) -> Answered {
        let own = |digest: &str| (repository.to_owned(), digest.to_owned());
        if seen.body.len() > manners.largest_body {
            return Err(answer(413, &[("Content-Type", "text/html")], "<html>too large</html>"));
        }
        let at =
            |session: &str, state: usize| format!("/v2/{repository}/blobs/uploads/{session}?_state={state}");
        match seen.method.as_str() {
            "POST" => {
                if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) {
                    let found = self.blobs.get(&(from.clone(), digest.clone())).cloned();
                    match (manners.mount, found) {
                        (201, Some(bytes)) => {
                            self.blobs.insert(own(digest), bytes);
                            let location = format!("/v2/{repository}/blobs/{digest}");
                            return Ok(answer(201, &[("Location", &location)], ""));
                        }
                        (201 | 202, _) => {}
                        (status, _) => return Err(error(status, "DENIED")),
                    }
                }
                self.begun += 1;
                let session = format!("s{}", self.begun);
                self.sessions.insert(session.clone(), Vec::new());
                Ok(answer(202, &[("Location", &at(&session, 0)), ("Range", "0-0")], ""))
            }
            "PATCH" => {
                let held = self.sessions.get_mut(session).ok_or_else(|| error(404, "BLOB_UPLOAD_UNKNOWN"))?;
                if let Some(range) = seen.header("content-range")
                    && !range.starts_with(&format!("{}-", held.len()))
                {
                    return Err(error(416, "BLOB_UPLOAD_INVALID"));
                }
                held.extend(&seen.body);
                let (location, range) = (at(session, held.len()), format!("0-{}", held.len().max(1) - 1));
                Ok(answer(202, &[("Location", &location), ("Range", &range)], ""))
            }
            "PUT" => {
                if let Some(status) = manners.refuse_whole.filter(|_| !seen.body.is_empty()) {
                    return Err(error(status, "UNSUPPORTED"));
                }
                let digest = query.get("digest").ok_or_else(|| error(400, "DIGEST_INVALID"))?;
                let mut bytes =
                    self.sessions.remove(session).ok_or_else(|| error(404, "BLOB_UPLOAD_UNKNOWN"))?;
                bytes.extend(&seen.body);
                if !digest.parse::<Digest>().is_ok_and(|digest| digest.verify(&bytes)) {
                    return Err(error(400, "DIGEST_INVALID"));
                }
                self.blobs.insert(own(digest), bytes);
                let location = format!("/v2/{repository}/blobs/{digest}");
                Ok(answer(201, &[("Location", &location), ("Docker-Content-Digest", digest)], ""))
            }
            "GET" => {
                let held = self.sessions.get(session).ok_or_else(|| error(404, "BLOB_UPLOAD_UNKNOWN"))?;
                let (location, range) = (at(session, held.len()), format!("0-{}", held.len().max(1) - 1));
                Ok(answer(204, &[("Location", &location), ("Range", &range)], ""))
            }
            "DELETE" => {
                self.sessions.remove(session);
                Ok(answer(204, &[], ""))
            }
            _ => Err(error(405, "UNSUPPORTED")),
        }
    }

    fn read_blob(
        &mut self,
        manners: &Manners,
        seen: &Seen,
        repository: &str,
        digest: &str,
        _: &BTreeMap<String, String>,
    ) -> Answered {
        let key = (repository.to_owned(), digest.to_owned());
        let bytes = self.blobs.get(&key).ok_or_else(|| error(404, "BLOB_UNKNOWN"))?;
        if let Some(base) = &manners.redirect_blobs {
            return Ok(answer(307, &[("Location", &format!("{base}{}", seen.path))], ""));
        }
        let headers = [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)];
        let start = seen
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        Ok(match start {
            Some(start) if start < bytes.len() => {
                let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                body(seen, 206, &[headers[0], ("Content-Range", &range)], &bytes[start..])
            }
            Some(_) => error(416, "RANGE_INVALID"),
            None => body(seen, 200, &headers, bytes),
        })
    }

    fn manifest(
        &mut self,
        manners: &Manners,
        seen: &Seen,
        repository: &str,
        target: &str,
        _: &BTreeMap<String, String>,
    ) -> Answered {
        let name = repository.to_owned();
        if seen.method == "PUT" {
            let digest = Digest::of(&seen.body).to_string();
            let document: serde_json::Value =
                serde_json::from_slice(&seen.body).map_err(|_| error(400, "MANIFEST_INVALID"))?;
            let layers = document["layers"].as_array().cloned().unwrap_or_default();
            for blob in layers.iter().chain(document.get("config")) {
                let key = (name.clone(), blob["digest"].as_str().unwrap_or_default().to_owned());
                if !self.blobs.contains_key(&key) {
                    return Err(error(400, "MANIFEST_BLOB_UNKNOWN"));
                }
            }
            // As Distribution has it: an index comes after what it lists.
            for manifest in document["manifests"].as_array().into_iter().flatten() {
                let key = (name.clone(), manifest["digest"].as_str().unwrap_or_default().to_owned());
                if !self.manifests.contains_key(&key) {
                    return Err(error(400, "MANIFEST_BLOB_UNKNOWN"));
                }
            }
            let media_type = seen.header("content-type").unwrap_or_default().to_owned();
            self.manifests.insert((name.clone(), digest.clone()), (media_type, seen.body.clone()));
            if !target.contains(':') {
                self.tags.insert((name, target.to_owned()), digest.clone());
            }
            let subject = document["subject"]["digest"].as_str().unwrap_or_default().to_owned();
            let mut headers = vec![("Location", seen.path.as_str())];
            if manners.digest_header {
                headers.push(("Docker-Content-Digest", &digest));
            }
            if manners.referrers && !subject.is_empty() {
                headers.push(("OCI-Subject", &subject));
            }
            return Ok(answer(201, &headers, ""));
        }
        let digest = match target.contains(':') {
            true => target.to_owned(),
            false => self
                .tags
                .get(&(name.clone(), target.to_owned()))
                .cloned()
                .ok_or_else(|| error(404, "MANIFEST_UNKNOWN"))?,
        };
        if seen.method == "DELETE" {
            if !target.contains(':') {
                return Err(error(400, "UNSUPPORTED"));
            }
            self.tags.retain(|(repository, _), tagged| *repository != name || *tagged != digest);
            return match self.manifests.remove(&(name, digest)) {
                Some(_) => Ok(answer(202, &[], "")),
                None => Err(error(404, "MANIFEST_UNKNOWN")),
            };
        }
        let (media_type, bytes) =
            self.manifests.get(&(name, digest.clone())).ok_or_else(|| error(404, "MANIFEST_UNKNOWN"))?;
        let mut headers = vec![("Content-Type", media_type.as_str())];
        if manners.digest_header {
            headers.push(("Docker-Content-Digest", &digest));
        }
        Ok(body(seen, 200, &headers, bytes))
    }

    fn list(
        &mut self,
        manners: &Manners,
        seen: &Seen,
        repository: &str,
        _: &str,
        query: &BTreeMap<String, String>,
    ) -> Answered {
        let last = query.get("last").map_or("", String::as_str);
        let after: Vec<&String> = self
            .tags
            .keys()
            .filter(|(name, tag)| name == repository && tag.as_str() > last)
            .map(|(_, tag)| tag)
            .collect();
        let page: Vec<&String> = after.iter().take(manners.page).copied().collect();
        let link = page.last().map(|last| format!(r#"</v2/{repository}/tags/list?last={last}>; rel="next""#));
        let mut headers = vec![("Content-Type", "application/json")];
        if let Some(link) = link.as_deref().filter(|_| after.len() > page.len()) {
            headers.push(("Link", link));
        }
        let list = serde_json::json!({ "name": repository, "tags": page });
        Ok(body(seen, 200, &headers, list.to_string().as_bytes()))
    }

    fn referrers(
        &mut self,
        manners: &Manners,
        seen: &Seen,
        repository: &str,
        subject: &str,
        _: &BTreeMap<String, String>,
    ) -> Answered {
        if !manners.referrers {
            return Err(error(404, "NOT_FOUND"));
        }
        let mut found = Vec::new();
        for ((name, digest), (media_type, bytes)) in &self.manifests {
            let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            if name == repository && document["subject"]["digest"] == subject {
                found.push(serde_json::json!({
                    "mediaType": media_type, "digest": digest, "size": bytes.len() as u64 + manners.referrers_add,
                    "artifactType": document.get("artifactType").unwrap_or(&document["config"]["mediaType"]),
                    "annotations": document.get("annotations").cloned().unwrap_or(serde_json::json!({})),
                }));
            }
        }
        let media_type = cldoci::oci::media_type::OCI_INDEX;
        let index = serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": found });
        Ok(body(seen, 200, &[("Content-Type", media_type)], index.to_string().as_bytes()))
    }
}

/// An answer whose body is left out for HEAD.
fn body(seen: &Seen, status: u16, headers: &[(&str, &str)], bytes: &[u8]) -> Vec<Act> {
    let mut acts = answer(status, headers, bytes);
    if let (Some(Act::Send(sent)), "HEAD") = (acts.first_mut(), seen.method.as_str()) {
        sent.truncate(sent.len() - bytes.len());
    }
    acts
}
