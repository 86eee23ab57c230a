//! The behaviour suite on every API and every place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "modules of a test")]

mod common;
mod suite;

use std::path::Path;

use suite::Place;

/// A local image layout.
struct Local(tempfile::TempDir);

impl Local {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Place for Local {
    fn reference(&self, name: &str, target: &str) -> String {
        format!("ocidir://{}/{name}{target}", self.0.path().join("layouts").display())
    }
    fn requests(&self) -> Option<usize> {
        None
    }
    fn scratch(&self) -> &Path {
        self.0.path()
    }
}

/// A registry in this process.
struct Remote {
    registry: common::registry::Registry,
    digest_header: bool,
    scratch: tempfile::TempDir,
}

impl Remote {
    fn new() -> Self {
        Self::with(common::registry::Manners::default())
    }
    fn with(manners: common::registry::Manners) -> Self {
        let digest_header = manners.digest_header;
        let registry = common::registry::Registry::with(manners, |_| None);
        Self { registry, digest_header, scratch: tempfile::tempdir().unwrap() }
    }
}

impl Place for Remote {
    fn reference(&self, name: &str, target: &str) -> String {
        format!("{}/{name}{target}", self.registry.host())
    }
    fn requests(&self) -> Option<usize> {
        Some(self.registry.server.log().len())
    }
    fn has_digest_header(&self) -> bool {
        self.digest_header
    }
    fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

/// A registry that lacks what many lack: the digest header, the referrers API, mounts.
fn sparse() -> Remote {
    Remote::with(common::registry::Manners {
        digest_header: false,
        referrers: false,
        mount: 202,
        ..Default::default()
    })
}

/// Every case, for each API and place.
macro_rules! everywhere {
    ($module:ident, $api:ty, $place:expr) => {
        mod $module {
            use super::*;
            behaviour_suite!($api, $place;
                the_seeds_workflow,
                a_digest_names_one_artifact,
                what_is_there_is_not_moved_again,
                a_build_is_reproducible,
                built_and_pushed_in_one_pass,
                what_a_build_leaves_out_is_told,
                what_is_not_there_is_not_found,
                bad_input_is_named,
                a_destination_that_is_not_empty,
                inspect_and_read_a_layer,
                tag_into_another_repository,
                delete_removes_what_it_names,
                garbage_is_collected,
                attach_refer_and_copy,
                custom_kinds_and_annotations,
            );
        }
    };
}

everywhere!(rust_on_a_layout, suite::rust_api::RustApi, Local::new());
everywhere!(rust_on_a_registry, suite::rust_api::RustApi, Remote::new());
everywhere!(rust_on_a_sparse_registry, suite::rust_api::RustApi, sparse());
everywhere!(c_on_a_layout, suite::c_api::CApi, Local::new());
everywhere!(c_on_a_registry, suite::c_api::CApi, Remote::new());
