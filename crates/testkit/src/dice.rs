//! Seeded chance that stays the same over crate versions and machines (SplitMix64), so that a
//! seed in a bug report means the same data for ever.

/// A stream of numbers determined by its seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// In `0..n`; `n` is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }
    /// In `from..to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from) as u64) as i64
    }
    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits: every value is exact as a double.
        ((self.draw() >> 11) as f64) < probability * (1u64 << 53) as f64
    }
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn first_numbers_of_seed_0_are_those_of_the_reference_implementation() {
        let mut dice = Dice::new(0);
        assert_eq!(dice.draw(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(dice.draw(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(dice.draw(), 0x06c4_5d18_8009_454f);
    }

    #[test]
    fn chance_is_about_right_and_bounds_hold() {
        let mut dice = Dice::new(7);
        let hits = (0..100_000).filter(|_| dice.chance(0.02)).count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| (-5..5).contains(&dice.between(-5, 5))));
    }
}
