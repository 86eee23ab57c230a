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

/// Parses a reference: `registry/repository[:tag][@digest]`, such as `ghcr.io/org/app:v1`, or
/// `ocidir://PATH[:TAG][@DIGEST]` for a local OCI image layout.
///
/// Without a registry it means Docker Hub (`nginx` is `docker.io/library/nginx:latest`). A registry reference
/// without tag and digest has the tag `latest`. In `ocidir://` nothing is percent-decoded; the tag follows the
/// last `:` after the last `/`. Neither a registry nor the file system is asked.
///
/// @param string     borrowed, not NULL, UTF-8; copied
/// @param reference  out, not NULL: set to NULL, on success to a reference that you free
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

/// Makes a reference to a local OCI image layout from its parts. Use it for a path that the text form can't
/// express: with a `:` in its last name, or not in UTF-8.
///
/// @param directory  borrowed, not NULL, any bytes; copied
/// @param tag        borrowed, may be NULL, UTF-8: without it, the only manifest of the layout, else `latest`
/// @param digest     borrowed, may be NULL, UTF-8
/// @param reference  out, not NULL: set to NULL, on success to a reference that you free
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

/// Makes a reference to a registry from its parts.
///
/// @param registry    borrowed, not NULL, UTF-8: a host with or without a port; copied
/// @param repository  borrowed, not NULL, UTF-8; copied
/// @param tag         borrowed, may be NULL, UTF-8: without tag and digest it is `latest`
/// @param digest      borrowed, may be NULL, UTF-8
/// @param reference   out, not NULL: set to NULL, on success to a reference that you free
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

/// Makes a reference to the same repository or layout with another tag or digest.
///
/// @param of         borrowed, not NULL: names the repository or the layout
/// @param tag        borrowed, may be NULL, UTF-8
/// @param digest     borrowed, may be NULL, UTF-8
/// @param reference  out, not NULL: set to NULL, on success to a reference that you free
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

/// The complete reference as text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_string(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| Some(&reference.string))
}

/// The registry: host and port, if one was given. Docker Hub is `docker.io` in every spelling. NULL for a layout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_registry(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.registry.as_ref())
}

/// The full name of the repository, such as `library/nginx`. NULL for a layout.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_repository(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.repository.as_ref())
}

/// The directory of a layout, with any bytes, as in the file system. NULL for a registry.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_path(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.path.as_ref())
}

/// The tag in the reference. NULL if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_tag(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.tag.as_ref())
}

/// The digest as it was written. A verb that uses it needs a complete one. NULL if the reference has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_digest(
    reference: *const cldoci_reference,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ReferenceObject>(reference, length, |reference| reference.digest.as_ref())
}

/// Frees a reference and everything borrowed from it. Operations that use it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_reference_free(reference: *mut cldoci_reference) -> cldoci_status {
    guard::free::<ReferenceObject>(reference)
}
