//! ONNX messages: the two that the standard wants more of than `rten_onnx` knows, and short ways to make the others.

use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto, TensorProto,
    TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use rten_onnx::protobuf::{EncodeMessage, MessageWriter, ProtobufError, WriteValue};
use std::cell::RefCell;

/// A graph with its name, which the standard requires.
pub(super) struct NamedGraph {
    pub name: String,
    pub graph: GraphProto,
}

impl EncodeMessage for NamedGraph {
    fn encode_fields<W: WriteValue>(&self, fields: &mut MessageWriter<W>) -> Result<(), ProtobufError> {
        const NAME: u64 = 2;
        fields.write_string(NAME, &self.name)?;
        self.graph.encode_fields(fields)
    }
}

/// A model with its doc string. `model` has no graph of its own.
pub(super) struct DescribedModel {
    pub model: ModelProto,
    pub doc: String,
    pub graph: NamedGraph,
}

impl EncodeMessage for DescribedModel {
    fn encode_fields<W: WriteValue>(&self, fields: &mut MessageWriter<W>) -> Result<(), ProtobufError> {
        const DOC_STRING: u64 = 6;
        const GRAPH: u64 = 7;
        self.model.encode_fields(fields)?;
        fields.write_string(DOC_STRING, &self.doc)?;
        fields.write_message(GRAPH, &self.graph)
    }
}

/// An f32 constant.
pub(super) fn floats(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, dims, DataType::FLOAT, bytes)
}

/// A constant vector of i64.
pub(super) fn integers(name: &str, values: &[usize]) -> TensorProto {
    let bytes = values.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect();
    tensor(name, &[values.len()], DataType::INT64, bytes)
}

fn tensor(name: &str, dims: &[usize], data_type: DataType, bytes: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: Some(data_type),
        raw_data: Some(RefCell::new(bytes)),
        ..Default::default()
    }
}

/// An operation of the standard set with one output.
pub(super) fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: Some(format!("{output}_{op}")),
        op_type: Some(op.into()),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        attribute,
        domain: None,
    }
}

/// An attribute that is a list of integers.
pub(super) fn list(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        ints: values.iter().map(|&v| v as i64).collect(),
        r#type: Some(AttributeType::INTS),
        ..Default::default()
    }
}

/// An attribute that is an integer.
pub(super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        i: Some(value),
        r#type: Some(AttributeType::INT),
        ..Default::default()
    }
}

/// An f32 input or output of the graph: [N, dims], N free.
pub(super) fn batch_of(name: &str, dims: &[usize]) -> ValueInfoProto {
    let free = Dimension { dim_param: Some("N".into()), dim_value: None };
    let fixed = |&d: &usize| Dimension { dim_value: Some(d as i64), dim_param: None };
    let shape = TensorShapeProto { dim: std::iter::once(free).chain(dims.iter().map(fixed)).collect() };
    let tensor = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), sequence: None }),
    }
}
