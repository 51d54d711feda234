//! Letting go of what is old in the vault, and of the objects that nothing leads to any more.
//!
//! An object is removed after everything that names it, and only when it was unreached on an earlier
//! day already: whatever dies at whatever point, a tree that is in the vault has all of its contents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use cfgsync_core::retention::{Kept, day, forgettable};
use cfgsync_core::time::UnixTime;
use git2::{ObjectType, Oid};

use super::GitError;
use super::vault::{AGREED, ARCHIVED, LATE, SNAPSHOTS, Vault};
use crate::failure::{Failure, Outcome};
use crate::fs::dir::os;
use crate::fs::plain::{self, Durability};

/// Where Git looks for commits whose parents are gone on purpose.
const SHALLOW: &str = "shallow";

/// Digits of an object's name that are its folder.
const FOLDER: usize = 2;

/// Bytes before the names in the index of a pack, and the place in it where their number is.
const PACK_HEAD: usize = 8 + 256 * 4;

/// A chain of commits in the vault, and where it was cut.
struct Chain {
    /// From the oldest to the newest.
    commits: Vec<Oid>,
    kept: Vec<Kept>,
}

impl Vault {
    /// Forgets snapshots, contents of forgotten archives, agreements and late writes of more than so
    /// many days ago. The lock is held.
    pub fn forget_old(&self, days: u64, now: UnixTime) -> Outcome<()> {
        let snapshots: Vec<Kept> = self
            .snapshots()?
            .iter()
            .map(|snapshot| Kept { number: snapshot.number, at: snapshot.at })
            .collect();
        for number in forgettable(&snapshots, days, now) {
            self.unset(&format!("{SNAPSHOTS}/{number:09}"))?;
        }
        let mut archived: Vec<(UnixTime, String)> = Vec::new();
        for name in self.refs_below(ARCHIVED)? {
            let Some(commit) = self.target(&name)? else { continue };
            archived.push((self.time_of(commit.0)?, name));
        }
        archived.sort_by(|(_, one), (_, other)| one.cmp(other));
        let states = (0..).zip(&archived).map(|(number, (at, _))| Kept { number, at: *at });
        for number in forgettable(&states.collect::<Vec<_>>(), days, now) {
            if let Some((_, name)) = usize::try_from(number).ok().and_then(|at| archived.get(at)) {
                self.unset(name)?;
            }
        }
        for folder in [SNAPSHOTS, ARCHIVED].map(|folder| self.folder().join(folder)) {
            if folder.is_dir() {
                plain::sync_folder(&folder)?;
            }
        }
        self.shorten(days, now)
    }

    fn folder(&self) -> &Path {
        self.store().path()
    }

    fn time_of(&self, commit: Oid) -> Outcome<UnixTime> {
        let failed = || GitError::on(format!("read {commit} of the vault"));
        let seconds = self.store().find_commit(commit).map_err(failed())?.time().seconds();
        Ok(UnixTime(0).after_seconds(u64::try_from(seconds).unwrap_or(0)))
    }

    /// Cuts the chains of agreements and of late writes behind their oldest link that stays.
    fn shorten(&self, days: u64, now: UnixTime) -> Outcome<()> {
        let cut = self.cut()?;
        let mut ends = BTreeSet::new();
        for name in [AGREED, LATE] {
            let Some(tip) = self.target(name)? else { continue };
            let chain = self.chain(tip.0, &cut)?;
            let gone = forgettable(&chain.kept, days, now);
            let mut order = (0..).zip(&gone);
            let count = order.position(|(at, number)| at != *number).unwrap_or(gone.len());
            let oldest = chain.commits.get(count).copied().unwrap_or(tip.0);
            if count > 0 || cut.contains(&oldest) {
                ends.insert(oldest);
            }
        }
        if ends == cut {
            return Ok(());
        }
        let lines: Vec<String> = ends.iter().map(|commit| format!("{commit}\n")).collect();
        let text = lines.concat();
        Ok(plain::publish(&self.folder().join(SHALLOW), text.as_bytes(), Durability::Synced)?)
    }

