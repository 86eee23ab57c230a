//! The behaviour suite on every API and every place.

mod cases;
mod manifests;

use std::path::Path;

/// Where a case runs: it makes references that nobody else uses.
trait Place {
    /// A reference to a repository of this name, with this tag or digest (`:v1`, `@sha256:…`).
    fn reference(&self, name: &str, target: &str) -> String;
    /// Requests that reached the server so far; none for a layout.
    fn requests(&self) -> Option<usize>;
    /// Whether it is a registry.
    fn is_registry(&self) -> bool {
        self.requests().is_some()
    }
    /// Whether one HEAD resolves a tag.
    fn has_digest_header(&self) -> bool {
        true
    }
    /// A store and scratch space of this case's own.
    fn scratch(&self) -> &Path;
}

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
    registry: crate::harness::registry::Registry,
    digest_header: bool,
    scratch: tempfile::TempDir,
}

impl Remote {
    fn new() -> Self {
        Self::with(crate::harness::registry::Manners::default())
    }
    fn with(manners: crate::harness::registry::Manners) -> Self {
        let digest_header = manners.digest_header;
        let registry = crate::harness::registry::Registry::with(manners, |_| None);
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
    Remote::with(crate::harness::registry::Manners {
        digest_header: false,
        referrers: false,
        mount: 202,
        ..Default::default()
    })
}

/// Runs every case on one API.
macro_rules! behaviour_suite {
    ($api:ty, $place:expr, $of:ident; $($case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            let place = $place;
            super::$of::$case::<$api>(&place);
        })+
    };
}

/// Every case, for each API and place.
macro_rules! everywhere {
    ($module:ident, $api:ty, $place:expr) => {
        mod $module {
            use super::*;
            behaviour_suite!($api, $place, cases;
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
                progress_ends_where_its_totals_are,
            );
            behaviour_suite!($api, $place, manifests;
                an_index_lists_its_entries_and_each_gives_its_bytes,
                a_registrys_errors_are_listed,
            );
        }
    };
}

everywhere!(rust_on_a_layout, crate::harness::api::rust_api::RustApi, Local::new());
everywhere!(rust_on_a_registry, crate::harness::api::rust_api::RustApi, Remote::new());
everywhere!(rust_on_a_sparse_registry, crate::harness::api::rust_api::RustApi, sparse());
everywhere!(c_on_a_layout, crate::harness::api::c_api::CApi, Local::new());
everywhere!(c_on_a_registry, crate::harness::api::c_api::CApi, Remote::new());
