//! Means over seeds, and how far they can be trusted.

/// Two-sided 95 % quantiles of Student's t distribution, by degrees of freedom from 1.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The arithmetic mean; of nothing, not a number.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample's standard deviation (n - 1); nothing of fewer than two values.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Half of the 95 % confidence interval of a mean by Student's t; of more than 31 values a little too wide.
pub fn half_interval(values: &[f64]) -> Option<f64> {
    let t = T[values.len().saturating_sub(2).min(T.len() - 1)];
    deviation(values).map(|d| t * d / (values.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By R: `sd(c(1, 2, 4))` is 1.527525, and `t.test(c(1, 2, 4))` gives the interval -1.461249 to 6.127916.
    #[test]
    fn a_sample_of_three_is_what_its_definitions_say() {
        let values = [1.0, 2.0, 4.0];
        assert!((deviation(&values).unwrap() - 1.527525).abs() < 1e-6);
        assert!((half_interval(&values).unwrap() - (6.127916 + 1.461249) / 2.0).abs() < 1e-3);
        assert_eq!((deviation(&values[..1]), half_interval(&values[..1])), (None, None));
    }

    #[test]
    fn many_values_take_the_last_quantile() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let expected = 2.042 * deviation(&values).unwrap() / 10.0;
        assert!((half_interval(&values).unwrap() - expected).abs() < 1e-12);
    }
}
