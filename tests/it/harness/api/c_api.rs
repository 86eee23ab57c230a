//! The C functions as the suite sees them, each verb by its `_start` form and a wait.

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex};

use cldoci::ffi::{
    artifact::*, client::*, error::*, operation::*, options::*, progress::*, reference::*, result::lists::*,
    result::*, status::*, types::*, verbs::*,
};
use cldoci::{Phase, Progress};

use super::super::laws::Laws;
use super::{Api, Description, Failure, Outcome, Report};

/// A handle that is freed with its value.
macro_rules! handle {
    ($name:ident, $opaque:ident, $free:ident) => {
        pub struct $name(pub *mut $opaque);
        // Handles are numbers and may be used from any thread.
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}
        impl Drop for $name {
            fn drop(&mut self) {
                assert_eq!(unsafe { $free(self.0) }, CLDOCI_OK);
            }
        }
    };
}

handle!(CApi, cldoci_client, cldoci_client_free);
handle!(CArtifact, cldoci_artifact, cldoci_artifact_free);
handle!(COptions, cldoci_options, cldoci_options_free);
handle!(CReference, cldoci_reference, cldoci_reference_free);
handle!(COperation, cldoci_operation, cldoci_operation_free);
handle!(CResult, cldoci_result, cldoci_result_free);

impl std::fmt::Debug for CArtifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CArtifact")
    }
}
impl std::fmt::Debug for CApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CApi")
    }
}

/// Calls a function whose last parameter is the place for an error.
pub fn call(function: impl FnOnce(*mut *mut cldoci_error) -> i32) -> Result<(), Failure> {
    let mut error = null_mut();
    let status = function(&mut error);
    if status >= 0 {
        assert!(error.is_null());
        return Ok(());
    }
    unsafe {
        assert_eq!(cldoci_error_status(error), status);
        let failure = Failure {
            kind: text(cldoci_status_name(status)).unwrap(),
            message: text(cldoci_error_message(error, null_mut())).unwrap(),
            http_status: u16::try_from(cldoci_error_http_status(error)).ok().filter(|s| *s != 0),
            listed: (0..cldoci_error_registry_error_count(error))
                .map(|at| {
                    let code = text(cldoci_error_registry_error_code(error, at, null_mut())).unwrap();
                    let message = text(cldoci_error_registry_error_message(error, at, null_mut())).unwrap();
                    (code, message, text(cldoci_error_registry_error_detail(error, at, null_mut())))
                })
                .collect(),
        };
        assert_eq!(cldoci_error_free(error), CLDOCI_OK);
        Err(failure)
    }
}

fn text(at: *const c_char) -> Option<String> {
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_str().unwrap().to_owned())
}

fn bytes(at: *const u8, size: usize) -> Option<Vec<u8>> {
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at, size) }.to_vec())
}

pub fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

pub fn path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

pub fn options(pairs: &[(&str, &str)]) -> Result<COptions, Failure> {
    let mut made = null_mut();
    call(|error| unsafe { cldoci_options_new(&mut made, error) })?;
    let options = COptions(made);
    for (name, value) in pairs {
        call(|error| unsafe { cldoci_options_set(options.0, c(name).as_ptr(), c(value).as_ptr(), error) })?;
    }
    Ok(options)
}

pub fn reference(text: &str) -> Result<CReference, Failure> {
    let mut made = null_mut();
    call(|error| unsafe { cldoci_reference_parse(c(text).as_ptr(), &mut made, error) })?;
    Ok(CReference(made))
}

type Start<'a> =
    dyn FnOnce(*const cldoci_options, *mut *mut cldoci_operation, *mut *mut cldoci_error) -> i32 + 'a;

