//! What a browser says of its GPU, and wgpu does not pass on.

use js_sys::{Function, Object, Promise, Reflect, global};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// `navigator.gpu`, where the browser has it.
fn gpu() -> Option<JsValue> {
    let navigator = Reflect::get(&global(), &"navigator".into()).ok()?;
    let gpu = Reflect::get(&navigator, &"gpu".into()).ok()?;
    gpu.is_object().then_some(gpu)
}

/// Whether the browser has WebGPU at all.
pub(super) fn offered() -> bool {
    gpu().is_some()
}

/// `info`, with the adapter's description as its name, or its vendor and architecture: most browsers keep the exact name
/// to themselves.
pub(super) async fn info(info: wgpu::AdapterInfo) -> wgpu::AdapterInfo {
    let Some(told) = told().await else { return info };
    let part = |key: &str| {
        let value = Reflect::get(&told, &key.into()).ok()?.as_string()?;
        (!value.is_empty()).then_some(value)
    };
    let parts: Vec<String> = ["vendor", "architecture"].into_iter().filter_map(part).collect();
    let kind = parts.join(" ");
    let name = part("description").or_else(|| (!kind.is_empty()).then(|| kind.clone()));
    wgpu::AdapterInfo { name: name.unwrap_or(info.name), driver: kind, ..info }
}

/// The adapter's `GPUAdapterInfo`.
async fn told() -> Option<JsValue> {
    let gpu = gpu()?;
    let request: Function = Reflect::get(&gpu, &"requestAdapter".into()).ok()?.dyn_into().ok()?;
    let options = Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into()).ok()?;
    let promise: Promise = request.call1(&gpu, &options).ok()?.dyn_into().ok()?;
    let adapter = JsFuture::from(promise).await.ok()?;
    Reflect::get(&adapter, &"info".into()).ok()
}

/// Milliseconds since the worker or page began.
pub(super) fn now() -> f64 {
    let now = || {
        let clock = Reflect::get(&global(), &"performance".into()).ok()?;
        let now: Function = Reflect::get(&clock, &"now".into()).ok()?.dyn_into().ok()?;
        now.call0(&clock).ok()?.as_f64()
    };
    now().unwrap_or_else(js_sys::Date::now)
}
