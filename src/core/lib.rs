//! cfgsync's decisions: plain data in, plain data out.
//!
//! ```text
//! observation ──► plan ──► (the engine executes) ──► outcome ──► status record ──► segment
//! ```
//!
//! Nothing here reads a file, a clock, the environment or the network; nothing here can fail but by
//! saying so in its type. The engine (`src/engine`) looks and acts, the prompt (`src/prompt`) shows.

#![forbid(unsafe_code)]

pub mod activity;
pub mod along;
pub mod doubt;
pub mod escape;
pub mod fold;
pub mod inert;
pub mod names;
pub mod near;
pub mod need;
pub mod path;
pub mod shared;
pub mod time;
pub mod unit;

pub mod manifest;
pub mod status;
pub mod tree;

pub mod diff;
pub mod format;
pub mod merge;
pub mod reconcile;
pub mod secrets;

pub mod additions;
pub mod address;
pub mod agree;
pub mod checkup;
pub mod inventory;
pub mod leads;
pub mod lines;
pub mod linking;
pub mod local;
pub mod machine;
pub mod observed;
pub mod portions;
pub mod privacy;
pub mod setting;
pub mod suggest;

pub mod arrival;
pub mod clash;
pub mod gate;
pub mod operation;
pub mod plan;
pub mod policy;
pub mod refusal;
pub mod renames;
pub mod rest;
pub mod retention;
pub mod schedule;
pub mod steps;
pub mod timer;
pub mod verdict;
