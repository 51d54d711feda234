//! The status record as data: what the light shows, and until when that is true.

use crate::time::UnixTime;

/// The state a run left behind. The letter is its place in the record's ASCII head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncState {
    /// Everything here equals upstream. `S`
    Synced,
    /// This machine has changes that upstream does not have. `A`
    Ahead,
    /// Upstream has changes that this machine does not have. `B`
    Behind,
    /// A run is under way. `Y`
    Syncing,
    /// Units wait for a person; everything else is in sync. `H`
    Held,
    /// The last run failed. `F`
    Failed,
    /// The repository is in the middle of something of the user's. `P`
    Paused,
    /// Upstream could not be reached, and nothing waits to be sent. `O`
    Offline,
}

impl SyncState {
    /// Every state with its letter.
    const LETTERS: [(Self, u8); 8] = [
        (Self::Synced, b'S'),
        (Self::Ahead, b'A'),
        (Self::Behind, b'B'),
        (Self::Syncing, b'Y'),
        (Self::Held, b'H'),
        (Self::Failed, b'F'),
        (Self::Paused, b'P'),
        (Self::Offline, b'O'),
    ];

    /// Returns the letter of the state.
    pub fn letter(self) -> u8 {
        Self::LETTERS.iter().find(|(state, _)| *state == self).map_or(b'F', |(_, letter)| *letter)
    }

    /// Returns the state of a letter.
    pub fn of_letter(letter: u8) -> Option<Self> {
        Self::LETTERS.iter().find(|(_, known)| *known == letter).map(|(state, _)| *state)
    }

    /// Returns the word people and JSON read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Ahead => "ahead",
            Self::Behind => "behind",
            Self::Syncing => "syncing",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Offline => "offline",
        }
    }
}

/// One published claim about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRecord {
    /// What the claim says.
    pub state: SyncState,
    /// Commits here that upstream does not have.
    pub ahead: u32,
    /// Commits upstream that are not here.
    pub behind: u32,
    /// Units that differ from what both sides agreed on.
    pub pending: u32,
    /// Units that wait for a person.
    pub held: u32,
    /// When the next background run is due.
    pub due: UnixTime,
    /// Until when the claim stands.
    pub deadline: UnixTime,
    /// When it was written.
    pub updated: UnixTime,
    /// When upstream last answered; zero for never.
    pub contact: UnixTime,
    /// Counts the records of this machine.
    pub generation: u64,
    /// The running process, for [`SyncState::Syncing`].
    pub pid: u32,
    /// When that process started, in the kernel's own unit.
    pub pid_start: u64,
    /// The boot in which the record was written.
    pub boot: [u8; 8],
    /// The machine's label, cut to 20 bytes.
    pub label: [u8; 20],
    /// Whether a watch list says what the claim depends on.
    pub watched: bool,
}

/// What a reader may show of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The claim stands.
    State(SyncState),
    /// A run died before it could say how it ended.
    Interrupted,
    /// The claim is too old to be known true.
    Unknown,
}

/// What a reader knows of the present.
#[derive(Debug, Clone, Copy)]
pub struct Present {
    /// The time.
    pub now: UnixTime,
    /// The running boot; none where it cannot be told.
    pub boot: Option<[u8; 8]>,
    /// Whether the record's process still runs; none where it cannot be told.
    pub writer_alive: Option<bool>,
}

/// How far two looks at one clock may be apart.
const CLOCK_SLACK_SECONDS: u64 = 60;

impl StatusRecord {
    /// A claim made while the clock ran fast says nothing about when it ends.
    fn is_of_the_future(&self, now: UnixTime) -> bool {
        self.updated > now.after_seconds(CLOCK_SLACK_SECONDS)
    }

    /// Returns what the record still says at present. A run that passed its deadline, lost its
    /// process or its boot is not running; "in sync" stands until its deadline and no longer.
    pub fn shown(&self, present: Present) -> Shown {
        let passed = present.now > self.deadline;
        match self.state {
            SyncState::Syncing => {
                let other_boot = present.boot.is_some_and(|boot| boot != self.boot);
                let dead = present.writer_alive == Some(false);
                if passed || other_boot || dead {
                    Shown::Interrupted
                } else {
                    Shown::State(self.state)
                }
            }
            SyncState::Synced if passed || self.is_of_the_future(present.now) => Shown::Unknown,
            state => Shown::State(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::wire;

    fn record(state: SyncState) -> StatusRecord {
        StatusRecord { state, ..wire::tests::example() }
    }

    fn present(now: u64) -> Present {
        Present { now: UnixTime(now), boot: Some(*b"bootboot"), writer_alive: Some(true) }
    }

    #[test]
    fn every_letter_comes_back() {
        for (state, letter) in SyncState::LETTERS {
            assert_eq!(SyncState::of_letter(letter), Some(state));
            assert_eq!(state.letter(), letter);
        }
        assert_eq!(SyncState::of_letter(b'?'), None);
    }

    #[test]
    fn a_dead_run_is_not_syncing() {
        let record = record(SyncState::Syncing);
        let before = record.deadline.0;
        assert_eq!(record.shown(present(before)), Shown::State(SyncState::Syncing));
        assert_eq!(record.shown(present(before + 1)), Shown::Interrupted);
        let dead = Present { writer_alive: Some(false), ..present(before) };
        assert_eq!(record.shown(dead), Shown::Interrupted);
        let rebooted = Present { boot: Some([0; 8]), ..present(before) };
        assert_eq!(record.shown(rebooted), Shown::Interrupted);
    }

    #[test]
    fn an_old_claim_is_unknown() {
        let record = record(SyncState::Synced);
        assert_eq!(record.shown(present(record.deadline.0)), Shown::State(SyncState::Synced));
        assert_eq!(record.shown(present(record.deadline.0 + 1)), Shown::Unknown);
        let fast = record.updated.0 - 60_001;
        assert_eq!(record.shown(present(fast)), Shown::Unknown);
    }
}
