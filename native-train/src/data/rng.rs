//! Random numbers that depend on a key only, so that a run resumed anywhere draws what an unbroken run draws.

/// SplitMix64 (Steele, Lea, Flood 2014), keyed by a list of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

/// The constant that SplitMix64 counts by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's output function.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The generator of a key: each number is mixed into the state in turn, so that order counts.
    pub(crate) fn keyed(key: &[u64]) -> Self {
        Rng(key.iter().fold(0, |state, &k| mix(state.wrapping_add(STEP) ^ mix(k.wrapping_add(STEP)))))
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number in `0..n` (0 if `n` is 0), by the high half of a 128-bit product: off from uniform by at most n / 2^64.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// A number in [0, 1), of 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Fisher-Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_those_of_the_reference_implementation() {
        // Vigna's splitmix64.c from state 0.
        let mut rng = Rng(0);
        assert_eq!(rng.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(rng.bits(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn keys_differ_by_order_and_by_every_part() {
        let first = |key: &[u64]| Rng::keyed(key).bits();
        let seen: std::collections::BTreeSet<u64> =
            [&[0u64, 1][..], &[1, 0], &[0, 0], &[1, 1], &[0], &[0, 1, 0]].into_iter().map(first).collect();
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_reaches_every_place() {
        let mut counts = [[0; 5]; 5];
        for k in 0..5000 {
            let mut items = [0, 1, 2, 3, 4];
            Rng::keyed(&[k]).shuffle(&mut items);
            for (place, &item) in items.iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        // 1000 expected, standard deviation 28.
        assert!(counts.iter().flatten().all(|&c| (850..1150).contains(&c)), "{counts:?}");
    }
}
