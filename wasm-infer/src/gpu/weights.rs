//! Resident weights.
//!
//! A *place* is one GPU buffer: one for each shared layer, holding the blocks in use one after another, and one for
//! each stem and each level's own parameters. A shard that is inserted waits in memory, already in the GPU's layout, and
//! moves to its places when a level first needs it, or when much waits, one place at a time: the place's new buffer takes
//! over what the old one held on the GPU, so that nothing is uploaded twice and at most one layer is there twice. A shard
//! that is freed leaves its places at once.

use super::device::Gpu;
use super::memory::{Account, Memory};
use crate::map::Map;
use dvn::{Network, Shard, ShardId};
use wgpu::BufferUsages;

/// Bytes of one element of a convolution's weights: four inputs by four outputs.
const ELEMENT: u64 = 64;

/// A buffer of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The blocks of a shared layer.
    Layer(usize),
    /// A stem, or a level's own parameters.
    Own(ShardId),
}

/// Every shard that was inserted and not freed.
#[derive(Debug)]
pub(super) struct Weights {
    shards: Map<ShardId, Entry>,
    places: Map<Place, Placed>,
    account: Account,
    next: u64,
}

/// A shard.
#[derive(Debug)]
struct Entry {
    /// Tells a shard from an earlier one of the same name.
    serial: u64,
    /// What is not on the GPU yet.
    waiting: Map<Place, Vec<f32>>,
}

/// The content of a place.
#[derive(Debug)]
struct Placed {
    /// Tells a place from its earlier contents.
    serial: u64,
    memory: Memory,
    /// Offset and length of each shard's part, bytes.
    parts: Map<ShardId, (u64, u64)>,
}

/// A place's next content, on its way to the GPU.
#[derive(Debug)]
pub(super) struct Upload {
    place: Place,
    placed: Placed,
    /// The content that it was made from.
    base: Option<u64>,
    /// The shards that it takes in.
    taken: Vec<(ShardId, u64)>,
}

impl Weights {
    pub(super) fn new(account: Account) -> Weights {
        Weights { shards: Map::new(), places: Map::new(), account, next: 0 }
    }

    /// Keeps a shard whose kind and shapes were checked. Whether a place has changed.
    pub(super) fn insert(&mut self, gpu: &Gpu, network: &Network, id: ShardId, shard: Shard) -> bool {
        let changed = self.shards.remove(&id).is_some() && self.tidy(gpu);
        let waiting = match (id, shard) {
            (ShardId::Block { from, .. }, Shard::Block(weights)) => {
                let part = |(n, (layer, weight)): (usize, (dvn::backbone::Layer, Vec<f32>))| {
                    let inputs = network.split().range(layer.inputs, from).len();
                    (Place::Layer(n), packed(&weight, inputs))
                };
                network.layers().into_iter().zip(weights).enumerate().map(part).collect()
            }
            (_, Shard::Stem(weight)) => Map::from_iter([(Place::Own(id), packed(&weight, 3))]),
            (_, Shard::Level(p)) => {
                let mut numbers = Vec::new();
                for norm in &p.norms {
                    numbers.extend_from_slice(&norm.scale);
                    numbers.extend_from_slice(&norm.shift);
                }
                numbers.extend_from_slice(&p.classifier_weight);
                numbers.extend_from_slice(&p.classifier_bias);
                Map::from_iter([(Place::Own(id), numbers)])
            }
            (id, _) => unreachable!("{id} was checked to hold what its name says"),
        };
        let serial = self.serial();
        self.shards.insert(id, Entry { serial, waiting });
        changed
    }

    /// Frees every shard that is not named. Whether a place has changed.
    pub(super) fn retain(&mut self, gpu: &Gpu, keep: &[ShardId]) -> bool {
        self.shards.retain(|id, _| keep.contains(id));
        self.tidy(gpu)
    }

    pub(super) fn has(&self, id: &ShardId) -> bool {
        self.shards.contains_key(id)
    }

    /// Whether these shards are there, all of them on the GPU.
    pub(super) fn on_gpu(&self, needed: &[ShardId]) -> bool {
        needed.iter().all(|id| self.shards.get(id).is_some_and(|e| e.waiting.is_empty()))
    }

    /// The shards that wait, wholly or in part, and the bytes that do.
    pub(super) fn waiting(&self) -> (Vec<ShardId>, u64) {
        let shards = self.shards.iter().filter(|(_, e)| !e.waiting.is_empty());
        (shards.map(|(id, _)| *id).collect(), self.waiting_bytes())
    }

