//! Letting in what waits because it is new on a machine.

use std::ffi::OsStr;
use std::fmt::Debug;

use super::Machine;

impl Machine {
    /// Syncs, which holds these files because they are new here, and lets them in.
    #[track_caller]
    pub fn let_in<S: AsRef<OsStr> + Debug>(&self, paths: &[S]) {
        let _ = self.run(&["sync"]).code(4).says(&["--theirs"]);
        let mut arguments: Vec<&OsStr> = ["resolve", "--theirs", "--"].map(OsStr::new).to_vec();
        arguments.extend(paths.iter().map(AsRef::as_ref));
        self.run(&arguments).done();
    }
}
