//! Content-addressed blobs on disk; OCI image layouts.

/// A blob that lives in the store as long as somebody holds this.
#[derive(Debug)]
pub struct Spool {
    _private: (),
}
