//! Waits for the disk in several lanes at once. The threads stay for the next files: to start one takes
//! longer than the disk of a machine at rest.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use super::FsError;
use crate::sabotage::{self, Break};

/// How many calls wait for the disk at once, beside the one of whoever asks.
const LANES: usize = 15;

/// A file that is to be made durable, and who hears of it.
struct Job {
    file: File,
    path: PathBuf,
    asked: Arc<Asked>,
}

/// What one call asked for.
struct Asked {
    by: Thread,
    left: AtomicUsize,
    failed: Mutex<Option<(PathBuf, io::Error)>>,
}

impl Job {
    fn run(self) {
        let synced = self.file.sync_all();
        drop(self.file);
        if let Err(error) = synced {
            *lock(&self.asked.failed) = Some((self.path, error));
        }
        if self.asked.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.asked.by.unpark();
        }
    }
}

struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    busy: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { jobs: VecDeque::new(), threads: 0, busy: 0 });
static FILLED: Condvar = Condvar::new();

/// Makes files durable side by side.
pub fn sync_all(files: Vec<(File, PathBuf)>) -> Result<(), FsError> {
    if sabotage::is(Break::NoSync) {
        return Ok(());
    }
    let (left, failed) = (AtomicUsize::new(files.len()), Mutex::default());
    let asked = Arc::new(Asked { by: thread::current(), left, failed });
    let job = |(file, path)| Job { file, path, asked: Arc::clone(&asked) };
    hand_out(files.into_iter().map(job).collect());
    // What no lane has taken yet, this thread does: all of it where there is no room for a thread.
    while let Some(job) = take() {
        job.run();
    }
    while asked.left.load(Ordering::Acquire) > 0 {
        thread::park();
    }
    let failed = lock(&asked.failed).take();
    failed.map_or(Ok(()), |(path, error)| Err(FsError::on("sync", &path)(error)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts jobs where all lanes see them, and opens lanes for those that this thread does not do.
fn hand_out(jobs: Vec<Job>) {
    let mut queue = lock(&QUEUE);
    queue.jobs.extend(jobs);
    let wanted = queue.jobs.len().saturating_sub(1).min(LANES);
    let at_rest = queue.threads - queue.busy;
    while queue.threads - queue.busy < wanted && queue.threads < LANES {
        let lane = thread::Builder::new().stack_size(64 * 1024).spawn(lane);
        if lane.is_err() {
            break;
        }
        queue.threads += 1;
    }
    drop(queue);
    // Whoever wakes for nothing only stands in the way of the others.
    if wanted < at_rest {
        (0..wanted).for_each(|_| FILLED.notify_one());
    } else if at_rest > 0 {
        FILLED.notify_all();
    }
}

fn take() -> Option<Job> {
    lock(&QUEUE).jobs.pop_front()
}

/// Does what is handed out, for as long as the process lives.
fn lane() {
    let mut queue = lock(&QUEUE);
    loop {
        let Some(job) = queue.jobs.pop_front() else {
            queue = FILLED.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        queue.busy += 1;
        drop(queue);
        job.run();
        queue = lock(&QUEUE);
        queue.busy -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_heard_of() {
        let nothing = || (File::open("/dev/null").unwrap(), PathBuf::from("/dev/null"));
        let folder = || (File::open(std::env::temp_dir()).unwrap(), std::env::temp_dir());
        assert!(sync_all(Vec::new()).is_ok());
        assert!(sync_all(vec![folder()]).is_ok());
        for _ in 0..3 {
            assert!(sync_all((0..50).map(|_| folder()).collect()).is_ok());
            let mut some: Vec<_> = (0..50).map(|_| folder()).collect();
            // A device cannot be made durable.
            some.insert(30, nothing());
            assert!(sync_all(some).unwrap_err().to_string().contains("/dev/null"));
        }
        assert!(lock(&QUEUE).threads <= LANES);
    }
}
