//! Which variants were the fastest on this device, now or at an earlier visit.

use super::kernels::{Variant, sources_hash};
use crate::map::Map;

/// Measuring ends after so many milliseconds in all; what is left is for another visit.
const LONGEST: f64 = 100.0;
/// A variant must beat the rule's by this factor: less may be chance.
const CLEARLY: f64 = 0.95;
/// More entries than any set of models needs are no record of this program's.
const MOST_ENTRIES: usize = 512;

/// What is known of this device.
#[derive(Debug)]
pub(super) struct Tuning {
    /// The device and the shaders, of which all of this is true.
    key: String,
    kept: Map<String, Variant>,
    measured: Map<String, Variant>,
    /// Milliseconds spent on measuring.
    pub(super) spent: f64,
}

impl Tuning {
    /// What a record says, if it is one of the same device and shaders. Anything else is no record and is passed over.
    pub(super) fn new(device: &str, record: Option<&str>) -> Tuning {
        let key = format!("{device}; shaders {:016x}", sources_hash());
        let kept = record.and_then(|r| read(&key, r)).unwrap_or_default();
        Tuning { key, kept, measured: Map::new(), spent: 0.0 }
    }

    /// Everything that is known, as JSON.
    pub(super) fn record(&self) -> String {
        let known: serde_json::Map<String, serde_json::Value> =
            self.kept.iter().chain(self.measured.iter()).map(|(s, v)| (s.clone(), v.name().into())).collect();
        serde_json::json!({ "device": self.key, "kernels": known }).to_string()
    }

    pub(super) fn knows(&self, shape: &str) -> bool {
        self.kept.contains_key(shape) || self.measured.contains_key(shape)
    }

    /// What was the fastest for a shape since the program started.
    pub(super) fn measured(&self, shape: &str) -> Option<Variant> {
        self.measured.get(shape).copied()
    }

    /// What was the fastest at an earlier visit.
    pub(super) fn kept(&self, shape: &str) -> Option<Variant> {
        self.kept.get(shape).copied()
    }

    pub(super) fn time_left(&self) -> bool {
        self.spent < LONGEST
    }

    /// Settles a shape by the milliseconds of its candidates, the rule's first. One alone settles nothing.
    pub(super) fn settle(&mut self, shape: String, times: &[(Variant, f64)]) {
        let [(rule, limit), others @ ..] = times else { return };
        let Some((best, time)) = others.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else { return };
        let variant = if *time < CLEARLY * limit { *best } else { *rule };
        self.measured.insert(shape, variant);
    }
}

fn read(key: &str, record: &str) -> Option<Map<String, Variant>> {
    let record: serde_json::Value = serde_json::from_str(record).ok()?;
    if record["device"].as_str()? != key {
        return None;
    }
    let kernels = record["kernels"].as_object()?;
    let entries = kernels.iter().take(MOST_ENTRIES);
    Some(entries.filter_map(|(s, v)| Some((s.clone(), Variant::from_name(v.as_str()?)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: &str = "8 x 8 x 256 to 256, stride 1, few tiles";

    #[test]
    fn the_fastest_is_kept_if_it_is_clearly_faster_than_the_rules() {
        let mut tuning = Tuning::new("GPU", None);
        let settle = |tuning: &mut Tuning, times: &[(Variant, f64)]| {
            tuning.settle(SHAPE.into(), times);
            tuning.measured.remove(SHAPE)
        };
        let times = [(Variant::SplitInside, 1.0), (Variant::Registers, 2.0), (Variant::SplitAcross, 0.6)];
        assert_eq!(settle(&mut tuning, &times), Some(Variant::SplitAcross));
        let times = [(Variant::SplitInside, 1.0), (Variant::SplitAcross, 0.99)];
        assert_eq!(settle(&mut tuning, &times), Some(Variant::SplitInside));
        assert_eq!(settle(&mut tuning, &times[..1]), None);
        assert_eq!(settle(&mut tuning, &[]), None);
    }

    #[test]
    fn a_record_is_read_again_on_the_same_device_only() {
        let mut tuning = Tuning::new("GPU", None);
        tuning.settle(SHAPE.into(), &[(Variant::SplitInside, 1.0), (Variant::SplitAcross, 0.5)]);
        let record = tuning.record();
        let again = Tuning::new("GPU", Some(&record));
        assert_eq!(again.kept.get(SHAPE), Some(&Variant::SplitAcross));
        assert!(again.measured.is_empty() && again.knows(SHAPE));
        assert_eq!(again.record(), record);
        assert!(!Tuning::new("another GPU", Some(&record)).knows(SHAPE));
    }

    #[test]
    fn what_is_no_record_is_passed_over() {
        let record = Tuning::new("GPU", None).record();
        let other_kernel = record.replace("{}", "{\"a\":\"unknown\",\"b\":3,\"c\":\"tiles\"}");
        for (text, kept) in [("", 0), ("[]", 0), ("{\"device\":7}", 0), (&record[1..], 0), (&other_kernel, 1)]
        {
            assert_eq!(Tuning::new("GPU", Some(text)).kept.len(), kept, "{text}");
        }
    }
}
