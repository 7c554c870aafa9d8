//! Stochastic gradient descent with Nesterov momentum and weight decay, in one pass.

use rayon::prelude::*;

/// Settings of one step.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f32,
    /// Momentum.
    pub momentum: f32,
    /// Weight decay.
    pub decay: f32,
}

impl Sgd {
    /// `d = g + decay p; m = momentum m + d; p -= rate (d + momentum m)`, as PyTorch defines it. The first `decayed` values
    /// decay; the gradient is left at zero, ready for the next step.
    pub fn step(&self, values: &mut [f32], velocity: &mut [f32], gradient: &mut [f32], decayed: usize) {
        /// Numbers a task of the pool takes at a time: three arrays of it fit the second-level cache.
        const CHUNK: usize = 1 << 15;
        let chunks = values.par_chunks_mut(CHUNK).zip(velocity.par_chunks_mut(CHUNK));
        chunks.zip(gradient.par_chunks_mut(CHUNK)).enumerate().for_each(|(i, ((p, m), g))| {
            let cut = decayed.saturating_sub(i * CHUNK).min(p.len());
            let ((p1, p2), (m1, m2), (g1, g2)) =
                (p.split_at_mut(cut), m.split_at_mut(cut), g.split_at_mut(cut));
            self.chunk(p1, m1, g1, self.decay);
            self.chunk(p2, m2, g2, 0.0);
        });
    }

    fn chunk(&self, values: &mut [f32], velocity: &mut [f32], gradient: &mut [f32], decay: f32) {
        for ((p, m), g) in values.iter_mut().zip(velocity).zip(gradient) {
            let d = *g + decay * *p;
            *m = self.momentum * *m + d;
            *p -= self.rate * (d + self.momentum * *m);
            *g = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps of torch.optim.SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01) on one number with the
    /// gradients 1, -0.5, 0.25, worked out by its definition in f64.
    #[test]
    fn three_steps_follow_the_definition() {
        let sgd = Sgd { rate: 0.1, momentum: 0.9, decay: 0.01 };
        let (mut p, mut m) = (vec![2.0f32, 2.0], vec![0.0f32; 2]);
        let (mut expected, mut velocity) = ([2.0f64, 2.0], [0.0f64; 2]);
        for g in [1.0f32, -0.5, 0.25] {
            let mut gradient = vec![g, g];
            sgd.step(&mut p, &mut m, &mut gradient, 1);
            assert_eq!(gradient, [0.0, 0.0]);
            for (i, decay) in [0.01, 0.0].into_iter().enumerate() {
                let d = f64::from(g) + decay * expected[i];
                velocity[i] = 0.9 * velocity[i] + d;
                expected[i] -= 0.1 * (d + 0.9 * velocity[i]);
                assert!((f64::from(p[i]) - expected[i]).abs() < 1e-6);
            }
        }
    }
}
