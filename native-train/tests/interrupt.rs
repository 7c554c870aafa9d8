//! A training run survives what happens to long runs: kills at any moment, Ctrl-C, other machines, full and unusable disks.
//! All of it with the real program and real processes.

use native_train::train::metrics::{Line, Metrics};
use native_train::train::{Checkpoint, Run};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

const STEPS: u64 = 48;
const CONFIG: &str = r#"
name = "tiny"
backbone = "wrn-8-1"
units = 2
seed = 5
[[task]]
data = "sample-cifar10"
[[task]]
data = "sample-cifar100"
[training]
epochs = 0.768
batch = 40
rate = 0.1
half_size = 0.25
evaluations = 4
evaluation_images = 50
"#;

/// A scratch folder with the configuration in it; the model folder has the same name everywhere, since the model records
/// the command that made it.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Scratch {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tiny.toml"), CONFIG).unwrap();
        Scratch(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.path("model")
    }

    /// `dvn-train train ARGS`, in the scratch folder.
    fn train(&self, args: &[&str]) -> Started {
        let log = self.path("log.txt");
        let child = Command::new(env!("CARGO_BIN_EXE_dvn-train"))
            .arg("train")
            .args(args)
            .args(["--data", "unused", "--device", "cpu"])
            .current_dir(self.0.path())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn();
        Started { child: child.unwrap(), log }
    }

    fn fresh(&self, more: &[&str]) -> Started {
        self.train(&[&["tiny.toml", "--out", "model"], more].concat())
    }

    fn last(&self) -> PathBuf {
        Run::last_checkpoint(&self.out())
    }
}

struct Started {
    child: Child,
    log: PathBuf,
}

impl Started {
    /// How it ended, and what it said.
    fn end(mut self) -> (ExitStatus, String) {
        (self.child.wait().unwrap(), std::fs::read_to_string(&self.log).unwrap())
    }

    fn finish(self) -> String {
        let (status, log) = self.end();
        assert!(status.success(), "{log}");
        log
    }

    fn fail(self) -> String {
        let (status, log) = self.end();
        assert_eq!(status.code(), Some(1), "{log}");
        log
    }

