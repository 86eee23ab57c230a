//! What a result lists: tags, referrers, what was left out, warnings.

use std::ffi::c_char;

use super::ResultObject;
use crate::ffi::support::accessor;
use crate::ffi::types::cldoci_result;

/// How many tags list_tags found.
///
/// @param result  borrowed, not NULL
/// @return the number; 0 for another verb
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_tag_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.tags.len()))
}

/// A tag of list_tags; they are sorted by their bytes.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_tag(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.tags.get(index))
}

/// How many manifests referrers found.
///
/// @param result  borrowed, not NULL
/// @return the number; 0 for another verb
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.referrers.len()))
}

/// The digest of a manifest that refers to the artifact.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_digest(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.referrers.get(index)?.digest))
}

/// The media type of a manifest that refers to the artifact.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_media_type(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.referrers.get(index)?.media_type))
}

/// The artifact type of a manifest that refers to the artifact.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last, and where it has none
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

/// The size in bytes of a manifest that refers to the artifact.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return the size; 0 beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_referrer_size(result: *const cldoci_result, index: usize) -> u64 {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.referrers.get(index)?.size))
}

/// How many manifests the index of read_manifest lists.
///
/// @param result  borrowed, not NULL
/// @return the number; 0 for what is no index, and for another verb
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.entries.len()))
}

/// The digest of a manifest that the index lists; they come in the index's order.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_digest(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.entries.get(index)?.digest))
}

/// The media type of a manifest that the index lists: it may be an index itself.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_media_type(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| Some(&result.entries.get(index)?.media_type))
}

/// The artifact type of a manifest that the index lists.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last, and where the index names none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_artifact_type(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.entries.get(index)?.artifact_type.as_ref())
}

/// The platform of a manifest that the index lists, as the option `platform` takes it: `os/architecture[/variant]`.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last, and where the index names none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_platform(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.entries.get(index)?.platform.as_ref())
}

/// The size in bytes of a manifest that the index lists.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return the size; 0 beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_entry_size(result: *const cldoci_result, index: usize) -> u64 {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.entries.get(index)?.size))
}

/// How many annotations the descriptor of a referrer has.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return the number; 0 beyond the last
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
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @param at      from 0
/// @return borrowed from `result`; NULL beyond the last
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
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @param at      from 0
/// @return borrowed from `result`; NULL beyond the last
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

/// How many paths build left out of the artifact.
///
/// @param result  borrowed, not NULL
/// @return the number; 0 for another verb
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_left_out_total(result: *const cldoci_result) -> u64 {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.outcome.left_out_total))
}

/// How many of those paths the result lists; the list is bounded.
///
/// @param result  borrowed, not NULL
/// @return the number; 0 for another verb
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_left_out_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.left_out.len()))
}

/// A path that build left out, relative to the directory. Its bytes are the file system's and need not be
/// UTF-8.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_left_out_path(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.left_out.get(index).map(|(path, _)| path))
}

/// Which rule left the path out.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
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

/// How many warnings there were; the list is bounded.
///
/// @param result  borrowed, not NULL
/// @return the number
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_warning_count(result: *const cldoci_result) -> usize {
    accessor::number::<ResultObject, _>(result, 0, |result| Some(result.warnings.len()))
}

/// A warning: one line of text, as for `cldoci_error_message`.
///
/// @param result  borrowed, not NULL
/// @param index   from 0
/// @return borrowed from `result`; NULL beyond the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_result_warning(
    result: *const cldoci_result,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    accessor::text::<ResultObject>(result, length, |result| result.warnings.get(index))
}
