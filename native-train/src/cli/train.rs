//! `dvn-train train`.

use super::print;
use super::training::{On, asked_to_stop, command};
use crate::config::Config;
use crate::train::run::CHECKPOINT_EVERY;
use crate::train::{Checkpoint, Outcome, Run, Setup, Start, Team, team};
use anyhow::{Context, ensure};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Train a network from a configuration and write its model folder.
///
/// Checkpoints, metrics (JSON lines) and a copy of the configuration go to OUT/training. Ctrl-C writes a checkpoint and
/// stops; --resume goes on from it, also after a crash, and on another machine. A build with `--features mpi` trains on
/// several processes: `mpirun -n 2 dvn-train train ...`.
#[derive(clap::Args)]
pub struct Args {
    /// Configuration, for example native-train/configs/taste.toml.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Folder of the data sets.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Folder of the model. Without it, a run that is resumed from FILE goes on in the folder whose training/ holds FILE,
    /// or else in a new one beside FILE, named after the configuration.
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// What to compute on.
    #[arg(long, value_enum, default_value_t = On::Auto)]
    device: On,
    /// Go on from a checkpoint: OUT's own, or the file given (which knows its configuration).
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    resume: Option<Option<PathBuf>>,
    /// Start from a trained model of the same backbone and units in place of random weights: its shared weights, and what its
    /// tasks of the same order of units have (stem, batch norms; the classifier too for the same classes).
    #[arg(long, value_name = "MODEL", conflicts_with = "resume")]
    from: Option<PathBuf>,
    /// Teach a trained model the configuration's task, and keep the answers of those that it knows without their images
    /// (sequential learning, paper eq. 6). The new model in OUT has them all; MODEL stays as it is.
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["resume", "from"])]
    add_to: Option<PathBuf>,
    /// Start anew although OUT holds a checkpoint, or go on from an older one than it holds.
    #[arg(long)]
    overwrite: bool,
    /// Write a checkpoint at least this often.
    #[arg(long, value_name = "SECONDS", default_value_t = CHECKPOINT_EVERY.as_secs_f64(), value_parser = seconds)]
    checkpoint_every: f64,
    /// Print the final report as JSON.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|s| (0.0..=1e6).contains(s));
    seconds.ok_or_else(|| "expected seconds, 0 (after every step) to 1000000".into())
}

/// Where a run that is resumed from `file` goes on, if nothing is said.
fn home_of(file: &Path, config: &Config) -> PathBuf {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().unwrap_or(Path::new("."));
    if let (Some("training"), Some(out)) = (folder.file_name().and_then(|n| n.to_str()), folder.parent()) {
        return out.to_owned();
    }
    // The name comes out of a file that may be anybody's: it must not lead elsewhere.
    let mut parts = Path::new(&config.name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => folder.join(name),
        _ => folder.join("model"),
    }
}

/// Goes on from `given` in `out` only if `out` holds nothing newer, nor another run.
fn keep_newer(out: &Path, given: &Checkpoint) -> anyhow::Result<()> {
    let own = Run::last_checkpoint(out);
    // One that is not there or damaged is no reason to keep it.
    let Ok(own_checkpoint) = Checkpoint::read(&own) else { return Ok(()) };
    let (own_head, head) = (&own_checkpoint.head, &given.head);
    ensure!(
        own_head.config == head.config,
        "{} is of another run: choose another --out, or --overwrite it",
        own.display()
    );
    ensure!(
        own_head.step <= head.step,
        "{} is at step {}, the checkpoint given is at step {}: resume the former, or --overwrite it",
        own.display(),
        own_head.step,
        head.step
    );
    Ok(())
}

/// What the command line and the files that it names say.
struct Given {
    config: Config,
    text: String,
    /// Empty where another process leads.
    out: PathBuf,
    checkpoint: Option<Checkpoint>,
}

fn read(args: &Args) -> anyhow::Result<Given> {
    let own = args.out.as_deref().map(Run::last_checkpoint);
    let file = match &args.resume {
        Some(file) => {
            let file = file.clone().or(own.clone());
            Some(file.context("--resume without a FILE needs --out: it goes on from OUT's own checkpoint")?)
        }
        None => None,
    };
    let checkpoint = file.as_deref().map(Checkpoint::read).transpose()?;
    let (config, text) = match (&args.config, &checkpoint) {
        (Some(path), _) => Config::read(path)?,
        (None, Some(c)) => (Config::parse(&c.head.config)?, c.head.config.clone()),
        (None, None) => anyhow::bail!("give a configuration, or a checkpoint with --resume"),
    };
    let out = match (&args.out, &file) {
        (Some(out), _) => out.clone(),
        (None, Some(file)) => home_of(file, &config),
        (None, None) => anyhow::bail!("give a folder for the model with --out"),
    };
    if !args.overwrite {
        match &checkpoint {
            Some(c) => keep_newer(&out, c)?,
            None => {
                let own = Run::last_checkpoint(&out);
                let advice = "--resume goes on from it, --overwrite starts anew";
                ensure!(!own.exists(), "{} exists: {advice}", own.display());
            }
        }
    }
    Ok(Given { config, text, out, checkpoint })
}

