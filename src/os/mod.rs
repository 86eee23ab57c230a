//! What differs between operating systems: one file for each, with the same functions. Beside `ffi` the only module
//! with unsafe code.

#[cfg(target_os = "linux")]
mod linux;
#[allow(unsafe_code)]
mod process;

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    Links, RawDir, THROUGH, above_standard, clone_file, ended, exchange, has_acl, is_mount_root,
    is_privileged, map_wiped_on_fork, open_beneath, pipe, rename_new, sentinel, sync_file_system,
};
pub(crate) use process::{Spawn, spawn};
