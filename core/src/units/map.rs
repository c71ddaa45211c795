//! Maps from numbers, whose trees and tables are compiled once.
//!
//! A map of the standard library is compiled anew, some 5 KB of wasm, for every type that it is used with. Here trees and
//! tables lead from numbers to numbers, and those are indices into a list of what the map holds.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::marker::PhantomData;

use hashbrown::HashMap;

use super::{AgNumber, Daddr, FileBlock, Ino};

/// What a map can lead from.
pub trait Number: Copy {
    /// The number.
    fn number(self) -> u64;
}

/// How a map finds where something stands in its list.
pub trait Index: Default {
    /// Where `number` leads.
    fn get(&self, number: u64) -> Option<usize>;
    /// Lets `number` lead to `place`.
    fn insert(&mut self, number: u64, place: usize);
    /// Forgets `number`; returns where it led.
    fn remove(&mut self, number: u64) -> Option<usize>;
}

/// Numbers in their order, and the number that each leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<u64, u64>);

/// Numbers in no order, and where each leads to.
#[derive(Debug, Clone, Default)]
pub struct Table(HashMap<u64, usize>);

/// A map that can be searched for what is nearest to a number.
pub type Ordered<K, V> = Map<Tree, K, V>;

/// A map that finds what has a number.
pub type Hashed<K, V> = Map<Table, K, V>;

/// A map from numbers `K`, which are found by `I`.
#[derive(Debug, Clone)]
pub struct Map<I, K, V> {
    index: I,
    items: Vec<(K, V)>,
    number: PhantomData<K>,
}

impl Tree {
    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where `number` leads.
    #[inline(never)]
    #[must_use]
    pub fn get(&self, number: u64) -> Option<u64> {
        self.0.get(&number).copied()
    }

    /// Lets `number` lead to `to`.
    #[inline(never)]
    pub fn insert(&mut self, number: u64, to: u64) {
        self.0.insert(number, to);
    }

    /// Forgets `number`; returns where it led.
    #[inline(never)]
    pub fn remove(&mut self, number: u64) -> Option<u64> {
        self.0.remove(&number)
    }

    /// The last number up to `number`, itself included, and where it leads.
    #[inline(never)]
    #[must_use]
    pub fn at_or_before(&self, number: u64) -> Option<(u64, u64)> {
        self.0.range(0..=number).next_back().map(|(&number, &to)| (number, to))
    }

    /// Every number from `number` on, itself included, and where it leads, ascending.
    pub fn from(&self, number: u64) -> impl Iterator<Item = (u64, u64)> {
        self.0.range(number..=u64::MAX).map(|(&number, &to)| (number, to))
    }

    /// The first number from `number` on, itself included, and where it leads.
    #[inline(never)]
    #[must_use]
    pub fn at_or_after(&self, number: u64) -> Option<(u64, u64)> {
        self.from(number).next()
    }
}

impl Index for Tree {
    fn get(&self, number: u64) -> Option<usize> {
        self.get(number).map(|place| place as usize)
    }

    fn insert(&mut self, number: u64, place: usize) {
        self.insert(number, place as u64);
    }

    fn remove(&mut self, number: u64) -> Option<usize> {
        self.remove(number).map(|place| place as usize)
    }
}

impl Index for Table {
    #[inline]
    fn get(&self, number: u64) -> Option<usize> {
        self.0.get(&number).copied()
    }

    #[inline(never)]
    fn insert(&mut self, number: u64, place: usize) {
        self.0.insert(number, place);
    }

    #[inline(never)]
    fn remove(&mut self, number: u64) -> Option<usize> {
        self.0.remove(&number)
    }
}

impl<I: Index, K, V> Default for Map<I, K, V> {
    fn default() -> Self {
        Self { index: I::default(), items: Vec::new(), number: PhantomData }
    }
}

