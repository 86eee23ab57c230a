//! What the fuzz targets call.

use std::time::Instant;

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::challenge::Challenges;
use super::token;

/// A Bearer challenge: realm, service, scopes.
pub type Bearer = (String, String, Vec<String>);

/// What a header's challenges come to: Bearer, Basic, what is wrong. None where no header can have these bytes.
pub fn challenge(value: &[u8]) -> Option<(Option<Bearer>, bool, Option<&'static str>)> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let made = Challenges::of(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]));
    let bearer = made.bearer.map(|bearer| (bearer.realm, bearer.service, bearer.scopes));
    Some((bearer, made.basic, made.malformed))
}

/// The `Authorization` that a token server's answer comes to, or what is wrong with it.
pub fn token(body: &[u8]) -> std::result::Result<Vec<u8>, &'static str> {
    token::parse(body, Instant::now()).map(|token| token.header.as_bytes().to_vec())
}
