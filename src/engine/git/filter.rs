//! Clean and smudge filters (gitattributes(5), `filter`), run by the `git` program.
//!
//! What a filter covers lies on disk as its smudge side left it, and everywhere else (plan, branch,
//! remote) as its clean side did. A filter need not give the same bytes twice (encryption does not),
//! so what belonged together once is remembered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cfgsync_core::arrival::rules::Rules;
use cfgsync_core::escape::{escape, unescape};
use cfgsync_core::path::RepoPath;
use cfgsync_core::unit::BlobId;
use git2::Odb;

use super::program::{Answer, Aside, Limits, run_aside};
use super::vault::Vault;
use super::worktree::Worktree;
use super::{CommitId, GitError, trees};
use crate::failure::Outcome;
use crate::fs::desk::Desk;
use crate::fs::plain::{self, Durability};

/// How long a filter may take; one that fetches large files may need a while.
const DEADLINE: Duration = Duration::from_secs(60);

/// The filters of a repository.
pub struct Filters {
    state: PathBuf,
    scratch: PathBuf,
    known: RefCell<Pairs>,
}

/// Where a filter's two sides are: the repository's configuration, and the bytes.
#[derive(Clone, Copy)]
pub struct Stores<'a> {
    /// The repository.
    pub worktree: &'a Worktree,
    /// The vault.
    pub vault: &'a Vault,
}

/// The clean side of what lies on disk, by path.
type Pairs = BTreeMap<(RepoPath, BlobId), BlobId>;

impl Filters {
    /// Reads what is known of earlier runs.
    pub fn open(state: &Path, scratch: &Path) -> Outcome<Self> {
        let text = plain::read_text(&note(state))?.unwrap_or_default();
        let line = |line: &str| {
            let mut words = line.split(' ');
            let path = RepoPath::new(unescape(words.next()?)?).ok()?;
            let mut blob = || CommitId::parse(words.next()?).map(|id| trees::blob_id(id.0));
            Some(((path, blob()?), blob()?))
        };
        let known = RefCell::new(text.lines().filter_map(line).collect());
        Ok(Self { state: state.to_owned(), scratch: scratch.to_owned(), known })
    }

    /// Writes down what belongs together, where that is news.
    pub fn remember(&self) -> Outcome<()> {
        let known = self.known.borrow();
        let line = |((path, raw), clean): (&(RepoPath, BlobId), &BlobId)| {
            format!("{} {raw} {clean}\n", escape(path.as_bytes()))
        };
        let text: String = known.iter().map(line).collect();
        let before = plain::read_text(&note(&self.state))?.unwrap_or_default();
        if text != before {
            plain::publish(&note(&self.state), text.as_bytes(), Durability::Relaxed)?;
        }
        Ok(())
    }

    /// Returns the filter that covers a path, and whether the user configured it on this machine.
    fn filter(&self, worktree: &Worktree, path: &RepoPath) -> Outcome<Option<(String, bool)>> {
        let name = worktree.filter_name(path, &self.scratch)?;
        Ok(name.map(|name| {
            let is_set_up = Self::is_configured(worktree, &name);
            (name, is_set_up)
        }))
    }

    /// Returns true where both sides of a filter are configured on this machine.
    pub fn is_configured(worktree: &Worktree, name: &str) -> bool {
        let is_set = |key: &str| {
            let value = worktree.setting(&format!("filter.{name}.{key}"));
            value.is_some_and(|value| !value.is_empty())
        };
        is_set("process") || (is_set("clean") && is_set("smudge"))
    }

