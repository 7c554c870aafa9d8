use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::data::{Images, Scale};

/// `count` images of 8 x 8 whose bytes all tell the image's number; label = number mod 3.
fn numbered(count: usize) -> Arc<Dataset> {
    let pixels = (0..count).flat_map(|i| [i as u8; 8 * 8 * 3]).collect();
    Arc::new(Dataset {
        name: "numbered".into(),
        classes: vec!["a".into(), "b".into(), "c".into()],
        size: 8,
        images: Images::new(8, pixels),
        labels: (0..count).map(|i| (i % 3) as u16).collect(),
    })
}

const PLAIN: Statistics = Statistics { mean: [0.0; 3], std: [1.0; 3] };

fn plain(count: usize, batch: usize, seed: u64, task: usize) -> Loader {
    Loader::new(numbered(count), batch, seed, task)
        .unwrap()
        .with_augment(Augment::none())
        .with_statistics(&PLAIN)
}

/// The numbers of the images in a batch of unaugmented, numbered images.
fn numbers(batch: &Batch) -> Vec<usize> {
    batch.images.chunks_exact(batch.size * batch.size * 3).map(|i| (i[0] * 255.0).round() as usize).collect()
}

#[test]
fn every_epoch_holds_every_image_once_whatever_the_batch() {
    // 10 does not divide 37: batches straddle epochs.
    let mut loader = plain(37, 10, 5, 0);
    let stream: Vec<usize> = (0..37).flat_map(|s| numbers(&loader.batch_at(s, Scale::Full))).collect();
    let mut orders = Vec::new();
    for epoch in stream.chunks_exact(37) {
        let mut sorted = epoch.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..37).collect::<Vec<_>>());
        orders.push(epoch);
    }
    assert_eq!(orders.len(), 10);
    assert_ne!(orders[0], orders[1]);
    assert_ne!(orders[0], (0..37).collect::<Vec<_>>());
}

#[test]
fn a_batch_larger_than_the_data_set_is_completed_from_later_epochs() {
    let mut loader = plain(3, 8, 1, 0);
    let batch = loader.batch_at(0, Scale::Full);
    let mut sorted = numbers(&batch)[..6].to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 0, 1, 1, 2, 2]);
    assert_eq!(batch.labels.len(), 8);
}

#[test]
fn labels_belong_to_their_images() {
    let mut loader = plain(37, 10, 5, 0);
    for step in 0..8 {
        let batch = loader.batch_at(step, Scale::Half);
        let expected: Vec<u16> = numbers(&batch).iter().map(|n| (n % 3) as u16).collect();
        assert_eq!(batch.labels, expected);
    }
}

#[test]
fn a_step_depends_on_seed_task_and_step_only() {
    let make = |seed, task| Loader::new(numbered(37), 10, seed, task).unwrap();
    let mut straight = make(7, 1);
    let all: Vec<Batch> = (0..9).map(|s| straight.batch_at(s, Scale::Full)).collect();
    // Resumed in the middle, and walked backwards.
    let mut resumed = make(7, 1);
    for step in [6u64, 7, 8, 3, 2, 0] {
        assert_eq!(resumed.batch_at(step, Scale::Full), all[step as usize], "step {step}");
    }
    assert_ne!(make(8, 1).batch_at(0, Scale::Full), all[0]);
    assert_ne!(make(7, 0).batch_at(0, Scale::Full), all[0]);
}

#[test]
fn dirty_buffers_of_another_size_change_nothing() {
    let mut loader = Loader::new(numbered(37), 10, 7, 1).unwrap();
    let fresh = loader.batch_at(2, Scale::Half);
    let mut used = Batch { images: vec![9.0; 5000], labels: vec![2; 77], size: 3 };
    loader.fill(2, Scale::Half, &mut used);
    assert_eq!(used, fresh);
    assert_eq!((used.size, used.images.len()), (4, 10 * 4 * 4 * 3));
}

#[test]
fn an_empty_data_set_is_an_error() {
    assert!(matches!(Loader::new(numbered(0), 10, 7, 1), Err(DataError::Empty { .. })));
    assert!(matches!(Loader::new(numbered(3), 0, 7, 1), Err(DataError::Empty { .. })));
}

#[test]
fn prefetched_batches_are_those_of_the_loaders() {
    let make = |task| Loader::new(numbered(20 + task), 6, 3, task).unwrap();
    let scale_at = |step| if step < 9 { Scale::Half } else { Scale::Full };
    let mut prefetch = Prefetch::new(vec![make(0), make(1)], 5..14, scale_at).unwrap();
    let (mut first, mut second) = (make(0), make(1));
    for step in 5..14 {
        let batches = prefetch.next_step().unwrap();
        assert_eq!(batches.len(), 2);
        assert_eq!(batches[0], first.batch_at(step, scale_at(step)), "task 0, step {step}");
        assert_eq!(batches[1], second.batch_at(step, scale_at(step)), "task 1, step {step}");
        prefetch.recycle(batches);
    }
    assert!(prefetch.next_step().is_none());
    assert!(prefetch.next_step().is_none());
}

#[test]
fn waiting_is_counted_and_dropping_early_ends_the_thread() {
    let slow = |_| {
        std::thread::sleep(Duration::from_millis(30));
        Scale::Full
    };
    let mut prefetch = Prefetch::new(vec![plain(20, 6, 3, 0)], 0..1_000_000, slow).unwrap();
    assert_eq!(prefetch.waited(), Duration::ZERO);
    let batches = prefetch.next_step().unwrap();
    prefetch.recycle(batches);
    assert!(prefetch.waited() > Duration::ZERO);
    // Returns, although a million steps are outstanding and the channel is full.
    drop(prefetch);
}
