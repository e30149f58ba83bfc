//! The promise under the worst: the real binary is killed and its power is cut under load, and
//! three ledgers are compared. Every test prints its seed and its figures.
//!
//! - **acknowledged**: calls whose complete success the client saw,
//! - **done**: calls that the upstream carried out,
//! - **delivered**: what the receiver got.
//!
//! The promise: acknowledged ⊆ delivered, delivered ⊆ done, every payload is the call's very
//! bytes, and one `webhook-id` always carries the same bytes.
//!
//! With the cargo feature `sabotage` the same scenarios run on a binary that lacks one mechanism
//! and must then find a broken promise: that proves that these tests can fail.

#[path = "crash/damage.rs"]
mod damage;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/managed.rs"]
mod managed;
#[path = "crash/process.rs"]
mod process;
#[path = "crash/world.rs"]
mod world;

use std::time::Duration;

use disk::LoopDisk;
use process::{Sidehook, Switch};
use world::{Findings, World};

/// Figures in the order in which a person asks for them.
fn report(name: &str, seed: u64, rounds: usize, findings: &Findings) {
    println!(
        "{name}: seed {seed}, {rounds} rounds, {} calls acknowledged, {} lost, {} delivered twice \
         or more, {} delivered though never done, {} with other bytes",
        findings.acknowledged,
        findings.lost.len(),
        findings.duplicates,
        findings.phantoms.len(),
        findings.altered.len(),
    );
}

/// In every other round the receiver refuses: then everything acknowledged is on the disk alone when
/// the end comes. In the others, attempts and their records are under way.
const fn is_refusing(round: usize) -> bool {
    round.is_multiple_of(2)
}

/// `kill -9` at random moments under load, `rounds` times, on one store.
fn kill_rounds(rounds: usize, switch: Switch) -> (u64, Findings) {
    let seed = world::seed();
    let mut random = world::Random::new(seed);
    let world = World::new(700);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for round in 0..rounds {
        world.receiver_refuses(is_refusing(round));
        let sidehook = Sidehook::start(folder.path(), &world, switch);
        let load = world.load(&sidehook, 32);
        world.load_goes_on(1);
        std::thread::sleep(Duration::from_millis(100 + random.below(600))); // the random moment
        sidehook.kill();
        load.stop();
    }
    world.receiver_refuses(false);
    let sidehook = Sidehook::start(folder.path(), &world, switch);
    let findings = world.settle(&sidehook);
    sidehook.kill();
    (seed, findings)
}

/// A power cut under load on a file system that forgets what was not synced.
fn power_cut_rounds(
    disk: &LoopDisk,
    rounds: usize,
    size: usize,
    switch: Switch,
) -> (u64, Findings) {
    let seed = world::seed();
    let mut random = world::Random::new(seed);
    let world = World::new(size);
    for round in 0..rounds {
        world.receiver_refuses(is_refusing(round));
        disk.mount();
        let sidehook = Sidehook::start(disk.path(), &world, switch);
        let load = world.load(&sidehook, 16);
        world.load_goes_on(1);
        std::thread::sleep(Duration::from_millis(300 + random.below(700))); // the random moment
        world.darkness(true);
        disk.cut_power();
        sidehook.kill();
        load.stop();
        disk.unmount();
        world.darkness(false);
    }
    world.receiver_refuses(false);
    disk.mount();
    let sidehook = Sidehook::start(disk.path(), &world, switch);
    let findings = world.settle(&sidehook);
    sidehook.kill();
    disk.unmount();
    (seed, findings)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let rounds = 20;
    let (seed, findings) = kill_rounds(rounds, Switch::None);
    report("kill -9", seed, rounds, &findings);
    findings.assert_promise_held();
}

#[test]
fn what_an_operator_asked_for_outlives_every_kill() {
    let rounds = 5;
    let (seed, findings, asked) = managed::kill_rounds(rounds);
    report("kill -9 under an operator's hands", seed, rounds, &findings);
    let (webhooks, recoveries) = (asked.webhooks.len(), asked.recoveries.len());
    println!("{webhooks} webhooks created, {recoveries} filled from the history");
    findings.assert_promise_held();
    assert!(webhooks >= 3 && recoveries >= 3, "the operator did nothing: {asked:?}");
    assert!(asked.missing.is_empty(), "not there or never ended: {asked:?}");
}

#[test]
fn nothing_acknowledged_is_lost_in_a_power_cut() {
    let Some(disk) = LoopDisk::create(512) else { return };
    for (size, rounds) in [(700, 4), (16 * 1024, 4), (300 * 1024, 4)] {
        let (seed, findings) = power_cut_rounds(&disk, rounds, size, Switch::None);
        report(&format!("power cut at {size} B"), seed, rounds, &findings);
        findings.assert_promise_held();
        disk.format();
    }
}

#[test]
fn a_damaged_record_is_told_and_never_delivered_altered() {
    let found = damage::flip_one_byte_of_a_waiting_event(Switch::None);
    assert_eq!(found.altered, 0, "an altered payload was delivered");
    assert!(found.told, "log and status do not tell of the damage:\n{}", found.log);
    assert_eq!(found.delivered, found.undamaged, "an undamaged event was not delivered");
}

#[cfg(feature = "sabotage")]
mod sabotaged {
    use super::*;

    #[test]
    fn without_the_sync_a_power_cut_is_noticed() {
        let Some(disk) = LoopDisk::create(512) else { return };
        let (seed, findings) = power_cut_rounds(&disk, 2, 700, Switch::SkipSync);
        report("power cut without sync", seed, 2, &findings);
        assert!(!findings.lost.is_empty(), "the tests do not notice a missing sync");
    }

    #[test]
    fn a_release_before_the_commit_is_noticed() {
        let (seed, findings) = kill_rounds(20, Switch::ReleaseEarly);
        report("kill -9 with early release", seed, 20, &findings);
        assert!(!findings.lost.is_empty(), "the tests do not notice an early release");
    }

    #[test]
    fn without_the_checksum_damage_is_noticed() {
        let found = damage::flip_one_byte_of_a_waiting_event(Switch::SkipChecksum);
        assert!(found.altered > 0, "the tests do not notice a missing checksum");
    }
}
