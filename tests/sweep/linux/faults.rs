//! The ways in which a run is hurt: what each does, and at which calls it makes sense.

use nix::errno::Errno;

use super::calls::Call;
use super::company::Company;
use super::cut::Disk;
use super::trace::{Action, Fault};

/// What a fault is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Something dies.
    Kill,
    /// A call fails, or lies.
    Failure,
    /// Somebody else is at work too.
    Company,
}

/// A way in which a run is hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Every process is killed before the call.
    KillTree,
    /// The process that makes the call is killed, all others go on.
    KillOne,
    /// The call writes half of its bytes, then every process is killed.
    Torn,
    /// The call fails.
    ErrnoOnce,
    /// The call and every later one that changes a file fail.
    ErrnoForever,
    /// The machine loses its power before the call.
    PowerCut,
    /// The call says that it wrote to an archive, and did not.
    LostWrite,
    /// A person saves a file before the call.
    Edit,
    /// A program that has a file open since before the run writes to it before the call.
    Late,
    /// Another sync of the same machine starts before the call.
    Rival,
    /// Another machine syncs before the call.
    Meanwhile,
}

/// Every mode, with its name.
pub const MODES: [(Mode, &str); 11] = [
    (Mode::KillTree, "kill-tree"),
    (Mode::KillOne, "kill-one"),
    (Mode::Torn, "torn"),
    (Mode::ErrnoOnce, "errno-once"),
    (Mode::ErrnoForever, "errno-forever"),
    (Mode::PowerCut, "power-cut"),
    (Mode::LostWrite, "lost-write"),
    (Mode::Edit, "edit"),
    (Mode::Late, "late"),
    (Mode::Rival, "rival"),
    (Mode::Meanwhile, "meanwhile"),
];

/// The errors that are tried, in turn.
const ERRORS: [Errno; 6] =
    [Errno::ENOSPC, Errno::EIO, Errno::EDQUOT, Errno::EROFS, Errno::EACCES, Errno::EMFILE];

impl Mode {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(mode, _)| *mode == self).unwrap().1
    }

    /// Returns the mode of a name.
    pub fn of(name: &str) -> Option<Self> {
        MODES.iter().find(|(_, known)| *known == name).map(|(mode, _)| *mode)
    }

    /// Returns what the faults of this mode are counted as.
    pub fn sort(self) -> Sort {
        match self {
            Self::KillTree | Self::KillOne | Self::Torn | Self::PowerCut => Sort::Kill,
            Self::ErrnoOnce | Self::ErrnoForever | Self::LostWrite => Sort::Failure,
            Self::Edit | Self::Late | Self::Rival | Self::Meanwhile => Sort::Company,
        }
    }

    /// Returns the numbers of those calls of a run at which it can happen.
    pub fn points(self, calls: &[Call]) -> Vec<usize> {
        let suits = |call: &Call| match self {
            Self::Torn => can_tear(call),
            Self::LostWrite => can_be_lost(call),
            _ => true,
        };
        (1..=calls.len()).filter(|number| suits(&calls[number - 1])).collect()
    }
}

fn can_tear(call: &Call) -> bool {
    call.bytes.is_some_and(|bytes| 2 <= bytes)
}

fn can_be_lost(call: &Call) -> bool {
    call.bytes.is_some() && call.text.contains("archive.new")
}

/// Only what makes a descriptor can run out of them.
fn can_fail(call: &Call, errno: Errno) -> bool {
    errno != Errno::EMFILE || call.opens
}

/// One fault, and where it struck.
#[derive(Debug)]
pub struct Planned<'a> {
    mode: Mode,
    point: usize,
    errno: Errno,
    disk: Option<&'a Disk>,
    /// Who else is at work.
    pub company: Company,
    /// The call it struck first.
    pub struck: Option<String>,
}

impl<'a> Planned<'a> {
    /// Plans a fault at a call. Neighbouring calls fail with different errors.
    pub fn new(mode: Mode, point: usize, disk: Option<&'a Disk>, company: Company) -> Self {
        Self { mode, point, errno: ERRORS[point % ERRORS.len()], disk, company, struck: None }
    }

    fn action(&self, number: usize, call: &Call) -> Action {
        let is_first = self.struck.is_none();
        let is_due = is_first && self.point <= number;
        match self.mode {
            Mode::KillTree if is_due => Action::KillTree,
            Mode::KillOne if is_due => Action::KillOne,
            Mode::PowerCut if is_due => Action::Freeze,
            Mode::LostWrite if is_due && can_be_lost(call) => Action::Lose,
            Mode::Edit | Mode::Late | Mode::Rival | Mode::Meanwhile if is_due => Action::Watch,
            Mode::Torn if is_due && can_tear(call) => Action::Tear,
            Mode::ErrnoOnce if is_due && can_fail(call, self.errno) => Action::Fail(self.errno),
            Mode::ErrnoForever if self.point <= number && can_fail(call, self.errno) => {
                Action::Fail(self.errno)
            }
            _ => Action::Pass,
        }
    }
}

impl Fault for Planned<'_> {
    fn at(&mut self, number: usize, call: &Call) -> Action {
        let action = self.action(number, call);
        if action == Action::Watch {
            self.company.work(self.mode, self.point);
        }
        if action != Action::Pass && self.struck.is_none() {
            self.struck = Some(match action {
                Action::Fail(errno) => format!("#{number} {} = {errno:?}", call.text),
                _ => format!("#{number} {}", call.text),
            });
        }
        action
    }

    fn frozen(&mut self) {
        if let Some(disk) = self.disk {
            disk.cut();
        }
    }
}

/// Lets a run go through unhurt, and writes down its calls.
#[derive(Debug, Default)]
pub struct Census {
    /// The calls, in order.
    pub calls: Vec<Call>,
}

impl Fault for Census {
    fn at(&mut self, _: usize, call: &Call) -> Action {
        self.calls.push(call.clone());
        Action::Pass
    }
}
