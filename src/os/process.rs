//! Starts a child process the way a guest in somebody else's process must. `std::process` hands our threads' blocked
//! signals and every descriptor that the host forgot to mark close-on-exec on to the child, and panics where the host
//! ignores SIGCHLD and the program can't be run.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::process::Pid;

/// A child to be.
pub(crate) struct Spawn<'a> {
    /// The program's absolute path.
    pub(crate) program: &'a CStr,
    /// Its arguments, the name first.
    pub(crate) arguments: &'a [CString],
    /// Its environment, each `NAME=VALUE`.
    pub(crate) environment: &'a [CString],
    /// Its descriptors 0, 1 and 2, which must not be 0, 1 or 2 here.
    pub(crate) standard: [BorrowedFd<'a>; 3],
}

/// Starts a child in a process group of its own, with no signal blocked or ignored and no descriptor but
/// its standard ones.
pub(crate) fn spawn(spawn: &Spawn<'_>) -> io::Result<Pid> {
    if spawn.standard.iter().any(|fd| fd.as_raw_fd() <= 2) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    let mut actions = Actions::new()?;
    for (to, from) in (0..).zip(&spawn.standard) {
        actions.duplicate(from.as_raw_fd(), to)?;
    }
    actions.close_the_rest()?;
    let attributes = Attributes::new()?;
    let pointers = |strings: &[CString]| -> Vec<*mut c_char> {
        strings.iter().map(|s| s.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
    };
    let (arguments, environment) = (pointers(spawn.arguments), pointers(spawn.environment));
    let mut pid = 0;
    // SAFETY: every pointer is valid for the call: the two objects are initialised, the two arrays end with
    // NULL and point to strings that outlive them, and posix_spawn changes none of the strings.
    check(unsafe {
        libc::posix_spawn(
            &mut pid,
            spawn.program.as_ptr(),
            &actions.0,
            &attributes.0,
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    })?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

fn check(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// What the child does before it runs the program.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut made = MaybeUninit::uninit();
        // SAFETY: init writes the whole object, and it is only used where that succeeded.
        unsafe {
            check(libc::posix_spawn_file_actions_init(made.as_mut_ptr()))?;
            Ok(Self(made.assume_init()))
        }
    }

    fn duplicate(&mut self, from: c_int, to: c_int) -> io::Result<()> {
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, from, to) })
    }

    /// Closes all from 3 on. glibc has an action for it since 2.34, which is looked up so that the library
    /// still loads where it is missing; there the descriptors that are open now are closed one by one.
    fn close_the_rest(&mut self) -> io::Result<()> {
        type CloseFrom = unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, c_int) -> c_int;
        // SAFETY: the name is a C string; dlsym gives NULL or the function of that name, whose type is the
        // one that glibc documents.
        let close_from: Option<CloseFrom> = unsafe {
            let name = c"posix_spawn_file_actions_addclosefrom_np";
            std::mem::transmute(libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()))
        };
        if let Some(close_from) = close_from {
            // SAFETY: the object is initialised.
            return check(unsafe { close_from(&mut self.0, 3) });
        }
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let number = entry?.file_name().to_str().and_then(|name| name.parse::<c_int>().ok());
            if let Some(number) = number.filter(|n| *n > 2) {
                // SAFETY: the object is initialised. One that is closed by then is no error.
                check(unsafe { libc::posix_spawn_file_actions_addclose(&mut self.0, number) })?;
            }
        }
        Ok(())
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: the object is initialised and not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

/// What the child is: its group and its signals.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut made = MaybeUninit::uninit();
        let (mut none, mut all) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: init, sigemptyset and sigfillset write their whole object, and it is only read after.
        unsafe {
            check(libc::posix_spawnattr_init(made.as_mut_ptr()))?;
            let mut made = Self(made.assume_init());
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigfillset(all.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(&mut made.0, none.as_ptr()))?;
            check(libc::posix_spawnattr_setsigdefault(&mut made.0, all.as_ptr()))?;
            check(libc::posix_spawnattr_setpgroup(&mut made.0, 0))?;
            let flags =
                libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETPGROUP;
            // The flags are small numbers that glibc and musl give as a wider type than they take.
            #[allow(clippy::cast_possible_truncation)]
            check(libc::posix_spawnattr_setflags(&mut made.0, flags as libc::c_short))?;
            Ok(made)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the object is initialised and not used again.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}
