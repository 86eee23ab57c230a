//! The registry protocol over HTTP: transport, authentication, retries, blobs, manifests, tags, referrers.
