//! Where the store is when no option says it.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use std::os::unix::fs::MetadataExt;

use crate::options::Environment;

/// The name of the store below a cache directory.
const NAME: &str = "cldoci";

/// The usual places that nobody else owns and this user can write, as far as that can be told.
pub(super) fn usual(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    let xdg = environment.get("XDG_CACHE_HOME").map(PathBuf::from);
    let home = environment.get("HOME").map(|home| Path::new(home).join(".cache"));
    // The XDG specification says of a relative path that it is to be ignored.
    let caches = [xdg, home].into_iter().flatten().filter(|cache| cache.is_absolute());
    caches.map(|cache| cache.join(NAME)).filter(|place| {
        // What is absent would be made, by the rules of its nearest ancestor that is there.
        let there = place.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok());
        there.is_some_and(is_ours)
    })
}

/// Where temporary directories are made.
pub(super) fn temporary(environment: &Environment) -> PathBuf {
    match environment.get("TMPDIR").map(PathBuf::from) {
        Some(path) if path.is_absolute() => path,
        _ => PathBuf::from("/tmp"),
    }
}

fn is_ours(path: &Path) -> bool {
    let owned =
        path.metadata().is_ok_and(|data| data.is_dir() && data.uid() == rustix::process::geteuid().as_raw());
    owned && access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::chown;

    #[test]
    fn the_usual_places_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (xdg, home) = (dir.path().join("xdg"), dir.path().join("home"));
        let of = |xdg: &Path| -> Vec<_> {
            usual(&Environment::of([("XDG_CACHE_HOME", xdg), ("HOME", &home)])).collect()
        };
        let in_home = home.join(".cache/cldoci");
        assert_eq!(of(&xdg), [xdg.join("cldoci"), in_home.clone()]);
        assert_eq!(of(Path::new("relative")), std::slice::from_ref(&in_home));
        assert_eq!(usual(&Environment::default()).count(), 0);
        // A file stands where the directory should be.
        std::fs::write(&xdg, "").unwrap();
        assert_eq!(of(&xdg), [in_home]);
    }

    #[test]
    fn a_place_of_another_user_or_without_write_permission_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let environment = Environment::of([("HOME", &home)]);
        assert_eq!(usual(&environment).count(), 1);
        if rustix::process::geteuid().is_root() {
            chown(&home, Some(1), None).unwrap();
        } else {
            std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
        }
        assert_eq!(usual(&environment).count(), 0);
    }
}
