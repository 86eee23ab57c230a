//! The registry room against servers: real ones, one that behaves, and ones that do not.

mod authorities;
mod blobs;
mod certs_d;
mod floods;
mod headers;
mod help;
mod http2;
mod http2_floods;
mod long_ranges;
mod manifests;
mod messages;
mod others;
mod overload;
mod polite;
mod proxy;
mod ranges;
mod real;
mod redirects;
mod referrers;
mod resumes;
mod storage;
mod tls;
mod uploads;
