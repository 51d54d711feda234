//! When a run in the background is due: by the interval, with jitter; sooner after an edit; later
//! after trouble, and not at all during a pause. The moments are given; nothing here reads a clock.

use core::fmt;

use crate::status::record::{StatusRecord, SyncState};
use crate::status::truth::Truth;
use crate::time::UnixTime;

/// What kept a run from leaving everything in sync. Each has a patience of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Something changed while it ran, or could not be shared yet.
    Unsettled,
    /// The remote could not be reached: that may be over soon, and a try costs little.
    Offline,
    /// The remote wants a person. Trying often may lock an account, or pop up a question.
    Authentication,
    /// Anything else.
    Other,
}

impl Trouble {
    /// Every kind with its word in the file.
    const WORDS: [(Self, &'static str); 4] = [
        (Self::Unsettled, "unsettled"),
        (Self::Offline, "offline"),
        (Self::Authentication, "authentication"),
        (Self::Other, "other"),
    ];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, _)| *kind == self).map_or("other", |(_, word)| *word)
    }

    fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }

    /// Returns the first wait and the longest one, in seconds.
    fn patience(self, interval: u64) -> (u64, u64) {
        match self {
            Self::Unsettled => (10.min(interval), interval),
            Self::Offline => (60.min(interval), interval.max(15 * 60)),
            Self::Authentication => (interval, interval.max(6 * 60 * 60)),
            Self::Other => (60.min(interval), interval.max(60 * 60)),
        }
    }
}

/// How many runs in a row met the same trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streak {
    /// The trouble.
    pub trouble: Trouble,
    /// How many runs.
    pub count: u32,
}

impl Streak {
    /// Reads what [`fmt::Display`] wrote; none where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, count) = text.trim().split_once(' ')?;
        Some(Self { trouble: Trouble::of(word)?, count: count.parse().ok()? })
    }

    /// Returns the streak after one more run: none once a run went well.
    pub fn after(before: Option<Self>, trouble: Option<Trouble>) -> Option<Self> {
        let trouble = trouble?;
        let count = before.filter(|before| before.trouble == trouble).map_or(0, |it| it.count);
        Some(Self { trouble, count: count.saturating_add(1) })
    }
}

impl fmt::Display for Streak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.trouble.word(), self.count)
    }
}

/// Returns how many seconds after a run the next one is due. The dice keep machines that were started
/// together, or that lost the same remote together, from asking it together.
pub fn wait(streak: Option<Streak>, interval: u64, dice: u64) -> u64 {
    let Some(Streak { trouble, count }) = streak else {
        let tenth = interval / 10;
        return interval - tenth + dice % (2 * tenth + 1);
    };
    let doublings = count.saturating_sub(if trouble == Trouble::Unsettled { 2 } else { 1 });
    if trouble == Trouble::Unsettled && count < 2 {
        return 0;
    }
    let (first, longest) = trouble.patience(interval);
    let wait = first.saturating_mul(1 << doublings.min(20)).min(longest);
    wait + dice % (wait / 4 + 1)
}

/// The longest wait that can come out, whatever happened.
fn longest(interval: u64) -> u64 {
    let (_, longest) = Trouble::Authentication.patience(interval);
    longest + longest / 4
}

/// How far two looks at one clock may be apart.
const CLOCK_SLACK_SECONDS: u64 = 60;

/// A person wants no runs in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: UnixTime,
    /// Until when; none until `resume`.
    pub until: Option<UnixTime>,
}

impl Pause {
    /// Returns whether it is still on. One that begins in the future was made by a clock that was
    /// wrong, and so may its end be.
    pub fn holds(self, now: UnixTime) -> bool {
        let is_of_the_future = now.after_seconds(CLOCK_SLACK_SECONDS) < self.since;
        self.until.is_none_or(|until| now < until && !is_of_the_future)
    }

    /// Reads what [`fmt::Display`] wrote; none where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (since, until) = text.trim().split_once(' ')?;
        let time = |word: &str| word.parse().ok().map(UnixTime);
        let until = if until == "-" { None } else { Some(time(until)?) };
        Some(Self { since: time(since)?, until })
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "{} {}", self.since.0, until.0),
            None => write!(f, "{} -", self.since.0),
        }
    }
}

/// Whether a run may start, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It may.
    Now,
    /// A person paused them.
    Paused,
    /// The last one was a moment ago, and nothing changed since.
    Later,
}

