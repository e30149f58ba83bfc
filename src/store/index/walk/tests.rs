//! Random combinations of random sets against a look at every ordinal.

use std::collections::BTreeMap;

use super::*;
use crate::model::Timestamp;
use crate::store::index::blocks::{self, Whose};

const N_SETS: u8 = 4;

/// xorshift64: seeded, the same everywhere.
struct Dice(u64);

/// Time and sets (a bit each) of each ordinal.
type Known = BTreeMap<u64, (u64, u64)>;

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// What somebody wants, to be asked of an ordinal or made a walk of.
#[derive(Debug)]
enum Wish {
    Kept(u8),
    Everything,
    Within(u64, u64),
    These(u64),
    Any(Vec<Wish>),
    All(Vec<Wish>),
    Except(Box<Wish>, Vec<Wish>),
}

impl Wish {
    fn random(dice: &mut Dice, depth: u32) -> Self {
        let some = |n_min: u64, dice: &mut Dice| -> Vec<Self> {
            (0..n_min + dice.below(3)).map(|_| Self::random(dice, depth + 1)).collect()
        };
        match dice.below(if depth < 2 { 9 } else { 6 }) {
            0 => Self::Everything,
            1 => Self::These(2 + dice.below(300)),
            2 => {
                let since = dice.below(900_000);
                Self::Within(since, since + dice.below(100_000))
            }
            6 => Self::Any(some(0, dice)),
            7 => Self::All(some(1, dice)),
            8 => Self::Except(Box::new(Self::random(dice, depth + 1)), some(1, dice)),
            _ => Self::Kept(u8::try_from(dice.below(N_SETS.into())).expect("small")),
        }
    }

    fn holds(&self, ordinal: u64, (time, sets): (u64, u64)) -> bool {
        let holds = |wish: &Self| wish.holds(ordinal, (time, sets));
        match self {
            Self::Kept(set) => sets & (1 << set) != 0,
            Self::Everything => true,
            Self::Within(since, until) => (*since..*until).contains(&time),
            Self::These(n) => ordinal % n == 1,
            Self::Any(wishes) => wishes.iter().any(holds),
            Self::All(wishes) => wishes.iter().all(holds),
            Self::Except(wish, others) => holds(wish) && !others.iter().any(holds),
        }
    }

    fn walk<'a>(&self, tree: &'a Tree, known: &Known) -> Walk<'a> {
        let walks = |wishes: &[Self]| wishes.iter().map(|wish| wish.walk(tree, known)).collect();
        match self {
            Self::Kept(set) => Walk::kept(tree, [b'w', *set]),
            Self::Everything => Walk::events(tree, None),
            Self::Within(since, until) => Walk::events(tree, Some(within(*since, *until))),
            Self::These(n) => {
                let these = known.keys().rev().copied().filter(|ordinal| ordinal % n == 1);
                Walk::These(these.collect())
            }
            Self::Any(wishes) => Walk::Any(walks(wishes)),
            Self::All(wishes) => Walk::All(walks(wishes)),
            Self::Except(wish, others) => {
                Walk::Except(Box::new(wish.walk(tree, known)), walks(others))
            }
        }
    }

    /// Times narrow down to blocks only: inside an exception that would take out too much.
    fn is_exact(&self) -> bool {
        match self {
            Self::Within(..) => false,
            Self::Any(wishes) | Self::All(wishes) => wishes.iter().all(Self::is_exact),
            Self::Except(wish, others) => wish.is_exact() && others.iter().all(Self::is_exact),
            Self::Kept(_) | Self::Everything | Self::These(_) => true,
        }
    }
}

fn within(since: u64, until: u64) -> Within {
    let time = |millis| Some(Timestamp::from_millis(millis));
    Within { whose: Whose::Events, since: time(since), until: time(until) }
}

/// Two crowds far apart, and a few between them; times mostly grow. Some are forgotten.
fn fill(tree: &Tree, dice: &mut Dice) -> Known {
    let mut known = Known::new();
    for i in 0..6000 {
        let ordinal = match i % 100 {
            0 => dice.below(900_000),
            1..50 => dice.below(3000),
            _ => 800_000 + dice.below(4000),
        };
        let time = ordinal + dice.below(if i % 50 == 0 { 500_000 } else { 1000 });
        known.insert(ordinal, (time, dice.below(1 << N_SETS) & dice.below(1 << N_SETS)));
    }
    for forgets in [false, true] {
        let mut sets = ordinals::Changes::default();
        let mut blocks = blocks::Changes::default();
        for (&ordinal, &(time, members)) in &known {
            let is_known = !forgets;
            if forgets && !(500..2500).contains(&ordinal) {
                continue;
            }
            for set in (0..N_SETS).filter(|set| members & (1 << set) != 0) {
                sets.set(tree, &[b'w', set], ordinal, is_known).expect("set");
            }
            if is_known {
                blocks.add(tree, ordinal, Timestamp::from_millis(time)).expect("added");
            } else {
                blocks.remove(tree, ordinal).expect("removed");
            }
        }
        let mut batch = sled::Batch::default();
        sets.write(&mut batch);
        blocks.write(&mut batch);
        tree.apply_batch(batch).expect("written");
    }
    known.retain(|ordinal, _| !(500..2500).contains(ordinal));
    known
}

fn all_before(walk: &mut Walk<'_>, mut before: u64) -> Vec<u64> {
    let mut all = Vec::new();
    while let Some(block) = walk.block_before(before).expect("readable") {
        all.extend(block.newest_first(before));
        before = block.start();
    }
    all
}

#[test]
fn every_combination_holds_what_a_look_at_each_ordinal_finds() {
    let db = sled::Config::new().temporary(true).open().expect("a database");
    let tree: &Tree = &db;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let known = fill(tree, &mut dice);
    let n_blocks = blocks::count(tree, b"t").expect("readable");
    assert_eq!(n_blocks, known.len() as u64);
    for round in 0..400 {
        let wish = Wish::random(&mut dice, 0);
        let before = if round % 2 == 0 { u64::MAX } else { dice.below(900_000) };
        let found = all_before(&mut wish.walk(tree, &known), before);
        let fits = known.range(..before).rev().filter(|&(&o, &of)| wish.holds(o, of));
        let expected: Vec<u64> = fits.map(|(&ordinal, _)| ordinal).collect();
        if wish.is_exact() {
            assert_eq!(found, expected, "{wish:?} before {before}");
        } else if let Wish::Within(since, until) = wish {
            let exact = |o: &&u64| within(since, until).holds(Timestamp::from_millis(known[o].0));
            let found: Vec<u64> = found.iter().filter(exact).copied().collect();
            assert_eq!(found, expected, "{since} to {until} before {before}");
        }
    }
}

#[test]
fn a_time_far_back_is_found_without_a_look_at_what_is_newer() {
    let db = sled::Config::new().temporary(true).open().expect("a database");
    let known = fill(&db, &mut Dice(7));
    let mut walk = Walk::events(&db, Some(within(0, 1)));
    let mut n_blocks = 0;
    let mut before = u64::MAX;
    while let Some(block) = walk.block_before(before).expect("readable") {
        (before, n_blocks) = (block.start(), n_blocks + 1);
    }
    assert!(n_blocks < 10, "{n_blocks} of {} events", known.len());
}
