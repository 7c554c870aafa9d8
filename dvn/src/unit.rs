//! Units and how they divide the channels of a layer.

use crate::error::DefinitionError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// One of the `k` disjoint subsets of every layer's feature maps. People, files and the paper count units from 1;
/// [`Unit::index`] counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(u8);

/// The most units a network may have.
pub const MAX_UNITS: usize = 64;

impl Unit {
    /// The unit of a 0-based index below [`MAX_UNITS`].
    pub fn from_index(index: usize) -> Option<Unit> {
        (index < MAX_UNITS).then_some(Unit(index as u8))
    }

    /// The unit that people call `number`, from 1.
    pub fn from_number(number: usize) -> Option<Unit> {
        number.checked_sub(1).and_then(Unit::from_index)
    }

    /// From 0.
    pub fn index(self) -> usize {
        self.0.into()
    }

    /// From 1.
    pub fn number(self) -> usize {
        self.index() + 1
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl Serialize for Unit {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(self.number() as u64)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let number = usize::deserialize(d)?;
        Unit::from_number(number).ok_or_else(|| {
            serde::de::Error::custom(format!("unit {number}: units are numbered 1 to {MAX_UNITS}"))
        })
    }
}

/// Channel ranges are cut at multiples of this, so that no vector and no packed group of four straddles two units.
pub const CHANNEL_STEP: usize = 4;

/// How units share the channels of every layer: fractions that sum to 1, in the order of the units.
#[derive(Clone, Debug, PartialEq)]
pub struct Split(Vec<f64>);

impl Split {
    /// `units` equal shares.
    ///
    /// # Errors
    /// If `units` is 0 or above [`MAX_UNITS`].
    pub fn equal(units: usize) -> Result<Split, DefinitionError> {
        if units == 0 || units > MAX_UNITS {
            return Err(DefinitionError::UnitCount { found: units, max: MAX_UNITS });
        }
        Split::new(vec![1.0 / units as f64; units])
    }

    /// The given shares.
    ///
    /// # Errors
    /// If there are none or too many, one is not positive, or they do not sum to 1 (within 1e-3, so that 0.333
    /// three times is taken for thirds).
    pub fn new(fractions: Vec<f64>) -> Result<Split, DefinitionError> {
        if fractions.is_empty() || fractions.len() > MAX_UNITS {
            return Err(DefinitionError::UnitCount { found: fractions.len(), max: MAX_UNITS });
        }
        let sum: f64 = fractions.iter().sum();
        if fractions.iter().any(|f| !f.is_finite() || *f <= 0.0) || (sum - 1.0).abs() > 1e-3 {
            return Err(DefinitionError::Fractions { found: fractions });
        }
        Ok(Split(fractions))
    }

    /// Parses `4` (that many equal units) or a list of fractions, `1/2,1/4,1/4` or `0.5,0.25,0.25`.
    ///
    /// # Errors
    /// As [`Split::new`], or if a part is not a number.
    pub fn parse(text: &str) -> Result<Split, DefinitionError> {
        if let Ok(units) = text.trim().parse::<usize>() {
            return Split::equal(units);
        }
        let fraction = |part: &str| -> Option<f64> {
            match part.trim().split_once('/') {
                Some((a, b)) => Some(a.trim().parse::<f64>().ok()? / b.trim().parse::<f64>().ok()?),
                None => part.trim().parse().ok(),
            }
        };
        let fractions: Option<Vec<f64>> = text.split(',').map(fraction).collect();
        Split::new(fractions.ok_or_else(|| DefinitionError::SplitText { found: text.to_owned() })?)
    }

    /// The number of units, `k`.
    pub fn units(&self) -> usize {
        self.0.len()
    }

    /// Every unit in turn.
    pub fn iter(&self) -> impl Iterator<Item = Unit> + use<> {
        (0..self.units()).filter_map(Unit::from_index)
    }

    /// The fractions as given.
    pub fn fractions(&self) -> &[f64] {
        &self.0
    }

    /// The channels of `unit` in a layer of `width` channels. Cuts are the running sums of the fractions, rounded to
    /// the nearest multiple of [`CHANNEL_STEP`]: thirds of 64 are 20, 24, 20.
    pub fn range(&self, width: usize, unit: Unit) -> Range<usize> {
        let cut = |units: usize| -> usize {
            if units == self.units() {
                return width;
            }
            let share: f64 = self.0[..units].iter().sum();
            let steps = (share * width as f64 / CHANNEL_STEP as f64).round() as usize;
            (steps * CHANNEL_STEP).min(width)
        };
        cut(unit.index())..cut(unit.index() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(split: &str, width: usize) -> Vec<usize> {
        let split = Split::parse(split).unwrap();
        split.iter().map(|u| split.range(width, u).len()).collect()
    }

    #[test]
    fn cuts_fall_on_multiples_of_four() {
        assert_eq!(sizes("3", 64), [20, 24, 20]);
        assert_eq!(sizes("0.333,0.333,0.334", 64), [20, 24, 20]);
        assert_eq!(sizes("4", 64), [16, 16, 16, 16]);
        assert_eq!(sizes("1/2, 1/4, 1/4", 128), [64, 32, 32]);
        assert_eq!(sizes("0.1,0.9", 16), [0, 16]);
    }

    #[test]
    fn bad_splits_are_refused() {
        for text in ["0", "65", "", "a,b", "0.5,0.6", "1/0,1", "-0.5,1.5", "NaN,1", "0.5,0.5,0"] {
            assert!(Split::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn units_are_written_from_one() {
        let unit = Unit::from_index(2).unwrap();
        assert_eq!((unit.to_string(), serde_json::to_string(&unit).unwrap()), ("3".into(), "3".into()));
        assert_eq!(serde_json::from_str::<Unit>("3").unwrap(), unit);
        assert!(serde_json::from_str::<Unit>("0").is_err());
        assert!(serde_json::from_str::<Unit>("65").is_err());
    }
}
