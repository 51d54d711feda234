//! Decides how `cfgsync-prompt` is built: without the standard library where that is possible and
//! worth it, which is in release builds for Linux. A debug build has no use for it, and the linker
//! asks it for parts of the runtime.

use std::env;

/// No C library; and nothing in the file that a program which loads nothing has no use for.
const FLAGS: [&str; 6] =
    ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,-z,norelro", "-Wl,--build-id=none"];

#[expect(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn main() {
    println!("cargo::rustc-check-cfg=cfg(cfgsync_bare)");
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, values: &[&str]| {
        env::var(name).is_ok_and(|value| values.contains(&value.as_str()))
    };
    let is_bare = env::var_os("CARGO_FEATURE_BARE").is_some()
        && is("PROFILE", &["release"])
        && is("CARGO_CFG_TARGET_OS", &["linux"])
        && is("CARGO_CFG_TARGET_ARCH", &["x86_64", "aarch64"]);
    if is_bare {
        println!("cargo::rustc-cfg=cfgsync_bare");
        for flag in FLAGS {
            println!("cargo::rustc-link-arg-bin=cfgsync-prompt={flag}");
        }
    }
}
