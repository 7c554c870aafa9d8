//! What was measured, as tables and as JSON.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::Engine;
use super::model::Prepared;
use crate::statistics::{median, quantile};

/// How much faster the paper's resnet-42 of four units ran at each level than whole, one image on a GPU (Kim et al. 2019).
const PAPER: [f64; 4] = [5.8, 2.8, 1.6, 1.0];

/// One engine on one level and batch.
#[derive(Clone)]
pub struct Row {
    /// Which.
    pub engine: Engine,
    /// From 1.
    pub level: usize,
    /// Images at once.
    pub batch: usize,
    /// What it ran on.
    adapter: String,
    /// Milliseconds of every run, by turn.
    turns: Vec<Vec<f64>>,
    /// Milliseconds from nothing to the first result, of each cold start.
    first_ms: Vec<f64>,
    /// Relative difference of its logits from those of our CPU engine.
    difference: f64,
    /// Bytes fetched for the first result: code compressed, weights as they are.
    bytes: u64,
    /// Of these the code.
    code_bytes: u64,
    /// Bytes of WebAssembly's memories.
    wasm_bytes: u64,
    /// Bytes that the engine says it keeps.
    engine_bytes: Option<u64>,
    /// Milliseconds and bytes to the next level's first result.
    change: Option<(f64, u64)>,
}

impl Row {
    /// Reads what the driver says.
    pub fn read(row: &Value) -> Result<Self> {
        let odd = |key: &'static str| move || format!("the driver's row has no {key}");
        let float = |key: &'static str| row[key].as_f64().with_context(odd(key));
        let count = |key: &'static str| row[key].as_f64().map(|n| n as u64);
        let name = row["engine"].as_str().with_context(odd("engine"))?;
        let engine = Engine::from_str(name, false).map_err(|e| anyhow::anyhow!("{name}: {e}"))?;
        let turns = row["times"].as_array().with_context(odd("times"))?.iter();
        let times = |turn: &Value| turn.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let first_ms: Vec<f64> = times(&row["first_ms"]);
        let change = &row["change"];
        Ok(Self {
            engine,
            level: count("level").with_context(odd("level"))? as usize,
            batch: count("batch").with_context(odd("batch"))? as usize,
            adapter: row["adapter"].as_str().with_context(odd("adapter"))?.to_owned(),
            turns: turns.map(times).collect(),
            first_ms,
            difference: float("difference")?,
            bytes: count("bytes").with_context(odd("bytes"))?,
            code_bytes: count("code_bytes").with_context(odd("code_bytes"))?,
            wasm_bytes: count("wasm_bytes").with_context(odd("wasm_bytes"))?,
            engine_bytes: count("engine_bytes"),
            change: change["ms"].as_f64().zip(change["bytes"].as_u64()),
        })
    }

    fn times(&self) -> Vec<f64> {
        self.turns.concat()
    }

    /// Milliseconds of a run.
    pub fn median_ms(&self) -> f64 {
        median(self.times())
    }

    fn p95_ms(&self) -> f64 {
        quantile(self.times(), 0.95)
    }
}

/// All of it.
pub struct Report<'a> {
    /// What was measured.
    pub prepared: &'a Prepared,
    /// By level, then batch.
    pub rows: &'a [Row],
}

