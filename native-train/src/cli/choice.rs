//! Which task and which level of a model a command is about.

use anyhow::{Context, bail};
use dvn::Budget;
use dvn::manifest::Task;

/// `--level` or `--budget`.
#[derive(clap::Args)]
pub struct LevelChoice {
    /// Level, from 1; the full one without it.
    #[arg(long, conflicts_with = "budget")]
    level: Option<usize>,
    /// The largest level that fits: parameters (2M) or bytes (8MB).
    #[arg(long)]
    budget: Option<Budget>,
}

impl LevelChoice {
    /// The level of `task`, from 1. Whether there is one of a given number is for whoever runs it to say.
    pub fn of(&self, task: &Task) -> anyhow::Result<usize> {
        let Some(budget) = self.budget else { return Ok(self.level.unwrap_or(task.levels.len())) };
        let parameters: Vec<u64> = task.levels.iter().map(|l| l.parameters).collect();
        budget.level(&parameters).with_context(|| {
            format!("{budget} is below level 1 of {}, which takes {} parameters", task.name, parameters[0])
        })
    }
}

/// The number of the task called `name`, from 0.
pub fn find(tasks: &[Task], name: &str) -> anyhow::Result<usize> {
    match tasks.iter().position(|t| t.name == name) {
        Some(t) => Ok(t),
        None => bail!("no task {name:?}: this model has {}", names(tasks)),
    }
}

/// The tasks' names, for messages.
pub fn names(tasks: &[Task]) -> String {
    tasks.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ")
}
