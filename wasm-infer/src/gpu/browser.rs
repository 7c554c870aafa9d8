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

/// The adapter's description, or its vendor and architecture: most browsers keep the exact name to themselves.
pub(super) async fn name() -> Option<String> {
    let gpu = gpu()?;
    let request: Function = Reflect::get(&gpu, &"requestAdapter".into()).ok()?.dyn_into().ok()?;
    let options = Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into()).ok()?;
    let promise: Promise = request.call1(&gpu, &options).ok()?.dyn_into().ok()?;
    let adapter = JsFuture::from(promise).await.ok()?;
    let info = Reflect::get(&adapter, &"info".into()).ok()?;
    let part = |key: &str| {
        let value = Reflect::get(&info, &key.into()).ok()?.as_string()?;
        (!value.is_empty()).then_some(value)
    };
    part("description").or_else(|| {
        let parts: Vec<String> = ["vendor", "architecture"].into_iter().filter_map(part).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    })
}
