//! Data parallel training with the real program under `mpirun` (needs the feature `mpi`).
#![cfg(feature = "mpi")]

use native_train::train::{Checkpoint, Run};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A configuration of `epochs` on the samples.
fn config(folder: &Path, epochs: f64) -> PathBuf {
    let path = folder.join("team.toml");
    let text = format!(
        r#"
name = "team"
backbone = "wrn-8-1"
units = 2
[[task]]
data = "sample-cifar10"
[[task]]
data = "sample-cifar100"
[training]
epochs = {epochs}
batch = 24
rate = 0.02
evaluations = 2
evaluation_images = 20
"#
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// `dvn-train train ARGS`, as `processes` processes of one thread each.
fn train(folder: &Path, processes: usize, args: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command
        // The three are for a machine with fewer cores, and for the root of a container.
        .args(["--oversubscribe", "--bind-to", "none", "-n", &processes.to_string()])
        .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")])
        .envs([("RAYON_NUM_THREADS", "1"), ("OMPI_MCA_btl_vader_single_copy_mechanism", "none")])
        .arg(env!("CARGO_BIN_EXE_dvn-train"))
        .arg("train")
        .args(args)
        .args(["--data", "unused", "--device", "cpu"])
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn finished(folder: &Path, processes: usize, args: &[&str]) -> Checkpoint {
    let output = train(folder, processes, args).output().expect("mpirun is needed (Debian: openmpi-bin)");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    assert_eq!(log.contains("shared by 2 processes"), processes == 2, "{log}");
    let out = args.iter().skip_while(|a| **a != "--out").nth(1).unwrap();
    Checkpoint::read(&Run::last_checkpoint(&folder.join(out))).unwrap()
}

/// The first step's gradient is the same but for rounding. From the second step on, rounding turns the sign of a ReLU here
/// and there, as it does with another number of threads, and differences grow: the weights of two steps are compared less
/// strictly.
#[test]
fn two_processes_learn_what_one_learns() {
    let dir = tempfile::tempdir().unwrap();
    for (epochs, steps, tolerance) in [(0.006, 1, 5e-6), (0.012, 2, 5e-3)] {
        config(dir.path(), epochs);
        let one = finished(dir.path(), 1, &["team.toml", "--out", "one", "--overwrite"]);
        let two = finished(dir.path(), 2, &["team.toml", "--out", "two", "--overwrite"]);
        assert_eq!([one.head.step, two.head.step], [steps; 2]);
        for (name, one, two, tolerance) in [
            ("velocity", &one.velocity, &two.velocity, tolerance),
            ("weights", &one.values, &two.values, 0.1 * tolerance),
            ("running statistics", &one.running, &two.running, 1e-6),
        ] {
            let far = one.iter().zip(two).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f32::max);
            assert!(far < tolerance, "{name} differ by {far} after {steps} steps");
        }
    }
    // Both wrote a whole model.
    for out in ["one", "two"] {
        assert!(dir.path().join(out).join("model.json").exists());
    }
}

#[test]
fn an_uneven_batch_is_refused_by_all() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(config(dir.path(), 1.0)).unwrap();
    std::fs::write(dir.path().join("odd.toml"), text.replace("batch = 24", "batch = 25")).unwrap();
    let output = train(dir.path(), 2, &["odd.toml", "--out", "odd"]).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(log.contains("batches of 25 images cannot be shared evenly by 2 processes"), "{log}");
}

/// Kills everything that is still there when a test ends.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Nothing to do where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process of rank `rank` that works in `folder`.
#[cfg(target_os = "linux")]
fn process(folder: &Path, rank: usize) -> u32 {
    let wanted = format!("OMPI_COMM_WORLD_RANK={rank}");
    let is_it = |pid: &u32| {
        let at = PathBuf::from(format!("/proc/{pid}"));
        let environment = std::fs::read(at.join("environ")).unwrap_or_default();
        std::fs::read_link(at.join("cwd")).is_ok_and(|cwd| cwd == folder.canonicalize().unwrap())
            && environment.split(|b| *b == 0).any(|v| v == wanted.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(is_it).expect("the process runs")
}

#[test]
#[cfg(target_os = "linux")]
fn a_dead_process_ends_the_run_and_leaves_a_whole_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    config(dir.path(), 50.0);
    let log = dir.path().join("log.txt");
    let args = ["team.toml", "--out", "model", "--checkpoint-every", "0"];
    let mut command = train(dir.path(), 2, &args);
    let mut run = Started(command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap());
    let checkpoint = Run::last_checkpoint(&dir.path().join("model"));
    let start = Instant::now();
    let wait = |what: &str, done: &mut dyn FnMut() -> bool| {
        while !done() {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "{what}: {}",
                std::fs::read_to_string(&log).unwrap()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait("no checkpoint", &mut || Checkpoint::read(&checkpoint).is_ok_and(|c| c.head.step >= 5));
    let killed = Command::new("kill").args(["-9", &process(dir.path(), 1).to_string()]).status().unwrap();
    assert!(killed.success());
    let mut status = None;
    wait("the run goes on", &mut || {
        status = run.0.try_wait().unwrap();
        status.is_some()
    });
    assert!(!status.unwrap().success());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("rank 1") && said.contains("signal 9"), "{said}");

    // One process goes on alone from what the two left.
    let left = Checkpoint::read(&checkpoint).unwrap();
    assert!(left.head.step >= 5);
    let mut again = Command::new(env!("CARGO_BIN_EXE_dvn-train"));
    again.args(["train", "--resume", "model/training/last.checkpoint", "--checkpoint-every", "0"]);
    let mut again = Started(again.current_dir(dir.path()).stderr(Stdio::null()).spawn().unwrap());
    wait("it does not go on", &mut || {
        Checkpoint::read(&checkpoint).is_ok_and(|c| c.head.step > left.head.step)
            || again.0.try_wait().unwrap().is_some_and(|s| panic!("ended early: {s}"))
    });
}
