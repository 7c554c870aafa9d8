//! Every model in the repository, every task and level, on real test images: each engine against the reference, and the
//! accuracy that the model's description promises.

use anyhow::{Context, Result, ensure};
use dvn::folder::ModelFolder;
use dvn_tests::images::{TestImages, test_images};
use dvn_tests::{CandleRunner, Case, EngineRunner, Runner, agreement, reference};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasm_infer::{Engine, Gpu};

const IMAGES: usize = 256;
/// For software adapters, which are very slow.
const FEW_IMAGES: usize = 16;

/// Folders with a model.json in `web/models`, or where `DVN_MODELS` says.
fn models() -> Result<Vec<PathBuf>> {
    let place = match std::env::var_os("DVN_MODELS") {
        Some(place) => place.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models"),
    };
    let entries = std::fs::read_dir(&place).with_context(|| format!("no models at {}", place.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.join("model.json").exists() {
            found.push(path);
        }
    }
    found.sort();
    ensure!(
        !found.is_empty(),
        "no folder with a model.json in {}: a model ships with the repository, and `dvn-train train` makes others",
        place.display()
    );
    Ok(found)
}

fn correct(logits: &[f32], labels: &[usize], classes: usize) -> usize {
    let rows = logits.chunks(classes).zip(labels);
    rows.filter(|(row, label)| row.iter().all(|v| *v <= row[**label])).count()
}

fn hold(path: &Path, gpu: &Arc<Gpu>) -> Result<()> {
    let folder = ModelFolder::open(path)?;
    let tasks = &folder.manifest().tasks;
    let images = tasks.iter().map(|t| test_images(t, IMAGES)).collect::<Result<Vec<TestImages>>>()?;
    let case = Case::of_folder(&folder, IMAGES, |task| Ok(images[task].pixels.clone()))?;
    let few = case.first(if gpu.software() { FEW_IMAGES } else { IMAGES });
    let network = &case.network;
    let mut cpu = EngineRunner::new("cpu", Engine::cpu(network.clone()));
    let mut candle = CandleRunner::new(&case);
    let mut wgpu = EngineRunner::new("wgpu", Engine::gpu(gpu.clone(), network.clone()));
    for (task, level) in case.levels() {
        let (described, classes) = (&tasks[task], network.tasks()[task].classes);
        let here = format!("{}, {}, level {level}", case.name, described.title);
        let expected = reference::logits(&case, task, level);
        let runs: [(&mut dyn Runner, &Case); 3] =
            [(&mut cpu, &case), (&mut candle, &case), (&mut wgpu, &few)];
        for (runner, case) in runs {
            let logits = runner.run(case, task, level).with_context(|| here.clone())?;
            let found = agreement(&logits, &expected[..case.count * classes], classes);
            println!(
                "{here}, {}: relative error {:.1e} on {} images",
                runner.name(),
                found.error,
                case.count
            );
            ensure!(found.holds(), "{here}, {}: {found:?}", runner.name());
        }
        if let Some(stated) = described.levels[level - 1].accuracy {
            let logits: Vec<f32> = expected.iter().map(|v| *v as f32).collect();
            let share = correct(&logits, &images[task].labels, classes) as f64 / IMAGES as f64;
            let p = stated.percent / 100.0;
            println!("{here}: {:.1} % of {IMAGES} images, stated are {:.1} %", 100.0 * share, stated.percent);
            // Four standard errors: one false alarm in 15,000 levels.
            let margin = 4.0 * (p * (1.0 - p) / IMAGES as f64).sqrt();
            ensure!(
                (share - p).abs() <= margin,
                "{here}: {:.1} % of {IMAGES} images are right, stated are {:.1} %",
                100.0 * share,
                stated.percent
            );
        }
    }
    Ok(())
}

#[test]
fn the_shipped_models_run_alike_in_every_engine() -> Result<()> {
    let gpu = wasm_infer::block_on(Gpu::request())
        .context("an adapter is needed: on a machine without a GPU, Mesa's lavapipe")?;
    for path in models()? {
        hold(&path, &gpu).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
