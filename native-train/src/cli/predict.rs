//! `dvn-train predict`.

use super::choice::{self, LevelChoice};
use crate::evaluate::engines;
use anyhow::Context;
use dvn::folder::ModelFolder;
use dvn::pixels;
use image::{ImageReader, Limits};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say what is in images: the five likeliest classes of each.
#[derive(clap::Args)]
pub struct Args {
    /// Model folder.
    model: PathBuf,
    /// PNG, JPEG, WebP, BMP or GIF files.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Only this task (its name); all without it.
    #[arg(long)]
    task: Option<String>,
    #[command(flatten)]
    level: LevelChoice,
}

/// The largest side of an image that is read, pixels.
const MAX_SIDE: u32 = 16_384;

/// Reads an image as R G B bytes with its width and height.
fn read(path: &Path) -> anyhow::Result<(Vec<u8>, usize, usize)> {
    let attempt = || -> anyhow::Result<image::DynamicImage> {
        let mut reader = ImageReader::open(path)?.with_guessed_format()?;
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
        reader.limits(limits);
        Ok(reader.decode()?)
    };
    let rgb = attempt().with_context(|| format!("{}", path.display()))?.to_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok((rgb.into_raw(), width, height))
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let model = ModelFolder::open(&args.model)?;
    let tasks = &model.manifest().tasks;
    let chosen: Vec<usize> = match &args.task {
        None => (0..tasks.len()).collect(),
        Some(name) => vec![choice::find(tasks, name)?],
    };
    let mut engine = engines::Kind::Cpu.open(&model)?;
    let mut failed = false;
    for path in &args.images {
        let (rgb, width, height) = match read(path) {
            Ok(image) => image,
            Err(error) => {
                eprintln!("error: {error:#}");
                failed = true;
                continue;
            }
        };
        for &t in &chosen {
            let task = &tasks[t];
            let level = args.level.of(task)?;
            let size = task.input.size;
            let small = pixels::resize(&rgb, width, height, 3, size)?;
            let mut input = vec![0.0; small.len()];
            pixels::normalise(&small, &task.input.mean, &task.input.std, &mut input);
            let mut probabilities = engine.run(t, level, &input, 1)?;
            wasm_infer::softmax(&mut probabilities, task.classes.len());
            let mut ranked: Vec<usize> = (0..probabilities.len()).collect();
            ranked.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
            outln!("{}: {}, level {level} of {}", path.display(), task.title, task.levels.len());
            for &class in ranked.iter().take(5) {
                outln!("  {:5.1} %  {}", 100.0 * probabilities[class], task.classes[class]);
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
