//! Accuracy and time of every level of every task, through any engine.

pub mod engines;

use crate::data::Dataset;
use crate::report::Report;
use dvn::manifest::Input;
use dvn::{Network, pixels};
use std::time::Instant;

/// Runs levels of a loaded model.
pub trait Engine {
    /// A name for people.
    fn name(&self) -> String;

    /// Logits, images x classes, of `level` (from 1) of `task` (from 0) on `images` normalised images, N H W C.
    ///
    /// # Errors
    /// The engine's.
    fn run(&mut self, task: usize, level: usize, input: &[f32], images: usize) -> anyhow::Result<Vec<f32>>;
}

/// Images run at once.
const BATCH: usize = 100;

/// The class with the largest logit of each row.
pub fn answers(logits: &[f32], classes: usize) -> Vec<usize> {
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)));
    logits.chunks_exact(classes.max(1)).map(|row| best(row).unwrap_or(0)).collect()
}

/// Normalised images `range` of a data set.
pub fn normalised(set: &Dataset, input: &Input, range: std::ops::Range<usize>) -> Vec<f32> {
    let rgb = set.images.range(range);
    let mut out = vec![0.0; rgb.len()];
    pixels::normalise(rgb, &input.mean, &input.std, &mut out);
    out
}

/// Measures every level of every task on the first `at_most` images of its set. `tick` is called after each batch with the
/// images done.
///
/// # Errors
/// The engine's.
pub fn evaluate(
    engine: &mut dyn Engine,
    network: &Network,
    inputs: &[Input],
    sets: &[Dataset],
    at_most: usize,
    mut tick: impl FnMut(usize),
) -> anyhow::Result<Report> {
    let names: Vec<String> = sets.iter().map(|s| s.name.clone()).collect();
    let mut report = Report::of_network(network, &names)?;
    for (t, (set, input)) in sets.iter().zip(inputs).enumerate() {
        let images = set.len().min(at_most);
        let (mut hits, mut seconds) = (vec![0; network.levels()], vec![0.0; network.levels()]);
        let mut first = 0;
        while first < images {
            let range = first..(first + BATCH).min(images);
            let pixels = normalised(set, input, range.clone());
            for level in 1..=network.levels() {
                let start = Instant::now();
                let logits = engine.run(t, level, &pixels, range.len())?;
                seconds[level - 1] += start.elapsed().as_secs_f64();
                let labels = &set.labels[range.clone()];
                let answers = answers(&logits, set.classes.len());
                hits[level - 1] +=
                    answers.iter().zip(labels).filter(|(a, l)| **a == usize::from(**l)).count();
            }
            tick(range.len());
            first = range.end;
        }
        for (level, (hits, seconds)) in report.tasks[t].levels.iter_mut().zip(hits.into_iter().zip(seconds)) {
            if images > 0 {
                level.accuracy = Some(100.0 * hits as f64 / images as f64);
                level.images = Some(images as u64);
                level.ms_per_image = Some(1e3 * seconds / images as f64);
            }
        }
    }
    Ok(report)
}
