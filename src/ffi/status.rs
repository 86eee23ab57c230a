//! The status numbers: stable, with gaps, never used again for another meaning.

use std::ffi::c_char;

use crate::error::Kind;

/// The outcome of a call: 0 for success, 1 for "not done yet", negative for a failure.
pub type cldoci_status = i32;

/// Success.
pub const CLDOCI_OK: i32 = 0;
/// The operation is not done yet; no error object is made.
pub const CLDOCI_PENDING: i32 = 1;

/// An argument, an option or a reference is invalid.
pub const CLDOCI_ERROR_ARGUMENT: i32 = -1;
/// A handle was freed, has another type, or was never issued.
pub const CLDOCI_ERROR_HANDLE: i32 = -2;
/// A handle was made before `fork` and used in the child.
pub const CLDOCI_ERROR_FORKED: i32 = -3;
/// A callback made a call that would wait for that callback.
pub const CLDOCI_ERROR_REENTRANT: i32 = -4;
/// A bug in the library, caught before it could do harm. The process and all handles stay usable.
pub const CLDOCI_ERROR_PANIC: i32 = -5;
/// A bug in the library.
pub const CLDOCI_ERROR_INTERNAL: i32 = -6;
/// The operation was cancelled, or freed while something waited for it.
pub const CLDOCI_ERROR_CANCELLED: i32 = -7;
/// A deadline passed, or the other side was slower than the minimum rate.
pub const CLDOCI_ERROR_TIMEOUT: i32 = -8;
/// The system, the file system or the registry can't do it.
pub const CLDOCI_ERROR_UNSUPPORTED: i32 = -9;
/// A system call failed; `cldoci_error_errno` says why.
pub const CLDOCI_ERROR_IO: i32 = -20;
/// The destination exists and is not empty.
pub const CLDOCI_ERROR_EXISTS: i32 = -21;
/// Another process holds a lock that is needed.
pub const CLDOCI_ERROR_BUSY: i32 = -22;
/// A source file changed while it was read.
pub const CLDOCI_ERROR_CHANGED: i32 = -23;
/// An entry of an archive or of a directory is refused.
pub const CLDOCI_ERROR_UNSAFE: i32 = -24;
/// A limit was reached; the message names it and the option that raises it.
pub const CLDOCI_ERROR_LIMIT: i32 = -25;
/// A connection failed, or a name was not found.
pub const CLDOCI_ERROR_NETWORK: i32 = -40;
/// TLS failed: the certificate or the handshake.
pub const CLDOCI_ERROR_TLS: i32 = -41;
/// The server's answer breaks the protocol.
pub const CLDOCI_ERROR_PROTOCOL: i32 = -42;
/// The registry or the layout does not have it.
pub const CLDOCI_ERROR_NOT_FOUND: i32 = -43;
/// The registry wants other credentials.
pub const CLDOCI_ERROR_UNAUTHORIZED: i32 = -44;
/// The credentials don't permit this access.
pub const CLDOCI_ERROR_DENIED: i32 = -45;
/// A credential helper or a credential file can't be used.
pub const CLDOCI_ERROR_CREDENTIALS: i32 = -46;
/// Refused for safety: a redirect, a token server, a downgrade.
pub const CLDOCI_ERROR_POLICY: i32 = -47;
/// The registry asks to slow down; `cldoci_error_retry_after_ms` says how long to wait.
pub const CLDOCI_ERROR_RATE_LIMITED: i32 = -48;
/// The content does not match its digest.
pub const CLDOCI_ERROR_DIGEST: i32 = -49;
/// The content does not match its size.
pub const CLDOCI_ERROR_SIZE: i32 = -50;