    fn waiting_bytes(&self) -> u64 {
        self.shards.values().flat_map(|e| e.waiting.values()).map(|w| 4 * w.len() as u64).sum()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ShardId> {
        self.shards.keys().copied()
    }

    /// The most bytes of buffers at once since the last call.
    pub(super) fn peak(&self) -> u64 {
        self.account.peak()
    }

    /// Bytes of the buffers on the GPU and of what waits.
    pub(super) fn bytes(&self) -> u64 {
        self.account.bytes() + self.waiting_bytes()
    }

    /// The first place where one of these shards is still missing, made anew with all of them: to be called under an
    /// error scope, and given to [`Weights::commit`] when that has no complaint. An error says how many bytes the place
    /// would need where only `largest` can be bound.
    pub(super) fn stage(&mut self, gpu: &Gpu, needed: &[ShardId]) -> Result<Option<Upload>, u64> {
        let waits = |id: &ShardId| self.shards.get(id).and_then(|e| e.waiting.keys().next());
        let Some(&place) = needed.iter().filter_map(waits).min() else { return Ok(None) };
        let serial = self.serial();
        let old = self.places.get(&place);
        let mut end = old.map_or(0, |p| p.memory.bytes());
        let mut parts = old.map_or_else(Map::new, |p| p.parts.clone());
        let mut news = Vec::new();
        for (id, entry) in needed.iter().filter_map(|id| Some((*id, self.shards.get(id)?))) {
            let Some(data) = entry.waiting.get(&place) else { continue };
            let bytes = 4 * data.len() as u64;
            parts.insert(id, (end, bytes));
            news.push((id, entry.serial, end, data));
            end += bytes;
        }
        if end > gpu.largest_binding() {
            return Err(end);
        }
        let memory = buffer(gpu, &self.account, end);
        if let Some(old) = old {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(old.memory.buffer(), 0, memory.buffer(), 0, old.memory.bytes());
            gpu.queue.submit([encoder.finish()]);
        }
        for (_, _, offset, data) in &news {
            gpu.queue.write_buffer(memory.buffer(), *offset, bytemuck::cast_slice(data));
        }
        let taken = news.iter().map(|&(id, serial, ..)| (id, serial)).collect();
        let base = old.map(|p| p.serial);
        Ok(Some(Upload { place, placed: Placed { serial, memory, parts }, base, taken }))
    }

    /// Puts an upload in its place, unless that was changed in the meantime: then it must be staged again.
    pub(super) fn commit(&mut self, upload: Upload) {
        let Upload { place, placed, base, taken } = upload;
        let current =
            |(id, serial): &(ShardId, u64)| self.shards.get(id).is_some_and(|e| e.serial == *serial);
        if self.places.get(&place).map(|p| p.serial) != base || !taken.iter().all(current) {
            return;
        }
        self.places.insert(place, placed);
        for (id, _) in taken {
            if let Some(entry) = self.shards.get_mut(&id) {
                entry.waiting.remove(&place);
            }
        }
    }

    /// A place's buffer.
    pub(super) fn memory(&self, place: Place) -> Option<&Memory> {
        self.places.get(&place).map(|p| &p.memory)
    }

    /// Where a shard's part begins in its place, in elements of four inputs by four outputs.
    pub(super) fn offset(&self, place: Place, id: ShardId) -> Option<u32> {
        let (offset, _) = self.places.get(&place)?.parts.get(&id)?;
        Some((offset / ELEMENT) as u32)
    }

    /// Drops from the places what belongs to no shard any more. Whether there was anything.
    fn tidy(&mut self, gpu: &Gpu) -> bool {
        let mut changed = false;
        for (place, mut placed) in std::mem::take(&mut self.places) {
            // A shard that still waits for this place may only be an earlier one's successor.
            let kept = |id: &ShardId| self.shards.get(id).is_some_and(|e| !e.waiting.contains_key(&place));
            let before = placed.parts.len();
            let mut parts = placed.parts.clone();
            parts.retain(|id, _| kept(id));
            if parts.len() == before {
                self.places.insert(place, placed);
                continue;
            }
            changed = true;
            let bytes = parts.values().map(|(_, bytes)| bytes).sum();
            if bytes == 0 {
                continue;
            }
            let memory = buffer(gpu, &self.account, bytes);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let mut end = 0;
            for (offset, bytes) in parts.values_mut() {
                let old = placed.memory.buffer();
                encoder.copy_buffer_to_buffer(old, *offset, memory.buffer(), end, *bytes);
                *offset = end;
                end += *bytes;
            }
            gpu.queue.submit([encoder.finish()]);
            placed.memory = memory;
            placed.parts = parts;
            placed.serial = self.serial();
            self.places.insert(place, placed);
        }
        changed
    }

    fn serial(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn buffer(gpu: &Gpu, account: &Account, bytes: u64) -> Memory {
    Memory::new(gpu, account, bytes, BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST)
}

/// `[O][I][3][3]` as `[O / 4][I / 4][9]` elements of four inputs by four outputs, outputs innermost. Inputs are filled up
/// to a multiple of four with zeros: a stem's three.
pub(super) fn packed(oihw: &[f32], inputs: usize) -> Vec<f32> {
    let (outputs, groups) = (oihw.len() / (9 * inputs), inputs.div_ceil(4));
    let mut packed = Vec::with_capacity(outputs * groups * 36);
    for o4 in 0..outputs / 4 {
        for i4 in 0..groups {
            for tap in 0..9 {
                for i in 4 * i4..4 * i4 + 4 {
                    let at = |o: usize| if i < inputs { oihw[(o * inputs + i) * 9 + tap] } else { 0.0 };
                    packed.extend((4 * o4..4 * o4 + 4).map(at));
                }
            }
        }
    }
    packed
}
