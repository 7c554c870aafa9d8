"""The joint training step of a Deep Virtual Network in PyTorch, timed: what `dvn-train bench` does, written as a user of
PyTorch would. Every level of every task forward and backward, then SGD with Nesterov momentum. Channels-last, f32, the
shared weights sliced to a level's units, batch norm for each level. Prints one line of JSON.

    python torch_step.py --depth 32 --scale 4 --units 2 --classes 10 100 --batch 128 --threads 2
"""

import argparse
import json
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn


class Level(nn.Module):
    """What one level of one task shares with no other: batch norms and classifier."""

    def __init__(self, widths, features, classes):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths)
        self.classifier = nn.Linear(features, classes)


class Network(nn.Module):
    """wrn-D-S over equal units; task 1 joins them in order, task 2 backwards, the rest from unit 1."""

    def __init__(self, depth, scale, units, classes):
        super().__init__()
        self.units, blocks = units, (depth - 2) // 6
        shapes, inputs = [], 16 * scale
        for stage in range(3):
            width = (16 * scale) << stage
            for block in range(blocks):
                shapes.append((width, inputs, 2 if stage and not block else 1))
                shapes.append((width, width, 1))
                inputs = width
        self.strides = [s for _, _, s in shapes]
        self.shared = nn.ParameterList(nn.init.xavier_uniform_(torch.empty(o, i, 3, 3)) for o, i, _ in shapes)
        stem = lambda: nn.init.xavier_uniform_(torch.empty(16 * scale, 3, 3, 3))
        self.stems = nn.ParameterList(stem() for _ in classes)
        widths = [16 * scale] + [o for o, _, _ in shapes]
        part = lambda width, level: width * level // units
        self.levels = nn.ModuleList(
            nn.ModuleList(
                Level([part(w, l) for w in widths], part(widths[-1], l), c) for l in range(1, units + 1)
            )
            for c in classes
        )

    def cut(self, width, task, level):
        """The level's channels: the first units of the task's order are an interval at one end."""
        n = width * level // self.units
        return slice(width - n, width) if task == 1 else slice(0, n)

    def forward(self, x, task, level):
        own = self.levels[task][level - 1]
        cut = lambda width: self.cut(width, task, level)
        last = lambda w: w.contiguous(memory_format=torch.channels_last)
        stem = self.stems[task]
        x = F.relu(own.norms[0](F.conv2d(x, last(stem[cut(stem.shape[0])]), padding=1)))
        for b in range(0, len(self.shared), 2):
            w1, w2, stride = self.shared[b], self.shared[b + 1], self.strides[b]
            o, i = cut(w1.shape[0]), cut(w1.shape[1])
            y = F.relu(own.norms[b + 1](F.conv2d(x, last(w1[o, i]), stride=stride, padding=1)))
            y = own.norms[b + 2](F.conv2d(y, last(w2[o, o]), padding=1))
            if stride == 2:
                # Option A inside each unit: its channels, then as many zeros.
                n, c, h, w = x[:, :, ::2, ::2].shape
                short = x[:, :, ::2, ::2].reshape(n, level, c // level, h, w)
                x = F.pad(short, (0, 0, 0, 0, 0, c // level)).reshape(n, 2 * c, h, w)
            x = F.relu(y + x)
        return own.classifier(x.mean((2, 3)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=32)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--units", type=int, default=2)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    network = Network(args.depth, args.scale, args.units, args.classes)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4, foreach=True
    )
    images = torch.randn(args.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = [torch.randint(c, (args.batch,)) for c in args.classes]
    start = 0.0
    for step in range(args.warm_up + args.steps):
        if step == args.warm_up:
            start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        for task in range(len(args.classes)):
            for level in range(args.units, 0, -1):
                # One level's backward pass before the next level runs, as dvn-train does: the least memory.
                F.cross_entropy(network(images, task, level), labels[task]).backward()
        optimizer.step()
    seconds = (time.perf_counter() - start) / args.steps
    print(
        json.dumps(
            {
                "engine": f"PyTorch {torch.__version__}",
                "images_per_s": args.batch * len(args.classes) / seconds,
                "step_s": seconds,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
