//! Requests to a token endpoint: a URL that the registry chose, checked before anything is sent there.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::Access;
use crate::error::{Error, Kind, Result};
use crate::registry::body;
use crate::registry::policy::{self, Realm};
use crate::registry::transport::{Outgoing, Permit, RequestBody};

/// The longest answer.
const LIMIT: usize = 64 << 10;

/// Checks a challenge's realm; a warning goes to the operation.
pub(super) fn realm(access: Access<'_>, realm: &str) -> Result<Realm> {
    let Access { transport, call, origin, .. } = access;
    let hosts = &call.settings.token_hosts;
    let realm = policy::realm(origin, transport.class_of(origin), realm, hosts)?;
    if let Some(warning) = &realm.warning {
        call.operation.warn(warning.clone());
    }
    Ok(realm)
}

/// Asks an endpoint that [`realm`] has passed (its URL may have got a query since): status, headers and at most
/// 64 KiB of body. A redirect is an answer like any other.
pub(super) async fn request(
    access: Access<'_>,
    realm: &Realm,
    method: Method,
    mut headers: HeaderMap,
    form: Option<Bytes>,
) -> Result<(u16, HeaderMap, Vec<u8>)> {
    let body = match form {
        Some(form) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            RequestBody::Bytes(form)
        }
        None => RequestBody::Empty,
    };
    let outgoing = Outgoing {
        method,
        url: realm.url.clone(),
        headers,
        body,
        addresses: realm.addresses,
        permit: Permit::Short,
        wait: access.call.settings.header_timeout,
    };
    let answer =
        access.transport.send(outgoing, access.call).await.map_err(|failure| match failure.error.kind() {
            Kind::Policy => failure.error.cure("name it in the option token_hosts if it is the registry's"),
            _ => failure.error,
        })?;
    let (status, headers) = (answer.response.status().as_u16(), answer.response.headers().clone());
    let too_long = || Error::new(Kind::Limit, "the token endpoint's answer is longer than 64 KiB");
    let body = body::read_all(answer, LIMIT).await?.ok_or_else(too_long)?;
    // Some gzip it unasked (Q103). Of an answer that is no success, only its words would be lost.
    let body = match status {
        200..=299 => body::decode(&headers, body, LIMIT)?.ok_or_else(too_long)?,
        _ => body::decode_some(&headers, body, LIMIT),
    };
    Ok((status, headers, body))
}
