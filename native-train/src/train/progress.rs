//! What a run tells while it goes on: a bar on a terminal, log lines elsewhere, and metrics as JSON lines.

use super::joint::LevelResult;
use crate::report::TaskReport;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Off a terminal a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// A line of metrics is written this often.
const METRICS_EVERY: Duration = Duration::from_secs(2);

/// A line of `metrics.jsonl`.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Line<'a> {
    /// Means since the line before.
    Step {
        step: u64,
        epoch: f64,
        rate: f32,
        /// By task, then level.
        loss: Vec<Vec<f64>>,
        /// On the training batches, percent; by task, then level.
        training_accuracy: Vec<Vec<f64>>,
        images_per_s: f64,
        /// Of training, in all.
        seconds: f64,
        /// That the steps have waited for batches, in all.
        waited: f64,
    },
    Evaluation {
        step: u64,
        tasks: &'a [TaskReport],
    },
}

/// Sums since the last line.
#[derive(Default)]
struct Sums {
    steps: usize,
    images: usize,
    results: Vec<Vec<LevelResult>>,
}

impl Sums {
    fn add(&mut self, images: usize, results: &[Vec<LevelResult>]) {
        if self.results.is_empty() {
            self.results = results.iter().map(|t| vec![LevelResult::default(); t.len()]).collect();
        }
        self.steps += 1;
        self.images += images;
        for (sum, r) in self.results.iter_mut().flatten().zip(results.iter().flatten()) {
            sum.loss += r.loss;
            sum.hits += r.hits;
        }
    }
}

/// Bar, log lines and metrics of one run.
pub struct Progress {
    bar: ProgressBar,
    metrics: File,
    terminal: bool,
    steps: u64,
    sums: Sums,
    lined: Instant,
    written: Instant,
    begun: (Instant, u64),
}

/// The state of a run at one step.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Steps done.
    pub step: u64,
    /// Passes over the largest task's images.
    pub epoch: f64,
    /// Learning rate.
    pub rate: f32,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds spent waiting for batches.
    pub waited: f64,
}

impl Progress {
    /// Starts at step `done` of `steps`; metrics are appended to `metrics`.
    ///
    /// # Errors
    /// If the file cannot be opened for writing.
    pub fn new(done: u64, steps: u64, metrics: &Path) -> std::io::Result<Progress> {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:28} {pos}/{len} steps, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(done);
        bar.reset_eta();
        let metrics = OpenOptions::new().create(true).append(true).open(metrics)?;
        let now = Instant::now();
        let (lined, written) = (now, now);
        Ok(Progress {
            bar,
            metrics,
            terminal,
            steps,
            sums: Sums::default(),
            lined,
            written,
            begun: (now, done),
        })
    }

    /// A line for people, above the bar.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Takes note of a step.
    ///
    /// # Errors
    /// If the metrics cannot be written.
    pub fn step(&mut self, at: At, images: usize, results: &[Vec<LevelResult>]) -> std::io::Result<()> {
        self.sums.add(images, results);
        self.bar.set_position(at.step);
        if self.written.elapsed() < METRICS_EVERY && at.step < self.steps {
            return Ok(());
        }
        let seconds = self.written.elapsed().as_secs_f64().max(1e-9);
        let sums = std::mem::take(&mut self.sums);
        let tasks = sums.results.len().max(1);
        let per = |f: &dyn Fn(&LevelResult) -> f64| -> Vec<Vec<f64>> {
            sums.results.iter().map(|t| t.iter().map(|r| round(f(r))).collect()).collect()
        };
        let loss = per(&|r| r.loss / sums.steps as f64);
        let training_accuracy = per(&|r| 100.0 * (r.hits * tasks) as f64 / sums.images as f64);
        let images_per_s = round(sums.images as f64 / seconds);
        let whole = loss.iter().map(|t| t.last().map_or("-".into(), |l| format!("{l:.2}")));
        let message = format!("{images_per_s:.0} images/s, loss {}", whole.collect::<Vec<_>>().join(" "));
        self.bar.set_message(message.clone());
        if !self.terminal && (self.lined.elapsed() >= LINE_EVERY || at.step == self.steps) {
            self.lined = Instant::now();
            let done = (at.step - self.begun.1).max(1) as f64;
            let left = self.begun.0.elapsed().as_secs_f64() / done * (self.steps - at.step) as f64;
            let left = indicatif::HumanDuration(Duration::from_secs_f64(left));
            eprintln!("step {} of {}, {left} left, {message}", at.step, self.steps);
        }
        self.written = Instant::now();
        let At { step, epoch, rate, seconds, waited } = at;
        self.write(&Line::Step {
            step,
            epoch: round(epoch),
            rate,
            loss,
            training_accuracy,
            images_per_s,
            seconds: round(seconds),
            waited: round(waited),
        })
    }

    /// Takes note of an evaluation.
    ///
    /// # Errors
    /// If the metrics cannot be written.
    pub fn evaluation(&mut self, step: u64, tasks: &[TaskReport]) -> std::io::Result<()> {
        // The time that it took is not training time.
        self.written = Instant::now();
        self.sums = Sums::default();
        let line = tasks.iter().map(|task| {
            let levels = task.levels.iter().map(|l| l.accuracy.map_or("-".into(), |a| format!("{a:.1}")));
            format!("{} {} %", task.name, levels.collect::<Vec<_>>().join(" / "))
        });
        let images = tasks.first().and_then(|t| t.levels.first()).and_then(|l| l.images).unwrap_or(0);
        let line = line.collect::<Vec<_>>().join(", ");
        self.say(&format!("step {step}: {line} (levels 1 up, on {images} test images)"));
        self.write(&Line::Evaluation { step, tasks })
    }

    fn write(&mut self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.metrics.write_all(text.as_bytes())
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn round(v: f64) -> f64 {
    (v * 1e4).round() / 1e4
}
