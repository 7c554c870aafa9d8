//! Backbones: the physical networks that units divide.

use crate::error::DefinitionError;
use std::fmt;
use std::str::FromStr;

/// A residual network for small images: a 3x3 stem, stages of blocks of two 3x3 convolutions with batch norm
/// after each and ReLU after the addition, parameter-free shortcuts, global average pool, classifier
/// (He et al. 2016, section 4.2, option A; the sizes are worked out from the paper's parameter counts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backbone {
    /// `wrn-D-S`: three stages of `(D - 2) / 6` blocks, widths 16 S, 32 S, 64 S.
    Wrn {
        /// Layers counted as He et al. do: 6 n + 2.
        depth: usize,
        /// Multiple of the widths 16, 32, 64.
        scale: usize,
    },
    /// `resnet-D`: four stages of `(D - 2) / 8` blocks, widths 64, 128, 256, 512.
    Resnet {
        /// 8 n + 2.
        depth: usize,
    },
}

/// A run of residual blocks of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Channels of every map in the stage.
    pub width: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Stride of the first block's first convolution.
    pub stride: usize,
}

/// One shared 3x3 convolution of the backbone, padding 1, no bias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `stage1.block1.conv1`, counted from 1.
    pub name: String,
    /// Input channels of the whole backbone.
    pub inputs: usize,
    /// Output channels of the whole backbone.
    pub outputs: usize,
    /// 1 or 2.
    pub stride: usize,
}

/// No backbone deeper than this is accepted: it bounds what an untrusted file can make a reader build.
const MAX_DEPTH: usize = 1202;
/// Likewise for the width.
const MAX_SCALE: usize = 64;

impl Backbone {
    /// The stages, from the image to the classifier.
    pub fn stages(&self) -> Vec<Stage> {
        let (widths, blocks): (Vec<usize>, usize) = match *self {
            Backbone::Wrn { depth, scale } => ([16, 32, 64].map(|w| w * scale).to_vec(), (depth - 2) / 6),
            Backbone::Resnet { depth } => (vec![64, 128, 256, 512], (depth - 2) / 8),
        };
        let stage = |(s, width)| Stage { width, blocks, stride: if s == 0 { 1 } else { 2 } };
        widths.into_iter().enumerate().map(stage).collect()
    }

    /// Channels that a task's stem makes from the image's three.
    pub fn stem_width(&self) -> usize {
        self.stages()[0].width
    }

    /// Channels that reach the classifier.
    pub fn features(&self) -> usize {
        self.stages().last().map_or(0, |s| s.width)
    }

    /// Every shared convolution, in the order of use.
    pub fn layers(&self) -> Vec<Layer> {
        let mut inputs = self.stem_width();
        let mut layers = Vec::new();
        for (s, stage) in self.stages().into_iter().enumerate() {
            for b in 0..stage.blocks {
                let name = |c| format!("stage{}.block{}.conv{c}", s + 1, b + 1);
                let stride = if b == 0 { stage.stride } else { 1 };
                layers.push(Layer { name: name(1), inputs, outputs: stage.width, stride });
                layers.push(Layer { name: name(2), inputs: stage.width, outputs: stage.width, stride: 1 });
                inputs = stage.width;
            }
        }
        layers
    }
}

impl fmt::Display for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backbone::Wrn { depth, scale } => write!(f, "wrn-{depth}-{scale}"),
            Backbone::Resnet { depth } => write!(f, "resnet-{depth}"),
        }
    }
}

impl FromStr for Backbone {
    type Err = DefinitionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |expected| DefinitionError::Backbone { found: text.to_owned(), expected };
        let parts: Vec<&str> = text.split('-').collect();
        let number = |part: &str| part.parse::<usize>().ok().filter(|_| !part.starts_with('+'));
        match parts[..] {
            ["wrn", depth, scale] => match (number(depth), number(scale)) {
                (Some(depth), Some(scale))
                    if (8..=MAX_DEPTH).contains(&depth)
                        && depth % 6 == 2
                        && (1..=MAX_SCALE).contains(&scale) =>
                {
                    Ok(Backbone::Wrn { depth, scale })
                }
                _ => Err(error("wrn-D-S with D = 6n + 2 from 8 to 1202 and S from 1 to 64, as in wrn-32-4")),
            },
            ["resnet", depth] => match number(depth) {
                Some(depth) if (10..=MAX_DEPTH).contains(&depth) && depth % 8 == 2 => {
                    Ok(Backbone::Resnet { depth })
                }
                _ => Err(error("resnet-D with D = 8n + 2 from 10 to 1202, as in resnet-42")),
            },
            _ => Err(error("wrn-D-S or resnet-D, as in wrn-32-4 or resnet-42")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrn_32_4_has_five_blocks_of_64_128_256() {
        let b: Backbone = "wrn-32-4".parse().unwrap();
        let shape: Vec<_> = b.stages().iter().map(|s| (s.width, s.blocks, s.stride)).collect();
        assert_eq!(shape, [(64, 5, 1), (128, 5, 2), (256, 5, 2)]);
        let layers = b.layers();
        assert_eq!(layers.len(), 30);
        assert_eq!(
            layers[10],
            Layer { name: "stage2.block1.conv1".into(), inputs: 64, outputs: 128, stride: 2 }
        );
    }

    #[test]
    fn names_round_trip_and_bad_ones_are_refused() {
        for name in ["wrn-32-4", "wrn-14-2", "resnet-42", "resnet-10"] {
            assert_eq!(name.parse::<Backbone>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "wrn",
            "wrn-33-4",
            "wrn-32-0",
            "wrn-32-65",
            "wrn-2-4",
            "wrn-+32-4",
            "resnet-41",
            "vgg-16",
            "wrn-99999999999999999999-4",
        ] {
            assert!(name.parse::<Backbone>().is_err(), "{name} must be refused");
        }
    }
}
