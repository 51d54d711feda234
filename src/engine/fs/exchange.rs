//! The two renames that never destroy what they meet. What differs by system is in this file.
//!
//! Linux has `renameat2`, macOS `renameatx_np`. A file system that knows neither call gets a
//! hard link and a rename, which replaces just as atomically but cannot swap.

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::dir::{Dir, os};

/// A name inside a folder.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The folder.
    pub dir: &'a Dir,
    /// The name.
    pub name: &'a [u8],
}

/// Swaps two names in one step. Where the file system cannot, `fresh` replaces `old` in one step
/// and what stood there is found under the name of `fresh` all the same.
pub fn exchange(fresh: Entry<'_>, old: Entry<'_>) -> Result<(), Errno> {
    match system::exchange(fresh, old) {
        Err(errno) if is_unsupported(errno) => replace_keeping(fresh, old),
        result => result,
    }
}

/// Swaps two names in one step, and fails where the file system cannot.
pub fn can_exchange(one: Entry<'_>, other: Entry<'_>) -> Result<(), Errno> {
    system::exchange(one, other)
}

/// Renames, and fails with `EEXIST` where the new name is taken.
pub fn rename_new(from: Entry<'_>, to: Entry<'_>) -> Result<(), Errno> {
    match system::rename_new(from, to) {
        Err(errno) if is_unsupported(errno) => {
            linkat(from.dir, os(from.name), to.dir, os(to.name), AtFlags::empty())?;
            unlinkat(from.dir, os(from.name), UnlinkatFlags::NoRemoveDir)
        }
        result => result,
    }
}

fn is_unsupported(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::ENOSYS | Errno::ENOTSUP)
}

/// A second name for what stands there, then one rename over it.
fn replace_keeping(fresh: Entry<'_>, old: Entry<'_>) -> Result<(), Errno> {
    let kept = [fresh.name, b".old"].concat();
    linkat(old.dir, os(old.name), fresh.dir, os(&kept), AtFlags::empty())?;
    nix::fcntl::renameat(fresh.dir, os(fresh.name), old.dir, os(old.name))?;
    nix::fcntl::renameat(fresh.dir, os(&kept), fresh.dir, os(fresh.name))
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod system {
    use nix::errno::Errno;
    use nix::fcntl::{RenameFlags, renameat2};

    use super::{Entry, os};

    pub fn exchange(one: Entry<'_>, other: Entry<'_>) -> Result<(), Errno> {
        renameat2(one.dir, os(one.name), other.dir, os(other.name), RenameFlags::RENAME_EXCHANGE)
    }

    pub fn rename_new(from: Entry<'_>, to: Entry<'_>) -> Result<(), Errno> {
        renameat2(from.dir, os(from.name), to.dir, os(to.name), RenameFlags::RENAME_NOREPLACE)
    }
}

#[cfg(all(target_os = "linux", not(target_env = "gnu")))]
mod system {
    use std::ffi::CString;
    use std::os::fd::{AsFd, AsRawFd};

    use nix::errno::Errno;

    use super::Entry;

    pub fn exchange(one: Entry<'_>, other: Entry<'_>) -> Result<(), Errno> {
        rename(one, other, libc::RENAME_EXCHANGE)
    }

    pub fn rename_new(from: Entry<'_>, to: Entry<'_>) -> Result<(), Errno> {
        rename(from, to, libc::RENAME_NOREPLACE)
    }

    #[expect(unsafe_code, reason = "musl, and with it nix, did not wrap renameat2(2) for long")]
    fn rename(from: Entry<'_>, to: Entry<'_>, flags: libc::c_uint) -> Result<(), Errno> {
        let from_name = CString::new(from.name).map_err(|_| Errno::EINVAL)?;
        let to_name = CString::new(to.name).map_err(|_| Errno::EINVAL)?;
        // SAFETY: both descriptors are open for the length of the call, and both names are
        // NUL-terminated strings that outlive it.
        let result = unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                from.dir.as_fd().as_raw_fd(),
                from_name.as_ptr(),
                to.dir.as_fd().as_raw_fd(),
                to_name.as_ptr(),
                flags,
            )
        };
        Errno::result(result).map(drop)
    }
}

#[cfg(target_os = "macos")]
mod system {
    use std::ffi::CString;
    use std::os::fd::{AsFd, AsRawFd};

    use nix::errno::Errno;

    use super::Entry;

    pub fn exchange(one: Entry<'_>, other: Entry<'_>) -> Result<(), Errno> {
        rename(one, other, libc::RENAME_SWAP)
    }

    pub fn rename_new(from: Entry<'_>, to: Entry<'_>) -> Result<(), Errno> {
        rename(from, to, libc::RENAME_EXCL)
    }

    #[expect(unsafe_code, reason = "nix does not wrap renameatx_np(2)")]
    fn rename(from: Entry<'_>, to: Entry<'_>, flags: libc::c_uint) -> Result<(), Errno> {
        let from_name = CString::new(from.name).map_err(|_| Errno::EINVAL)?;
        let to_name = CString::new(to.name).map_err(|_| Errno::EINVAL)?;
        // SAFETY: both descriptors are open for the length of the call, and both names are
        // NUL-terminated strings that outlive it.
        let result = unsafe {
            libc::renameatx_np(
                from.dir.as_fd().as_raw_fd(),
                from_name.as_ptr(),
                to.dir.as_fd().as_raw_fd(),
                to_name.as_ptr(),
                flags,
            )
        };
        Errno::result(result).map(drop)
    }
}
