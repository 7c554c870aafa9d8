//! A small map: sorted pairs in a vector.
//!
//! An engine keeps a few dozen entries of many kinds. The standard library's maps are made for millions, and their code,
//! once for each kind, was a tenth of what a visitor of the page fetches.

use std::borrow::Borrow;
use std::ops::Index;

/// Entries in the order of their keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map<K, V>(Vec<(K, V)>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    pub(crate) const fn new() -> Self {
        Map(Vec::new())
    }

    /// Where a key is, or where it would have to be.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(k, _)| k.borrow().cmp(key))
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &mut self.0[at].1)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The value that the key had before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

impl<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V> Index<&Q> for Map<K, V> {
    type Output = V;

    /// # Panics
    /// If the key is not there.
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is there")
    }
}

/// Of equal keys the last counts.
impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Map::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Map;
    use std::collections::BTreeMap;

    /// Whatever is done to it, it is what the standard library's map is.
    #[test]
    fn it_does_what_a_btree_map_does() {
        let (mut map, mut expected) = (Map::new(), BTreeMap::new());
        let mut state = 1u32;
        for _ in 0..4000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (key, value) = ((state >> 16) % 40, state);
            match (state >> 28) % 8 {
                0..4 => assert_eq!(map.insert(key, value), expected.insert(key, value)),
                4 => assert_eq!(map.remove(&key), expected.remove(&key)),
                5 => map.values_mut().zip(expected.values_mut()).for_each(|(a, b)| (*a, *b) = (!*a, !*b)),
                6 => {
                    map.retain(|k, v| (k + v) % 5 != 0);
                    expected.retain(|k, v| (*k + *v) % 5 != 0);
                }
                _ => {
                    let pair = (map.get_mut(&key), expected.get_mut(&key));
                    assert_eq!(pair.0, pair.1);
                    pair.0.into_iter().chain(pair.1).for_each(|v| *v ^= 1);
                }
            }
            assert!(map.iter().eq(expected.iter()) && map.keys().eq(expected.keys()));
            assert_eq!((map.get(&key), map.len()), (expected.get(&key), expected.len()));
            assert_eq!(
                (map.contains_key(&key), map.is_empty()),
                (expected.contains_key(&key), expected.is_empty())
            );
        }
        let again: Map<_, _> = expected.clone().into_iter().rev().chain([(50, 1), (50, 2)]).collect();
        expected.insert(50, 2);
        assert!(again.into_iter().eq(expected));
    }

    #[test]
    fn texts_are_found_by_their_slices() {
        let mut map: Map<String, u8> = [("b".to_owned(), 2), ("a".to_owned(), 1)].into_iter().collect();
        assert_eq!((map.get("a"), map["b"]), (Some(&1), 2));
        assert_eq!((map.remove("a"), map.get("a")), (Some(1), None));
        map.clear();
        assert!(map.is_empty());
    }
}