fn run(pairs: &[(&str, &str)], start: Box<Start<'_>>) -> Outcome<CApi> {
    let options = options(pairs)?;
    let told = Arc::new(Mutex::new(Told::default()));
    let user_data = Arc::into_raw(told.clone()).cast_mut().cast();
    call(|error| unsafe {
        cldoci_options_set_progress_callback(options.0, Some(tell), user_data, Some(forget), error)
    })?;
    let mut operation = null_mut();
    call(|error| start(options.0, &mut operation, error))?;
    let operation = COperation(operation);
    let mut polled = Laws::default();
    let ended = loop {
        let mut status = CLDOCI_OK;
        let waited = call(|error| {
            status = unsafe { cldoci_operation_wait(operation.0, 1, error) };
            status
        });
        polled.step("polled", progress(&operation));
        if status != CLDOCI_PENDING {
            break waited;
        }
    };
    let told = told.lock().unwrap();
    assert!(!told.broken && told.laws.ends <= 1, "the callback was told something else");
    ended?;
    assert_eq!(told.laws.ends, 1);
    let mut result = null_mut();
    call(|error| unsafe { cldoci_operation_result(operation.0, &mut result, error) })?;
    let last = progress(&operation);
    Ok(Report {
        moved: (last.bytes_done, last.bytes_total),
        entries: (last.entries_done, last.entries_total),
        ..report(&CResult(result))
    })
}

/// What a callback was told.
#[derive(Default)]
struct Told {
    laws: Laws,
    broken: bool,
}

unsafe extern "C" fn tell(progress: *const cldoci_progress, user_data: *mut c_void) -> i32 {
    let told = unsafe { &*user_data.cast::<Mutex<Told>>() };
    let step = unsafe { of_c(&*progress) };
    // A panic may not leave it.
    let kept = std::panic::catch_unwind(|| told.lock().unwrap().laws.step("told", step));
    if kept.is_err() {
        told.clear_poison();
        told.lock().unwrap().broken = true;
    }
    0
}

unsafe extern "C" fn forget(user_data: *mut c_void) {
    drop(unsafe { Arc::from_raw(user_data.cast::<Mutex<Told>>().cast_const()) });
}

fn progress(operation: &COperation) -> Progress {
    let mut progress = cldoci_progress { struct_size: size_of::<cldoci_progress>(), ..Default::default() };
    call(|error| unsafe { cldoci_operation_progress(operation.0, &mut progress, error) }).unwrap();
    of_c(&progress)
}

fn of_c(progress: &cldoci_progress) -> Progress {
    Progress {
        phase: match progress.phase {
            CLDOCI_PHASE_WAITING => Phase::Waiting,
            CLDOCI_PHASE_DONE => Phase::Done,
            // Which one is not what the laws are about.
            _ => Phase::Resolving,
        },
        bytes_done: progress.bytes_done,
        bytes_total: progress.bytes_total,
        entries_done: progress.entries_done,
        entries_total: progress.entries_total,
    }
}

fn list<const N: usize>(
    count: unsafe extern "C" fn(*const cldoci_result) -> usize,
    columns: [unsafe extern "C" fn(*const cldoci_result, usize, *mut usize) -> *const c_char; N],
    result: &CResult,
) -> Vec<[String; N]> {
    (0..unsafe { count(result.0) })
        .map(|index| columns.map(|column| text(unsafe { column(result.0, index, null_mut()) }).unwrap()))
        .collect()
}