    /// Waits until the checkpoint in `out` is at least at `step`.
    fn until(&mut self, checkpoint: &Path, step: u64) {
        let start = Instant::now();
        while !Checkpoint::read(checkpoint).is_ok_and(|c| c.head.step >= step) {
            assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint of step {step}");
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "{}",
                std::fs::read_to_string(&self.log).unwrap()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Nothing to do where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything in a checkpoint but the seconds that the run took.
fn assert_same_checkpoint(a: &Path, b: &Path) {
    let [mut a, mut b] = [a, b].map(|path| Checkpoint::read(path).unwrap());
    assert_eq!(a.head.step, STEPS);
    (a.head.seconds, b.head.seconds) = (0.0, 0.0);
    assert_eq!(a.head, b.head);
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for (a, b) in [(&a.values, &b.values), (&a.velocity, &b.velocity), (&a.running, &b.running)] {
        assert!(bits(a) == bits(b), "the numbers differ");
    }
}

/// Every file of two model folders, byte for byte.
fn assert_same_model(a: &Path, b: &Path) {
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap());
        let mut names: Vec<_> =
            entries.filter(|e| e.file_type().unwrap().is_file()).map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files(a), files(b));
    assert!(files(a).len() > 8);
    for name in files(a) {
        assert!(std::fs::read(a.join(&name)).unwrap() == std::fs::read(b.join(&name)).unwrap(), "{name:?}");
    }
}

/// Lines of steps, each later than the one before, and one evaluation a time.
fn assert_metrics_in_order(out: &Path) {
    let lines = Metrics::read(&out.join("training/metrics.jsonl")).unwrap();
    let (mut steps, mut evaluations) = (Vec::new(), Vec::new());
    for line in &lines {
        match line {
            Line::Step(line) => steps.push(line.step),
            Line::Evaluation { step, .. } => evaluations.push(*step),
        }
    }
    assert_eq!(steps.last(), Some(&STEPS));
    assert!(steps.is_sorted_by(|a, b| a < b), "{steps:?}");
    assert_eq!(evaluations, [24, 36, 48]);
}

/// Numbers below 1 from a seed that differs each time: the moments of the kills.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}

#[test]
fn kills_at_random_moments_change_no_bit_of_the_result() {
    let straight = Scratch::new();
    let start = Instant::now();
    // The model says which command made it, and that of a run which has to start again says --overwrite.
    let fresh = ["--checkpoint-every", "0.02", "--overwrite"];
    straight.fresh(&fresh).finish();
    let whole = start.elapsed();

    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut moments = Moments(seed);
    let broken = Scratch::new();
    let mut run = broken.fresh(&fresh);
    let (mut kills, mut steps) = (0, Vec::new());
    while kills < 8 {
        std::thread::sleep(whole.mul_f64(0.3 * moments.next()));
        if run.child.try_wait().unwrap().is_some() {
            break;
        }
        run.child.kill().unwrap();
        run.child.wait().unwrap();
        kills += 1;
        // Killed before there was anything to go on from: start again.
        run = match Checkpoint::read(&broken.last()) {
            Ok(checkpoint) => {
                steps.push(checkpoint.head.step);
                broken.train(&["--resume", "model/training/last.checkpoint", "--checkpoint-every", "0.02"])
            }
            Err(_) => broken.fresh(&fresh),
        };
    }
    run.finish();
    println!("seed {seed}: {kills} kills, resumed at steps {steps:?}");
    assert!(kills > 0, "seed {seed}: the run was over before the first kill");
    assert!(steps.is_sorted(), "seed {seed}: {steps:?}");
    assert_same_checkpoint(&straight.last(), &broken.last());
    let best = |s: &Scratch| Checkpoint::read(&s.path("model/training/best.checkpoint")).unwrap().values;
    assert!(best(&straight) == best(&broken), "seed {seed}: the best checkpoints differ");
    assert_same_model(&straight.out(), &broken.out());
    assert_metrics_in_order(&straight.out());
    assert_metrics_in_order(&broken.out());
    let torn = std::fs::read_dir(broken.path("model/training")).unwrap().map(|e| e.unwrap().file_name());
    let torn: Vec<_> = torn.filter(|n| n.to_string_lossy().starts_with('.')).collect();
    assert!(torn.is_empty(), "left over: {torn:?}");

    finished_runs_are_only_exported_again(&broken);
}

fn finished_runs_are_only_exported_again(scratch: &Scratch) {
    let before = scratch.path("before");
    std::fs::create_dir(&before).unwrap();
    for entry in std::fs::read_dir(scratch.out()).unwrap().map(|e| e.unwrap()) {
        if entry.file_type().unwrap().is_file() {
            std::fs::rename(entry.path(), before.join(entry.file_name())).unwrap();
        }
    }
    let log = scratch.train(&["--resume", "model/training/last.checkpoint"]).finish();
    assert!(log.contains("all of them are done already"), "{log}");
    assert_same_model(&before, &scratch.out());
    the_runs_pictures_can_be_drawn_again(scratch);
    assert_metrics_in_order(&scratch.out());
}

fn the_runs_pictures_can_be_drawn_again(scratch: &Scratch) {
    let pictures = ["accuracy.svg", "curves.svg"].map(|name| scratch.path("model/training").join(name));
    let drawn = pictures.each_ref().map(|path| std::fs::read_to_string(path).unwrap());
    let plot = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dvn-train"));
        command.args(["plot", out]).current_dir(scratch.0.path()).output().unwrap()
    };
    for path in &pictures {
        std::fs::remove_file(path).unwrap();
    }
    let said = plot("model");
    assert!(said.status.success(), "{said:?}");
    assert_eq!(String::from_utf8(said.stdout).unwrap().lines().count(), 2);
    assert!(drawn == pictures.each_ref().map(|path| std::fs::read_to_string(path).unwrap()));
    assert!(drawn[0].contains("CIFAR-100, sample") && drawn[1].contains("CIFAR-10, sample: accuracy"));

    let said = plot("nowhere");
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("nowhere"), "{said:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_exits_130_and_the_file_goes_on_alone_elsewhere() {
    let here = Scratch::new();
    let mut run = here.fresh(&["--checkpoint-every", "0"]);
    run.until(&here.last(), 5);
    let pid = run.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let (status, log) = run.end();
    assert_eq!(status.code(), Some(130), "{log}");
    assert!(log.contains("go on with: dvn-train train --resume model/training/last.checkpoint"), "{log}");
    let step = Checkpoint::read(&here.last()).unwrap().head.step;
    assert!((5..STEPS).contains(&step) && log.contains(&format!("interrupted at step {step} ")), "{log}");

    // Neither the configuration nor anything else of the first run is there.
    let there = Scratch(tempfile::tempdir().unwrap());
    std::fs::copy(here.last(), there.path("carried.checkpoint")).unwrap();
    let log = there.train(&["--resume", "carried.checkpoint"]).finish();
    assert!(log.contains(&format!("going on at step {step}\n")), "{log}");
    here.train(&["--resume", "--out", "model"]).finish();
    let elsewhere = there.path("tiny");
    assert_same_checkpoint(&here.last(), &Run::last_checkpoint(&elsewhere));
    assert_same_model(&here.out(), &elsewhere);
}

