//! Linux: what it has and others have in another way.

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};
pub(crate) use rustix::fs::RawDir;
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, StatxAttributes, StatxFlags, openat2, renameat,
    renameat_with, statat, statx,
};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::path::Arg;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How a directory is opened that is only gone through: it needs no permission to be read.
pub(crate) const THROUGH: OFlags = OFlags::PATH;

/// Which links may be on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    None,
    /// Those that stay beneath the directory.
    Beneath,
}

/// Opens what is at a path beneath a directory, by `openat2` (Linux 5.6); `None` = that is not there (ENOSYS), or a
/// sandbox answers so to what it does not know (EPERM).
pub(crate) fn open_beneath(
    directory: impl AsFd,
    path: &[u8],
    flags: OFlags,
    links: Links,
) -> rustix::io::Result<Option<OwnedFd>> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let resolve = match links {
        Links::None => beneath | ResolveFlags::NO_SYMLINKS,
        Links::Beneath => beneath,
    };
    match openat2(directory, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => Ok(None),
        result => result.map(Some),
    }
}

/// Whether a file system is mounted on a directory; `None` = the kernel does not say (before 5.8).
pub(crate) fn is_mount_root(directory: impl AsFd) -> Option<bool> {
    let stat = statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::empty()).ok()?;
    let known = stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
    known.then(|| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Lets `to` share the extents of `from`, which is all of it then; whether the file system can.
pub(crate) fn clone_file(to: &File, from: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

/// Whether a file has an access control list, as far as that can be told.
pub(crate) fn has_acl(file: impl AsFd) -> bool {
    let length = rustix::fs::fgetxattr_query(file, c"system.posix_acl_access");
    !matches!(length, Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS))
}

/// Makes all of a file system survive a loss of power.
pub(crate) fn sync_file_system(on: impl AsFd) -> rustix::io::Result<()> {
    rustix::fs::syncfs(on)
}

/// Swaps two names at once. INVAL, NOSYS or NOTSUP where the file system can't.
pub(crate) fn exchange(
    from: impl AsFd,
    name: impl Arg,
    into: impl AsFd,
    other: impl Arg,
) -> rustix::io::Result<()> {
    renameat_with(from, name, into, other, RenameFlags::EXCHANGE)
}

/// Renames without ever replacing anything; where the file system has no such flag, it looks before.
pub(crate) fn rename_new(from: impl AsFd, name: &[u8], into: impl AsFd) -> io::Result<()> {
    match renameat_with(&from, name, &into, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            if statat(&into, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                return Err(Errno::EXIST.into());
            }
            Ok(renameat(&from, name, &into, name)?)
        }
        result => Ok(result?),
    }
}

/// A close-on-exec pipe, its read end first, both clear of the numbers 0 to 2, which the host may have closed.
pub(crate) fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((above_standard(read)?, above_standard(write)?))
}

/// The same descriptor with a number above 2.
pub(crate) fn above_standard(fd: OwnedFd) -> rustix::io::Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(&fd, 3)
}

/// What is readable once a child has ended; `None` on old kernels.
pub(crate) fn ended(child: Pid) -> Option<OwnedFd> {
    pidfd_open(child, PidfdFlags::empty()).ok()
}

/// A descriptor that is good for nothing but to be there.
pub(crate) fn sentinel() -> rustix::io::Result<OwnedFd> {
    eventfd(0, EventfdFlags::CLOEXEC)
}

/// Memory of at least so many bytes, all zero, which the kernel wipes in a forked child; `None` before Linux 4.14, under
/// an emulator that wipes nothing, and where memory is missing.
#[allow(unsafe_code)]
pub(crate) fn map_wiped_on_fork(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: a plain question. (rustix would read the auxiliary vector, which is a lie under valgrind.)
    let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?.max(bytes);
    // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
    let page = unsafe {
        mmap_anonymous(std::ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
    }
    .ok()?;
    // qemu-user takes any advice, and follows none: then it takes one that there is not, too.
    // SAFETY: the same mapping; an advice that is none changes nothing.
    let takes_any = unsafe { libc::madvise(page, size, -1) } == 0;
    // SAFETY: the advice names exactly the mapping made above, which nothing refers to yet.
    match unsafe { madvise(page, size, Advice::LinuxWipeOnFork) } {
        Ok(()) if !takes_any => NonNull::new(page.cast()),
        _ => {
            // SAFETY: the mapping was made above and nothing refers to it.
            let _ = unsafe { munmap(page, size) };
            None
        }
    }
}

/// Whether this process has more rights than who started it (set-user-ID, capabilities of a file).
#[allow(unsafe_code)]
pub(crate) fn is_privileged() -> bool {
    // SAFETY: it only reads what the kernel gave the process.
    (unsafe { libc::getauxval(libc::AT_SECURE) }) != 0
}
