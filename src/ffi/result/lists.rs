//! What a result lists: tags, referrers, what was left out, warnings.

use std::ffi::c_char;

use super::ResultObject;
use crate::ffi::support::accessor;
use crate::ffi::types::cldoci_result;

/// How many tags list_tags found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_tag_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.tags.len()))
}

/// A tag that list_tags found; they are sorted by their bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_tag(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.tags.get(index))
}

/// How many referrers the verb referrers found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.referrers.len()))
}

/// The digest of a referrer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_digest(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.referrers.get(index)?.digest))
}

/// The media type of a referrer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_media_type(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.referrers.get(index)?.media_type))
}

/// The artifact type of a referrer. NULL if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_artifact_type(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| {
        result.referrers.get(index)?.artifact_type.as_ref()
    })
}

/// The size of a referrer's manifest in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_size(result: *const cldoci_result, index: usize) -> u64 {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.referrers.get(index)?.size))
}

/// How many manifests the index of read_manifest lists; 0 if it is not an index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.entries.len()))
}

/// The digest of a manifest that the index lists, in the index's order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_digest(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.entries.get(index)?.digest))
}

/// The media type of a manifest that the index lists, which may be an index itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_media_type(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.entries.get(index)?.media_type))
}

/// The artifact type of a manifest that the index lists. NULL if the index names none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_artifact_type(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.entries.get(index)?.artifact_type.as_ref())
}

/// The platform of a manifest that the index lists, as the option `platform` takes it:
/// `os/architecture[/variant]`. NULL if the index names none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_platform(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.entries.get(index)?.platform.as_ref())
}

/// The size in bytes of a manifest that the index lists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_size(result: *const cldoci_result, index: usize) -> u64 {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.entries.get(index)?.size))
}

/// How many annotations the descriptor of a referrer has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_annotation_count(
    result: *const cldoci_result,
    index: usize,
) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| {
        Some(result.referrers.get(index)?.annotations.count())
    })
}

/// The key of a referrer's annotation; they are sorted by their bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_annotation_key(
    result: *const cldoci_result,
    index: usize,
    at: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.referrers.get(index)?.annotations.key(at))
}

/// The value of a referrer's annotation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_annotation_value(
    result: *const cldoci_result,
    index: usize,
    at: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| {
        result.referrers.get(index)?.annotations.value(at)
    })
}

/// How many paths the build left out of the artifact.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_left_out_total(result: *const cldoci_result) -> u64 {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.outcome.left_out_total))
}

/// How many of those paths the result lists; the list has a limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_left_out_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.left_out.len()))
}

/// A path that the build left out, relative to the directory. It may have any bytes, as in the file system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_left_out_path(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.left_out.get(index).map(|(path, _)| path))
}

/// The rule that left the path out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_left_out_reason(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| {
        result.left_out.get(index).map(|(_, reason)| reason)
    })
}

/// How many warnings the result lists; the list has a limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_warning_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.warnings.len()))
}

/// A warning: one line of text, like `cldoci_error_message`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_warning(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.warnings.get(index))
}
