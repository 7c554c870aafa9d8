//! The table of task x level, for people and for programs.

use comfy_table::{CellAlignment, Table, presets};
use dvn::manifest::Manifest;
use dvn::{Combination, DefinitionError, Network};
use serde::{Deserialize, Serialize};

/// One task's levels; the shape of all JSON about models is `{"tasks": [TaskReport]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// The task's name.
    pub name: String,
    /// From level 1 up.
    pub levels: Vec<LevelReport>,
}

/// One level. What was not measured is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelReport {
    /// From 1.
    pub level: usize,
    /// Unit numbers, in the order in which they joined.
    pub units: Vec<usize>,
    /// Everything counted.
    pub parameters: u64,
    /// 4 per parameter.
    pub bytes: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Images behind the accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Milliseconds an image took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms_per_image: Option<f64>,
    /// Whether no training has changed its own numbers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untrained: bool,
}

/// A level of every task, resident together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CombinationReport {
    /// Of every task in turn, from 1.
    pub levels: Vec<usize>,
    /// Everything counted, blocks that several tasks use once.
    pub parameters: u64,
    /// 4 per parameter.
    pub bytes: u64,
    /// Mean of the tasks, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}

/// All tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// In order.
    pub tasks: Vec<TaskReport>,
    /// What a budget buys that all tasks share ([`Network::combinations`]); of a model of several tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together: Vec<CombinationReport>,
}

impl Report {
    /// The costs of a network, nothing measured; `names` are the tasks'.
    ///
    /// # Errors
    /// None for a network that was put together by [`Network::new`].
    pub fn of_network(network: &Network, names: &[String]) -> Result<Report, DefinitionError> {
        let mut tasks = Vec::new();
        for (t, name) in names.iter().enumerate() {
            let mut levels = Vec::new();
            for level in 1..=network.levels() {
                let plan = network.plan(t, level)?;
                let costs = plan.costs();
                levels.push(LevelReport {
                    level,
                    units: plan.units.iter().map(|u| u.number()).collect(),
                    parameters: costs.parameters,
                    bytes: costs.bytes,
                    macs: costs.macs,
                    accuracy: None,
                    images: None,
                    ms_per_image: None,
                    untrained: false,
                });
            }
            tasks.push(TaskReport { name: name.clone(), levels });
        }
        Ok(Report { tasks, together: Vec::new() })
    }

    /// What a manifest says.
    ///
    /// # Errors
    /// As [`Report::of_network`].
    pub fn of_manifest(manifest: &Manifest, network: &Network) -> Result<Report, DefinitionError> {
        let names: Vec<String> = manifest.tasks.iter().map(|t| t.name.clone()).collect();
        let mut report = Report::of_network(network, &names)?;
        for (task, from) in report.tasks.iter_mut().zip(&manifest.tasks) {
            for (level, from) in task.levels.iter_mut().zip(&from.levels) {
                level.accuracy = from.accuracy.map(|a| a.percent);
                level.images = from.accuracy.map(|a| a.images);
                level.untrained = from.untrained;
            }
        }
        if manifest.tasks.len() > 1 {
            let about = |c: Combination| CombinationReport {
                levels: c.levels,
                parameters: c.parameters,
                bytes: 4 * c.parameters,
                accuracy: manifest.measured().then_some(c.value),
            };
            report.together = manifest.combinations(network)?.into_iter().map(about).collect();
        }
        Ok(report)
    }

    /// Marks all levels but these, by task, as untrained.
    pub fn mark_untrained(&mut self, trained: &[Vec<usize>]) {
        for (task, trained) in self.tasks.iter_mut().zip(trained) {
            task.levels.iter_mut().for_each(|l| l.untrained = !trained.contains(&l.level));
        }
    }

    /// A table for people. Columns that no level has a value for are left out.
    pub fn table(&self) -> String {
        let levels = || self.tasks.iter().flat_map(|t| &t.levels);
        let accuracy = levels().any(|l| l.accuracy.is_some());
        let time = levels().any(|l| l.ms_per_image.is_some());
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        let mut header = vec!["task", "level", "units", "parameters", "MB", "M multiply-adds"];
        if accuracy {
            header.extend(["accuracy", "images"]);
        }
        if time {
            header.push("ms an image");
        }
        table.set_header(header);
        for task in &self.tasks {
            for level in &task.levels {
                let units = level.units.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
                let mut row = vec![
                    if level.level == 1 { task.name.clone() } else { String::new() },
                    level.level.to_string(),
                    units,
                    thousands(level.parameters),
                    format!("{:.2}", level.bytes as f64 / 1e6),
                    format!("{:.1}", level.macs as f64 / 1e6),
                ];
                let cell = |v: Option<String>| v.unwrap_or_else(|| "-".to_owned());
                let note = if level.untrained { "untrained: " } else { "" };
                if accuracy {
                    row.push(cell(level.accuracy.map(|a| format!("{note}{a:.2} %"))));
                    row.push(cell(level.images.map(thousands)));
                }
                if time {
                    row.push(cell(level.ms_per_image.map(|t| format!("{t:.3}"))));
                }
                table.add_row(row);
            }
        }
        for (i, column) in table.column_iter_mut().enumerate() {
            column.set_cell_alignment(if i == 0 || i == 2 {
                CellAlignment::Left
            } else {
                CellAlignment::Right
            });
        }
        table.to_string()
    }

    /// What a budget buys that all tasks share, as a table for people.
    pub fn together_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        let names: Vec<&str> = self.tasks.iter().map(|t| t.name.as_str()).collect();
        table.set_header([&format!("levels of {}", names.join(", ")), "parameters", "MB", "mean accuracy"]);
        for c in &self.together {
            table.add_row([
                c.levels.iter().map(usize::to_string).collect::<Vec<_>>().join(" "),
                thousands(c.parameters),
                format!("{:.2}", c.bytes as f64 / 1e6),
                c.accuracy.map_or("-".to_owned(), |a| format!("{a:.2} %")),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// 1 as "1 unit", 2 as "2 units".
pub(crate) fn units(n: usize) -> String {
    format!("{n} unit{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (7_412_345, "7,412,345")];
        for (n, text) in cases {
            assert_eq!(thousands(n), text);
        }
    }
}