impl<I: Index, K: Number, V> Map<I, K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much there is in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether something has this number.
    #[must_use]
    pub fn contains(&self, key: K) -> bool {
        self.index.get(key.number()).is_some()
    }

    /// What has this number.
    #[must_use]
    pub fn get(&self, key: K) -> Option<&V> {
        self.index.get(key.number()).map(|place| &self.items[place].1)
    }

    /// What has this number, to change it.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.index.get(key.number()).map(|place| &mut self.items[place].1)
    }

    /// What has this number, to change it; made when there is nothing.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let place = self.index.get(key.number()).unwrap_or_else(|| self.add(key, make()));
        &mut self.items[place].1
    }

    /// Gives this number to `value`; returns what had it.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(known) = self.get_mut(key) {
            return Some(core::mem::replace(known, value));
        }
        self.add(key, value);
        None
    }

    fn add(&mut self, key: K, value: V) -> usize {
        let place = self.items.len();
        self.items.push((key, value));
        self.index.insert(key.number(), place);
        place
    }

    /// Takes out what has this number. The last one in the list comes to stand in its place.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let place = self.index.remove(key.number())?;
        let (_, value) = self.items.swap_remove(place);
        if let Some((moved, _)) = self.items.get(place) {
            self.index.insert(moved.number(), place);
        }
        Some(value)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// All of it in the order of the list, which is not that of the numbers.
    #[must_use]
    pub fn items(&self) -> &[(K, V)] {
        &self.items
    }

    /// All of it in the order of the list, to change it.
    pub fn values_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.items.iter_mut().map(|(key, value)| (*key, value))
    }

    /// All of it in the order of the list; the map is empty then.
    pub fn take(&mut self) -> Vec<(K, V)> {
        core::mem::take(self).items
    }
}

impl<K: Number, V> Ordered<K, V> {
    /// What has the greatest number up to `key`, itself included.
    #[must_use]
    pub fn at_or_before(&self, key: K) -> Option<(K, &V)> {
        self.index.at_or_before(key.number()).map(|(_, place)| self.at(place))
    }

    /// What has the least number from `key` on, itself included.
    #[must_use]
    pub fn at_or_after(&self, key: K) -> Option<(K, &V)> {
        self.index.at_or_after(key.number()).map(|(_, place)| self.at(place))
    }

    /// All of it by rising number.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.index.from(0).map(|(_, place)| self.at(place))
    }

    /// Takes out all that has a number from `key` on, by rising number.
    pub fn split_off(&mut self, key: K) -> Vec<V> {
        let mut values = Vec::new();
        while let Some((next, _)) = self.at_or_after(key) {
            values.extend(self.remove(next));
        }
        values
    }

    fn at(&self, place: u64) -> (K, &V) {
        let (key, value) = &self.items[place as usize];
        (*key, value)
    }
}

impl Number for u32 {
    fn number(self) -> u64 {
        self.into()
    }
}

impl Number for u64 {
    fn number(self) -> u64 {
        self
    }
}

impl Number for AgNumber {
    fn number(self) -> u64 {
        self.0.into()
    }
}

impl Number for Daddr {
    fn number(self) -> u64 {
        self.0
    }
}

impl Number for FileBlock {
    fn number(self) -> u64 {
        self.0
    }
}

impl Number for Ino {
    fn number(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &mut u64, bound: u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) % bound
    }

    #[test]
    fn both_agree_with_a_map_of_the_standard_library() {
        let (mut model, mut seed) = (BTreeMap::new(), 5);
        let (mut ordered, mut hashed) = (Ordered::new(), Hashed::new());
        for round in 0..20_000_u64 {
            let key = random(&mut seed, 100);
            match random(&mut seed, 5) {
                0..2 => {
                    let before = model.insert(key, round);
                    assert_eq!((ordered.insert(key, round), hashed.insert(key, round)), (before, before));
                }
                2..4 => {
                    let before = model.remove(&key);
                    assert_eq!((ordered.remove(key), hashed.remove(key)), (before, before));
                }
                _ => {
                    *model.entry(key).or_insert(7) += 1;
                    *ordered.get_or_insert_with(key, || 7) += 1;
                    *hashed.get_or_insert_with(key, || 7) += 1;
                }
            }
            assert!(ordered.iter().eq(model.iter().map(|(&key, value)| (key, value))));
            assert_eq!((ordered.get(key), hashed.get(key)), (model.get(&key), model.get(&key)));
            assert_eq!((ordered.len(), hashed.len()), (model.len(), model.len()));
            let before = model.range(..=key).next_back().map(|(&key, value)| (key, value));
            let after = model.range(key..).next().map(|(&key, value)| (key, value));
            assert_eq!((ordered.at_or_before(key), ordered.at_or_after(key)), (before, after));
            if round % 1000 == 999 {
                let cut = model.split_off(&key);
                assert!(ordered.split_off(key).into_iter().eq(cut.values().copied()));
                for (key, value) in cut {
                    assert_eq!(hashed.remove(key), Some(value));
                }
            }
        }
        let mut left = hashed.take();
        left.sort_unstable();
        assert!(hashed.is_empty() && left.into_iter().eq(model));
    }
}
