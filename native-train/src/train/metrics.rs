//! `metrics.jsonl`: what a run did, one JSON object a line.

use crate::aside;
use crate::report::TaskReport;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// Means over the steps since the line before.
    Step(StepLine),
    /// Every level of every task on test images.
    Evaluation {
        /// Steps done.
        step: u64,
        /// In order.
        tasks: Vec<TaskReport>,
    },
}

/// Some steps of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Steps done.
    pub step: u64,
    /// Passes over the largest task's images.
    pub epoch: f64,
    /// Learning rate.
    pub rate: f32,
    /// Of an image; by task, then level. None of a level that is not learned.
    pub loss: Vec<Vec<Option<f64>>>,
    /// On the training batches, percent; by task, then level.
    pub training_accuracy: Vec<Vec<Option<f64>>>,
    /// Images of all tasks in a second.
    pub images_per_s: f64,
    /// Seconds of training in all.
    pub seconds: f64,
    /// Seconds that the steps have waited for batches in all.
    pub waited: f64,
}

/// The file, open to append to.
#[derive(Debug)]
pub struct Metrics(File);

impl Metrics {
    /// Opens the file for a run that has done `done` of `steps` steps. What the run will do again is dropped (later steps,
    /// and the evaluation at the end), and so is a line that a killed run wrote by half.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, done: u64, steps: u64) -> io::Result<Metrics> {
        let old = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        let mut kept = Vec::new();
        for line in old.split_inclusive(|&b| b == b'\n').filter(|l| l.ends_with(b"\n")) {
            let keep = match serde_json::from_slice(line) {
                Ok(Line::Step(line)) => line.step <= done,
                Ok(Line::Evaluation { step, .. }) => step <= done && step < steps,
                Err(_) => false,
            };
            if keep {
                kept.extend_from_slice(line);
            }
        }
        if kept != old {
            aside::write(path, &kept)?;
        }
        Ok(Metrics(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.0.write_all(text.as_bytes())
    }

    /// All whole lines of a file, in order.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: &Path) -> io::Result<Vec<Line>> {
        let text = std::fs::read(path)?;
        Ok(text.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> Line {
        Line::Step(StepLine {
            step,
            epoch: 0.5,
            rate: 0.1,
            loss: vec![vec![Some(1.5), None]],
            training_accuracy: vec![vec![Some(50.0), None]],
            images_per_s: 10.0,
            seconds: 1.0,
            waited: 0.0,
        })
    }

    fn evaluation(step: u64) -> Line {
        Line::Evaluation { step, tasks: Vec::new() }
    }

    #[test]
    fn reopening_keeps_only_what_will_not_be_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(&path, 0, 40).unwrap();
        let lines = [step(10), evaluation(10), step(20), evaluation(20), step(30), step(40), evaluation(40)];
        for line in &lines {
            metrics.append(line).unwrap();
        }
        drop(metrics);
        let whole = std::fs::read(&path).unwrap();
        for (done, kept) in [(40, 6), (39, 5), (20, 4), (19, 2), (9, 0)] {
            // A kill in the middle of a line, with bytes that are no text.
            std::fs::write(&path, [&whole[..], b"{\"kind\":\"step\",\"step\":5\xff"].concat()).unwrap();
            let mut metrics = Metrics::open(&path, done, 40).unwrap();
            metrics.append(&step(done + 1)).unwrap();
            let expected = [&lines[..kept], &[step(done + 1)]].concat();
            assert_eq!(Metrics::read(&path).unwrap(), expected, "at step {done}");
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), kept + 1);
        }
    }
}
