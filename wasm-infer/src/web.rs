//! The face that JavaScript and TypeScript see.
//!
//! Every error is an `Error` whose message says what was wrong. Calls may overlap: while a run waits, shards can be
//! inserted and freed and other runs begun.

use crate::gpu::{Gpu, GpuOptions, LayerKernel, Origin};
use dvn::{Combination, Manifest, Network, ShardId};
use js_sys::Reflect;
use serde_json::json;
use std::fmt::Display;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A measured accuracy. */
export interface Accuracy {
  /** Mean over the seeds, percent. */
  percent: number;
  /** Test images behind it. */
  images: number;
  /** Training runs behind it. */
  seeds: number;
}

/** A level's costs and what it is worth. */
export interface LevelInfo {
  /** From 1. */
  level: number;
  /** Unit numbers, in the order in which they joined. */
  units: number[];
  /** Numbers that inference must keep, everything counted. */
  parameters: number;
  /** 4 per parameter. */
  bytes: number;
  /** Multiply-accumulates for one image. */
  macs: number;
  /** Bytes of feature maps for one image. */
  activation_bytes: number;
  accuracy?: Accuracy;
  /** Whether its own numbers are still those that training starts from. */
  untrained?: boolean;
}

/** What an image must be like: RGB, `size` x `size`, `(value / 255 - mean) / std`. */
export interface InputInfo {
  size: number;
  mean: [number, number, number];
  std: [number, number, number];
}

export interface TaskInfo {
  name: string;
  /** The name for people. */
  title: string;
  /** In the order of the probabilities. */
  classes: string[];
  input: InputInfo;
  /** All units' numbers, in the order in which they join. */
  order: number[];
  levels: LevelInfo[];
}

/** A file of weights. */
export interface ShardInfo {
  file: string;
  bytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

/** A level for every task, resident together. */
export interface CombinationInfo {
  levels: number[];
  /** Numbers that inference must keep for all of them; blocks that several tasks use are counted once. */
  parameters: number;
  /** 4 per parameter. */
  bytes: number;
  /** Mean test accuracy in percent, where every level's was measured. */
  accuracy?: number;
}

/** The content of model.json, and what follows from it. */
export interface ModelInfo {
  format: "dvn-model";
  version: 1;
  name: string;
  backbone: string;
  /** The units' shares of every layer. */
  units: number[];
  tasks: TaskInfo[];
  shards: ShardInfo[];
  /**
   * What one budget shared by all tasks buys: the combinations worth having, fewest parameters first. Empty where
   * there are too many to search.
   */
  together: CombinationInfo[];
  training?: { command: string; program: string; seed: number; epochs: number };
}

/** Convolutions of one shape, and the kernel that carries them out. */
export interface StageKernel {
  /** Sizes, stride, and whether the batch makes many tiles. */
  shape: string;
  /** How many convolutions of the level have it. */
  layers: number;
  kernel: string;
  /** Why this kernel: the only one here, by rule, measured now, kept from an earlier visit, asked for. */
  origin: "only" | "rule" | "measured" | "kept" | "forced";
}

/** How a GPU carries out a level, one picture at a time. */
export interface KernelReport {
  stages: StageKernel[];
  /** Dispatches of a run. */
  dispatches: number;
  /** Kernels that this GPU must do without. */
  dropped: { kernel: string; reason: string }[];
}
"#;

/// Tells a person with the console open what went wrong: WebAssembly itself only says `unreachable`.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| web_sys::console::error_1(&panic.to_string().into())));
}

/// A model's description: model.json, checked.
#[wasm_bindgen]
#[derive(Clone, Debug)]
pub struct Model(Rc<Parsed>);

#[derive(Debug)]
struct Parsed {
    json: String,
    manifest: Manifest,
    network: Network,
}

#[wasm_bindgen]
impl Model {
    /// Reads model.json and checks it.
    pub fn parse(json: &str) -> Result<Model, JsError> {
        let (manifest, network) = Manifest::parse(json.as_bytes()).map_err(js)?;
        Ok(Model(Rc::new(Parsed { json: json.to_owned(), manifest, network })))
    }

