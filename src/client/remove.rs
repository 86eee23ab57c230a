//! The verbs that remove: delete and collect_garbage.

use super::endpoint::Endpoint;
use super::{Outcome, Verb};
use crate::error::Result;
use crate::oci::Reference;

pub(super) async fn delete(verb: &Verb, reference: &Reference) -> Result<Outcome> {
    let endpoint = Endpoint::new(verb, reference)?;
    endpoint.backend.delete(&endpoint.target).await?;
    Ok(Outcome::default())
}

pub(super) async fn collect_garbage(verb: &Verb, reference: &Reference) -> Result<Outcome> {
    let freed = Endpoint::new(verb, reference)?.backend.collect_garbage().await?;
    Ok(Outcome { size: Some(freed), ..Outcome::default() })
}
