//! A person who stops a run: Ctrl-C is heard, and the run ends where it leaves everything whole.
//!
//! The signals are blocked in every thread and taken by one that waits for them, so no line of code
//! is ever interrupted. What waits for the network ends at once, what is at work on files ends with
//! the file it is at. Whoever asks twice is obeyed at once: a killed run is healed by the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, Once};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::failure::{Code, Failure, Outcome};

/// How long after a child of ours failed its reason may still be on its way to this process.
const ON_ITS_WAY: Duration = Duration::from_millis(150);

static WANTED: AtomicBool = AtomicBool::new(false);
static ASKING: AtomicBool = AtomicBool::new(false);
static HEARD: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

/// Begins to hear Ctrl-C, once.
pub fn hear() {
    static ONCE: Once = Once::new();
    ONCE.call_once(listen);
}

fn listen() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    // Where signals cannot be blocked, they end the run as they always did.
    if signals.thread_block().is_err() {
        return;
    }
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            if WANTED.swap(true, Ordering::SeqCst) || ASKING.load(Ordering::SeqCst) {
                leave();
            }
            HEARD.1.notify_all();
        }
    });
}

/// Asks a person: nothing is under way meanwhile, and Ctrl-C ends the process at once.
pub fn asking<T>(ask: impl FnOnce() -> T) -> T {
    ASKING.store(true, Ordering::SeqCst);
    let answer = ask();
    ASKING.store(false, Ordering::SeqCst);
    answer
}

/// Returns true when a person wants the run to end.
pub fn is_wanted() -> bool {
    WANTED.load(Ordering::SeqCst)
}

/// The same, where the signal may have reached a child a moment before it reached this process.
pub fn is_wanted_by_now() -> bool {
    if let Ok(guard) = HEARD.0.lock() {
        // Whether it was told or not, the flag decides.
        let _ = HEARD.1.wait_timeout_while(guard, ON_ITS_WAY, |()| !is_wanted());
    }
    is_wanted()
}

/// Ends what is under way, where a person wants it and nothing is half done.
pub fn check() -> Outcome<()> {
    if !is_wanted() {
        return Ok(());
    }
    Err(Failure::new(Code::Stopped, "stopped before the end")
        .hint("Your files are whole. Run the command again to go on."))
}

#[expect(clippy::disallowed_methods, reason = "asked twice, the run ends wherever it is")]
fn leave() {
    std::process::exit(130)
}
