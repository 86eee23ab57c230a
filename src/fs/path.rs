//! Paths as people see them.

use std::path::Path;

use crate::error::printable;

/// A path as a message shows it.
pub(crate) fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}
