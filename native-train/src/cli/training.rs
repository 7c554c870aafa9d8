//! What the commands that train share: the device, the record of the command, and Ctrl-C.

use anyhow::Context;
use candle_core::Device;
use clap::ValueEnum;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum On {
    /// All cores, with the project's own kernels.
    Cpu,
    /// The first NVIDIA GPU, through candle's built-in operations (a build with `--features cuda`).
    Cuda,
    /// CUDA where this build and this machine have it, else the CPU.
    Auto,
}

impl On {
    pub(super) fn device(self) -> anyhow::Result<Device> {
        match self {
            On::Cpu => Ok(Device::Cpu),
            On::Cuda => Device::new_cuda(0).context(
                "--device cuda: no usable CUDA device, or this dvn-train was built without --features cuda",
            ),
            On::Auto => Ok(Device::cuda_if_available(0)?),
        }
    }
}

/// The words of the command line, for the record; programs and paths by their names only where they are absolute.
pub(super) fn command() -> String {
    let mut words: Vec<String> = std::env::args().collect();
    for word in &mut words {
        let path = std::path::Path::new(word.as_str());
        if path.is_absolute()
            && let Some(name) = path.file_name()
        {
            *word = name.to_string_lossy().into_owned();
        }
    }
    if let Some(program) = words.first_mut() {
        *program = "dvn-train".into();
    }
    words.join(" ")
}

/// A flag that is set when the user asks to stop; `says` whether this process tells so.
pub(super) fn asked_to_stop(says: bool) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            // Asked twice: leave at once. The last checkpoint is intact.
            std::process::exit(130);
        }
        if says {
            eprintln!("stopping after this step (again: at once)");
        }
    })?;
    Ok(stop)
}
