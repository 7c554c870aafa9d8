//! Memory budgets.

use crate::error::DefinitionError;
use std::fmt;
use std::str::FromStr;

/// The most parameters that inference may keep (4 bytes each).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget {
    /// f32 numbers.
    pub parameters: u64,
}

impl Budget {
    /// The largest level (from 1) whose parameters fit, given the levels' parameters from level 1 up; `None` if not
    /// even level 1 does.
    pub fn level(self, parameters: &[u64]) -> Option<usize> {
        parameters.iter().rposition(|&p| p <= self.parameters).map(|i| i + 1)
    }
}

impl FromStr for Budget {
    type Err = DefinitionError;

    /// `1900000`, `2M`, `500k`: parameters. `8MB`, `7.5MiB`, `800kB`, `1GB`: bytes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || DefinitionError::Budget { found: text.to_owned() };
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let number: f64 = trimmed[..digits].parse().map_err(|_| error())?;
        let (factor, bytes) = match trimmed[digits..].trim().to_ascii_lowercase().as_str() {
            "" => (1.0, false),
            "k" => (1e3, false),
            "m" => (1e6, false),
            "g" => (1e9, false),
            "b" => (1.0, true),
            "kb" => (1e3, true),
            "mb" => (1e6, true),
            "gb" => (1e9, true),
            "kib" => (1024.0, true),
            "mib" => (1024.0 * 1024.0, true),
            "gib" => (1024.0 * 1024.0 * 1024.0, true),
            _ => return Err(error()),
        };
        let parameters = number * factor / if bytes { 4.0 } else { 1.0 };
        if !parameters.is_finite() || parameters > 1e15 {
            return Err(error());
        }
        Ok(Budget { parameters: parameters as u64 })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} M parameters ({:.2} MB)",
            self.parameters as f64 / 1e6,
            self.parameters as f64 * 4e-6
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_bytes_are_told_apart() {
        let p = |text: &str| text.parse::<Budget>().unwrap().parameters;
        assert_eq!((p("2M"), p("1900000"), p("500k"), p("0")), (2_000_000, 1_900_000, 500_000, 0));
        assert_eq!((p("8MB"), p("8 mb"), p("1MiB"), p("4B")), (2_000_000, 2_000_000, 262_144, 1));
        for bad in ["", "M", "-2M", "2X", "two", "1e400", "NaN", "2MM", "1.2.3M"] {
            assert!(bad.parse::<Budget>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn a_budget_buys_the_largest_level_that_fits() {
        let levels = [100, 400, 900];
        let level = |parameters| Budget { parameters }.level(&levels);
        assert_eq!([99, 100, 399, 400, 5000].map(level), [None, Some(1), Some(1), Some(2), Some(3)]);
    }
}
