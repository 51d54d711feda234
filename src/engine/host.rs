//! What the host says about itself. What differs by system is in this file.

use std::path::Path;

use cfgsync_core::machine::{HostFacts, Kind};

/// Asks the host.
pub fn facts(declared: Option<Kind>) -> HostFacts {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.ok().flatten().map(|user| user.name).unwrap_or_default();
    let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    HostFacts { user, host, is_darwin: cfg!(target_os = "macos"), is_ec2: is_ec2(), declared }
}

/// Returns what kind of machine it is; who uses it, and what it is called, is not asked for that.
pub fn kind(declared: Option<Kind>) -> Kind {
    let (user, host, is_darwin) = (String::new(), String::new(), cfg!(target_os = "macos"));
    HostFacts { user, host, is_darwin, is_ec2: is_ec2(), declared }.kind()
}

/// NixOS images have `/etc/ec2-metadata` (a folder); all others show it in the DMI tables, whose
/// asset tag is the instance id.
fn is_ec2() -> bool {
    let dmi = |name: &str| std::fs::read_to_string(Path::new("/sys/class/dmi/id").join(name));
    let says = |name: &str, start: &str| dmi(name).is_ok_and(|text| text.starts_with(start));
    Path::new("/etc/ec2-metadata").exists()
        || says("sys_vendor", "Amazon EC2")
        || says("board_asset_tag", "i-")
}

/// Returns what tells this installation from another that shares the same home, and survives a new
/// host name; nothing on macOS, where homes are not shared.
pub fn installation() -> Vec<u8> {
    std::fs::read("/etc/machine-id").unwrap_or_default()
}

/// Returns what tells this instance from another started from the same image; nothing where the
/// host has no such thing.
pub fn instance() -> Vec<u8> {
    std::fs::read("/sys/class/dmi/id/board_asset_tag").unwrap_or_default()
}

/// Returns eight bytes that differ from boot to boot.
#[cfg(target_os = "linux")]
pub fn boot() -> [u8; 8] {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.first_chunk().copied().unwrap_or_default()
}

/// Returns zeros: macOS tells its boot time only through a call that nix does not wrap; readers
/// there go by the deadline.
#[cfg(not(target_os = "linux"))]
pub fn boot() -> [u8; 8] {
    [0; 8]
}

/// Returns when this process started, in the kernel's own unit; zero where it cannot be told.
#[cfg(target_os = "linux")]
pub fn own_start() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // The 22nd field of proc(5); two stand before the name's end.
    after_name.split(' ').nth(19).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Returns zero: readers go by the deadline.
#[cfg(not(target_os = "linux"))]
pub fn own_start() -> u64 {
    0
}

/// Returns true when the disk takes two spellings of a name for one.
pub fn folds_names(git_folder: &Path) -> bool {
    git_folder.join("HEAD").exists() && git_folder.join("hEAD").exists()
}

/// Returns true when a process of this number runs.
pub fn is_alive(pid: i32) -> bool {
    pid > 0 && nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
}
