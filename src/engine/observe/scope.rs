//! What a look must take into account beside the disk.

use std::collections::{BTreeMap, BTreeSet};

use cfgsync_core::manifest::{Manifest, Mark};
use cfgsync_core::path::{HomePath, RepoPath};
use cfgsync_core::shared::Shared;
use cfgsync_core::tree::Tree;

use super::Observer;

/// What else a look must take into account.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    /// Units that are known: no ignore rule and no size limit hides them.
    pub known: Shared<BTreeSet<RepoPath>>,
    /// Manifests whose marks are looked at too.
    pub manifests: Vec<&'a Manifest>,
    /// The manifest for when the file is missing: a manifest nobody emptied is not empty.
    pub fallback: Option<&'a Manifest>,
    /// Marks that count in place of the file's: those a command is about to write.
    pub instead: Option<&'a Manifest>,
}

/// Whether a file may be of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A person asked for it by name, or it is shared already.
    Any,
    /// New and unasked for.
    Limited,
}

impl<'a> Scope<'a> {
    /// Takes the units and the marks of trees into account.
    pub fn of(trees: &[&'a Tree], fallback: Option<&'a Manifest>) -> Self {
        let mut known: Vec<&RepoPath> = Vec::new();
        for (at, tree) in trees.iter().enumerate() {
            // What is one tree has one set of paths.
            if !trees[..at].iter().any(|earlier| earlier.units.is(&tree.units)) {
                known.extend(tree.units.keys());
            }
        }
        let known = known.into_iter().cloned().collect();
        let manifests = trees.iter().map(|tree| &tree.manifest).collect();
        Self { known, manifests, fallback, instead: None }
    }

    /// Returns true for a unit that is known.
    pub fn knows(&self, path: &RepoPath) -> bool {
        self.known.contains(path)
    }

    /// Returns whether the size limit holds for a unit.
    pub fn size_of(&self, path: &RepoPath, manifest: &Manifest) -> Size {
        let mark = path.home().and_then(|home| manifest.covering(&home).map(|(_, mark)| mark));
        let is_asked_for = mark.is_some_and(Mark::allows_large);
        if is_asked_for || self.knows(path) { Size::Any } else { Size::Limited }
    }

    /// Returns true when a unit below the folder is known.
    pub fn knows_below(&self, folder: &RepoPath) -> bool {
        self.below(folder).next().is_some()
    }

    /// Returns the known units below a folder.
    pub fn below<'b>(&'b self, folder: &'b RepoPath) -> impl Iterator<Item = &'b RepoPath> {
        self.known.range(below(folder)..).take_while(|path| path.is_within(folder))
    }
}

/// Returns where the paths below a folder start: `a-b` sorts between `a` and `a/b`.
pub fn below(folder: &RepoPath) -> RepoPath {
    let start = RepoPath::new([folder.as_bytes(), b"/\x01"].concat());
    start.unwrap_or_else(|_| folder.clone())
}

impl Observer<'_> {
    /// Returns whether this look, which is for a plan, met a file that an archive holds otherwise: with
    /// rights that are lent to nobody, or though it is too large to be shared.
    pub fn met_an_exception(&self) -> bool {
        self.met_an_exception.get()
    }
}

/// Returns every mark whose live files are looked at.
pub fn marks(scope: &Scope<'_>, manifest: &Manifest) -> BTreeMap<HomePath, Mark> {
    let mut marks = manifest.marks.clone();
    for (home, mark) in scope.manifests.iter().flat_map(|manifest| &manifest.marks) {
        marks.entry(home.clone()).or_insert_with(|| mark.clone());
    }
    marks
}