/// Decides whether a run is due, while nobody else runs. `truth` is what became of the record's claim.
pub fn due(
    record: Option<&StatusRecord>,
    truth: Truth,
    pause: Option<Pause>,
    interval: u64,
    now: UnixTime,
) -> Due {
    if pause.is_some_and(|pause| pause.holds(now)) {
        return Due::Paused;
    }
    let Some(record) = record else { return Due::Now };
    // A due time that no run would have set comes from another clock, or from a pause that is over.
    let is_far_off = now.after_seconds(longest(interval) + CLOCK_SLACK_SECONDS) < record.due;
    let was_running = record.state == SyncState::Syncing;
    if was_running || is_far_off || record.due <= now || truth != Truth::Holds {
        return Due::Now;
    }
    Due::Later
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::wire;

    fn after(word: &str, interval: u64) -> u64 {
        wait(Streak::parse(word), interval, 0)
    }

    #[test]
    fn trouble_makes_the_next_run_wait_longer() {
        for (streak, seconds) in [
            ("unsettled 1", 0),
            ("unsettled 2", 10),
            ("unsettled 3", 20),
            ("unsettled 9", 300),
            ("offline 1", 60),
            ("offline 2", 120),
            ("offline 4", 480),
            ("offline 5", 900),
            ("offline 4000000000", 900),
            ("authentication 1", 300),
            ("authentication 3", 1200),
            ("authentication 99", 21_600),
            ("other 1", 60),
            ("other 99", 3600),
        ] {
            assert_eq!(after(streak, 300), seconds, "{streak}");
        }
        assert_eq!(after("offline 3", 5), 20);
        assert_eq!(after("offline 99", 7200), 7200);
    }

    #[test]
    fn the_dice_move_it_by_a_tenth_either_way_and_after_trouble_by_a_quarter() {
        let waits: Vec<u64> = (0..10_000).map(|dice| wait(None, 300, dice)).collect();
        assert_eq!((waits.iter().min(), waits.iter().max()), (Some(&270), Some(&330)));
        let streak = Streak::parse("offline 2");
        let waits: Vec<u64> = (0..10_000).map(|dice| wait(streak, 300, dice)).collect();
        assert_eq!((waits.iter().min(), waits.iter().max()), (Some(&120), Some(&150)));
        assert_eq!(wait(None, 0, u64::MAX), 0);
        assert_eq!(wait(None, 1, u64::MAX), 1);
    }

    #[test]
    fn a_run_that_went_well_ends_the_streak() {
        let offline = Streak::after(None, Some(Trouble::Offline));
        assert_eq!(offline.map(|it| it.to_string()).as_deref(), Some("offline 1"));
        let twice = Streak::after(offline, Some(Trouble::Offline));
        assert_eq!(twice.map(|it| it.count), Some(2));
        assert_eq!(Streak::after(twice, Some(Trouble::Other)).map(|it| it.count), Some(1));
        assert_eq!(Streak::after(twice, None), None);
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for (trouble, _) in Trouble::WORDS {
            let streak = Streak { trouble, count: 3 };
            assert_eq!(Streak::parse(&streak.to_string()), Some(streak));
        }
        for pause in [None, Some(UnixTime(9))].map(|until| Pause { since: UnixTime(7), until }) {
            assert_eq!(Pause::parse(&pause.to_string()), Some(pause));
        }
        for text in ["", "offline", "offline x", "never 1", "1 2 3"] {
            assert_eq!(Streak::parse(text), None, "{text}");
            assert_eq!(Pause::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_run_is_due_by_time_by_an_edit_and_when_nobody_knows() {
        let record = |state| StatusRecord { state, ..wire::tests::example() };
        let synced = record(SyncState::Synced);
        let at = |seconds: i64, truth| {
            let now = UnixTime(synced.due.0.saturating_add_signed(seconds * 1000));
            due(Some(&synced), truth, None, 300, now)
        };
        assert_eq!(at(-1, Truth::Holds), Due::Later);
        assert_eq!(at(0, Truth::Holds), Due::Now);
        assert_eq!(at(86_400, Truth::Holds), Due::Now);
        assert_eq!(at(-100, Truth::Changed(1)), Due::Now);
        assert_eq!(at(-100, Truth::Paused), Due::Now);
        assert_eq!(at(-100, Truth::Unreadable), Due::Now);
        assert_eq!(at(-30_000, Truth::Holds), Due::Now, "the clock went back");
        let early = UnixTime(synced.due.0 - 1000);
        let died = record(SyncState::Syncing);
        assert_eq!(due(Some(&died), Truth::Holds, None, 300, early), Due::Now);
        assert_eq!(due(None, Truth::Holds, None, 300, early), Due::Now);
    }

    #[test]
    fn a_pause_goes_before_everything_until_it_ends() {
        let pause = |until: Option<u64>| {
            Some(Pause { since: UnixTime(1_000_000), until: until.map(UnixTime) })
        };
        let at = |now, pause| due(None, Truth::Changed(1), pause, 300, UnixTime(now));
        assert_eq!(at(1_000_001, pause(Some(2_000_000))), Due::Paused);
        assert_eq!(at(2_000_000, pause(Some(2_000_000))), Due::Now);
        assert_eq!(at(939_999, pause(Some(2_000_000))), Due::Now, "the clock went back");
        assert_eq!(at(u64::MAX / 2, pause(None)), Due::Paused);
        assert_eq!(at(0, pause(None)), Due::Paused);
    }
}