impl Report<'_> {
    /// Three tables in Markdown, with a line each that says how to read it.
    pub fn tables(&self) -> String {
        [self.speed(), self.start(), self.density()].join("\n")
    }

    /// The row of an engine beside another row.
    fn beside(&self, row: &Row, engine: Engine) -> Option<&Row> {
        self.rows.iter().find(|r| (r.engine, r.level, r.batch) == (engine, row.level, row.batch))
    }

    /// Our time over a row's, in all and turn by turn.
    fn ratio(&self, row: &Row) -> Option<(f64, Vec<f64>)> {
        let ours = self.beside(row, row.engine.ours()).filter(|ours| ours.engine != row.engine)?;
        let turns = ours.turns.iter().zip(&row.turns).map(|(a, b)| median(a.clone()) / median(b.clone()));
        Some((ours.median_ms() / row.median_ms(), turns.collect()))
    }

    fn speed(&self) -> String {
        let mut text = String::from(
            "Milliseconds of a run. Ratio: our engine of the same kind over this one, in brackets by turn.\n\n\
             | level | batch | engine | median | p95 | ratio | runs on |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for row in self.rows {
            let ratio = self.ratio(row).map_or_else(String::new, |(all, turns)| {
                let turns: Vec<String> = turns.iter().map(|r| format!("{r:.2}")).collect();
                format!("{all:.2} ({})", turns.join(" "))
            });
            _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {ratio} | {} |",
                row.level,
                row.batch,
                row.engine.key(),
                digits(row.median_ms()),
                digits(row.p95_ms()),
                row.adapter
            );
        }
        text
    }

    fn start(&self) -> String {
        let mut text = String::from(
            "From nothing to the first result (download from this machine, compile, run; the median of the cold starts), \
             and from a level to the next. MB: code compressed with brotli, weights as they are. Memory: WebAssembly's, what is free in \
             it included; weights and feature maps as the engine tells.\n\n\
             | level | batch | engine | first result, ms | code, MB | weights, MB | next level, ms | MB | WebAssembly, MB | \
             engine, MB | logits differ |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let mega = |bytes: u64| format!("{:.2}", bytes as f64 / 1e6);
        let told = |bytes: Option<u64>| bytes.map_or_else(|| "not told".to_owned(), mega);
        for row in self.rows {
            let (change_ms, change_mb) =
                row.change.map_or_else(Default::default, |(ms, bytes)| (format!("{ms:.0}"), mega(bytes)));
            _ = writeln!(
                text,
                "| {} | {} | {} | {:.0} | {} | {} | {change_ms} | {change_mb} | {} | {} | {:.0e} |",
                row.level,
                row.batch,
                row.engine.key(),
                median(row.first_ms.clone()),
                mega(row.code_bytes),
                mega(row.bytes - row.code_bytes),
                mega(row.wasm_bytes),
                told(row.engine_bytes),
                row.difference
            );
        }
        text
    }

    /// How much faster than the whole a level is, where the whole was measured too.
    fn density(&self) -> String {
        let last = self.prepared.macs.len();
        let whole: Vec<&Row> = self.rows.iter().filter(|r| r.level == last).collect();
        if whole.is_empty() || self.prepared.levels.len() < 2 {
            return String::new();
        }
        let mut engines: Vec<Engine> = whole.iter().map(|r| r.engine).collect();
        engines.sort_by_key(|e| e.key());
        engines.dedup();
        let paper = self.prepared.backbone == "resnet-42" && last == PAPER.len();
        let names: Vec<String> = engines.iter().map(|e| e.key()).collect();
        let mut text = format!(
            "How many times faster than the whole network a level runs; what its arithmetic alone would give{}.\n\n\
             | batch | level | arithmetic |{} {} |\n| --- | --- | --- |{} {} |\n",
            if paper { "; the paper's figure, on its GPU" } else { "" },
            if paper { " paper, batch 1 |" } else { "" },
            names.join(" | "),
            if paper { " --- |" } else { "" },
            vec!["---"; names.len()].join(" | "),
        );
        let mut batches: Vec<usize> = whole.iter().map(|r| r.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        for batch in batches {
            for &level in &self.prepared.levels {
                let arithmetic = self.prepared.macs[last - 1] as f64 / self.prepared.macs[level - 1] as f64;
                let of = |engine: Engine, level: usize| {
                    let row =
                        self.rows.iter().find(|r| (r.engine, r.level, r.batch) == (engine, level, batch))?;
                    Some(row.median_ms())
                };
                let faster = |&engine: &Engine| {
                    let times = of(engine, last).zip(of(engine, level));
                    times.map_or_else(String::new, |(whole, level)| format!("{:.1}", whole / level))
                };
                let faster: Vec<String> = engines.iter().map(faster).collect();
                let paper = match paper {
                    true => format!(" {:.1} |", PAPER[level - 1]),
                    false => String::new(),
                };
                _ = writeln!(text, "| {batch} | {level} | {arithmetic:.1} |{paper} {} |", faster.join(" | "));
            }
        }
        text
    }

    /// One object a row. `bytes` counts code compressed with brotli and weights as they are.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "engine": row.engine.key(),
                "model": self.prepared.name,
                "task": self.prepared.task_name,
                "level": row.level,
                "batch": row.batch,
                "median_ms": row.median_ms(),
                "p95_ms": row.p95_ms(),
                "first_ms": median(row.first_ms.clone()),
                "bytes": row.bytes,
                "adapter": row.adapter,
                "code_bytes": row.code_bytes,
                "wasm_bytes": row.wasm_bytes,
                "engine_bytes": row.engine_bytes,
                "next_level_ms": row.change.map(|(ms, _)| ms),
                "next_level_bytes": row.change.map(|(_, bytes)| bytes),
                "macs": self.prepared.macs[row.level - 1],
                "difference": row.difference,
            })
        };
        json!({ "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

/// Three digits, as many of them after the point as are worth it.
fn digits(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

#[cfg(test)]
pub mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A network whose levels have these costs.
    pub fn prepared(backbone: &str, macs: &[u64]) -> Prepared {
        Prepared {
            folder: PathBuf::new(),
            levels_folder: PathBuf::new(),
            name: "net".into(),
            backbone: backbone.into(),
            task: 0,
            task_name: "cifar10".into(),
            size: 32,
            classes: 10,
            levels: (1..=macs.len()).collect(),
            exported: Vec::new(),
            macs: macs.to_vec(),
        }
    }

    /// What an engine took on a level, by turn.
    pub fn row(engine: &str, level: usize, turns: &[&[f64]]) -> Row {
        Row::read(&json!({
            "engine": engine, "level": level, "batch": 1, "adapter": "here", "times": turns,
            "first_ms": [360.5, 350.2, 340.0], "difference": 4e-7, "bytes": 5_250_000, "code_bytes": 250_000, "wasm_bytes": 2_000_000, "engine_bytes": null,
            "change": { "ms": 12.5, "bytes": 2_000_000 },
        }))
        .expect("a row as the driver writes it")
    }

    #[test]
    fn ratios_are_ours_over_theirs() {
        let prepared = prepared("wrn-32-4", &[1, 4]);
        let rows =
            [row("cpu", 1, &[&[2.0, 4.0, 3.0], &[6.0]]), row("ort-wasm-1", 1, &[&[12.0], &[16.0, 16.0]])];
        let report = Report { prepared: &prepared, rows: &rows };
        let (all, turns) = report.ratio(&rows[1]).expect("both were measured");
        assert_eq!(all, 4.0 / 16.0);
        assert_eq!(turns, [3.0 / 12.0, 6.0 / 16.0]);
        assert!(report.ratio(&rows[0]).is_none());
        let speed = report.speed();
        assert!(speed.contains("| 1 | 1 | ort-wasm-1 | 16.0 | 16.0 | 0.25 (0.25 0.38) | here |"), "{speed}");
        let start = report.start();
        let line = "| 1 | 1 | cpu | 350 | 0.25 | 5.00 | 12 | 2.00 | 2.00 | not told | 4e-7 |";
        assert!(start.contains(line), "{start}");
    }

    #[test]
    fn the_papers_figures_stand_beside_its_network_alone() {
        let rows = [row("cpu", 1, &[&[2.0]]), row("cpu", 4, &[&[20.0]])];
        let macs = [10, 40, 89, 157];
        let density = |backbone| Report { prepared: &prepared(backbone, &macs), rows: &rows }.density();
        let table = density("resnet-42");
        assert!(table.contains("| 1 | 1 | 15.7 | 5.8 | 10.0 |"), "{table}");
        assert!(table.contains("| 1 | 2 | 3.9 | 2.8 |  |"), "{table}");
        let table = density("wrn-32-4");
        assert!(table.contains("| 1 | 1 | 15.7 | 10.0 |"), "{table}");
    }

    #[test]
    fn json_has_what_readers_of_the_table_have() {
        let prepared = prepared("wrn-32-4", &[1, 4]);
        let rows = [row("webgpu", 2, &[&[2.0, 1.0, 3.0]])];
        let json = Report { prepared: &prepared, rows: &rows }.json();
        let found = &json["rows"][0];
        for (key, value) in [
            ("engine", json!("webgpu")),
            ("model", json!("net")),
            ("task", json!("cifar10")),
            ("level", json!(2)),
            ("batch", json!(1)),
            ("median_ms", json!(2.0)),
            ("p95_ms", json!(3.0)),
            ("first_ms", json!(350.2)),
            ("bytes", json!(5_250_000)),
            ("adapter", json!("here")),
        ] {
            assert_eq!(found[key], value, "{key}");
        }
    }

    #[test]
    fn a_row_that_is_none_is_named() {
        let error = Row::read(&json!({ "engine": "cpu", "times": [] })).err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("the driver's row has no level"));
    }
}
