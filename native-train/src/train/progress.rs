//! What a run tells while it goes on: a bar on a terminal, log lines elsewhere, and metrics as JSON lines and for TensorBoard.

use super::events::Events;
use super::joint::{LevelResult, Results};
use super::metrics::{Line, Metrics, StepLine};
use crate::report::{LevelReport, TaskReport};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Off a terminal a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// A line of metrics is written this often.
const METRICS_EVERY: Duration = Duration::from_secs(2);

/// Sums since the last line.
#[derive(Default)]
struct Sums {
    steps: usize,
    /// Of one task.
    images: usize,
    results: Results,
}

impl Sums {
    fn add(&mut self, images: usize, results: &Results) {
        if self.results.is_empty() {
            self.results = results.iter().map(|t| vec![None; t.len()]).collect();
        }
        self.steps += 1;
        self.images += images;
        for (sum, result) in self.results.iter_mut().flatten().zip(results.iter().flatten()) {
            let Some(result) = result else { continue };
            let sum = sum.get_or_insert_default();
            sum.loss += result.loss;
            sum.hits += result.hits;
        }
    }

    /// Tasks that took part.
    fn tasks(&self) -> usize {
        self.results.iter().filter(|levels| levels.iter().any(Option::is_some)).count()
    }
}

/// The steps of a run.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// All of them.
    pub all: u64,
    /// The first ones, which show images of half the size.
    pub half_size: u64,
}

impl Steps {
    /// What some of them cost, in steps at full size: an image of half the size has a quarter of the pixels.
    fn cost(&self, steps: Range<u64>) -> f64 {
        let small = steps.end.min(self.half_size).saturating_sub(steps.start);
        (steps.end - steps.start) as f64 - 0.75 * small as f64
    }

    /// How long the steps from `at` on will take.
    fn left(&self, at: u64, pace: &Pace) -> Duration {
        Duration::from_secs_f64(pace.median() * self.cost(at..self.all))
    }
}

/// Seconds that a step at full size takes, by the last lines of metrics. The median of them: a pause of the process, or of the
/// machine, is not work.
#[derive(Default)]
struct Pace(VecDeque<f64>);

impl Pace {
    /// Lines that count.
    const RECENT: usize = 99;

    fn add(&mut self, seconds: f64) {
        if self.0.len() == Pace::RECENT {
            self.0.pop_front();
        }
        self.0.push_back(seconds);
    }

    fn median(&self) -> f64 {
        let mut sorted = Vec::from(self.0.clone());
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    }
}

/// Bar, log lines, metrics and events of one run.
pub struct Progress {
    bar: ProgressBar,
    metrics: Metrics,
    events: Events,
    tasks: Vec<String>,
    terminal: bool,
    steps: Steps,
    sums: Sums,
    /// The step at which they begin.
    since: u64,
    pace: Pace,
    lined: Instant,
    written: Instant,
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
    /// Starts at step `done`; in `folder`, `metrics.jsonl` is gone on with and an event file is begun. `tasks` are
    /// the tasks' names.
    ///
    /// # Errors
    /// If the files cannot be opened for writing.
    pub fn new(done: u64, steps: Steps, folder: &Path, tasks: Vec<String>) -> std::io::Result<Progress> {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(steps.all) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:28} {pos}/{len} steps, {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(done);
        let metrics = Metrics::open(&folder.join("metrics.jsonl"), done, steps.all)?;
        let events = Events::create(folder, done)?;
        let now = Instant::now();
        let (lined, written) = (now, now);
        Ok(Progress {
            bar,
            metrics,
            events,
            tasks,
            terminal,
            steps,
            sums: Sums::default(),
            since: done,
            pace: Pace::default(),
            lined,
            written,
        })
    }