#[test]
fn a_checkpoint_is_not_overwritten_by_an_older_one_unless_asked() {
    let scratch = Scratch::new();
    let mut run = scratch.fresh(&["--checkpoint-every", "0"]);
    run.until(&scratch.last(), 3);
    std::fs::copy(scratch.last(), scratch.path("old.checkpoint")).unwrap();
    let old = Checkpoint::read(&scratch.path("old.checkpoint")).unwrap().head.step;
    run.until(&scratch.last(), old + 2);
    // A second run in a folder that is in use; --overwrite is no licence for that.
    let log = scratch.fresh(&["--overwrite"]).fail();
    assert!(log.contains("in use"), "{log}");
    drop(run);
    let log = scratch.fresh(&[]).fail();
    assert!(log.contains("--resume") && log.contains("--overwrite"), "{log}");
    let older = ["--resume", "old.checkpoint", "--out", "model"];
    let log = scratch.train(&older).fail();
    assert!(log.contains(&format!("at step {old}")), "{log}");
    scratch.train(&[&older[..], &["--overwrite"]].concat()).finish();
}

#[test]
fn an_unusable_output_is_reported_before_training_starts() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("file"), "").unwrap();
    for out in ["file", "file/model"] {
        let log = scratch.train(&["tiny.toml", "--out", out]).fail();
        let needle = format!("{out}/training");
        assert!(log.contains("cannot be written") && log.contains(&needle), "{log}");
        assert_eq!(log.matches("os error").count(), 1, "{log}");
        assert!(!log.contains("step"), "{log}");
    }
    let log = scratch.train(&["--resume", "tiny.toml"]).fail();
    assert!(log.contains("tiny.toml: no usable checkpoint"), "{log}");
    let log = scratch.train(&["--resume", "nowhere.checkpoint"]).fail();
    assert!(log.contains("nowhere.checkpoint"), "{log}");
}

#[test]
fn an_output_that_goes_away_is_reported_and_the_last_checkpoint_survives() {
    let scratch = Scratch::new();
    let mut run = scratch.fresh(&["--checkpoint-every", "0"]);
    run.until(&scratch.last(), 5);
    let moved = scratch.path("moved");
    std::fs::rename(scratch.path("model/training"), &moved).unwrap();
    let log = run.fail();
    assert!(log.contains("model/training/last.checkpoint"), "{log}");
    let last = moved.join("last.checkpoint");
    let step = Checkpoint::read(&last).unwrap().head.step;
    assert!((5..STEPS).contains(&step));
    let log = scratch.train(&["--resume", "moved/last.checkpoint", "--out", "again"]).finish();
    assert!(log.contains(&format!("going on at step {step}\n")), "{log}");
}

/// A small file system of its own, where the test may mount one.
#[cfg(target_os = "linux")]
struct Disk(PathBuf);

#[cfg(target_os = "linux")]
impl Disk {
    fn mount(place: PathBuf, size: &str) -> Option<Disk> {
        std::fs::create_dir(&place).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", size, "none"])
            .arg(&place)
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|s| s.success()).then_some(Disk(place))
    }

    fn remount(&self, options: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind may still use it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn full_and_read_only_disks_are_reported_and_the_last_checkpoint_survives() {
    let scratch = Scratch::new();
    let Some(disk) = Disk::mount(scratch.path("disk"), "size=2m") else {
        println!("not run: no right to mount a small file system here");
        return;
    };
    let train = ["tiny.toml", "--out", "disk/model", "--checkpoint-every", "0"];
    let log = scratch.train(&train).fail();
    assert!(log.contains("MB are free, the run needs"), "{log}");
    assert!(!log.contains("step"), "{log}");

    disk.remount("size=32m");
    let last = Run::last_checkpoint(&scratch.path("disk/model"));
    let mut run = scratch.train(&train);
    run.until(&last, 5);
    // Another program fills the disk.
    let mut zeros = std::io::repeat(0);
    let error =
        std::io::copy(&mut zeros, &mut File::create(scratch.path("disk/filler")).unwrap()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let log = run.fail();
    assert!(log.contains("No space left on device") && log.contains("disk/model/training"), "{log}");
    let step = Checkpoint::read(&last).unwrap().head.step;
    assert!((5..STEPS).contains(&step));
    assert!(
        log.contains(&format!("the checkpoint of step {step} is intact; go on with: dvn-train train")),
        "{log}"
    );

    disk.remount("ro");
    let resume = ["--resume", "disk/model/training/last.checkpoint"];
    let log = scratch.train(&resume).fail();
    assert!(log.contains("Read-only file system"), "{log}");
    disk.remount("rw");
    std::fs::remove_file(scratch.path("disk/filler")).unwrap();
    let log = scratch.train(&resume).finish();
    assert!(log.contains(&format!("going on at step {step}\n")), "{log}");
}
