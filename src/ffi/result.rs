//! `cldoci_result`: what a verb gave. One type for every verb; what a verb does not give is "none".

pub mod lists;

use std::ffi::c_char;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, OnceLock};

use super::artifact::ArtifactObject;
use super::progress::cldoci_counters;
use super::status::{CLDOCI_ERROR_ARGUMENT, CLDOCI_ERROR_HANDLE, cldoci_status};
use super::support::annotations::DescriptorTexts;
use super::support::handle::{self, Object};
use super::support::sized::blank;
use super::support::strings::{OwnedCStr, optional_out};
use super::support::task::Task;
use super::support::verb::Output;
use super::support::{accessor, guard};
use super::types::{cldoci_artifact, cldoci_error, cldoci_result};
use crate::client::Outcome;
use crate::error::{Error, Kind, Result};
use crate::operation::Operation;

pub(super) struct ResultObject {
    outcome: Arc<Outcome>,
    counters: cldoci_counters,
    digest: Option<OwnedCStr>,
    media_type: Option<OwnedCStr>,
    credential_source: Option<OwnedCStr>,
    tags: Vec<OwnedCStr>,
    referrers: Vec<DescriptorTexts>,
    entries: Vec<DescriptorTexts>,
    /// The bytes of a document with a NUL behind them, once they are asked for.
    document: OnceLock<OwnedCStr>,
    left_out: Vec<(OwnedCStr, OwnedCStr)>,
    warnings: Vec<OwnedCStr>,
}

impl Object for ResultObject {
    type Opaque = cldoci_result;
    const TYPE: u8 = 10;
    const NAME: &'static str = "cldoci_result";
}

impl ResultObject {
    pub(super) fn new(outcome: Arc<Outcome>, operation: &Operation) -> Self {
        Self {
            counters: cldoci_counters::of(&operation.counters()),
            digest: outcome.digest.as_ref().map(|digest| digest.as_str().into()),
            media_type: outcome.media_type.as_deref().map(OwnedCStr::from),
            credential_source: outcome.credential_source.as_deref().map(OwnedCStr::from),
            tags: outcome.tags.iter().map(|tag| tag.as_str().into()).collect(),
            referrers: outcome.referrers.iter().map(DescriptorTexts::new).collect(),
            entries: outcome.entries.iter().map(DescriptorTexts::new).collect(),
            document: OnceLock::new(),
            left_out: outcome
                .left_out
                .iter()
                .map(|left| (OwnedCStr::new(left.path.as_os_str().as_bytes()), left.reason.as_str().into()))
                .collect(),
            warnings: operation.warnings().iter().map(|warning| warning.as_str().into()).collect(),
            outcome,
        }
    }
}

/// A verb that is waited for gives a result, to a caller who wants one.
impl Output for *mut *mut cldoci_result {
    const WAITS: bool = true;

    unsafe fn begin(self) -> Result<()> {
        optional_out(self, "result", std::ptr::null_mut()).map(|_| ())
    }

    unsafe fn finish(self, task: Arc<Task>) -> Result<()> {
        let outcome = task.wait_here()?;
        task.detach();
        if !self.is_null() {
            self.write(handle::insert(ResultObject::new(outcome, &task.operation))?);
        }
        Ok(())
    }
}

/// The digest of the config for pull_config, of the layer for read_layer and save_layer, and of the manifest for
/// build, push, pull, tag, copy, resolve, exists, inspect, attach and read_manifest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_digest(
    result: *const cldoci_result,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.digest.as_ref())
}

/// The media type of what `cldoci_result_digest` names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_media_type(
    result: *const cldoci_result,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.media_type.as_ref())
}

/// The size in bytes of what `cldoci_result_digest` names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_size(result: *const cldoci_result) -> u64 {
    accessor::number::<ResultObject, _>(result, 0, |result| result.outcome.size)
}

/// The answer of exists; for logout, whether there was a credential.
///
/// @return 1 for yes, 0 for no; CLDOCI_ERROR_ARGUMENT for the result of another verb, CLDOCI_ERROR_HANDLE for a
///         bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_exists(result: *const cldoci_result) -> i32 {
    accessor::number::<ResultObject, _>(result, CLDOCI_ERROR_HANDLE, |result| {
        Some(result.outcome.exists.map_or(CLDOCI_ERROR_ARGUMENT, i32::from))
    })
}

/// The artifact of build, pull, inspect and attach. Each call returns a new handle to the same artifact.
/// CLDOCI_ERROR_ARGUMENT if the verb gives none.
///
/// @param artifact  out, not NULL: set to NULL, on success to an artifact that you free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_artifact(
    result: *const cldoci_result,
    artifact: *mut *mut cldoci_artifact,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, artifact, "artifact", || {
        let result = handle::get::<ResultObject>(result)?;
        let found = result.outcome.artifact.clone();
        found
            .map(ArtifactObject::new)
            .ok_or_else(|| Error::new(Kind::Argument, "the result holds no artifact"))
    })
}

/// The bytes of pull_config (the config as it was pushed), read_manifest and read_layer. A NUL follows the bytes
/// of the first two, which `size` does not count; nothing follows those of a layer. May be NULL for a layer of 0
/// bytes.
///
/// @param size  out, may be NULL: how many bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_bytes(result: *const cldoci_result, size: *mut usize) -> *const u8 {
    let document = accessor::text::<ResultObject>(result, size, |result| {
        let bytes = result.outcome.bytes.as_deref().filter(|_| result.outcome.is_document)?;
        Some(result.document.get_or_init(|| OwnedCStr::new(bytes)))
    });
    if !document.is_null() {
        return document.cast();
    }
    accessor::bytes::<ResultObject>(result, size, |result| result.outcome.bytes.as_deref())
}

/// What the operation did: requests, bytes, retries and time.
///
/// @param counters  in and out, not NULL: set its struct_size before; the rest is set to zero, then filled in
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_counters(
    result: *const cldoci_result,
    counters: *mut cldoci_counters,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    let outputs = || blank(counters, "counters");
    guard::with_outputs(error, outputs, |counters| {
        counters.fill(&handle::get::<ResultObject>(result)?.counters);
        Ok(())
    })
}

/// For pull: whether the destination already held the artifact and was not touched. For build with the option
/// `reuse_unchanged`: whether the directory is as it was at the last build, so that no file was read.
///
/// @return 1 or 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_unchanged(result: *const cldoci_result) -> i32 {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(i32::from(result.outcome.unchanged)))
}

/// Where the credential came from, such as a file or a helper; never the credential itself. NULL if none was
/// used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_credential_source(
    result: *const cldoci_result,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.credential_source.as_ref())
}

/// Frees a result and everything borrowed from it; artifacts taken from it stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_free(result: *mut cldoci_result) -> cldoci_status {
    guard::free::<ResultObject>(result)
}
