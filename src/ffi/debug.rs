//! For the caller's tests: which handles are not freed.

use super::support::{guard, handle};

/// All handle types together.
pub const CLDOCI_HANDLE_ANY: i32 = 0;
/// `cldoci_error`.
pub const CLDOCI_HANDLE_ERROR: i32 = 1;
/// `cldoci_options`.
pub const CLDOCI_HANDLE_OPTIONS: i32 = 2;
/// `cldoci_credential`.
pub const CLDOCI_HANDLE_CREDENTIAL: i32 = 3;
/// `cldoci_reference`.
pub const CLDOCI_HANDLE_REFERENCE: i32 = 4;
/// `cldoci_config`.
pub const CLDOCI_HANDLE_CONFIG: i32 = 5;
/// `cldoci_artifact`.
pub const CLDOCI_HANDLE_ARTIFACT: i32 = 6;
/// `cldoci_artifact_builder`.
pub const CLDOCI_HANDLE_ARTIFACT_BUILDER: i32 = 7;
/// `cldoci_client`.
pub const CLDOCI_HANDLE_CLIENT: i32 = 8;
/// `cldoci_operation`.
pub const CLDOCI_HANDLE_OPERATION: i32 = 9;
/// `cldoci_result`.
pub const CLDOCI_HANDLE_RESULT: i32 = 10;

/// How many handles this process has made and not freed. Memory checkers can't tell, because the library can
/// reach all of them.
///
/// @param handle_type  CLDOCI_HANDLE_…
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_debug_live_handles(handle_type: i32) -> u64 {
    guard::value(0, || Some(handle::live_handles(u8::try_from(handle_type).ok()?)))
}