    /// Returns the commits whose parents are gone on purpose.
    fn cut(&self) -> Outcome<BTreeSet<Oid>> {
        let text = plain::read_text(&self.folder().join(SHALLOW))?.unwrap_or_default();
        Ok(text.lines().filter_map(|line| Oid::from_str(line.trim()).ok()).collect())
    }

    fn chain(&self, tip: Oid, cut: &BTreeSet<Oid>) -> Outcome<Chain> {
        let failed = || GitError::on("follow what was agreed");
        let mut commits = vec![tip];
        while let Some(last) = commits.last().copied().filter(|last| !cut.contains(last)) {
            let commit = self.store().find_commit(last).map_err(failed())?;
            let Ok(parent) = commit.parent_id(0) else { break };
            commits.push(parent);
        }
        commits.reverse();
        let mut kept = Vec::new();
        for (number, commit) in (0..).zip(&commits) {
            kept.push(Kept { number, at: self.time_of(*commit)? });
        }
        Ok(Chain { commits, kept })
    }

    /// Removes objects that nothing leads to, that are among those that were `known` to be so on
    /// another day, and that nobody asked for since yesterday. Returns those that are left and that
    /// nothing leads to. The lock is held.
    pub fn remove_unreached(&self, known: &BTreeSet<Oid>, now: UnixTime) -> Outcome<BTreeSet<Oid>> {
        let loose = self.loose()?;
        let cut = self.cut()?;
        let mut reached = BTreeSet::new();
        self.mark(self.roots()?, &cut, &mut reached, Damage::Told)?;
        let unreached: BTreeSet<Oid> =
            loose.keys().filter(|object| !reached.contains(object)).copied().collect();
        let is_settled = |object: &Oid| known.contains(object) && is_old(&loose[object], now);
        // What stays keeps what it names.
        let stays = unreached.iter().filter(|object| !is_settled(object)).copied().collect();
        self.mark(stays, &cut, &mut reached, Damage::PassedOver)?;
        let goes: BTreeSet<Oid> =
            unreached.iter().filter(|object| !reached.contains(object)).copied().collect();
        for layer in self.layers(&goes) {
            let mut folders = BTreeSet::new();
            for path in layer.iter().filter_map(|object| loose.get(object)) {
                plain::remove(path)?;
                folders.extend(path.parent());
            }
            folders.into_iter().try_for_each(plain::sync_folder)?;
        }
        Ok(unreached.difference(&goes).copied().collect())
    }

    /// Returns where refs and packs lead to.
    fn roots(&self) -> Outcome<Vec<Oid>> {
        let failed = || GitError::on("list the refs of the vault");
        let mut roots = Vec::new();
        for found in self.store().references().map_err(failed())? {
            roots.extend(found.map_err(failed())?.target());
        }
        let packs = self.folder().join("objects/pack");
        for name in plain::names(&packs)?.iter().filter(|name| name.ends_with(b".idx")) {
            let bytes = plain::read(&packs.join(os(name)))?.unwrap_or_default();
            let packed = packed(&bytes).ok_or_else(|| {
                Failure::error(format!("{} cannot be read", packs.join(os(name)).display()))
                    .hint("The vault is not tidied up; nothing of it was removed.")
            })?;
            roots.extend(packed);
        }
        Ok(roots)
    }

    /// Returns the loose objects, and where each one is.
    fn loose(&self) -> Outcome<HashMap<Oid, PathBuf>> {
        let objects = self.folder().join("objects");
        let mut loose = HashMap::new();
        for folder in plain::names(&objects)?.into_iter().filter(|name| name.len() == FOLDER) {
            for name in plain::names(&objects.join(os(&folder)))? {
                let hex =
                    String::from_utf8_lossy(&[folder.as_slice(), &name].concat()).into_owned();
                if let (Ok(object), 40) = (Oid::from_str(&hex), hex.len()) {
                    loose.insert(object, objects.join(os(&folder)).join(os(&name)));
                }
            }
        }
        Ok(loose)
    }

