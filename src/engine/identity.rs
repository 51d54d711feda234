//! Who this machine is to the others: an id that is written once.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cfgsync_core::machine::is_id;

use crate::context::{Places, declared_kind};
use crate::failure::Outcome;
use crate::fs::plain::{self, Durability};
use crate::host;
use crate::lock::{Lock, Patience};

/// Returns the id, and writes it where there is none yet. A machine that finds the id of the one
/// it was cloned from gets its own: the id is kept beside what it was issued for. Whoever calls this
/// does not hold the lock.
pub fn read_or_create(places: &Places) -> Outcome<String> {
    let path = places.meta.join("machine-id");
    let issued_for = places.meta.join("machine-origin");
    if let (Some(id), Some(origin)) = (known(&path)?, origin(&issued_for)?)
        && origin == origin_of(&path)
    {
        return Ok(id);
    }
    // Two runs that are the first ones here would take each other's drafts away.
    let _lock = Lock::take(&places.lock(), Patience::Wait)?;
    let id = match (known(&path)?, origin(&issued_for)?) {
        (Some(id), Some(origin)) if origin == origin_of(&path) => return Ok(id),
        (Some(id), None) => id,
        (Some(old), Some(_)) => reissue(&old, &path, host::facts(declared_kind()?).new_id())?,
        (None, _) => write(&path, host::facts(declared_kind()?).new_id())?,
    };
    plain::publish(&issued_for, format!("{}\n", origin_of(&path)).as_bytes(), Durability::Synced)?;
    Ok(id)
}

fn origin(issued_for: &Path) -> Outcome<Option<String>> {
    Ok(plain::read_text(issued_for)?.map(|text| text.trim().to_owned()))
}

/// Gives a clone its own id; one that would be equal gets a suffix.
fn reissue(old: &str, path: &Path, new: String) -> Outcome<String> {
    let suffix: String = origin_of(path).chars().take(4).collect();
    write(path, if new == old { format!("{new}-{suffix}") } else { new })
}

fn write(path: &Path, id: String) -> Outcome<String> {
    plain::publish(path, format!("{id}\n").as_bytes(), Durability::Synced)?;
    Ok(id)
}

/// What an id was issued for: this installation, this instance, and the very file it is kept in. A
/// copied disk image differs in the second, a copied home in the third.
fn origin_of(path: &Path) -> String {
    let inode = std::fs::symlink_metadata(path).map(|file| file.ino()).unwrap_or_default();
    let seed = [host::installation(), host::instance(), inode.to_le_bytes().to_vec()].concat();
    crate::fs::look::blob_id(&seed).to_string()
}

/// Returns the id; that of the host while there is none yet.
pub fn read(places: &Places) -> Outcome<String> {
    match known(&places.meta.join("machine-id"))? {
        Some(id) => Ok(id),
        None => Ok(host::facts(declared_kind()?).new_id()),
    }
}

fn known(path: &Path) -> Outcome<Option<String>> {
    Ok(plain::read_text(path)?.map(|text| text.trim().to_owned()).filter(|id| is_id(id)))
}

/// Returns the name of the state folder: one for each repository and machine, so that two hosts
/// that share a home never share a vault, and a host that is renamed keeps its own.
pub fn key(repo: &Path) -> String {
    let seed = [repo.as_os_str().as_encoded_bytes(), b"\0", &host::installation()].concat();
    let digest = crate::fs::look::blob_id(&seed).to_string();
    digest.chars().take(16).collect()
}
