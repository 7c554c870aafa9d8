//! `dvn-train data`.

use crate::data::check::{Check, check};
use crate::data::fetch::{Fetched, Source, fetch};
use crate::data::sample::make;
use anyhow::{Context, bail};
use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Fetch, check and sample data sets.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Download a data set from its authors, check its hash and unpack it; goes on where an earlier attempt stopped.
    Fetch {
        /// cifar10, cifar100, tiny-imagenet or stl10.
        #[arg(required = true)]
        names: Vec<String>,
        /// Folder of the data sets.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        /// Another address of the same archive, such as a mirror; its hash must be the same.
        #[arg(long)]
        url: Option<String>,
    },
    /// Say what a data set holds, and whether it is the original.
    Check {
        /// A data set's name, as in a configuration: cifar10, cifar10:0-4, folder:PATH, ...
        name: String,
        /// Folder of the data sets.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make the repository's own sample of CIFAR-10 and CIFAR-100 again.
    Sample {
        /// Folder of the data sets.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        /// Folder for the sample.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Folder for the test images that the page offers.
        #[arg(long, value_name = "DIR")]
        strip: Option<PathBuf>,
    },
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Fetch { names, data, url } => fetch_all(&names, &data, url),
        Command::Check { name, data, json } => report(&check(&name, &data)?, json),
        Command::Sample { data, out, strip } => {
            let mut written = make::sample(&data, &out)?;
            if let Some(strip) = strip {
                written.extend(make::strip(&data, &strip)?);
            }
            for path in written {
                outln!("{}", path.display());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn fetch_all(names: &[String], dir: &Path, url: Option<String>) -> anyhow::Result<ExitCode> {
    if url.is_some() && names.len() != 1 {
        bail!("--url is the address of one data set, but {} are named", names.len());
    }
    let sources: Vec<Source> = names
        .iter()
        .map(|name| {
            let known = || format!("'{name}' cannot be fetched; {} can", Source::NAMES.join(", "));
            Source::of(name).with_context(known)
        })
        .collect::<anyhow::Result<_>>()?;
    for mut source in sources {
        if let Some(url) = &url {
            source.url = url.clone().into();
        }
        eprintln!("{}: {}", source.name, source.url);
        let style = "{bytes} of {total_bytes} {wide_bar} {bytes_per_sec}, {eta} left";
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?);
        let fetched = fetch(&source, dir, &bar);
        bar.finish_and_clear();
        match fetched? {
            Fetched::AlreadyThere(folder) => {
                outln!("{} is there already; remove it to fetch it anew", folder.display());
            }
            Fetched::Unpacked(folder) => outln!("{}", folder.display()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(check: &Check, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        outln!("{}", serde_json::to_string_pretty(check)?);
    } else {
        outln!("{}", table(check));
        let numbers = |x: [f32; 3]| x.map(|x| format!("{x:.4}")).join(" ");
        outln!("training images: mean {}, standard deviation {}", numbers(check.mean), numbers(check.std));
        outln!("classes: {}", check.classes.join(", "));
    }
    Ok(if check.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(check: &Check) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([&check.name, "images", "size", "classes", "images a class", "pixels' SHA-256"]);
    for split in &check.splits {
        let counts = &split.class_counts;
        let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
        let spread = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let verdict = match split.original {
            Some(true) => "that of the original".to_string(),
            Some(false) => "NOT that of the original".to_string(),
            None => split.sha256.chars().take(16).collect(),
        };
        table.add_row([
            split.split.to_string(),
            split.images.to_string(),
            format!("{0} x {0}", check.size),
            check.classes.len().to_string(),
            spread,
            verdict,
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
