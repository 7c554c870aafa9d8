//! The adapter and its device: limits, errors, loss.

use super::kernels::Kernels;
use super::tuning::Tuning;
use super::watch::{self, Outcome, Pending};
use crate::error::EngineError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The storage buffers that one stage of a kernel binds.
const STORAGE_BUFFERS: u32 = 6;
/// Bytes of workgroup memory and threads of a workgroup of the basic kernels; the others are done without where a GPU
/// allows less than they need.
const WORKGROUP_MEMORY: u32 = 1024;
const THREADS: u32 = 64;

/// How a GPU is asked for.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// What was measured at an earlier visit: [`Gpu::record`].
    pub record: Option<String>,
    /// Every kernel even on a software adapter, which by itself gets only the basic ones.
    pub every_kernel: bool,
}

/// A GPU, shared by any number of engines. [`Gpu::request`] gives one that passed the self-test.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) kernels: Kernels,
    pub(super) limits: wgpu::Limits,
    pub(super) software: bool,
    name: String,
    tuning: Mutex<Tuning>,
    troubles: Arc<Troubles>,
    /// Has whatever comes next run out of memory, for trying what follows.
    #[cfg(all(test, feature = "native"))]
    pub(super) starved: std::sync::atomic::AtomicBool,
}

/// What the device reported on its own.
#[derive(Debug, Default)]
struct Troubles {
    lost: Mutex<Option<String>>,
    uncaptured: Mutex<Option<String>>,
}

impl Gpu {
    /// The GPU of an adapter, its kernels not tested yet.
    ///
    /// # Errors
    /// If it is too small, or gives no device.
    pub(super) async fn open(
        adapter: &wgpu::Adapter,
        info: wgpu::AdapterInfo,
        wanted: &GpuOptions,
    ) -> Result<Arc<Gpu>, EngineError> {
        let key =
            format!("{} {:x}:{:x} {} {}", info.name, info.vendor, info.device, info.driver, info.driver_info);
        let limits = limits(&info.name, &adapter.limits())?;
        let descriptor = wgpu::DeviceDescriptor { required_limits: limits.clone(), ..Default::default() };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| EngineError::NoAdapter { reason: e.to_string() })?;

        let troubles = Arc::new(Troubles::default());
        let seen = troubles.clone();
        device.set_device_lost_callback(move |_, message| note(&seen.lost, message));
        let seen = troubles.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(&seen.uncaptured, e.to_string())));

        let name = if info.name.is_empty() { "GPU without a name".to_owned() } else { info.name };
        // Drivers that compute on the CPU; a browser does not always say so otherwise.
        let known = ["swiftshader", "llvmpipe", "lavapipe", "basic render"];
        let lower = name.to_ascii_lowercase();
        let software = info.device_type == wgpu::DeviceType::Cpu || known.iter().any(|k| lower.contains(k));
        let kernels = Kernels::new(&device, &limits, software && !wanted.every_kernel).await;
        let tuning = Mutex::new(Tuning::new(&key, wanted.record.as_deref()));
        let gpu = Arc::new(Gpu {
            device,
            queue,
            kernels,
            limits,
            software,
            name,
            tuning,
            troubles,
            #[cfg(all(test, feature = "native"))]
            starved: Default::default(),
        });
        gpu.judge(Outcome::Done, "the compute kernels")?;
        Ok(gpu)
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the adapter is a program on the CPU: right, and very slow.
    pub fn software(&self) -> bool {
        self.software
    }

    /// The kernels that this GPU must do without, for they are too large for it or failed the self-test: name and reason.
    pub fn dropped(&self) -> Vec<(&'static str, String)> {
        self.kernels.dropped()
    }

    /// What is known of the kernels' speed on this device, as JSON, for [`GpuOptions::record`] at the next visit.
    pub fn record(&self) -> String {
        self.tuning().record()
    }

    /// Whether the kernels' speed is measured: on a software adapter it would say nothing.
    pub fn measures(&self) -> bool {
        !self.software
    }

    pub(super) fn tuning(&self) -> MutexGuard<'_, Tuning> {
        self.tuning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the device look at what it owes: natively by waiting for it. Firefox looks only on a timer of 100 ms, or when
    /// something is submitted; other browsers need nothing.
    pub(super) fn nudge(&self) {
        self.queue.submit([]);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
    }

    /// Why the device is gone, if it is.
    pub fn lost(&self) -> Option<String> {
        self.troubles.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Destroys the device, as a driver's reset would: for trying what follows.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Runs `work` and tells what the device says of it, once it has.
    pub(super) fn watch<T>(&self, work: impl FnOnce() -> T) -> (T, Pending) {
        let (value, outcome) = watch::watch(&self.device, work);
        #[cfg(all(test, feature = "native"))]
        if self.starved.load(std::sync::atomic::Ordering::Relaxed) {
            return (
                value,
                Box::pin(async {
                    outcome.await;
                    Outcome::OutOfMemory
                }),
            );
        }
        (value, outcome)
    }

    /// An outcome as an error; `what` was to be allocated.
    pub(super) fn judge(&self, outcome: Outcome, what: &str) -> Result<(), EngineError> {
        if let Some(reason) = self.lost() {
            return Err(EngineError::DeviceLost { reason });
        }
        match outcome {
            Outcome::Done => {}
            Outcome::OutOfMemory => return Err(EngineError::OutOfMemory { what: what.to_owned() }),
            Outcome::Refused(reason) => return Err(EngineError::Gpu { reason }),
        }
        let uncaptured = &mut *self.troubles.uncaptured.lock().unwrap_or_else(PoisonError::into_inner);
        uncaptured.take().map_or(Ok(()), |reason| Err(EngineError::Gpu { reason }))
    }

    /// The most bytes of one buffer that a kernel can bind.
    pub(super) fn largest_binding(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
    }
}

impl Drop for Gpu {
    /// A browser would free the device only when its garbage collector comes by.
    fn drop(&mut self) {
        self.device.destroy();
    }
}

fn note(place: &Mutex<Option<String>>, message: String) {
    let message = if message.is_empty() { "no reason was given".to_owned() } else { message };
    // The first message names the cause; what follows are consequences.
    place.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
}

/// The limits to ask for: the usual ones as far as the adapter has them, the sizes of buffers as large as it has them.
fn limits(adapter: &str, has: &wgpu::Limits) -> Result<wgpu::Limits, EngineError> {
    let mut limits = wgpu::Limits::defaults().or_worse_values_from(has);
    limits.max_buffer_size = has.max_buffer_size;
    limits.max_storage_buffer_binding_size = has.max_storage_buffer_binding_size;
    let needs = [
        ("storage buffers of a stage", limits.max_storage_buffers_per_shader_stage, STORAGE_BUFFERS),
        ("bytes of workgroup memory", limits.max_compute_workgroup_storage_size, WORKGROUP_MEMORY),
        ("threads of a workgroup", limits.max_compute_invocations_per_workgroup, THREADS),
    ];
    match needs.into_iter().find(|(_, found, needed)| found < needed) {
        None => Ok(limits),
        Some((what, found, needed)) => {
            let (adapter, found, needed) = (adapter.to_owned(), found.into(), needed.into());
            Err(EngineError::Limits { adapter, what, found, needed })
        }
    }
}
