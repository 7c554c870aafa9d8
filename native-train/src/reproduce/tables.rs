//! A study's tables, as Markdown.

use super::statistics::{deviation, half_interval, mean};
use super::summary::{Row, Summary};
use crate::config;
use std::fmt::Write;

impl Summary {
    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.title);
        if !self.note.is_empty() {
            text += &format!("{}\n\n", self.note);
        }
        text += &format!("    {}\n\n", self.command);
        let papers = self.rows.iter().flat_map(|r| &r.paper).any(Option::is_some);
        let _ = writeln!(
            text,
            "dvn-train {}; {}. Test accuracy in percent, mean over {} and standard deviation{}.\n\
             Parameters (millions): all that a level of one task needs, of the task that needs most; and all that the method \
             keeps.\n",
            self.version,
            self.images(),
            self.of_seeds(),
            if papers { "; the paper's in brackets" } else { "" },
        );
        let titles: Vec<String> = self.tasks.iter().map(|t| config::title(&t.name)).collect();
        let names = || titles.iter().map(String::as_str);
        text +=
            &head(["method", "level", "parameters", "of all"].into_iter().chain(names()).chain(["minutes"]));
        for row in &self.rows {
            let cells = row.accuracies.iter().zip(&row.paper).map(|(own, paper)| accuracy(own, *paper));
            let start = [
                row.name(),
                format!("{} of {}", row.level, row.levels),
                format!("{:.2}", row.parameters.iter().max().map_or(0.0, |&p| p as f64 / 1e6)),
                format!("{:.2}", row.parameters_of_all as f64 / 1e6),
            ];
            text += &line(start.into_iter().chain(cells).chain([format!("{:.1}", row.seconds / 60.0)]));
        }
        if let Some(differences) = self.differences(&titles) {
            text += &differences;
        }
        text += "\n![accuracy against parameters](report.svg)\n\nWhere the methods come from:\n\n";
        let mut sources: Vec<(&str, &str)> =
            self.rows.iter().map(|r| (&r.method[..], &r.source[..])).collect();
        sources.dedup();
        for (method, source) in sources {
            text += &format!("- {method}: {source}\n");
        }
        text
    }

    /// Every row against the first method's last level, paired over seeds; nothing of a single seed.
    fn differences(&self, titles: &[String]) -> Option<String> {
        let first = self.rows.first()?;
        let of_first = |r: &&Row| r.method == first.method && r.after.is_none() && r.level == r.levels;
        let reference = self.rows.iter().find(of_first)?;
        if self.seeds < 2 {
            return None;
        }
        let mut text = format!(
            "\nAgainst {}, level {}: mean difference over seeds with its 95 % confidence interval (Student's t, paired); \
             ~ where that holds 0.\n\n",
            reference.method, reference.level
        );
        text += &head(["method", "level"].into_iter().chain(titles.iter().map(String::as_str)));
        for row in self.rows.iter().filter(|row| !std::ptr::eq(*row, reference)) {
            let cells =
                row.accuracies.iter().zip(&reference.accuracies).map(|(own, other)| difference(own, other));
            let start = [row.name(), format!("{} of {}", row.level, row.levels)];
            text += &line(start.into_iter().chain(cells));
        }
        Some(text)
    }
}

impl Row {
    fn name(&self) -> String {
        match &self.after {
            Some(after) => format!("{}, after `{after}`", self.method),
            None => self.method.clone(),
        }
    }
}

/// A table's first lines; all columns but the first are set to the right.
fn head<'a>(columns: impl Iterator<Item = &'a str> + Clone) -> String {
    let rule = columns.clone().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }.to_owned());
    line(columns.map(str::to_owned)) + &line(rule)
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn accuracy(own: &[f64], paper: Option<f64>) -> String {
    if own.is_empty() {
        return String::new();
    }
    let spread = deviation(own).map(|d| format!(" ± {d:.1}")).unwrap_or_default();
    let paper = paper.map(|p| format!(" ({p:.1})")).unwrap_or_default();
    format!("{:.1}{spread}{paper}", mean(own))
}

/// Of two methods' accuracies, seed by seed.
fn difference(own: &[f64], other: &[f64]) -> String {
    if own.is_empty() || own.len() != other.len() {
        return String::new();
    }
    let pairs: Vec<f64> = own.iter().zip(other).map(|(a, b)| a - b).collect();
    let (mean, half) = (mean(&pairs), half_interval(&pairs).unwrap_or(f64::INFINITY));
    let chance = if mean.abs() <= half { " ~" } else { "" };
    format!("{mean:+.1} ± {half:.1}{chance}")
}

#[cfg(test)]
mod tests {
    use super::super::summary::Task;
    use super::*;

    fn row(method: &str, accuracies: [&[f64]; 2], paper: [Option<f64>; 2]) -> Row {
        Row {
            method: method.into(),
            source: format!("source of {method}"),
            after: None,
            level: 1,
            levels: 1,
            parameters: vec![1_000_000, 1_234_567],
            parameters_of_all: 7_400_000,
            accuracies: accuracies.map(<[f64]>::to_vec).into(),
            paper: paper.into(),
            seconds: 90.0,
        }
    }

    fn summary(rows: Vec<Row>) -> Summary {
        let task = |name: &str| Task { name: name.into(), images: 10_000 };
        Summary {
            title: "S".into(),
            note: String::new(),
            command: "dvn-train reproduce s.toml".into(),
            version: "1",
            seeds: 3,
            tasks: vec![task("cifar10"), task("cifar100")],
            rows,
        }
    }

    /// The second method's differences on the first task are 1, 2 and 4: mean 2.33, interval 3.79 to either side (see
    /// `statistics`); on the second 1 each time.
    #[test]
    fn the_tables_say_means_spreads_and_paired_differences() {
        let a = row("A", [&[50.0, 60.0, 70.0], &[20.0, 21.0, 22.0]], [Some(94.6), None]);
        let b = row("B", [&[51.0, 62.0, 74.0], &[21.0, 22.0, 23.0]], [None, None]);
        let text = summary(vec![a, b]).markdown();
        for expected in [
            "| method | level | parameters | of all | CIFAR-10 | CIFAR-100 | minutes |",
            "| A | 1 of 1 | 1.23 | 7.40 | 60.0 ± 10.0 (94.6) | 21.0 ± 1.0 | 1.5 |",
            "| B | 1 of 1 | 1.23 | 7.40 | 62.3 ± 11.5 | 22.0 ± 1.0 | 1.5 |",
            "| B | 1 of 1 | +2.3 ± 3.8 ~ | +1.0 ± 0.0 |",
            "- A: source of A\n- B: source of B\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn a_task_that_a_method_does_not_know_is_left_blank() {
        let rows = vec![row("A", [&[50.0, 60.0, 70.0], &[]], [None, None])];
        assert!(summary(rows).markdown().contains("| 60.0 ± 10.0 |  | 1.5 |"));
    }
}
