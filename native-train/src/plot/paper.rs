//! What the paper (Kim et al., CVPR 2019, Table 1) reports.

use super::figure::{self, Join, Marker, Series, Style};

/// One task's figures: millions of parameters, test accuracy in percent.
pub struct Task {
    pub dvn: [(f64, f64); 2],
    pub nested: (f64, f64),
    pub baseline: (f64, f64),
}

/// Scenario J1: CIFAR-10, then CIFAR-100, two units, wrn-32-4.
pub const J1: [Task; 2] = [
    Task { dvn: [(1.9, 94.6), (7.4, 95.1)], nested: (7.4, 94.7), baseline: (7.4, 94.8) },
    Task { dvn: [(1.9, 75.0), (7.4, 77.3)], nested: (7.4, 76.7), baseline: (7.4, 76.4) },
];

/// The figures for a backbone and the names of the tasks' data sets, where the paper has them.
pub fn figures(backbone: &str, tasks: &[&str]) -> &'static [Task] {
    if backbone == "wrn-32-4" && tasks == ["cifar10", "cifar100"] { &J1 } else { &[] }
}

impl Task {
    /// Each of them marked and named.
    pub fn series(&self) -> Vec<Series> {
        let series = |color, join, marker, points: &[(f64, f64)], key: String| Series {
            style: Style { color, join, marker: Some(marker) },
            points: points.to_vec(),
            key: Some(key),
        };
        let [one, both] = self.dvn;
        let dvn = format!("DVN, paper: {:.1} with one unit, {:.1} with both", one.1, both.1);
        let nested = format!("NestedNet, paper: {:.1}", self.nested.1);
        let baseline = format!("Baseline (a network for each task), paper: {:.1}", self.baseline.1);
        vec![
            series(figure::VERMILION, Join::Dashed, Marker::Ring, &self.dvn, dvn),
            series(figure::GREEN, Join::None, Marker::Triangle, &[self.nested], nested),
            series(figure::BLACK, Join::None, Marker::Square, &[self.baseline], baseline),
        ]
    }
}
