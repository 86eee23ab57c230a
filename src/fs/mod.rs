//! The file system, for every module that writes to it: directories held open, files that become visible whole,
//! locks, who is the same file, paths in messages.

mod beneath;
mod copy;
mod directory;
mod identity;
mod lock;
mod path;
mod temporary;

/// Room for most files that are read whole: with none, reading begins with 32 bytes.
pub(crate) const SMALL_FILE: usize = 4 << 10;

pub(crate) use copy::{CHUNK, for_each_chunk};
pub(crate) use directory::{Access, Directory, Found, duplicate, is_absent, open_directory};
pub(crate) use identity::{FileId, file_id, id_at};
pub(crate) use lock::{Lock, Mode, is_named, try_lock, wait_for};
pub(crate) use path::shown;
pub(crate) use temporary::{Kept, Temporary, is_unique_name, unique_name};
