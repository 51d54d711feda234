//! What went wrong at a remote, read from what Git and the server said, with a next step for each.

use cfgsync_core::inert::shown;

use super::ear::Ended;
use super::program::Answer;
use crate::failure::{Code, Failure};

/// What is said when work waits for the network.
const QUEUED: &str = "Your changes are kept here and are sent by the next `cfgsync sync`.";

/// What somebody says who is no Git server: the page of a hotel's network, or a proxy.
const NOT_GIT: &str =
    "What answered is no Git server. Does this network want you to sign in, in a browser?";

/// What Git says, what that means, and what to do about it. The first row that fits counts.
const MEANINGS: [(&[&str], Code, &str); 10] = [
    (
        &["REMOTE HOST IDENTIFICATION HAS CHANGED"],
        Code::Authentication,
        "The host is not the one it was, or somebody listens. If it was set up anew, check its new key, then `ssh-keygen -R <host>`, and connect once by hand (`ssh <host>`).",
    ),
    (
        &["Host key verification failed"],
        Code::Authentication,
        "Connect once by hand (`ssh <host>`) and check the host's key.",
    ),
    (
        &[
            "Permission denied",
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "unable to get password",
            "terminal prompts disabled",
            "access denied",
            "Too many authentication failures",
        ],
        Code::Authentication,
        "Run `cfgsync sync` in a terminal, where you can be asked.",
    ),
    (
        &["remote: fatal: write error: No space", "remote unpack failed", "unpacker error"],
        Code::Error,
        "The server could not store it; often it is out of space. Free some there.",
    ),
    (
        &["hook declined", "protected branch", "[remote rejected]", "[rejected]"],
        Code::Error,
        "The server's own rules refused the change; see its message.",
    ),
    (
        &["No space left", "unable to create temporary", "isk quota exceeded"],
        Code::Error,
        "The disk is full, here or at the server; free some space, then run `cfgsync sync`.",
    ),
    (
        &[
            "early EOF",
            "unexpected disconnect",
            "hung up unexpectedly",
            "Connection reset",
            "RPC failed",
            "bytes of body are still expected",
        ],
        Code::Offline,
        QUEUED,
    ),
    (
        &["fsck error", "index-pack failed"],
        Code::Refused,
        "What the remote holds is damaged or made to do harm. Nothing was changed here.",
    ),
    (&["not valid: is this a git repository", "from redirection"], Code::Offline, NOT_GIT),
    (&["SSL certificate", "certificate verification failed"], Code::Offline, NOT_GIT),
];

/// What Git says of an address at which there is no repository.
const NO_REPOSITORY: [&str; 4] =
    ["does not appear to be a git repository", "not found", "not exist", "no such repository"];

/// What Git says of a push that did not happen, whatever the reason.
const NOT_PUSHED: &str = "error: failed to push some refs";

/// What makes such a word mean something else.
const NO_HOST: [&str; 2] = ["Could not resolve", "Name or service not known"];

/// Defects of commits and tags that old programs made, and that do no harm.
const OLD_DEFECTS: [&str; 11] = [
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "zeroPaddedDate",
];

/// Returns the first object that Git's own check refused, as it says it, and what that is called.
fn defect(stderr: &str) -> Option<(&str, &str)> {
    let line = stderr.lines().find_map(|line| line.strip_prefix("error: object "))?;
    let (_, rest) = line.split_once(": ")?;
    rest.split_once(": ").map(|(id, _)| (line, id))
}

/// Says what went wrong in one sentence, with the next step.
pub fn failure(what: &str, url: &str, answer: &Answer) -> Failure {
    if let Some(ended) = answer.ended {
        return cut(what, ended);
    }
    let stderr = answer.stderr.as_str();
    let says = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    if let Some((words, code, hint)) = MEANINGS.iter().find(|(words, _, _)| says(words)) {
        let defect = defect(stderr).filter(|_| *code == Code::Refused);
        let told = defect.map_or_else(|| reason(stderr, words), |(line, _)| shown(line));
        let failure = Failure::new(*code, format!("{what}: {told}")).hint(hint);
        if let Some(id) = defect.map(|(_, id)| id).filter(|id| OLD_DEFECTS.contains(id)) {
            return failure.hint(format!(
                "An old program may have made it so, long ago: where the commit is yours, `git config fetch.fsck.{id} ignore` in the repository lets it in, and `git config fsck.{id} ignore` lets doctor pass over it; all else is checked as before."
            ));
        }
        return if *hint == NOT_GIT { failure.hint(QUEUED) } else { failure };
    }
    if answer.code == Some(1) && says(&[NOT_PUSHED]) {
        return refused_by_hook(what, stderr);
    }
    let cause = format!("{what}: {}", reason(stderr, &[]));
    if says(&NO_REPOSITORY) && !says(&NO_HOST) {
        // A remote that is a folder may only not be mounted.
        let failure = if is_folder(url) {
            Failure::new(Code::Offline, cause).hint(QUEUED)
        } else {
            Failure::error(cause)
        };
        return failure
            .hint("If it moved, tell git in the repository: `git remote set-url <name> <URL>`.")
            .hint("If it is gone, make an empty one there, then `cfgsync sync --force-push`. Nothing was deleted here.");
    }
    Failure::new(Code::Offline, cause).hint(QUEUED)
}

