//! The folder that a run writes to: where its files lie, and whether they can be written.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file whose lock tells that a run goes on.
const LOCK: &str = "lock";

/// Room for metrics, event files and pictures beside checkpoints and model.
const SMALL_FILES: u64 = 1 << 20;

/// A folder that a run cannot write to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The file system said no.
    #[error("the run's files cannot be written: {path}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Another process holds the folder.
    #[error("{path} is in use by another run that is still going on")]
    Busy {
        /// The folder.
        path: String,
    },
    /// Checkpoints and model would not fit.
    #[error(
        "{path}: {free:.1} MB are free, the run needs {needed:.1} MB for its checkpoints (written aside, then \
         renamed) and its model"
    )]
    Full {
        /// The folder.
        path: String,
        /// Free megabytes.
        free: f64,
        /// Megabytes that the run will take.
        needed: f64,
    },
}

/// The files of one run beside its model. No other run can write to the folder while this lives.
#[derive(Debug)]
pub struct Output {
    training: PathBuf,
    /// The folders that were not there before, the innermost first.
    made: Vec<PathBuf>,
    /// Released by the operating system however the process ends.
    _lock: Option<File>,
}

impl Output {
    /// The folder of a run's own files inside the folder of its model.
    pub fn training_of(out: &Path) -> PathBuf {
        out.join("training")
    }

    /// The checkpoint of a run in `out`.
    pub fn last_checkpoint_of(out: &Path) -> PathBuf {
        Output::training_of(out).join("last.checkpoint")
    }

    /// Makes and takes the folder, and shows that files can be written in it.
    ///
    /// # Errors
    /// If the folder cannot be made or written to, or another run uses it.
    pub fn open(out: &Path) -> Result<Output, OutputError> {
        let training = Output::training_of(out);
        let error = |path: &Path, source| OutputError::Io { path: path.display().to_string(), source };
        let made = training.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        std::fs::create_dir_all(&training).map_err(|e| error(&training, e))?;
        let path = training.join(LOCK);
        let file = File::create(&path).map_err(|e| error(&path, e))?;
        let lock = match file.try_lock() {
            Ok(()) => Some(file),
            Err(TryLockError::WouldBlock) => {
                return Err(OutputError::Busy { path: training.display().to_string() });
            }
            // Some network file systems have no locks: nothing that should keep a run from starting.
            Err(TryLockError::Error(_)) => None,
        };
        let output = Output { training, made, _lock: lock };
        output.remove_torn().map_err(|e| error(&output.training, e))?;
        Ok(output)
    }

    /// Removes what a killed run had begun to write aside.
    fn remove_torn(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.training)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if [".last.checkpoint.", ".best.checkpoint."].iter().any(|p| name.starts_with(p)) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes sure that the files still to be written fit: the checkpoints that are not there yet, one written aside, and
    /// the model. Where the file system does not tell its free space, nothing is checked.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn check_room(&self, checkpoint_bytes: u64, model_bytes: u64) -> Result<(), OutputError> {
        let Ok(free) = fs4::available_space(&self.training) else { return Ok(()) };
        let missing = [self.last_checkpoint(), self.best_checkpoint()].iter().filter(|p| !p.exists()).count();
        let needed = checkpoint_bytes * (1 + missing as u64) + model_bytes + SMALL_FILES;
        if free < needed {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            let path = self.training.display().to_string();
            return Err(OutputError::Full { path, free: megabytes(free), needed: megabytes(needed) });
        }
        Ok(())
    }

    /// The folder of the run's own files.
    pub fn training(&self) -> &Path {
        &self.training
    }

    /// Where the run goes on.
    pub fn last_checkpoint(&self) -> PathBuf {
        self.training.join("last.checkpoint")
    }

    /// The checkpoint of the best evaluation.
    pub fn best_checkpoint(&self) -> PathBuf {
        self.training.join("best.checkpoint")
    }
}

impl Drop for Output {
    /// A run that failed before it wrote anything leaves nothing behind.
    fn drop(&mut self) {
        let Ok(mut files) = std::fs::read_dir(&self.training) else { return };
        if files.all(|file| file.is_ok_and(|file| file.file_name() == LOCK)) {
            // What cannot be removed does no harm.
            let _ = std::fs::remove_file(self.training.join(LOCK));
            for folder in &self.made {
                let _ = std::fs::remove_dir(folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_in_the_same_folder_is_refused_until_the_first_is_gone() {
        let out = tempfile::tempdir().unwrap();
        let first = Output::open(out.path()).unwrap();
        assert!(matches!(Output::open(out.path()), Err(OutputError::Busy { .. })));
        drop(first);
        Output::open(out.path()).unwrap();
    }

    #[test]
    fn a_run_that_wrote_nothing_leaves_no_folders_and_one_that_did_leaves_all() {
        let home = tempfile::tempdir().unwrap();
        let (runs, out) = (home.path().join("runs"), home.path().join("runs/mine"));
        drop(Output::open(&out).unwrap());
        assert!(home.path().exists() && !runs.exists());
        let output = Output::open(&out).unwrap();
        std::fs::write(output.last_checkpoint(), "x").unwrap();
        drop(output);
        assert!(Output::last_checkpoint_of(&out).exists());
    }

    #[test]
    fn torn_checkpoints_go_and_whole_ones_stay() {
        let out = tempfile::tempdir().unwrap();
        let training = Output::training_of(out.path());
        std::fs::create_dir_all(&training).unwrap();
        for name in ["last.checkpoint", ".last.checkpoint.x1Y2z3", ".best.checkpoint.abcdef"] {
            std::fs::write(training.join(name), "x").unwrap();
        }
        let _output = Output::open(out.path()).unwrap();
        let left = std::fs::read_dir(training).unwrap().map(|e| e.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["last.checkpoint", "lock"]);
    }

    #[test]
    fn a_run_larger_than_the_disk_is_refused_with_both_sizes() {
        let out = tempfile::tempdir().unwrap();
        let output = Output::open(out.path()).unwrap();
        output.check_room(1000, 1000).unwrap();
        let error = output.check_room(1 << 55, 1000).unwrap_err().to_string();
        assert!(error.contains("MB are free") && error.contains("training"), "{error}");
    }
}
