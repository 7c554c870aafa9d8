//! What is in the file.

use crate::model;
use dvn::plan::{Conv, Plan, Weights};
use dvn::{Shard, ShardId};
use native_train::onnx;
use rten_onnx::onnx::{GraphProto, ModelProto, TensorProto};
use std::collections::{BTreeMap, BTreeSet};

fn values(tensor: &TensorProto) -> Vec<f32> {
    let bytes = tensor.raw_data.as_ref().unwrap().borrow();
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn initializer<'a>(graph: &'a GraphProto, name: &str) -> &'a TensorProto {
    let found = graph.initializer.iter().find(|t| t.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no initializer {name}"))
}

/// The dimensions of the only input or output; 0 where it is free.
fn dims(values: &[rten_onnx::onnx::ValueInfoProto]) -> (&str, Vec<i64>) {
    let [value] = values else { panic!("{} values", values.len()) };
    let shape = value.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).and_then(|t| t.shape.as_ref());
    let dims = shape.unwrap().dim.iter().map(|d| d.dim_value.unwrap_or_default());
    (value.name.as_deref().unwrap(), dims.collect())
}

#[test]
fn every_level_is_a_well_formed_graph_of_the_plans_operations() {
    let folder = tempfile::tempdir().unwrap();
    let model = model::write(folder.path());
    for (t, task) in model.manifest().tasks.iter().enumerate() {
        for entry in &task.levels {
            let plan = model.network().plan(t, entry.level).unwrap();
            let bytes = onnx::encode(&model, t, entry.level).unwrap();
            let exported = ModelProto::parse_buf(&bytes).unwrap();
            assert_eq!(exported.ir_version, Some(8));
            let opsets: Vec<_> =
                exported.opset_import.iter().map(|o| (o.domain.as_deref(), o.version)).collect();
            assert_eq!(opsets, [(Some(""), Some(17))]);
            let graph = exported.graph.unwrap();
            let size = task.input.size as i64;
            assert_eq!(dims(&graph.input), ("images", vec![0, 3, size, size]));
            assert_eq!(dims(&graph.output), ("logits", vec![0, task.classes.len() as i64]));
            check_order(&graph);
            check_operations(&graph, &plan);
            check_numbers(&graph, &plan);
        }
    }
}

/// Every value is made once, and before it is read; nothing is made for nobody; names are what the standard allows.
fn check_order(graph: &GraphProto) {
    let constants = graph.initializer.iter().map(|t| t.name.clone().unwrap());
    let mut known: BTreeSet<String> = constants.chain(["images".into()]).collect();
    assert_eq!(known.len(), graph.initializer.len() + 1, "two initializers of one name");
    let mut names = BTreeSet::new();
    let mut read = BTreeSet::from(["logits".to_owned()]);
    for node in &graph.node {
        assert!(names.insert(node.name.clone().unwrap()), "two nodes of one name");
        for input in &node.input {
            assert!(known.contains(input), "{input} is read before it is made");
            read.insert(input.clone());
        }
        for output in &node.output {
            assert!(known.insert(output.clone()), "{output} is made twice");
        }
    }
    assert_eq!(known, read);
    for name in known.iter().chain(&names) {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        assert!(plain && !name.starts_with(|c: char| c.is_ascii_digit()), "{name} is no identifier of C");
    }
}

fn check_operations(graph: &GraphProto, plan: &Plan) {
    let mut counts = BTreeMap::new();
    for node in &graph.node {
        *counts.entry(node.op_type.as_deref().unwrap()).or_insert(0) += 1;
        if node.op_type.as_deref() == Some("Conv") {
            let pads = node.attribute.iter().find(|a| a.name.as_deref() == Some("pads")).unwrap();
            assert_eq!(pads.ints, [1; 4]);
        }
    }
    let shortcuts = || plan.convs().filter_map(|c| c.shortcut.as_ref());
    let strided = shortcuts().filter(|s| s.stride != 1).count();
    // With one unit the channels of zeros are the last ones; with more every unit has its own.
    let gathers = if plan.level == 1 { 0 } else { strided };
    let mut expected = BTreeMap::from([
        ("Sub", 1),
        ("Div", 1),
        ("Conv", plan.convs().count()),
        ("Relu", plan.convs().count()),
        ("Add", shortcuts().count()),
        ("MaxPool", strided),
        ("Pad", strided),
        ("Gather", gathers),
        ("GlobalAveragePool", 1),
        ("Flatten", 1),
        ("Gemm", 1),
    ]);
    expected.retain(|_, count| *count > 0);
    assert_eq!(counts, expected);
}

/// f32 constants: the level's parameters but for one scale a channel, which folding saves, and mean and std.
fn check_numbers(graph: &GraphProto, plan: &Plan) {
    let floats = graph.initializer.iter().filter(|t| t.data_type == Some(rten_onnx::onnx::DataType::FLOAT));
    let numbers: usize = floats.map(|t| values(t).len()).sum();
    let scales: usize = plan.convs().map(|c| plan.tensor(c.output).channels).sum();
    assert_eq!(numbers as u64, plan.costs().parameters - scales as u64 + 6);
}

#[test]
fn batch_norm_is_folded_into_every_convolution() {
    let folder = tempfile::tempdir().unwrap();
    let model = model::write(folder.path());
    let plan = model.network().plan(1, 2).unwrap();
    let graph = ModelProto::parse_buf(&onnx::encode(&model, 1, 2).unwrap()).unwrap().graph.unwrap();
    let Shard::Level(own) = model.read(ShardId::Level { task: 1, level: 2 }).unwrap() else { panic!() };
    for (conv, norm) in plan.convs().zip(&own.norms) {
        let inputs = plan.tensor(conv.input).channels;
        let constant = |what: &str| format!("{}_{what}", conv.name.replace('.', "_"));
        let weight = values(initializer(&graph, &constant("weight")));
        assert_eq!(values(initializer(&graph, &constant("bias"))), norm.shift);
        for (output, (filter, scale)) in weight.chunks(9 * inputs).zip(&norm.scale).enumerate() {
            for input in 0..inputs {
                let expected = shard_weight(&model, conv, output, input).map(|w| w * scale);
                assert_eq!(filter[9 * input..][..9], expected, "{}, {output} <- {input}", conv.name);
            }
        }
    }
}

/// The nine weights from packed input channel `input` to packed output channel `output` of a convolution of task 2.
fn shard_weight(model: &dvn::folder::ModelFolder, conv: &Conv, output: usize, input: usize) -> [f32; 9] {
    let place = |spans: &[dvn::plan::Span], channel: usize| {
        let span = spans.iter().find(|s| s.packed.contains(&channel)).unwrap().clone();
        (span.unit, span.physical.start + channel - span.packed.start, channel - span.packed.start, span)
    };
    let (to, physical, row, _) = place(&conv.outputs, output);
    let at = |values: &[f32], place: usize| values[9 * place..][..9].try_into().unwrap();
    match conv.weights {
        Weights::Stem => {
            let Shard::Stem(stem) = model.read(ShardId::Stem { task: 1 }).unwrap() else { panic!() };
            at(&stem, physical * 3 + input)
        }
        Weights::Shared { layer } => {
            let (from, _, column, span) = place(&conv.inputs, input);
            let Shard::Block(layers) = model.read(ShardId::Block { to, from }).unwrap() else { panic!() };
            at(&layers[layer], row * span.packed.len() + column)
        }
    }
}