    /// Marks everything that these objects lead to.
    fn mark(
        &self,
        mut ahead: Vec<Oid>,
        cut: &BTreeSet<Oid>,
        marked: &mut BTreeSet<Oid>,
        damage: Damage,
    ) -> Outcome<()> {
        while let Some(object) = ahead.pop() {
            if !marked.insert(object) {
                continue;
            }
            // A commit that nobody asks for any more keeps its tree, and not its past.
            let has_past = damage == Damage::Told && !cut.contains(&object);
            match self.named_by(object, has_past) {
                Ok(named) => ahead.extend(named),
                Err(_) if damage == Damage::PassedOver => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Returns the objects that one names, its parents only where they are meant.
    fn named_by(&self, object: Oid, with_parents: bool) -> Outcome<Vec<Oid>> {
        let failed = || GitError::on(format!("read {object} of the vault"));
        let store = self.store();
        let odb = store.odb().map_err(failed())?;
        let (_, kind) = odb.read_header(object).map_err(failed())?;
        Ok(match kind {
            ObjectType::Commit => {
                let commit = store.find_commit(object).map_err(failed())?;
                let parents = commit.parent_ids().filter(|_| with_parents);
                [commit.tree_id()].into_iter().chain(parents).collect()
            }
            ObjectType::Tree => {
                let tree = store.find_tree(object).map_err(failed())?;
                let own = tree.iter().filter(|entry| entry.kind() != Some(ObjectType::Commit));
                own.map(|entry| entry.id()).collect()
            }
            ObjectType::Tag => vec![store.find_tag(object).map_err(failed())?.target_id()],
            ObjectType::Blob | ObjectType::Any => Vec::new(),
        })
    }

    /// Returns objects in layers: each is named only by such as are in layers before it.
    fn layers(&self, objects: &BTreeSet<Oid>) -> Vec<Vec<Oid>> {
        let mut named = BTreeMap::new();
        let mut by: BTreeMap<Oid, usize> = objects.iter().map(|object| (*object, 0)).collect();
        for object in objects {
            // What cannot be read names nothing that has to go after it.
            let own = self.named_by(*object, false).unwrap_or_default();
            let own: BTreeSet<Oid> = own.into_iter().collect();
            for other in &own {
                by.entry(*other).and_modify(|count| *count += 1);
            }
            named.insert(*object, own);
        }
        let mut layers = Vec::new();
        let mut layer: Vec<Oid> =
            objects.iter().filter(|object| by[object] == 0).copied().collect();
        while !layer.is_empty() {
            let mut next = Vec::new();
            for other in layer.iter().filter_map(|object| named.get(object)).flatten() {
                if let Some(count) = by.get_mut(other) {
                    *count -= 1;
                    if *count == 0 {
                        next.push(*other);
                    }
                }
            }
            layers.push(std::mem::replace(&mut layer, next));
        }
        layers
    }
}

/// What becomes of an object that is named and not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// It is an error, and nothing is removed from a store that is damaged.
    Told,
    /// Nobody misses it.
    PassedOver,
}

/// Returns true for a file that was not touched since yesterday.
fn is_old(path: &Path, now: UnixTime) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(file) = path.symlink_metadata() else { return false };
    let touched = UnixTime(0).after_seconds(u64::try_from(file.mtime()).unwrap_or(u64::MAX));
    day(touched).saturating_add(1) < day(now)
}

/// Returns the objects of a pack, by its index (version 2); nothing when it is none.
fn packed(bytes: &[u8]) -> Option<Vec<Oid>> {
    let head = bytes.get(..PACK_HEAD).filter(|head| head.starts_with(b"\xfftOc\0\0\0\x02"))?;
    let count = u32::from_be_bytes(head[PACK_HEAD - 4..].try_into().ok()?) as usize;
    let names = bytes.get(PACK_HEAD..)?.get(..count.checked_mul(20)?)?;
    names.chunks_exact(20).map(|name| Oid::from_bytes(name).ok()).collect()
}
