//! A study's picture.

use super::statistics::{deviation, mean};
use super::summary::{Summary, Task};
use crate::config;
use crate::plot::figure::Figure;
use crate::plot::methods::{self, Methods, Point};

impl Summary {
    /// Accuracy against parameters of every method.
    pub fn figure(&self) -> Figure {
        let of_task = |(t, task): (usize, &Task)| {
            let mut methods: Vec<(String, Vec<Point>)> = Vec::new();
            for row in self.rows.iter().filter(|r| r.after.is_none() && !r.accuracies[t].is_empty()) {
                let own = &row.accuracies[t];
                let point =
                    Point { parameters: row.parameters[t], mean: mean(own), deviation: deviation(own) };
                match methods.last_mut() {
                    Some((name, levels)) if *name == row.method => levels.push(point),
                    _ => methods.push((row.method.clone(), vec![point])),
                }
            }
            methods::Task { title: config::title(&task.name), methods }
        };
        let tasks: Vec<methods::Task> = self.tasks.iter().enumerate().map(of_task).collect();
        let subtitle = format!("mean over {}, standard deviation; {}", self.of_seeds(), self.images());
        Methods { title: &self.title, subtitle, tasks: &tasks }.figure()
    }
}
