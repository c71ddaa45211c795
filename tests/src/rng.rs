//! A seeded generator of numbers: same seed, same run, on every machine.

/// SplitMix64. Not for secrets; small, and each step depends on nothing but the state.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator whose stream depends on a name, so that tests do not all walk the same path.
    pub fn named(seed: u64, name: &str) -> Self {
        let mixed = name
            .bytes()
            .fold(seed, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self::new(mixed)
    }

    /// The seed of a random test: `XFSKIT_SEED` if set, else `default`.
    pub fn seed_or(default: u64) -> u64 {
        std::env::var("XFSKIT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.bits() % bound }
    }

    /// A number in `low..high`.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len() as u64) as usize;
        &choices[index]
    }

    /// An index into a list of `len` members.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }
}

/// File content that compresses well and yet tells where it came from: each 512 bytes start with the seed and their own
/// position, so that a block that turns up in the wrong place is seen.
pub fn pattern(seed: u64, offset_bytes: u64, len_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len_bytes + 512);
    let skip = (offset_bytes % 512) as usize;
    let mut sector = offset_bytes / 512;
    while bytes.len() < len_bytes + skip {
        let tag = Rng::new(seed ^ sector.wrapping_mul(0x5851_f42d_4c95_7f2d)).bits();
        bytes.extend_from_slice(&seed.to_be_bytes());
        bytes.extend_from_slice(&sector.to_be_bytes());
        bytes.resize(bytes.len() + 496, tag as u8 | 1);
        sector += 1;
    }
    bytes.drain(..skip);
    bytes.truncate(len_bytes);
    bytes
}
