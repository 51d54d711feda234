//! The cases of `tests/cmd`: what the command line says, as a person reads it.
//!
//! Each case runs in a folder of its own, which is its home. `TRYCMD=overwrite cargo test cases`
//! writes what the program says now into the cases.

use std::path::Path;

#[test]
fn the_command_line_says_what_the_cases_say() {
    trycmd::TestCases::new()
        .register_bin(
            "cfgsync",
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/at-home.sh")),
        )
        .register_bin("on", Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/on.sh")))
        .env("CFGSYNC", env!("CARGO_BIN_EXE_cfgsync"))
        .env("COLUMNS", "80")
        .case("tests/cmd/*.trycmd");
}