pub fn report(result: &CResult) -> Report<CApi> {
    let at = result.0;
    unsafe {
        let mut artifact = null_mut();
        let has_artifact = cldoci_result_artifact(at, &mut artifact, null_mut()) == CLDOCI_OK;
        let mut size = 0;
        let content = cldoci_result_bytes(at, &mut size);
        let mut counters =
            cldoci_counters { struct_size: size_of::<cldoci_counters>(), ..Default::default() };
        assert_eq!(cldoci_result_counters(at, &mut counters, null_mut()), CLDOCI_OK);
        let one = |[text]: [String; 1]| text;
        Report {
            digest: text(cldoci_result_digest(at, null_mut())),
            media_type: text(cldoci_result_media_type(at, null_mut())),
            size: Some(cldoci_result_size(at)).filter(|size| *size > 0),
            exists: match cldoci_result_exists(at) {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
            artifact: has_artifact.then_some(CArtifact(artifact)),
            bytes: bytes(content, size),
            tags: list(cldoci_result_tag_count, [cldoci_result_tag], result).into_iter().map(one).collect(),
            referrers: list(cldoci_result_referrer_count, [cldoci_result_referrer_digest], result)
                .into_iter()
                .map(one)
                .collect(),
            listed: (0..cldoci_result_entry_count(at))
                .map(|entry| {
                    (
                        text(cldoci_result_entry_media_type(at, entry, null_mut())).unwrap(),
                        text(cldoci_result_entry_digest(at, entry, null_mut())).unwrap(),
                        cldoci_result_entry_size(at, entry),
                        text(cldoci_result_entry_platform(at, entry, null_mut())),
                        text(cldoci_result_entry_artifact_type(at, entry, null_mut())),
                    )
                })
                .collect(),
            left_out: list(
                cldoci_result_left_out_count,
                [cldoci_result_left_out_path, cldoci_result_left_out_reason],
                result,
            )
            .into_iter()
            .map(|[path, reason]| (path, reason))
            .collect(),
            unchanged: cldoci_result_unchanged(at) == 1,
            warnings: list(cldoci_result_warning_count, [cldoci_result_warning], result)
                .into_iter()
                .map(one)
                .collect(),
            requests: counters.requests,
            bytes_sent: counters.bytes_sent,
            skipped: counters.blobs_skipped,
            mounted: counters.blobs_mounted,
            uploaded: counters.blobs_uploaded,
            moved: (0, 0),
            entries: (0, 0),
        }
    }
}

/// A verb of one reference.
macro_rules! of_one {
    ($self:ident, $start:ident, $reference:expr) => {{
        let at = reference($reference)?;
        run(&[], Box::new(move |o, op, e| unsafe { $start($self.0, at.0, o, op, e) }))
    }};
}

impl Api for CApi {
    type Artifact = CArtifact;

    fn client(pairs: &[(&str, &str)]) -> Result<Self, Failure> {
        let options = options(pairs)?;
        let mut made = null_mut();
        call(|error| unsafe { cldoci_client_new(options.0, &mut made, error) })?;
        Ok(Self(made))
    }
    fn build(&self, dir: &Path, kind: &str, config: &[u8], pairs: &[(&str, &str)]) -> Outcome<Self> {
        let (dir, kind) = (path(dir), c(kind));
        let config_at = if config.is_empty() { null() } else { config.as_ptr() };
        run(
            pairs,
            Box::new(|o, op, e| unsafe {
                cldoci_build_start(self.0, dir.as_ptr(), kind.as_ptr(), config_at, config.len(), o, op, e)
            }),
        )
    }
    fn build_and_push(
        &self,
        dir: &Path,
        kind: &str,
        config: &[u8],
        to: &str,
        pairs: &[(&str, &str)],
    ) -> Outcome<Self> {
        let (dir, kind, to) = (path(dir), c(kind), reference(to)?);
        run(
            pairs,
            Box::new(|o, op, e| unsafe {
                let (dir, kind, size) = (dir.as_ptr(), kind.as_ptr(), config.len());
                cldoci_build_and_push_start(self.0, dir, kind, config.as_ptr(), size, to.0, o, op, e)
            }),
        )
    }
    fn push(&self, artifact: &CArtifact, to: &str, pairs: &[(&str, &str)]) -> Outcome<Self> {
        let to = reference(to)?;
        run(pairs, Box::new(|o, op, e| unsafe { cldoci_push_start(self.0, artifact.0, to.0, o, op, e) }))
    }
    fn pull(&self, from: &str, dir: &Path, pairs: &[(&str, &str)]) -> Outcome<Self> {
        let (from, dir) = (reference(from)?, path(dir));
        run(pairs, Box::new(|o, op, e| unsafe { cldoci_pull_start(self.0, from.0, dir.as_ptr(), o, op, e) }))
    }
    fn pull_config(&self, from: &str) -> Outcome<Self> {
        of_one!(self, cldoci_pull_config_start, from)
    }
    fn exists(&self, at: &str) -> Outcome<Self> {
        of_one!(self, cldoci_exists_start, at)
    }
    fn resolve(&self, at: &str) -> Outcome<Self> {
        of_one!(self, cldoci_resolve_start, at)
    }
    fn tag(&self, source: &str, target: &str) -> Outcome<Self> {
        let (source, target) = (reference(source)?, reference(target)?);
        run(&[], Box::new(|o, op, e| unsafe { cldoci_tag_start(self.0, source.0, target.0, o, op, e) }))
    }
    fn copy(&self, source: &str, target: &str, pairs: &[(&str, &str)]) -> Outcome<Self> {
        let (source, target) = (reference(source)?, reference(target)?);
        run(pairs, Box::new(|o, op, e| unsafe { cldoci_copy_start(self.0, source.0, target.0, o, op, e) }))
    }
    fn list_tags(&self, at: &str) -> Outcome<Self> {
        of_one!(self, cldoci_list_tags_start, at)
    }
    fn inspect(&self, at: &str) -> Outcome<Self> {
        of_one!(self, cldoci_inspect_start, at)
    }
    fn read_manifest(&self, at: &str) -> Outcome<Self> {
        let started = of_one!(self, cldoci_read_manifest_start, at);
        // The form that waits gives the same, and a NUL stands behind the bytes.
        let mut result = null_mut();
        let place = reference(at)?;
        let waited =
            call(|error| unsafe { cldoci_read_manifest(self.0, place.0, null(), &mut result, error) });
        assert_eq!(waited.as_ref().err(), started.as_ref().err());
        if let Ok(started) = &started {
            let waited = CResult(result);
            let mut size = 0;
            let bytes = unsafe { cldoci_result_bytes(waited.0, &mut size) };
            assert_eq!(unsafe { *bytes.add(size) }, 0);
            assert_eq!((&report(&waited).bytes, &report(&waited).listed), (&started.bytes, &started.listed));
        }
        started
    }
    fn delete(&self, at: &str) -> Outcome<Self> {
        of_one!(self, cldoci_delete_start, at)
    }
    fn collect_garbage(&self, at: &str) -> Outcome<Self> {
        of_one!(self, cldoci_collect_garbage_start, at)
    }
    fn attach(&self, artifact: &CArtifact, subject: &str) -> Outcome<Self> {
        let subject = reference(subject)?;
        run(&[], Box::new(|o, op, e| unsafe { cldoci_attach_start(self.0, artifact.0, subject.0, o, op, e) }))
    }
    fn referrers(&self, at: &str) -> Outcome<Self> {
        of_one!(self, cldoci_referrers_start, at)
    }
    fn read_layer(&self, artifact: &CArtifact, index: usize) -> Outcome<Self> {
        run(&[], Box::new(|o, op, e| unsafe { cldoci_read_layer_start(self.0, artifact.0, index, o, op, e) }))
    }
    fn describe(artifact: &CArtifact) -> Description {
        let at = artifact.0;
        unsafe {
            let mut size = 0;
            let manifest = cldoci_artifact_manifest(at, &mut size);
            assert_eq!(*manifest.add(size), 0);
            let config = cldoci_artifact_config(at, &mut size);
            assert!(config.is_null() || *config.add(size) == 0);
            Description {
                kind: text(cldoci_artifact_type(at, null_mut())).unwrap(),
                digest: text(cldoci_artifact_digest(at, null_mut())).unwrap(),
                config: bytes(config, size),
                layers: (0..cldoci_artifact_layer_count(at))
                    .map(|layer| {
                        (
                            text(cldoci_artifact_layer_media_type(at, layer, null_mut())).unwrap(),
                            text(cldoci_artifact_layer_digest(at, layer, null_mut())).unwrap(),
                            cldoci_artifact_layer_size(at, layer),
                        )
                    })
                    .collect(),
                annotations: (0..cldoci_artifact_annotation_count(at))
                    .map(|index| {
                        (
                            text(cldoci_artifact_annotation_key(at, index, null_mut())).unwrap(),
                            text(cldoci_artifact_annotation_value(at, index, null_mut())).unwrap(),
                        )
                    })
                    .collect(),
            }
        }
    }
}