    /// Returns the filters that must see which of these files, the files of attributes among them.
    pub fn of<'a>(
        &self,
        worktree: &Worktree,
        paths: impl IntoIterator<Item = &'a RepoPath>,
    ) -> Outcome<BTreeMap<RepoPath, String>> {
        let paths: Vec<&RepoPath> = paths.into_iter().collect();
        let attributes = |path: &&RepoPath| Rules::of(path) == Some(Rules::Attributes);
        if !worktree.may_filter(paths.iter().copied().filter(attributes)) {
            return Ok(BTreeMap::new());
        }
        worktree.filters(paths, &self.scratch)
    }

    /// Returns what Git stores for bytes on disk; none where the filter is not there or fails.
    pub fn clean(
        &self,
        stores: Stores<'_>,
        path: &RepoPath,
        raw: BlobId,
    ) -> Outcome<Option<BlobId>> {
        if let Some(clean) = self.known.borrow().get(&(path.clone(), raw)) {
            return Ok(Some(*clean));
        }
        let Some((name, true)) = self.filter(stores.worktree, path)? else { return Ok(None) };
        let Some(place) = place(path) else { return Ok(None) };
        let desk = Desk::set_up(&self.scratch)?;
        let file = desk.put("raw", &stores.vault.bytes(raw)?)?;
        let file = file.to_string_lossy().into_owned();
        let arguments = ["hash-object", "-w", &place, "--", &file];
        let answer = call(stores, &desk, &name, &arguments)?;
        let id = CommitId::parse(&answer.text()).filter(|_| answer.code == Some(0));
        let Some(id) = id else { return Ok(None) };
        let clean = trees::blob_id(id.0);
        // Git writes no bytes again that it knows already.
        if stores.vault.size(clean).is_none() {
            let failed = || GitError::on(format!("read what the filter made of {path}"));
            let store = Odb::new().map_err(failed())?;
            for folder in [desk.folder().to_owned(), stores.worktree.git_folder().join("objects")] {
                store.add_disk_alternate(&folder.to_string_lossy()).map_err(failed())?;
            }
            stores.vault.put(store.read(id.0).map_err(failed())?.data())?;
        }
        self.pair(path, raw, clean);
        Ok(Some(clean))
    }

    /// Returns what lies on disk for bytes that Git stores; none where the filter is not there or
    /// fails.
    pub fn smudge(
        &self,
        stores: Stores<'_>,
        path: &RepoPath,
        clean: BlobId,
    ) -> Outcome<Option<BlobId>> {
        let pair = |((known, _), stored): &(&(RepoPath, BlobId), &BlobId)| {
            known == path && **stored == clean
        };
        let raw = self.known.borrow().iter().find(pair).map(|((_, raw), _)| *raw);
        if let Some(raw) = raw.filter(|raw| stores.vault.size(*raw).is_some()) {
            return Ok(Some(raw));
        }
        let Some((name, true)) = self.filter(stores.worktree, path)? else { return Ok(None) };
        let Some(place) = place(path) else { return Ok(None) };
        let desk = Desk::set_up(&self.scratch)?;
        stores.vault.lay_down(clean)?;
        let id = clean.to_string();
        let answer = call(stores, &desk, &name, &["cat-file", "--filters", &place, &id])?;
        if answer.code != Some(0) {
            return Ok(None);
        }
        let raw = stores.vault.put(&answer.stdout)?;
        self.pair(path, raw, clean);
        Ok(Some(raw))
    }

    fn pair(&self, path: &RepoPath, raw: BlobId, clean: BlobId) {
        let mut known = self.known.borrow_mut();
        // One raw version a path is enough: the one on disk.
        known.retain(|(other, _), stored| other != path || *stored != clean);
        known.insert((path.clone(), raw), clean);
    }
}

/// Runs git with objects of its own. The filter is required, so that one that fails never lets
/// the bytes through as they are.
fn call(stores: Stores<'_>, desk: &Desk, filter: &str, arguments: &[&str]) -> Outcome<Answer> {
    let required = format!("filter.{filter}.required=true");
    // The attributes that count are those here, whatever `core.worktree` says.
    let here = format!("--work-tree={}", stores.worktree.root().display());
    let arguments = [&["-c", required.as_str(), here.as_str()], arguments].concat();
    let limits = Limits::local(DEADLINE);
    let of_repository = stores.worktree.git_folder().join("objects");
    let of_vault = stores.vault.store().path().join("objects");
    let aside = Aside { objects: desk.folder(), known: &[&of_repository, &of_vault] };
    run_aside(stores.worktree.root(), None, limits, desk.folder(), aside, &arguments)
}

fn note(state: &Path) -> PathBuf {
    state.join("filtered")
}

/// Returns the option that tells git which attributes count; none for a name that is no text.
fn place(path: &RepoPath) -> Option<String> {
    std::str::from_utf8(path.as_bytes()).ok().map(|path| format!("--path={path}"))
}