    /// Everything that model.json says, each level's activation_bytes, and what the tasks get when they share a budget.
    #[wasm_bindgen(unchecked_return_type = "ModelInfo")]
    pub fn describe(&self) -> Result<JsValue, JsError> {
        let Parsed { json, manifest, network } = &*self.0;
        let info = js_sys::JSON::parse(json).map_err(|_| JsError::new("the description is no JSON"))?;
        for task in 0..manifest.tasks.len() {
            for level in 1..=network.levels() {
                let about =
                    at(&at(&at(&info, "tasks")?, task)?, "levels").and_then(|all| at(&all, level - 1))?;
                let bytes = network.plan(task, level).map_err(js)?.costs().activation_bytes;
                set(&about, "activation_bytes", bytes as f64)?;
            }
        }
        let together = js_sys::Array::new();
        for Combination { levels, parameters, value } in manifest.combinations(network).map_err(js)? {
            let about = js_sys::Object::new();
            let levels: js_sys::Array = levels.into_iter().map(|l| JsValue::from(l as u32)).collect();
            set(&about, "levels", levels)?;
            set(&about, "parameters", parameters as f64)?;
            set(&about, "bytes", 4.0 * parameters as f64)?;
            if manifest.measured() {
                set(&about, "accuracy", value)?;
            }
            together.push(&about);
        }
        set(&info, "together", together)?;
        Ok(info)
    }

    /// The files that a level needs, in the order of their first use. Tasks count from 0, levels from 1.
    pub fn shards(&self, task: usize, level: usize) -> Result<Vec<String>, JsError> {
        let plan = self.0.network.plan(task, level).map_err(js)?;
        Ok(plan.shards().iter().map(ShardId::to_string).collect())
    }
}

/// Bytes of weights that may wait for the GPU: more, and each layer's buffer is made anew less often while a level comes in.
const MOST_WAITING: u64 = 1 << 20;

/// Runs any level of a model.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    engine: crate::Engine,
    model: Rc<Parsed>,
}

#[wasm_bindgen]
impl Engine {
    /// An engine on the visitor's GPU, after a self-test. `record` is what an earlier visit's `record()` said.
    pub async fn webgpu(model: &Model, record: Option<String>) -> Result<Engine, JsError> {
        let model = model.0.clone();
        let gpu = Gpu::request_with(GpuOptions { record, ..GpuOptions::default() }).await.map_err(js)?;
        Ok(Engine { engine: crate::Engine::gpu(gpu, model.network.clone()), model })
    }

    /// An engine on the CPU.
    pub async fn cpu(model: &Model) -> Engine {
        let model = model.0.clone();
        Engine { engine: crate::Engine::cpu(model.network.clone()), model }
    }

    /// Which kind of engine it is.
    #[wasm_bindgen(getter, unchecked_return_type = "\"webgpu\" | \"cpu\"")]
    pub fn kind(&self) -> String {
        match &self.engine {
            crate::Engine::Cpu(_) => "cpu".into(),
            crate::Engine::Gpu(_) => "webgpu".into(),
        }
    }

    /// The GPU's name as far as the browser tells it, or which instructions the CPU engine uses.
    #[wasm_bindgen(getter)]
    pub fn adapter(&self) -> String {
        match &self.engine {
            crate::Engine::Cpu(_) => {
                let relaxed = if cfg!(target_feature = "relaxed-simd") { "relaxed " } else { "" };
                let threads = match cpu_kernels::threads() {
                    1 => String::new(),
                    n => format!(", {n} threads"),
                };
                format!("WebAssembly, {relaxed}SIMD{threads}")
            }
            crate::Engine::Gpu(engine) => engine.gpu().name().into(),
        }
    }

    /// Whether the adapter only imitates a GPU.
    #[wasm_bindgen(getter)]
    pub fn software(&self) -> bool {
        matches!(&self.engine, crate::Engine::Gpu(engine) if engine.gpu().software())
    }

    /// Keeps a shard, after checking its length, its SHA-256 and its content. `sha256` is that of the bytes, lower-case
    /// hexadecimal, where the caller has it from the browser, which is five times as fast as WebAssembly at it.
    pub fn insert(&self, file: &str, bytes: &[u8], sha256: Option<String>) -> Result<(), JsError> {
        let id: ShardId = file.parse().map_err(js)?;
        let Parsed { manifest, network, .. } = &*self.model;
        let shard = match sha256 {
            Some(hash) => manifest.open_hashed(network, id, bytes, hash),
            None => manifest.open(network, id, bytes),
        };
        self.engine.insert(id, shard.map_err(js)?).map_err(js)
    }

    /// To be waited for after shards were inserted: brings them to the GPU when many wait in WebAssembly's memory, which never
    /// shrinks. One call at a time.
    pub async fn settle(&self) -> Result<(), JsError> {
        self.engine.settle(MOST_WAITING).await.map_err(js)
    }

    /// Frees every shard that is not named, and the feature maps.
    pub fn retain(&self, files: Vec<String>) -> Result<(), JsError> {
        let keep = files.iter().map(|f| f.parse()).collect::<Result<Vec<ShardId>, _>>().map_err(js)?;
        self.engine.retain(&keep);
        Ok(())
    }

    /// The files that are kept.
    pub fn resident(&self) -> Vec<String> {
        self.engine.resident().iter().map(ShardId::to_string).collect()
    }

