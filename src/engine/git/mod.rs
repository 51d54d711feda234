//! Git, behind a façade: the only folder that names `git2`, so that everything cfgsync asks of Git
//! can be read in one place, and every error says what was tried.

pub mod attributes;
pub mod authorship;
pub mod branch;
pub mod client;
pub mod connect;
pub mod driver;
pub mod ear;
pub mod early;
pub mod filter;
mod folder;
pub mod forgetting;
pub mod global;
pub mod heard;
mod held;
mod hooks;
mod ignored;
pub mod index;
pub mod inquiry;
pub mod locks;
pub mod login;
pub mod loose;
pub mod mergetool;
pub mod operations;
pub mod outgoing;
pub mod packing;
pub mod parcel;
pub mod program;
pub mod push;
pub mod refs;
pub mod remote;
mod rewrite;
pub mod rulebook;
mod settings;
pub mod signing;
pub mod snapshots;
mod staged;
pub mod store;
pub mod stranger;
pub mod trees;
pub mod trial;
pub mod trouble;
pub mod vault;
mod vault_refs;
pub mod worktree;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::{Binding, ObjectType, Odb, Oid, Repository};

use crate::failure::{Code, Failure};

/// A tree's name.
pub type TreeId = Oid;

/// The name of any object.
pub type ObjectId = Oid;

/// Reads the name of any object.
pub fn object_id(text: &str) -> Option<ObjectId> {
    Oid::from_str(text.trim()).ok()
}

/// A commit's name, as it is written in messages and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitId(pub Oid);

impl CommitId {
    /// Reads forty hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        Oid::from_str(text.trim()).ok().filter(|oid| !oid.is_zero()).map(Self)
    }
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A call on Git's library that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {action}: {}", source.message())]
pub struct GitError {
    action: String,
    source: git2::Error,
}

impl GitError {
    /// Returns a closure that adds what was tried to an error.
    pub fn on(action: impl Into<String>) -> impl FnOnce(git2::Error) -> Self {
        let action = action.into();
        move |source| Self { action, source }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let (code, hint) = match error.source.code() {
            git2::ErrorCode::Locked => (
                Code::Foreign,
                "Another git is at work here; run the command again when it is done.",
            ),
            git2::ErrorCode::Owner => {
                (Code::Refused, "The repository belongs to another user; check who owns it.")
            }
            _ => (Code::Error, "`git fsck` in the repository says more; nothing was lost."),
        };
        Self::new(code, &error).hint(hint)
    }
}

/// Asks the library to make every object and ref durable before it says so.
pub fn make_durable() {
    #[expect(unsafe_code, clippy::cast_possible_wrap, reason = "git2 does not wrap this option")]
    // SAFETY: the option takes one int and writes a process-wide flag; it is set once, before any
    // other thread exists.
    unsafe {
        libgit2_sys::git_libgit2_opts(
            libgit2_sys::GIT_OPT_ENABLE_FSYNC_GITDIR as core::ffi::c_int,
            1,
        );
    }
}

/// Opens a folder of objects, without the repository around it and its configuration.
fn objects_in(folder: &Path) -> Result<Odb<'static>, git2::Error> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    let mut objects = std::ptr::null_mut();
    #[expect(unsafe_code, reason = "git2 does not wrap this call")]
    // SAFETY: the path ends with a zero and outlives the call, which sets the pointer where it says that
    // it could; the store is given to nobody else, and depends on no other value.
    unsafe {
        if libgit2_sys::git_odb_open(&raw mut objects, path.as_ptr()) < 0 {
            return Err(git2::Error::last_error(-1));
        }
        Ok(Odb::from_raw(objects))
    }
}

/// Stores an object in the memory of a store that has some, and only there, unless it is there or on disk
/// already. The library itself would list all packs anew first, and touch the object if it is there.
fn remember(objects: &Odb<'_>, kind: ObjectType, bytes: &[u8]) -> Result<Oid, git2::Error> {
    let id = Oid::hash_object(kind, bytes)?;
    if store::is_at_hand(objects, id) {
        return Ok(id);
    }
    let mut memory = std::ptr::null_mut();
    #[expect(unsafe_code, reason = "git2 does not wrap this call")]
    // SAFETY: the store owns its backends and outlives this call; the first one is that of the highest
    // priority, which is the memory; it copies the bytes.
    let written = unsafe {
        let found = libgit2_sys::git_odb_get_backend(&raw mut memory, objects.raw(), 0);
        match memory.as_ref().and_then(|memory| memory.write).filter(|_| found == 0) {
            Some(write) => write(memory, id.raw(), bytes.as_ptr().cast(), bytes.len(), kind.raw()),
            None => -1,
        }
    };
    if written < 0 { objects.write(kind, bytes) } else { Ok(id) }
}

/// Returns the commit a ref names, none when there is no such ref.
pub fn ref_target(repository: &Repository, name: &str) -> Result<Option<CommitId>, GitError> {
    match repository.refname_to_id(name) {
        Ok(id) => Ok(Some(CommitId(id))),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(GitError::on(format!("read {name}"))(error)),
    }
}
