//! `cldoci_reference`: where an artifact is.

use std::ffi::c_char;
use std::os::unix::ffi::OsStrExt as _;

use super::status::cldoci_status;
use super::support::handle::{self, Object};
use super::support::strings::{OwnedCStr, optional_text, path, text};
use super::support::{accessor, guard};
use super::types::{cldoci_error, cldoci_reference};
use crate::oci::Reference;

pub(super) struct ReferenceObject {
    pub(super) reference: Reference,
    string: OwnedCStr,
    registry: Option<OwnedCStr>,
    repository: Option<OwnedCStr>,
    path: Option<OwnedCStr>,
    tag: Option<OwnedCStr>,
    digest: Option<OwnedCStr>,
}

impl Object for ReferenceObject {
    type Opaque = cldoci_reference;
    const TYPE: u8 = 4;
    const NAME: &'static str = "cldoci_reference";
}

impl ReferenceObject {
    pub(super) fn new(reference: Reference) -> Self {
        let digest = match &reference {
            Reference::Registry(registry) => &registry.digest,
            Reference::Layout(layout) => &layout.digest,
        };
        let (registry, repository, path) = match &reference {
            Reference::Registry(place) => {
                (Some(place.registry.as_str().into()), Some(place.repository.as_str().into()), None)
            }
            Reference::Layout(place) => (None, None, Some(OwnedCStr::new(place.path.as_os_str().as_bytes()))),
        };
        Self {
            string: reference.to_string().as_str().into(),
            registry,
            repository,
            path,
            tag: reference.tag().map(OwnedCStr::from),
            digest: digest.as_deref().map(OwnedCStr::from),
            reference,
        }
    }
}

/// Reads a reference: `registry/repository[:tag][@digest]`, such as `ghcr.io/org/app:v1`, or a local OCI
/// image layout, `ocidir://PATH[:TAG][@DIGEST]`.
///
/// Without a registry it is Docker Hub (`nginx` is `docker.io/library/nginx:latest`); without tag and digest
/// a registry reference has the tag `latest`. In `ocidir://` nothing is percent-decoded, and the tag is what
/// follows the last `:` after the last `/`. Nothing is asked of a registry or of the file system.
///
/// @param string     borrowed, not NULL, UTF-8; copied
/// @param reference  out, not NULL: set to NULL, on success to a reference that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_parse(
    string: *const c_char,
    reference: *mut *mut cldoci_reference,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, reference, "reference", || {
        Ok(ReferenceObject::new(text(string, "string")?.parse()?))
    })
}

/// A reference to a local OCI image layout from its parts, for what the string form cannot say: a path with
/// a `:` in its last name, a path that is not UTF-8.
///
/// @param directory  borrowed, not NULL, any bytes; copied
/// @param tag        borrowed, may be NULL, UTF-8: without a tag the layout's only manifest is meant, else `latest`
/// @param digest     borrowed, may be NULL, UTF-8
/// @param reference  out, not NULL: set to NULL, on success to a reference that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_layout(
    directory: *const c_char,
    tag: *const c_char,
    digest: *const c_char,
    reference: *mut *mut cldoci_reference,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, reference, "reference", || {
        let directory = path(directory, "directory")?;
        let (tag, digest) = (optional_text(tag, "tag")?, optional_text(digest, "digest")?);
        Ok(ReferenceObject::new(Reference::layout(directory, tag, digest)?))
    })
}

/// A reference to a registry from its parts.
///
/// @param registry    borrowed, not NULL, UTF-8: a host with or without a port; copied
/// @param repository  borrowed, not NULL, UTF-8; copied
/// @param tag         borrowed, may be NULL, UTF-8: without tag and digest it is `latest`
/// @param digest      borrowed, may be NULL, UTF-8
/// @param reference   out, not NULL: set to NULL, on success to a reference that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_from_parts(
    registry: *const c_char,
    repository: *const c_char,
    tag: *const c_char,
    digest: *const c_char,
    reference: *mut *mut cldoci_reference,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, reference, "reference", || {
        let (registry, repository) = (text(registry, "registry")?, text(repository, "repository")?);
        let (tag, digest) = (optional_text(tag, "tag")?, optional_text(digest, "digest")?);
        Ok(ReferenceObject::new(Reference::registry(registry, repository, tag, digest)?))
    })
}

/// The same repository or layout with another tag or digest.
///
/// @param of         borrowed, not NULL: where the repository or the layout comes from
/// @param tag        borrowed, may be NULL, UTF-8
/// @param digest     borrowed, may be NULL, UTF-8; without both it is what a reference without them means
/// @param reference  out, not NULL: set to NULL, on success to a reference that you free
/// @return CLDOCI_OK, or CLDOCI_ERROR_ARGUMENT with a message that says which part is wrong and why
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_with(
    of: *const cldoci_reference,
    tag: *const c_char,
    digest: *const c_char,
    reference: *mut *mut cldoci_reference,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, reference, "reference", || {
        let of = handle::get::<ReferenceObject>(of)?;
        let (tag, digest) = (optional_text(tag, "tag")?, optional_text(digest, "digest")?);
        Ok(ReferenceObject::new(of.reference.with(tag, digest)?))
    })
}

/// The whole reference as text, in its full form.
///
/// @param reference  borrowed, not NULL
/// @return borrowed from `reference`; NULL for a bad handle
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_string(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| Some(&reference.string))
}

/// The registry: host and, where it was given, port. Docker Hub is `docker.io` in every spelling.
///
/// @param reference  borrowed, not NULL
/// @return borrowed from `reference`; NULL for a layout
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_registry(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.registry.as_ref())
}

/// The repository's whole name, such as `library/nginx`.
///
/// @param reference  borrowed, not NULL
/// @return borrowed from `reference`; NULL for a layout
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_repository(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.repository.as_ref())
}

/// The directory of a layout. Its bytes are the file system's and need not be UTF-8.
///
/// @param reference  borrowed, not NULL
/// @return borrowed from `reference`; NULL for a registry
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_path(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.path.as_ref())
}

/// The tag that the reference names.
///
/// @param reference  borrowed, not NULL
/// @return borrowed from `reference`; NULL where there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_tag(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.tag.as_ref())
}

/// The digest as it was written. A verb that needs it demands a whole one.
///
/// @param reference  borrowed, not NULL
/// @return borrowed from `reference`; NULL where there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_digest(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.digest.as_ref())
}

/// Frees a reference and all that was borrowed from it. Operations that were started with it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_free(reference: *mut cldoci_reference) -> cldoci_status {
    guard::free::<ReferenceObject>(reference)
}