/// The words that go on with a run, for people to copy.
fn resume_command(own: &Path, data: &Path) -> String {
    let data = if data == Path::new("data") { String::new() } else { format!(" --data {}", data.display()) };
    format!("dvn-train train --resume {}{data}", own.display())
}

/// What the leading process has read, in all of them.
fn share(args: &Args, team: &Team) -> anyhow::Result<Given> {
    if team.leads() {
        let given = read(args)?;
        if team.size() > 1 {
            let mut bytes = (given.text.len() as u64).to_le_bytes().to_vec();
            bytes.extend(given.text.as_bytes());
            bytes
                .extend(given.checkpoint.as_ref().map(Checkpoint::to_bytes).transpose()?.unwrap_or_default());
            team.broadcast(bytes);
        }
        return Ok(given);
    }
    let bytes = team.broadcast(Vec::new());
    let (length, rest) = bytes.split_first_chunk().context("the leading process sent nothing")?;
    let (text, checkpoint) = rest
        .split_at_checked(u64::from_le_bytes(*length) as usize)
        .context("the leading process sent too little")?;
    let text = String::from_utf8(text.to_vec())?;
    let checkpoint = (!checkpoint.is_empty()).then(|| Checkpoint::from_bytes(checkpoint, "the checkpoint"));
    Ok(Given {
        config: Config::parse(&text)?,
        text,
        out: PathBuf::new(),
        checkpoint: checkpoint.transpose()?,
    })
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let session = team::launch()?;
    let team = session.team();
    let result = train(&args, team);
    if let Err(error) = &result
        && team.size() > 1
    {
        // The others wait for this process in the middle of a step: they have to be ended with it.
        eprintln!("error: process {} of {}: {error:#}", team.rank() + 1, team.size());
        session.abort();
    }
    result
}

fn train(args: &Args, team: &Arc<Team>) -> anyhow::Result<ExitCode> {
    let Given { config, text, out, checkpoint } = share(args, team)?;
    let leads = team.leads();
    let stop = asked_to_stop(leads)?;
    let device = args.device.device()?;
    let (data, team) = (args.data.as_path(), team.clone());
    let start = Start::first_of(checkpoint, args.from.as_deref(), args.add_to.as_deref());
    let setup = Setup { config, text, command: command(), data, out: &out, device, start, team };
    let mut run = Run::new(setup)?;
    let stop = |_| stop.load(Ordering::Relaxed);
    if !leads {
        run.follow(stop)?;
        return Ok(ExitCode::SUCCESS);
    }
    run.checkpoint_every(Duration::from_secs_f64(args.checkpoint_every));
    eprintln!("{}", run.describe());
    let go_on = resume_command(&Run::last_checkpoint(&out), &args.data);
    match run.train(stop) {
        Ok(Outcome::Finished(report)) => {
            print(&report, args.json)?;
            eprintln!("model folder: {}", out.display());
            Ok(ExitCode::SUCCESS)
        }
        Ok(Outcome::Interrupted { step, steps }) => {
            eprintln!("interrupted at step {step} of {steps}; go on with: {go_on}");
            Ok(ExitCode::from(130))
        }
        Err(error) => {
            // Also where the checkpoint's own disk is the trouble: the one before is never touched until the next is whole.
            if let Ok(last) = Checkpoint::read(&Run::last_checkpoint(&out)) {
                eprintln!("the checkpoint of step {} is intact; go on with: {go_on}", last.head.step);
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_goes_on_where_its_checkpoint_lies() {
        let config = |name: &str| {
            let rest = "backbone = 'wrn-8-1'\nunits = 2\n[[task]]\ndata = 'cifar10'\n[training]\nepochs = 1\nrate = 0.1";
            Config::parse(&format!("name = {name:?}\n{rest}")).unwrap()
        };
        for (file, name, home) in [
            ("/no/runs/j1/training/last.checkpoint", "other", "/no/runs/j1"),
            ("/no/downloads/j1.checkpoint", "j1", "/no/downloads/j1"),
            ("/no/downloads/j1.checkpoint", "../../etc", "/no/downloads/model"),
            ("/no/downloads/j1.checkpoint", "/etc", "/no/downloads/model"),
            ("/no/downloads/j1.checkpoint", "", "/no/downloads/model"),
        ] {
            assert_eq!(home_of(Path::new(file), &config(name)), Path::new(home), "{file} {name:?}");
        }
    }

    #[test]
    fn seconds_are_sensible_numbers() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for bad in ["-1", "nan", "inf", "1e9", "soon"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