/// Says that the user's own hook refused a push. Git itself does not: it ends as it does when a server
/// rejected something, and no verdict of a server is there.
fn refused_by_hook(what: &str, stderr: &str) -> Failure {
    let words = stderr.lines().find(|line| !line.trim().is_empty() && !line.contains(NOT_PUSHED));
    let words = words.map_or_else(|| "it gave no reason".to_owned(), |line| shown(line.trim()));
    Failure::error(format!("{what}: your own hook `pre-push` refused it: {words}"))
        .hint("It runs because of Git LFS. What it sends has to be there before the push.")
}

/// Says that whoever answered was no Git server. Git takes any page for a repository without
/// branches, so an answer of no branch counts only where a server spoke Git.
pub fn not_git(what: &str) -> Failure {
    Failure::new(Code::Offline, format!("{what}: the answer was none of Git's"))
        .hint(NOT_GIT)
        .hint(QUEUED)
}

/// Says why a connection was ended.
pub fn cut(what: &str, ended: Ended) -> Failure {
    let why = match ended {
        Ended::Silent => "it did not answer",
        Ended::Stalled => "it stopped answering",
        Ended::Late => "it took too long",
        Ended::Stopped => {
            return Failure::new(Code::Stopped, format!("{what}: stopped before the end"))
                .hint("Your files are whole. Run `cfgsync sync` to go on.");
        }
    };
    Failure::new(Code::Offline, format!("{what}: {why}, so it was given up")).hint(QUEUED)
}

/// Returns the line that tells most: what the server says, the one with a telling word, else the
/// first error.
fn reason(stderr: &str, words: &[&str]) -> String {
    let lines = || stderr.lines().map(str::trim);
    let of_server =
        lines().filter_map(|line| line.strip_prefix("remote: ")).find(|line| !is_progress(line));
    let telling = || lines().find(|line| words.iter().any(|word| line.contains(word)));
    let first = || {
        lines()
            .find(|line| ["fatal:", "error:", "ssh:"].iter().any(|start| line.starts_with(start)))
    };
    let line = of_server.or_else(telling).or_else(first).or_else(|| lines().next_back());
    let line = line.map(|line| line.trim_matches(['@', ' ']));
    shown(line.unwrap_or("git gave no reason")).chars().take(200).collect()
}

/// Returns true for what a server says while all goes well.
fn is_progress(line: &str) -> bool {
    let words = ["objects: ", "Total ", "deltas: ", "objects, done"];
    line.is_empty() || words.iter().any(|word| line.contains(word))
}

/// A remote that is a folder is away when its disk is not mounted, which is no lasting error.
fn is_folder(url: &str) -> bool {
    url.starts_with('/') || url.starts_with("file://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(stderr: String) -> Answer {
        Answer { code: Some(128), stdout: Vec::new(), stderr, is_answered: true, ended: None }
    }

    #[track_caller]
    fn check(stderr: &str, code: Code, cause: &str) {
        let stderr = stderr.to_owned();
        let failure = failure("could not fetch from host:x", "host:x", &failed(stderr));
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.cause.contains(cause), "{failure:?}");
        assert!(!failure.hints.is_empty());
    }

    #[test]
    fn what_was_said_becomes_a_cause_a_code_and_a_next_step() {
        let lost = "fatal: Could not read from remote repository.\n";
        let offline = Code::Offline;
        check(
            &format!("ssh: connect to host h port 22: Connection refused\n{lost}"),
            offline,
            "refused",
        );
        check("fatal: unable to access 'https://h/': Could not resolve host: h\n", offline, "h");
        let hotel = "fatal: http://h/x.git/info/refs not valid: is this a git repository?\n";
        check(hotel, offline, "not valid");
        check(
            "error: RPC failed; curl 18\nfatal: early EOF\nfatal: index-pack failed\n",
            offline,
            "RPC",
        );
        let changed =
            "@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@\n";
        check(
            &format!("{changed}Host key verification failed.\n{lost}"),
            Code::Authentication,
            "HAS CHANGED",
        );
        check(
            &format!("git@h: Permission denied (publickey).\n{lost}"),
            Code::Authentication,
            "publickey",
        );
        let full =
            "remote: fatal: write error: No space left on device\nerror: remote unpack failed: x\n";
        check(full, Code::Error, "No space left");
        check(
            "remote: Not today.\nerror: ! x (pre-receive hook declined)\n",
            Code::Error,
            "Not today",
        );
        check("error: object x: fsck error\nfatal: index-pack failed\n", Code::Refused, "fsck");
        check("ERROR: Repository not found.\nfatal: Could not read\n", Code::Error, "fatal");
    }

    #[test]
    fn an_old_defect_is_named_and_no_other_is_let_in_by_a_hint() {
        let said =
            |id: &str| format!("error: object ab: {id}: why\nfatal: fsck error in packed object\n");
        for (id, is_hinted) in [("missingNameBeforeEmail", true), ("hasDotgit", false)] {
            let failure = failure("could not fetch", "u", &failed(said(id)));
            assert_eq!(failure.code, Code::Refused);
            assert!(failure.cause.contains(id), "{id}");
            let key = format!("fetch.fsck.{id} ignore");
            assert_eq!(failure.hints.iter().any(|hint| hint.contains(&key)), is_hinted, "{id}");
        }
    }
}
