//! Sorting by numbers, compiled once.
//!
//! The standard library's sort is compiled anew, some 5 KB of wasm, for every type and key that it is used with. Here
//! only numbers are sorted, and the items then follow.

use alloc::vec::Vec;

/// Sorts by a key of two words, the first one first; what has equal keys stays in its order.
///
/// Takes 24 bytes for each item while it works.
pub(crate) fn by_words<T>(items: &mut [T], key: impl Fn(&T) -> (u64, u64)) {
    let mut order: Vec<(u64, u64, usize)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let (major, minor) = key(item);
        order.push((major, minor, index));
    }
    let goals = goals(&mut order);
    follow(items, goals);
}

/// Sorts by a number; what has equal ones stays in its order.
pub(crate) fn by_number<T>(items: &mut [T], number: impl Fn(&T) -> u64) {
    by_words(items, |item| (number(item), 0));
}

/// Where each item goes.
fn goals(order: &mut [(u64, u64, usize)]) -> Vec<usize> {
    order.sort_unstable();
    let mut goals = alloc::vec![0; order.len()];
    for (place, &(_, _, index)) in order.iter().enumerate() {
        goals[index] = place;
    }
    goals
}

/// Puts every item where it is to go: each swap brings one to its place.
fn follow<T>(items: &mut [T], mut goals: Vec<usize>) {
    for at in 0..items.len() {
        while goals[at] != at {
            let goal = goals[at];
            items.swap(at, goal);
            goals.swap(at, goal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_follow_their_keys_and_equal_ones_keep_their_order() {
        let mut state = 1_u64;
        for len in 0..200_usize {
            let mut items: Vec<(u64, u64, usize)> = Vec::new();
            for index in 0..len {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                items.push((state >> 61, state >> 40 & 3, index));
            }
            let mut expected = items.clone();
            expected.sort_by_key(|&(major, minor, _)| (major, minor));
            by_words(&mut items, |&(major, minor, _)| (major, minor));
            assert_eq!(items, expected);
            by_number(&mut items, |&(_, _, index)| index as u64);
            assert!(items.iter().map(|item| item.2).eq(0..len));
        }
    }
}
