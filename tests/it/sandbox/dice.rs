//! Pseudo-random numbers, the same for the same seed.

/// Pseudo-random numbers (xorshift).
pub struct Dice(u64);

impl Dice {
    /// Takes the seed from the time, and prints it: a failed test shows what it printed.
    pub fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = std::env::var("CFGSYNC_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(u64::from(now.subsec_nanos()));
        #[expect(clippy::print_stdout, reason = "shown when the test fails")]
        {
            println!("CFGSYNC_TEST_SEED={seed}");
        }
        Self::of(seed, 0)
    }

    /// Returns the dice of one step. They do not depend on the steps before.
    pub fn of(seed: u64, step: usize) -> Self {
        // Seeds that are neighbours must not roll alike (splitmix).
        let mut mixed = seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add((step as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    /// Returns a number below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }

    /// Returns one of several; none of none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { Some(&from[self.below(from.len())]) }
    }

    /// Returns one of several, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, from: &[(usize, T)]) -> T {
        let mut left = self.below(from.iter().map(|(weight, _)| weight).sum());
        let hit = from.iter().find(|(weight, _)| {
            let is_hit = left < *weight;
            left = left.wrapping_sub(*weight);
            is_hit
        });
        hit.unwrap().1
    }
}
