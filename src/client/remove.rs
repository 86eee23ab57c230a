//! The verbs that remove: delete and collect_garbage.

use super::{Outcome, Verb};
use crate::error::Result;
use crate::oci::Reference;

impl Verb {
    pub(super) async fn delete(&self, reference: &Reference) -> Result<Outcome> {
        let endpoint = self.endpoint(reference)?;
        endpoint.backend.delete(&endpoint.target).await?;
        Ok(Outcome::default())
    }

    pub(super) async fn collect_garbage(&self, reference: &Reference) -> Result<Outcome> {
        let freed = self.endpoint(reference)?.backend.collect_garbage().await?;
        Ok(Outcome { size: Some(freed), ..Outcome::default() })
    }
}