    /// Bytes of the weights that are kept.
    #[wasm_bindgen(js_name = residentBytes)]
    pub fn resident_bytes(&self) -> f64 {
        self.engine.resident_bytes() as f64
    }

    /// Bytes allocated for feature maps at present.
    #[wasm_bindgen(js_name = activationBytes)]
    pub fn activation_bytes(&self) -> f64 {
        self.engine.activation_bytes() as f64
    }

    /// The probabilities of every class, images x classes. `rgb` holds images x size x size x 3 bytes.
    pub async fn run(
        &self,
        task: usize,
        level: usize,
        rgb: Vec<u8>,
        images: usize,
    ) -> Result<Vec<f32>, JsError> {
        self.model.network.units(task, level).map_err(js)?;
        // The task is there: it has units.
        let about = &self.model.manifest.tasks[task];
        let how = about.input;
        let mut input = vec![0.0; rgb.len()];
        dvn::pixels::normalise(&rgb, &how.mean, &how.std, &mut input);
        drop(rgb);
        let mut rows = self.engine.run(task, level, &input, images).await.map_err(js)?;
        crate::softmax(&mut rows, about.classes.len());
        Ok(rows)
    }

    /// What is known of the kernels' speed on this GPU, for the next visit. Nothing on the CPU.
    pub fn record(&self) -> Option<String> {
        match &self.engine {
            crate::Engine::Cpu(_) => None,
            crate::Engine::Gpu(engine) => Some(engine.gpu().record()),
        }
    }

    /// How the GPU carries out a level, one picture at a time. Nothing on the CPU.
    #[wasm_bindgen(unchecked_return_type = "KernelReport | undefined")]
    pub fn kernels(&self, task: usize, level: usize) -> Result<JsValue, JsError> {
        let crate::Engine::Gpu(engine) = &self.engine else { return Ok(JsValue::UNDEFINED) };
        let layers = engine.kernels(task, level, 1).map_err(js)?;
        // The pool and the classifier take one each.
        let dispatches = layers.iter().map(|l| l.dispatches).sum::<usize>() + 2;
        let same = |a: &LayerKernel, b: &LayerKernel| a.shape == b.shape;
        let stage = |run: &[LayerKernel]| {
            let LayerKernel { shape, variant, origin, .. } = &run[0];
            json!({ "shape": shape, "layers": run.len(), "kernel": variant.name(), "origin": origin_name(*origin) })
        };
        let stages: Vec<_> = layers.chunk_by(same).map(stage).collect();
        let dropped = engine.gpu().dropped().into_iter();
        let dropped: Vec<_> =
            dropped.map(|(kernel, reason)| json!({ "kernel": kernel, "reason": reason })).collect();
        let report = json!({ "stages": stages, "dispatches": dispatches, "dropped": dropped });
        js_sys::JSON::parse(&report.to_string()).map_err(|_| JsError::new("the report is no JSON"))
    }

    /// Whether the GPU is gone; then only a new engine helps.
    pub fn lost(&self) -> bool {
        matches!(&self.engine, crate::Engine::Gpu(engine) if engine.gpu().lost().is_some())
    }
}

/// Crops a picture to the square in its middle and resamples that to size x size RGB, as the trainer does. `channels` is 3
/// or 4.
#[wasm_bindgen]
pub fn resize(
    pixels: &[u8],
    width: usize,
    height: usize,
    channels: usize,
    size: usize,
) -> Result<Vec<u8>, JsError> {
    dvn::pixels::resize(pixels, width, height, channels, size).map_err(js)
}

/// From now on the CPU engine has so many threads besides the caller's. As many workers must call `work`, or be about to.
#[cfg(feature = "wasm-threads")]
#[wasm_bindgen(js_name = startThreads)]
pub fn start_threads(helpers: usize) {
    cpu_kernels::team::set_helpers(helpers);
}

/// Works as one of the CPU engine's threads; never returns.
#[cfg(feature = "wasm-threads")]
#[wasm_bindgen]
pub fn work() {
    cpu_kernels::team::help();
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Only => "only",
        Origin::Rule => "rule",
        Origin::Measured => "measured",
        Origin::Kept => "kept",
        Origin::Forced => "forced",
    }
}

/// A field of an object, or an element of an array.
fn at(object: &JsValue, key: impl Into<JsValue>) -> Result<JsValue, JsError> {
    Reflect::get(object, &key.into()).map_err(|_| JsError::new("the description has another shape"))
}

fn set(object: &JsValue, key: &str, value: impl Into<JsValue>) -> Result<(), JsError> {
    let done = Reflect::set(object, &key.into(), &value.into());
    done.map(|_| ()).map_err(|_| JsError::new("the description has another shape"))
}

fn js(error: impl Display) -> JsError {
    JsError::new(&error.to_string())
}
