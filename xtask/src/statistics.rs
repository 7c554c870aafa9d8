//! Middle and tail of measured times.

/// The value below which `share` (0 to 1) of the values lie; NaN without values.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = ((values.len() as f64 * share) as usize).min(last);
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// The middle value; the upper one of an even number.
pub fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn a_quantile_leaves_its_share_below() {
        let values: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert_eq!(quantile(values.clone(), 0.95), 95.0);
        assert_eq!(quantile(values, 1.0), 99.0);
    }
}
