//! What a client has pushed: where it pushes the same again, it asks whether all of it is still there.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use http::{Method, header};

use super::manifests::Claim;
use super::repository::Repository;
use crate::error::Result;
use crate::oci::{Descriptor, Digest};

impl Repository {
    pub(super) fn note_pushed(&self, target: &str, digest: &Digest) {
        self.registry.note_pushed(self.pushed_name(target, digest));
    }

    fn pushed_name(&self, target: &str, digest: &Digest) -> String {
        format!("{} {digest}", self.label(target))
    }

    /// Whether this client pushed a manifest and the registry still has it under that name, and its blobs. The requests go
    /// out together and only read: a push that found out one by one sends as many. What the registry does not plainly
    /// say is a no, and the push goes its usual way.
    pub(crate) async fn still_has(
        &self,
        target: &str,
        manifest: &Digest,
        blobs: &[&Descriptor],
    ) -> Result<bool> {
        if !self.registry.has_pushed(&self.pushed_name(target, manifest)) {
            return Ok(false);
        }
        let named = async {
            // What a cache has kept of a tag may be out of date.
            let request =
                self.manifest_request(Method::HEAD, target).header(header::CACHE_CONTROL, "no-cache");
            let response = self.exchange(&request).await?;
            Ok(response.status == 200 && Claim::of(&response.headers).is(manifest))
        };
        let mut asked: Vec<BoxFuture<'_, Result<bool>>> = vec![named.boxed()];
        for blob in blobs {
            asked.push(self.blob_exists(blob).boxed());
        }
        let all = stream::iter(asked)
            .buffer_unordered(self.call.settings.parallel.max(1))
            .try_all(std::future::ready)
            .await;
        match all {
            Err(error) if error.http_status().is_some() => Ok(false),
            answer => answer,
        }
    }
}