    /// A line for people, above the bar.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Takes note of a step, which took so many images of each task.
    ///
    /// # Errors
    /// If the metrics cannot be written.
    pub fn step(&mut self, at: At, images: usize, results: &Results) -> std::io::Result<()> {
        self.sums.add(images, results);
        self.bar.set_position(at.step);
        if self.written.elapsed() < METRICS_EVERY && at.step < self.steps.all {
            return Ok(());
        }
        let seconds = self.written.elapsed().as_secs_f64().max(1e-9);
        let sums = std::mem::take(&mut self.sums);
        let per = |f: &dyn Fn(&LevelResult) -> f64| -> Vec<Vec<Option<f64>>> {
            let of_task = |levels: &Vec<Option<LevelResult>>| {
                levels.iter().map(|r| r.as_ref().map(|r| round(f(r)))).collect()
            };
            sums.results.iter().map(of_task).collect()
        };
        let loss = per(&|r| r.loss / sums.steps as f64);
        let training_accuracy = per(&|r| 100.0 * r.hits as f64 / sums.images as f64);
        let images_per_s = round((sums.images * sums.tasks()) as f64 / seconds);
        let largest = loss.iter().map(|levels| levels.iter().rev().find_map(|l| *l));
        let whole = largest.map(|loss| loss.map_or("-".into(), |l| format!("{l:.2}")));
        self.pace.add(seconds / self.steps.cost(self.since..at.step));
        self.since = at.step;
        let left = indicatif::HumanDuration(self.steps.left(at.step, &self.pace));
        let loss_now = whole.collect::<Vec<_>>().join(" ");
        let message = format!("{left} left, {images_per_s:.0} images/s, loss {loss_now}");
        self.bar.set_message(message.clone());
        if !self.terminal && (self.lined.elapsed() >= LINE_EVERY || at.step == self.steps.all) {
            self.lined = Instant::now();
            eprintln!("step {} of {}, {message}", at.step, self.steps.all);
        }
        self.written = Instant::now();
        let At { step, epoch, rate, seconds, waited } = at;
        self.write(&Line::Step(StepLine {
            step,
            epoch: round(epoch),
            rate,
            loss,
            training_accuracy,
            images_per_s,
            seconds: round(seconds),
            waited: round(waited),
        }))
    }

    /// Takes note of an evaluation.
    ///
    /// # Errors
    /// If the metrics cannot be written.
    pub fn evaluation(&mut self, step: u64, tasks: &[TaskReport]) -> std::io::Result<()> {
        // The time that it took is not training time.
        self.written = Instant::now();
        self.sums = Sums::default();
        self.since = step;
        let measured = tasks.iter().filter(|t| t.levels.iter().any(|l| l.accuracy.is_some()));
        let line = measured.clone().map(|task| {
            let trained = |l: &LevelReport| l.accuracy.filter(|_| !l.untrained);
            let levels = task.levels.iter().map(|l| trained(l).map_or("-".into(), |a| format!("{a:.1}")));
            format!("{} {} %", task.name, levels.collect::<Vec<_>>().join(" / "))
        });
        let line = line.collect::<Vec<_>>().join(", ");
        let images = measured.flat_map(|t| &t.levels).find_map(|l| l.images).unwrap_or(0);
        self.say(&format!("step {step}: {line} (levels 1 up, on {images} test images)"));
        self.write(&Line::Evaluation { step, tasks: tasks.to_vec() })
    }

    fn write(&mut self, line: &Line) -> std::io::Result<()> {
        self.metrics.append(line)?;
        self.events.line(line, &self.tasks)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn round(v: f64) -> f64 {
    (v * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_knows_that_half_size_costs_a_quarter() {
        let steps = Steps { all: 100, half_size: 40 };
        let pace = Pace([4.0].into());
        let left = |at| steps.left(at, &pace).as_secs();
        // Steps of 1 s at half size, of 4 s at full size.
        assert_eq!(left(0), 40 + 60 * 4);
        assert_eq!(left(20), 20 + 60 * 4);
        assert_eq!(left(40), 60 * 4);
        assert_eq!(left(70), 30 * 4);
        assert_eq!(left(100), 0);
        assert_eq!(steps.left(70, &Pace::default()), Duration::ZERO);
    }

    #[test]
    fn a_pause_is_not_taken_for_work_and_a_lasting_change_is() {
        let mut pace = Pace::default();
        for seconds in [2.0, 2.0, 3600.0, 2.0, 1.0] {
            pace.add(seconds);
        }
        assert_eq!(pace.median(), 2.0);
        (0..Pace::RECENT).for_each(|_| pace.add(8.0));
        assert_eq!(pace.median(), 8.0);
        assert_eq!(pace.0.len(), Pace::RECENT);
    }
}
