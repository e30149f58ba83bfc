//! The last steps of a time, each with a value.

/// How many steps are kept.
pub(super) const N_STEPS: usize = 180;

/// The values of the last [`N_STEPS`] steps. Steps are numbers that only grow.
#[derive(Debug)]
pub(super) struct Ring<T> {
    values: Box<[T]>,
    newest: u64,
}

impl<T: Copy + Default> Ring<T> {
    /// Empty, at this step.
    pub(super) fn at(step: u64) -> Self {
        Self { values: vec![T::default(); N_STEPS].into(), newest: step }
    }

    /// The value of a step; what is between it and the newest one so far is empty. A step before the
    /// newest is taken for that.
    pub(super) fn reach(&mut self, step: u64) -> &mut T {
        let step = step.max(self.newest);
        let from = (self.newest + 1).max((step + 1).saturating_sub(N_STEPS as u64));
        for passed in from..=step {
            self.values[place(passed)] = T::default();
        }
        self.newest = step;
        &mut self.values[place(step)]
    }

    /// The value of a step; empty for one that is not kept (any more).
    pub(super) fn get(&self, step: u64) -> T {
        let age = self.newest.checked_sub(step);
        let is_kept = age.is_some_and(|age| age < N_STEPS as u64);
        if is_kept { self.values[place(step)] } else { T::default() }
    }

    /// The newest step.
    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }
}

fn place(step: u64) -> usize {
    usize::try_from(step % N_STEPS as u64).expect("below N_STEPS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_forgotten_and_what_was_skipped_is_empty() {
        let mut ring = Ring::at(1000);
        for step in 1000..1200 {
            *ring.reach(step) = step;
        }
        assert_eq!(
            [ring.get(1019), ring.get(1020), ring.get(1199), ring.get(1200)],
            [0, 1020, 1199, 0]
        );
        *ring.reach(1205) = 5;
        assert_eq!(
            [ring.get(1199), ring.get(1200), ring.get(1204), ring.get(1205)],
            [1199, 0, 0, 5]
        );
        *ring.reach(9999) = 9;
        let sum: u64 = (9000..=9999).map(|step| ring.get(step)).sum();
        assert_eq!(sum, 9);
        *ring.reach(3) += 1;
        assert_eq!(ring.get(9999), 10, "a step back counts for the newest");
    }
}
