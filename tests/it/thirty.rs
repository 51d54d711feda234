//! Thirty machines that all add to one file, one after the other and all at once.

use std::thread;

use crate::sandbox::{Machine, Sandbox, assert_clean, assert_converged};

const MACHINES: usize = 30;
const PASSES: usize = 3;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Puts numbers into an order that looks like none, the same for the same seed (xorshift).
fn shuffled(seed: &mut u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..MACHINES).collect();
    for last in (1..MACHINES).rev() {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        order.swap(last, usize::try_from(*seed >> 11).unwrap() % (last + 1));
    }
    order
}

#[test]
fn thirty_machines_that_each_add_a_line_end_with_all_of_them() {
    let sandbox = Sandbox::new();
    let machines = machines(&sandbox);
    for (at, machine) in machines.iter().enumerate() {
        machine.append(".conf", &format!("line of {at}\n"));
    }
    let mut seed = SEED;
    let mut passes = 0;
    loop {
        let tip = sandbox.git(&["rev-parse", "main"]);
        shuffled(&mut seed).into_iter().for_each(|at| machines[at].sync());
        passes += 1;
        if sandbox.git(&["rev-parse", "main"]) == tip {
            break;
        }
        assert!(passes < PASSES, "not quiet after {passes} passes");
    }
    let text = machines[0].read(".conf");
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "top");
    lines.sort_unstable();
    let mut expected: Vec<String> = (0..MACHINES).map(|at| format!("line of {at}")).collect();
    expected.push("top".to_owned());
    expected.sort_unstable();
    assert_eq!(lines, expected);
    let all: Vec<&Machine> = machines.iter().collect();
    all.iter().for_each(|machine| assert_eq!(machine.state_word(), "synced"));
    assert_converged(&all);
    assert_clean(&sandbox, &all);
    sandbox.assert_history();
}

/// Makes thirty machines that share `~/.conf`.
fn machines(sandbox: &Sandbox) -> Vec<Machine> {
    let first = sandbox.joined("ec2-0");
    first.write(".conf", "top\n");
    first.run(&["mark", ".conf"]).done();
    first.sync();
    let mut machines = vec![first];
    thread::scope(|scope| {
        let joins: Vec<_> = (1..MACHINES)
            .map(|at| scope.spawn(move || sandbox.joined(&format!("ec2-{at}"))))
            .collect();
        machines.extend(joins.into_iter().map(|join| join.join().unwrap()));
    });
    machines
}

/// Lets all machines sync at once.
fn at_once(machines: &[Machine]) {
    thread::scope(|scope| {
        machines.iter().for_each(|machine| drop(scope.spawn(|| machine.sync())));
    });
}

#[test]
fn thirty_machines_at_once_are_the_same_after_two_rounds() {
    let sandbox = Sandbox::new();
    let machines = machines(&sandbox);
    for (at, machine) in machines.iter().enumerate() {
        machine.write(format!("configs/of-{at}"), "mine\n");
        machine.append(".conf", &format!("line of {at}\n"));
    }
    // Everybody's edit is there after the first round, everybody has it after the second.
    at_once(&machines);
    let upstream = sandbox.git(&["show", "main:external/.conf"]);
    for at in 0..MACHINES {
        assert_eq!(upstream.lines().filter(|line| *line == format!("line of {at}")).count(), 1);
        sandbox.git(&["cat-file", "-e", &format!("main:of-{at}")]);
    }
    at_once(&machines);
    let all: Vec<&Machine> = machines.iter().collect();
    all.iter().for_each(|machine| assert_eq!(machine.state_word(), "synced"));
    assert_converged(&all);
    assert_clean(&sandbox, &all);
    sandbox.assert_history();
}