/// The number of a kind.
pub(super) fn of(kind: Kind) -> cldoci_status {
    match kind {
        Kind::Argument => CLDOCI_ERROR_ARGUMENT,
        Kind::Handle => CLDOCI_ERROR_HANDLE,
        Kind::Forked => CLDOCI_ERROR_FORKED,
        Kind::Reentrant => CLDOCI_ERROR_REENTRANT,
        Kind::Panic => CLDOCI_ERROR_PANIC,
        Kind::Internal => CLDOCI_ERROR_INTERNAL,
        Kind::Cancelled => CLDOCI_ERROR_CANCELLED,
        Kind::Timeout => CLDOCI_ERROR_TIMEOUT,
        Kind::Unsupported => CLDOCI_ERROR_UNSUPPORTED,
        Kind::Io => CLDOCI_ERROR_IO,
        Kind::Exists => CLDOCI_ERROR_EXISTS,
        Kind::Busy => CLDOCI_ERROR_BUSY,
        Kind::Changed => CLDOCI_ERROR_CHANGED,
        Kind::Unsafe => CLDOCI_ERROR_UNSAFE,
        Kind::Limit => CLDOCI_ERROR_LIMIT,
        Kind::Network => CLDOCI_ERROR_NETWORK,
        Kind::Tls => CLDOCI_ERROR_TLS,
        Kind::Protocol => CLDOCI_ERROR_PROTOCOL,
        Kind::NotFound => CLDOCI_ERROR_NOT_FOUND,
        Kind::Unauthorized => CLDOCI_ERROR_UNAUTHORIZED,
        Kind::Denied => CLDOCI_ERROR_DENIED,
        Kind::Credentials => CLDOCI_ERROR_CREDENTIALS,
        Kind::Policy => CLDOCI_ERROR_POLICY,
        Kind::RateLimited => CLDOCI_ERROR_RATE_LIMITED,
        Kind::Digest => CLDOCI_ERROR_DIGEST,
        Kind::Size => CLDOCI_ERROR_SIZE,
    }
}

/// The name of a status, such as `NOT_FOUND`, for logs. NULL for a number that is not a status.
///
/// @param status  any number
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_status_name(status: cldoci_status) -> *const c_char {
    let name = match status {
        CLDOCI_OK => c"OK",
        CLDOCI_PENDING => c"PENDING",
        CLDOCI_ERROR_ARGUMENT => c"ARGUMENT",
        CLDOCI_ERROR_HANDLE => c"HANDLE",
        CLDOCI_ERROR_FORKED => c"FORKED",
        CLDOCI_ERROR_REENTRANT => c"REENTRANT",
        CLDOCI_ERROR_PANIC => c"PANIC",
        CLDOCI_ERROR_INTERNAL => c"INTERNAL",
        CLDOCI_ERROR_CANCELLED => c"CANCELLED",
        CLDOCI_ERROR_TIMEOUT => c"TIMEOUT",
        CLDOCI_ERROR_UNSUPPORTED => c"UNSUPPORTED",
        CLDOCI_ERROR_IO => c"IO",
        CLDOCI_ERROR_EXISTS => c"EXISTS",
        CLDOCI_ERROR_BUSY => c"BUSY",
        CLDOCI_ERROR_CHANGED => c"CHANGED",
        CLDOCI_ERROR_UNSAFE => c"UNSAFE",
        CLDOCI_ERROR_LIMIT => c"LIMIT",
        CLDOCI_ERROR_NETWORK => c"NETWORK",
        CLDOCI_ERROR_TLS => c"TLS",
        CLDOCI_ERROR_PROTOCOL => c"PROTOCOL",
        CLDOCI_ERROR_NOT_FOUND => c"NOT_FOUND",
        CLDOCI_ERROR_UNAUTHORIZED => c"UNAUTHORIZED",
        CLDOCI_ERROR_DENIED => c"DENIED",
        CLDOCI_ERROR_CREDENTIALS => c"CREDENTIALS",
        CLDOCI_ERROR_POLICY => c"POLICY",
        CLDOCI_ERROR_RATE_LIMITED => c"RATE_LIMITED",
        CLDOCI_ERROR_DIGEST => c"DIGEST",
        CLDOCI_ERROR_SIZE => c"SIZE",
        _ => return std::ptr::null(),
    };
    name.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `of` is exhaustive; this holds that no two kinds share a number and that each has a name.
    #[test]
    fn every_kind_has_a_number_and_a_name_of_its_own() {
        let kinds = [
            Kind::Argument,
            Kind::Handle,
            Kind::Forked,
            Kind::Reentrant,
            Kind::Panic,
            Kind::Internal,
            Kind::Cancelled,
            Kind::Timeout,
            Kind::Unsupported,
            Kind::Io,
            Kind::Exists,
            Kind::Busy,
            Kind::Changed,
            Kind::Unsafe,
            Kind::Limit,
            Kind::Network,
            Kind::Tls,
            Kind::Protocol,
            Kind::NotFound,
            Kind::Unauthorized,
            Kind::Denied,
            Kind::Credentials,
            Kind::Policy,
            Kind::RateLimited,
            Kind::Digest,
            Kind::Size,
        ];
        let numbers: std::collections::BTreeSet<_> = kinds.iter().map(|kind| of(*kind)).collect();
        assert_eq!(numbers.len(), kinds.len());
        assert!(numbers.iter().all(|number| *number < 0 && !cldoci_status_name(*number).is_null()));
    }
}
